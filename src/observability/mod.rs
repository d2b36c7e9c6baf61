//! What can be seen of sockets and services from outside: metrics, with the
//! feature of that name, and traces, which the feature `opentelemetry` carries
//! across the wire.
#![cfg_attr(
    all(feature = "metrics", feature = "opentelemetry", feature = "web"),
    doc = "",
    doc = include_str!("../../docs/observability.md")
)]

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "metrics")]
mod table;

#[cfg(feature = "metrics")]
pub use metrics::Metrics;
