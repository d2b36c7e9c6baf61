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
pub(crate) mod trace;
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
pub use trace::Traced;

macro_rules! default_format {
    ($($condition:meta => $format:ty;)+) => {$(
        /// The format of calls and services that name none: MessagePack, or else
        /// JSON or Postcard, whichever is compiled in. Without any it is frames.
        #[cfg($condition)]
        pub type DefaultFormat = $format;
    )+};
}

default_format! {
    feature = "messagepack" => crate::MessagePack;
    all(feature = "json", not(feature = "messagepack")) => crate::Json;
    all(feature = "postcard", not(any(feature = "json", feature = "messagepack"))) => crate::Postcard;
    not(any(feature = "json", feature = "messagepack", feature = "postcard")) => no_format::NoFormat;
}

/// What stands where no format is compiled in: it writes and reads nothing.
#[cfg(not(any(feature = "json", feature = "messagepack", feature = "postcard")))]
mod no_format {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::codec::{CodecError, Format};

    /// No format: every value is an error. Enable `json`, `messagepack` or
    /// `postcard`, or name a format of your own.
    #[derive(Clone, Copy, Debug)]
    pub enum NoFormat {}

    impl Format for NoFormat {
        const NAME: &'static str = "none";

        fn write<T: Serialize + ?Sized>(_: &T, _: &mut Vec<u8>) -> Result<(), CodecError> {
            Err(CodecError::Framing("no format is compiled in".into()))
        }

        fn from_bytes<T: DeserializeOwned>(_: &[u8]) -> Result<T, CodecError> {
            Err(CodecError::Framing("no format is compiled in".into()))
        }
    }
}
