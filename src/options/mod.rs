//! Configuration values: what can be set, in which unit, with which default.

mod context;
mod flow;
mod socket;

pub(crate) use context::ContextOptions;
pub use flow::{Overflow, QueueLimits};
pub(crate) use socket::{OptionValue, SocketOptions, millis};
