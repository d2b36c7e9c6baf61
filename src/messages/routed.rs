//! DEALER, ROUTER and PAIR.

use actix::Message;

use crate::codec::{Decode, Undecodable};
use crate::deliver::{Delivery, OneWay};
use crate::error::Result;
use crate::multipart::{Frame, Multipart};

/// Sends a message to the peer whose turn it is; of a PAIR, to the peer; of an
/// XSUB, upstream to every publisher, of which XPUB hears it. An XSUB refuses
/// frames that begin with a byte 0 or 1, which libzmq takes for subscriptions.
///
/// Resolves when libzmq has accepted the message, not when the peer has it.
///
/// # Errors
/// As [`Push`](super::Push).
///
/// # Cancel safety
/// Dropping the future does not take the message back once the socket has it.
///
/// # Examples
/// ```
/// use actix_zmq::{Json, SendMessage};
///
/// let frames = SendMessage(["", "hello"]);
/// let typed = SendMessage(Json(("add", 1, 2)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendMessage<B = Multipart>(pub B);

impl<B: 'static> Message for SendMessage<B> {
    type Result = Result<()>;
}

/// A message that a DEALER or PAIR socket received: its frames, or a value
/// decoded from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<B = Multipart>(pub B);

impl<B: 'static> Message for Received<B> {
    type Result = ();
}

impl<B: Decode + Send> Delivery for Received<B> {
    type Raw = Received;

    #[inline]
    fn from_raw(raw: Received) -> std::result::Result<Self, Undecodable> {
        B::decode(raw.0).map(Self)
    }
}

impl OneWay for Received {
    #[inline]
    fn into_body(self) -> Multipart {
        self.0
    }
}

/// Sends a message to one peer of a ROUTER, by its routing id.
///
/// The socket is mandatory (`ZMQ_ROUTER_MANDATORY`): what cannot be sent is
/// given back, and a peer that is full holds up nobody else.
///
/// # Errors
/// [`Unroutable`](crate::ErrorKind::Unroutable) when no such peer is
/// connected, [`PeerFull`](crate::ErrorKind::PeerFull) when it is at its
/// high-water mark and the overflow policy does not let the message wait, both
/// with the peer and the encoded body;
/// [`InvalidMessage`](crate::ErrorKind::InvalidMessage) for an empty routing id
/// or a body without frames; otherwise as [`Push`](super::Push).
///
/// # Cancel safety
/// Dropping the future does not take the message back once the socket has it.
///
/// # Examples
/// ```
/// use actix_zmq::{ReceivedFrom, SendTo};
///
/// fn answer(received: ReceivedFrom) -> SendTo {
///     SendTo { peer: received.peer, body: received.body }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendTo<B = Multipart> {
    /// The peer's routing id, 1 to 255 bytes.
    pub peer: Frame,
    /// What it is sent.
    pub body: B,
}

impl<B> SendTo<B> {
    /// A message to a peer.
    pub fn new(peer: impl Into<Frame>, body: B) -> Self {
        Self { peer: peer.into(), body }
    }
}

impl<B: 'static> Message for SendTo<B> {
    type Result = Result<()>;
}

/// A message that a ROUTER socket received, with the peer that sent it.
///
/// A peer without a routing id of its own has one that libzmq made for this
/// connection: five bytes, of which the first is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrom<B = Multipart> {
    /// The peer's routing id.
    pub peer: Frame,
    /// What it sent: all frames after the routing id, or a value decoded from them.
    pub body: B,
}

impl<B: 'static> Message for ReceivedFrom<B> {
    type Result = ();
}

impl<B: Decode + Send> Delivery for ReceivedFrom<B> {
    type Raw = ReceivedFrom;

    #[inline]
    fn from_raw(raw: ReceivedFrom) -> std::result::Result<Self, Undecodable> {
        Ok(Self { peer: raw.peer, body: B::decode(raw.body)? })
    }
}

impl OneWay for ReceivedFrom {
    #[inline]
    fn into_body(self) -> Multipart {
        self.body
    }
}
