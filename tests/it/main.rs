//! What the crate promises, each promise a test with real sockets.
//!
//! The helpers are in `support`: every test runs under a deadline (`within`)
//! and ends with a shutdown that must succeed (`finish`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

mod bulk;
mod conformance;
mod delivery;
mod errors;
mod hostile;
mod interop;
mod interop_curve;
mod interop_pairs;
mod interop_remote;
mod latency;
mod linked;
mod lockstep;
mod monitor;
mod namespaces;
mod options;
mod overflow;
mod parity;
mod peers;
mod pipeline;
mod proxy;
mod pubsub;
mod pump;

mod regressions;
mod remote;
mod reqrep;
mod restart;
mod routed;
mod shutdown;
mod stream;
mod topology;
mod workers;
