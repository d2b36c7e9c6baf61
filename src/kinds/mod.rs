//! What is a PUB? Zero-size markers, and the capabilities that they have.
//!
//! A socket type is a choice of parts: `Socket<K>` with a marker `K` from this
//! room. A capability trait says which messages are legal; sending another
//! does not compile.

mod pair;
mod pipeline;
mod pubsub;
mod reqrep;
mod routed;
mod stream;

use std::fmt;

pub use pair::Pair;
pub use pipeline::{Pull, Push};
pub use pubsub::{Pub, Sub, XPub, XSub};
pub use reqrep::{Rep, Reply, Req, Request};
pub use routed::{Dealer, Router};
pub use stream::Stream;

/// The socket types of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketType {
    /// [`PubSocket`](crate::PubSocket), a ZeroMQ PUB.
    Pub,
    /// [`SubSocket`](crate::SubSocket), a ZeroMQ SUB.
    Sub,
    /// [`PushSocket`](crate::PushSocket), a ZeroMQ PUSH.
    Push,
    /// [`PullSocket`](crate::PullSocket), a ZeroMQ PULL.
    Pull,
    /// [`RequestSocket`](crate::RequestSocket), a ZeroMQ DEALER that correlates.
    Request,
    /// [`ReplySocket`](crate::ReplySocket), a ZeroMQ ROUTER that keeps routes.
    Reply,
    /// [`ReqSocket`](crate::ReqSocket), a ZeroMQ REQ: in lock-step.
    Req,
    /// [`RepSocket`](crate::RepSocket), what a ZeroMQ REP does: in lock-step.
    Rep,
    /// [`DealerSocket`](crate::DealerSocket), a ZeroMQ DEALER as it is.
    Dealer,
    /// [`RouterSocket`](crate::RouterSocket), a ZeroMQ ROUTER as it is.
    Router,
    /// [`PairSocket`](crate::PairSocket), a ZeroMQ PAIR.
    Pair,
    /// [`XPubSocket`](crate::XPubSocket), a ZeroMQ XPUB.
    XPub,
    /// [`XSubSocket`](crate::XSubSocket), a ZeroMQ XSUB.
    XSub,
    /// [`StreamSocket`](crate::StreamSocket), a ZeroMQ STREAM.
    Stream,
    /// A [`Proxy`](crate::Proxy), which is two sockets.
    Proxy,
}

impl SocketType {
    /// All of them, but for the proxy.
    pub const ALL: &[Self] = &[
        Self::Pub,
        Self::Sub,
        Self::Push,
        Self::Pull,
        Self::Request,
        Self::Reply,
        Self::Req,
        Self::Rep,
        Self::Dealer,
        Self::Router,
        Self::Pair,
        Self::XPub,
        Self::XSub,
        Self::Stream,
    ];

    /// Whether sending is what such a socket is for.
    pub(crate) const fn sends(self) -> bool {
        match self {
            Self::Pub
            | Self::Push
            | Self::Request
            | Self::Reply
            | Self::Req
            | Self::Rep
            | Self::Dealer
            | Self::Router
            | Self::Pair
            | Self::XPub
            | Self::Stream => true,
            // What it moves, others send and receive.
            Self::Sub | Self::XSub | Self::Pull | Self::Proxy => false,
        }
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Push => "PUSH",
            Self::Pull => "PULL",
            Self::Request => "REQUEST",
            Self::Reply => "REPLY",
            Self::Req => "REQ",
            Self::Rep => "REP",
            Self::Dealer => "DEALER",
            Self::Router => "ROUTER",
            Self::Pair => "PAIR",
            Self::XPub => "XPUB",
            Self::XSub => "XSUB",
            Self::Stream => "STREAM",
            Self::Proxy => "PROXY",
        })
    }
}

/// A socket type. Sealed: the types are those of ZeroMQ.
pub trait Kind: sealed::Sealed + fmt::Debug + Unpin + 'static {
    /// Which one.
    const TYPE: SocketType;
}

mod sealed {
    pub trait Sealed {}
}

/// Sends to everyone who subscribed: [`Publish`](crate::Publish).
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket does not publish",
    label = "only PUB and XPUB take `Publish`",
    note = "open a `PubSocket` for this"
)]
pub trait Publishes: Kind {}

/// Chooses topics: [`Subscribe`](crate::Subscribe), [`Unsubscribe`](crate::Unsubscribe).
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket does not subscribe",
    label = "only SUB and XSUB take `Subscribe` and `Unsubscribe`",
    note = "open a `SubSocket` for this"
)]
pub trait Subscribes: Kind {}

/// Sends to one of its peers in turn: [`Push`](crate::Push).
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket does not push",
    label = "only PUSH takes `Push`",
    note = "open a `PushSocket` for this"
)]
pub trait Sends: Kind {}

/// Sends to whichever peer is next, and receives: [`SendMessage`](crate::SendMessage).
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket takes no `SendMessage`",
    label = "only DEALER, PAIR and XSUB take `SendMessage`",
    note = "open a `DealerSocket` or a `PairSocket` for this"
)]
pub trait Exchanges: Receives {
    /// Whether libzmq would take a frame that begins with 0 or 1 for something else.
    #[doc(hidden)]
    const UPSTREAM: bool = false;
}

/// Sends to the peer that is named: [`SendTo`](crate::SendTo).
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket does not send to a peer by its routing id",
    label = "only ROUTER and STREAM take `SendTo`",
    note = "open a `RouterSocket` for this"
)]
pub trait Routes: Receives {
    /// How many frames a body has; nothing where it may have any number.
    #[doc(hidden)]
    const FRAMES: Option<usize> = None;
}

/// Sends requests and correlates their replies: [`Request`](crate::Request).
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket does not send requests",
    label = "only REQUEST and REQ take `Request`",
    note = "open a `RequestSocket` for this"
)]
pub trait Requests: Kind {}

/// Hands messages to a receiver.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket delivers nothing",
    label = "PUB, PUSH, REQUEST and REQ have no receiver"
)]
pub trait Receives: Kind {
    /// What a message of this socket is, as frames.
    type Delivery: Send + 'static;
}

/// Answers requests through [`IncomingRequest`](crate::IncomingRequest).
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket does not answer requests",
    note = "open a `ReplySocket` for this"
)]
pub trait Replies: Receives {}

/// Accepts messages to send, so it has an outbound queue.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket sends nothing, so it has no outbound queue",
    label = "SUB and PULL only receive"
)]
pub trait Queues: Kind {}
