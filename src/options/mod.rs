//! Configuration values: what can be set, in which unit, with which default.

mod context;
mod flow;
mod socket;
pub(crate) mod table;
mod value;

pub(crate) use context::{Bytes, ContextOptions, Time};
pub use flow::{Overflow, QueueLimits};
pub use socket::{Effect, OptionName, SocketOption, UnknownOption};
pub(crate) use socket::{SocketOptions, millis};
pub use value::GssapiName;
