//! ZeroMQ sockets as Actix actors: typed, supervised, bounded, and safe to shut down.
//!
//! Every socket is an actor that owns its libzmq socket. You send it plain
//! Actix messages ([`Publish`], [`Push`], [`Request`]…), and it delivers what
//! arrives to your actors or closures. A [`Factory`] actor owns the context,
//! opens the sockets, and ends them all with a deadline and a report.
//!
//! ```
//! use actix_zmq::prelude::*;
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Add(i32, i32);
//!
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let zmq = Factory::builder().start();
//!
//!     // A server, answering inline.
//!     zmq.send(Open(ReplySocket::bind("inproc://adder").on_message(
//!         |request: IncomingRequest<Json<Add>>| {
//!             let Json(Add(a, b)) = request.body;
//!             let _ = request.responder.reply(Json(a + b));
//!         },
//!     )))
//!     .await??;
//!
//!     // A client, with a timeout for every request.
//!     let adder = RequestSocket::connect("inproc://adder").timeout(Duration::from_secs(2));
//!     let adder = zmq.send(Open(adder)).await??;
//!     let Json(sum) = adder.send(Request::new(Json(Add(1, 2))).expect::<Json<i32>>()).await??;
//!     assert_eq!(sum, 3);
//!
//!     let report = zmq.send(Shutdown::within(Duration::from_secs(5))).await?;
//!     assert!(report.is_clean());
//!     Ok(())
//! }
//! ```
//!
//! # When to use which
//!
//! | You want | Sockets | You send | You receive |
//! |---|---|---|---|
//! | everyone who cares to hear it | [`PubSocket`] or [`XPubSocket`] → [`SubSocket`] or [`XSubSocket`] | [`Publish`] | [`TopicMessage`] |
//! | one of many workers to do it | [`PushSocket`] → [`PullSocket`] | [`Push`] | [`Pulled`] |
//! | an answer | [`RequestSocket`] → [`ReplySocket`] | [`Request`] | [`IncomingRequest`] |
//! | an answer, one at a time | [`ReqSocket`] → [`RepSocket`] | [`Request`] | [`IncomingRequest`] |
//! | to route by yourself | [`DealerSocket`] ↔ [`RouterSocket`] | [`SendMessage`], [`SendTo`] | [`Received`], [`ReceivedFrom`] |
//! | a TCP peer without ZeroMQ | [`StreamSocket`] | [`SendTo`] | [`ReceivedFrom`] |
//! | one other, and nobody else | [`PairSocket`] ↔ [`PairSocket`] | [`SendMessage`] | [`Received`] |
//! | to join many to many | [`Proxy`]: queue, forwarder, streamer | [`OpenProxy`], [`Pause`], [`Resume`] | [`Captured`], [`Statistics`] |
//! | sockets from a TOML, YAML or JSON file | [`Topology`] | [`Open`] of its blueprints | |
//!
//! [`Many`] sends any number of messages at once, [`Feed`] what a stream yields.
//! A publisher waits for its subscribers with [`WaitSubscribers`], and any socket
//! for its peers with [`WaitConnected`]. What libzmq lets one set is a
//! [`SocketOption`] each.
//!
//! Behind HTTP, the feature `web` makes responses of failures, and tells probes
//! how the sockets are: see `actix_zmq::web`.
//!
//! Every socket tells how it is ([`Status`]); metrics for Prometheus and others,
//! and traces across processes, are in [`observability`].
//!
//! # What is promised
//!
//! - A send resolves when libzmq has *accepted* the message. What is not
//!   accepted is given back in the [`Error`], counted, or announced as an event.
//! - Every request ends exactly once.
//! - Every queue has a bound, and every wait that you give an end to has one.
//! - Nothing here blocks a thread that runs actors, and no input panics.
//!
//! The details, message by message, are in `docs/semantics.md` of the repository,
//! every option in `docs/options.md`.
//!
//! # What it does not do
//!
//! It does not make ZeroMQ reliable: accepted is not delivered. A peer that
//! dies takes what libzmq had queued for it along; a publication that nobody
//! has subscribed to is gone. Use requests with timeouts where you must know.
//!
//! It runs on Unix, in actix's or tokio's single-threaded local tasks.

