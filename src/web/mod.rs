//! Calls from actix-web's handlers, failures as responses, and health for probes.
//!
#![doc = include_str!("../../docs/web.md")]

mod health;
mod page;
mod problem;
mod serve;
mod table;

pub use health::Health;
pub use page::Dashboard;
pub use problem::Problem;
pub use serve::{Ending, HttpEnd, Reason, Serve, Served};
