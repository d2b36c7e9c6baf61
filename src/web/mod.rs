//! Calls from actix-web's handlers, failures as responses, and health for probes.
//!
#![doc = include_str!("../../docs/web.md")]

mod health;
mod problem;
mod serve;
mod table;

pub use health::Health;
pub use problem::Problem;
pub use serve::{Ending, HttpEnd, Reason, Serve, Served};