#[cfg(not(unix))]
compile_error!("actix-zmq watches libzmq's file descriptor, which needs a Unix system");

mod actors;
mod blueprint;
pub mod codec;
mod counters;
mod deliver;
mod endpoint;
mod engine;
mod error;
mod framing;
#[cfg(test)]
mod fuzz;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod keys;
pub mod kinds;
mod latency;
mod messages;
mod multipart;
pub mod observability;
mod options;
pub mod prelude;
mod remote;
mod shield;
mod sys;
mod tally;
mod topic;
mod topology;
#[cfg(feature = "web")]
pub mod web;

pub use actors::{
    DealerSocket, Factory, FactoryBuilder, PairSocket, Pattern, Proxy, ProxyBlueprint, PubSocket,
    PullSocket, PushSocket, Receiving, RepSocket, ReplySocket, ReqSocket, RequestSocket,
    RouterSocket, Socket, StreamSocket, SubSocket, XPubSocket, XSubSocket,
};
pub use blueprint::Blueprint;
#[cfg(feature = "json")]
pub use codec::Json;
#[cfg(feature = "messagepack")]
pub use codec::MessagePack;
#[cfg(feature = "postcard")]
pub use codec::Postcard;
pub use codec::{OrRaw, Stamped};
pub use counters::Counter;
pub use deliver::{Batch, BatchIter, Delivery, IntoReceiver, OneWay, Receiver, Values};
pub use endpoint::{Endpoint, EndpointError, IntoEndpoint, Transport};
pub use engine::backoff::RestartPolicy;
pub use error::{Error, ErrorKind, Result};
pub use framing::TopicFraming;
pub use keys::{CurveKeyPair, CurvePublicKey, CurveSecretKey, Secret};
pub use kinds::SocketType;
pub use latency::Latency;
pub use messages::{
    Admission, Bind, Captured, Close, Connect, ConnectAs, ConnectionChange, ConnectionEvent, Count,
    Disconnect, Ended, EndpointStatus, EventKind, Feed, GetOption, HandshakeFailure,
    IncomingRequest, Many, Open, OpenProxy, Pause, ProxyStatistics, Publish, Pulled, Push,
    Received, ReceivedFrom, Request, Responder, Restart, Resume, SendMessage, SendTo, SetOption,
    Shutdown, ShutdownReport, SideStatistics, SocketEvent, SocketId, SocketReport, SocketState,
    SocketStatus, Statistics, Status, Subscribe, Subscription, TopicMessage, Unbind, Unsent,
    Unsubscribe, WaitConnected, WaitSubscribers, Watch,
};
pub use multipart::{Frame, Frames, Multipart};
pub use options::{
    Effect, GssapiName, OptionName, Overflow, QueueLimits, SocketOption, UnknownOption,
};
pub use remote::{
    AskBroker, Bodies, Broker, BrokerBuilder, BrokerReport, Call, Client, DefaultFormat,
    FramesCall, Info, Ping, Raw, Remote, RemoteRecipient, Retry, Route, RouteStats, Routed,
    Service, ServiceInfo, ServiceStats, Stats, StopBroker, Traced, WorkerReport,
};
pub use topic::Topic;
pub use topology::Topology;

/// The version of the libzmq that is linked: major, minor, patch.
#[must_use]
pub fn libzmq_version() -> (i32, i32, i32) {
    sys::version()
}

/// The examples in the README and in `docs`, which run as doctests.
#[cfg(doctest)]
#[doc(hidden)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/semantics.md")]
    mod semantics {}
    #[doc = include_str!("../docs/options.md")]
    mod options {}
    #[doc = include_str!("../docs/from-txzmq.md")]
    mod from_txzmq {}
}
