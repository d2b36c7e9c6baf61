//! Calls from actix-web's handlers, failures as responses, bridges to browsers,
//! and health for probes.
//!
#![doc = include_str!("../../docs/web.md")]

mod broadcast;
mod door;
mod feed;
mod frames;
mod health;
mod intake;
mod page;
mod pour;
mod problem;
mod serve;
mod sse;
mod stalled;
mod table;
mod websocket;

pub use broadcast::{Broadcast, BroadcastBuilder, BroadcastStats, Event, Slow};
pub use health::Health;
pub use intake::Intake;
pub use page::Dashboard;
pub use problem::Problem;
pub use serve::{Ending, HttpEnd, Reason, Serve, Served};
pub use stalled::drop_stalled;
