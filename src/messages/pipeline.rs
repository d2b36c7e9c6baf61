//! PUSH and PULL.

use actix::Message;

use crate::codec::{Decode, Undecodable};
use crate::deliver::{Delivery, OneWay};
use crate::error::Result;
use crate::multipart::Multipart;

/// Sends a message to one of the PULL peers.
///
/// The body is frames, bytes, text, or a value in a codec: `Push(Json(job))`.
/// Resolves when libzmq has accepted the message, not when a peer has it.
///
/// # Errors
/// All give the encoded body back: [`Full`](crate::ErrorKind::Full) and
/// [`Dropped`](crate::ErrorKind::Dropped) by the overflow policy,
/// [`Closed`](crate::ErrorKind::Closed), [`InvalidMessage`](crate::ErrorKind::InvalidMessage)
/// for a body without frames. [`Encode`](crate::ErrorKind::Encode) has no frames to give.
///
/// # Cancel safety
/// Dropping the future does not take the message back once the socket has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push<B = Multipart>(pub B);

impl<B: 'static> Message for Push<B> {
    type Result = Result<()>;
}

/// A message that a PULL socket received: always the whole list of frames,
/// also for a single one, or a value decoded from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled<B = Multipart>(pub B);

impl<B: 'static> Message for Pulled<B> {
    type Result = ();
}

impl<B: Decode + Send> Delivery for Pulled<B> {
    type Raw = Pulled;

    #[inline]
    fn from_raw(raw: Pulled) -> std::result::Result<Self, Undecodable> {
        B::decode(raw.0).map(Self)
    }
}

impl OneWay for Pulled {
    #[inline]
    fn into_body(self) -> Multipart {
        self.0
    }
}
