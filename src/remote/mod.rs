//! Typed messages between actors, wherever they run: a layer on frames.
//!
//! A [`Service`] is what a REPLY socket delivers to: routes from names to
//! recipients. A [`Call`] is what a REQUEST socket sends. Their envelope is
//! `framing::call`, and `docs/wire-format.md` for whoever speaks another language.

mod body;
mod broker;
pub(crate) mod call;
mod client;
mod clock;
mod name;
mod relay;
mod retry;
mod route;
mod service;
mod stats;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "internals"))]
pub(crate) mod trial;

pub(crate) use body::Sendable;
pub use body::{Bodies, FramesCall, Raw, Remote};
pub use broker::{AskBroker, Broker, BrokerBuilder, BrokerReport, StopBroker, WorkerReport};
pub use call::Call;
pub use client::{Client, RemoteRecipient};
pub use retry::Retry;
pub use route::Route;
pub use service::{Routed, Service};
pub use stats::{Info, Ping, RouteStats, ServiceInfo, ServiceStats, Stats};

/// The format of calls and services that name none: MessagePack, or else the
/// first codec that is compiled in.
#[cfg(feature = "messagepack")]
pub type DefaultFormat = crate::MessagePack;
/// The format of calls and services that name none: MessagePack, or else the
/// first codec that is compiled in.
#[cfg(all(feature = "json", not(feature = "messagepack")))]
pub type DefaultFormat = crate::Json;
