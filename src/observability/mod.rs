//! What can be seen of sockets and services from outside: metrics, with the
//! feature of that name.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "metrics")]
mod table;

#[cfg(feature = "metrics")]
pub use metrics::Metrics;
