//! What is between the header of a call and its message.

use std::borrow::Cow;

use actix::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::name::wire_name;
use crate::codec::{CodecError, Format, Undecodable};
use crate::framing::call::RAW;
use crate::multipart::{Frame, Multipart};

/// A message that crosses the wire, and whose result comes back.
///
/// There is nothing to implement: any Actix message is one that serde reads and
/// writes, and whose result it does. `Result<T, E>` carries its error across.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called over the wire",
    note = "it needs `actix::Message`, `serde::Serialize` and `serde::Deserialize`, and its result the latter two"
)]
pub trait Remote:
    Message<Result: Serialize + DeserializeOwned + Send + 'static>
    + Serialize
    + DeserializeOwned
    + Send
    + 'static
{
    /// The name that the type goes by on the wire, unless a [`Route`](crate::Route)
    /// and a [`Call`](crate::Call) say another: what serde calls it, which
    /// `#[serde(rename = "…")]` sets, and where serde has no name for it, its
    /// own without the path. Moving the type to another module changes nothing.
    ///
    /// # Examples
    /// ```
    /// use actix_zmq::Remote;
    /// use actix::Message;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Message, Serialize, Deserialize)]
    /// #[rtype(result = "i64")]
    /// struct Add(i64, i64);
    ///
    /// #[derive(Message, Serialize, Deserialize)]
    /// #[rtype(result = "Result<f64, String>")]
    /// #[serde(rename = "math.divide")]
    /// struct Divide { a: f64, b: f64 }
    ///
    /// assert_eq!(Add::wire_name(), "Add");
    /// assert_eq!(Divide::wire_name(), "math.divide");
    /// ```
    #[must_use]
    fn wire_name() -> Cow<'static, str> {
        wire_name::<Self>()
    }
}

impl<M> Remote for M
where
    M: Message + Serialize + DeserializeOwned + Send + 'static,
    M::Result: Serialize + DeserializeOwned + Send + 'static,
{
}

/// A message that may go to another thread, and its result come back.
pub trait Sendable: Message<Result: Send> + Send + 'static {}

impl<M: Message<Result: Send> + Send + 'static> Sendable for M {}

/// How a message and its result are bodies: a [`Format`] for what serde knows,
/// and [`Raw`] for [`Frames`](crate::FramesCall). Sealed.
pub trait Bodies<M: Message>: 'static {
    #[doc(hidden)]
    const CODEC: &'static str;

    #[doc(hidden)]
    fn name() -> Cow<'static, str>;

    #[doc(hidden)]
    fn read(body: Multipart) -> Result<M, Undecodable>;

    #[doc(hidden)]
    fn write(message: &M) -> Result<Multipart, CodecError>;

    #[doc(hidden)]
    fn read_result(body: Multipart) -> Result<M::Result, Undecodable>;

    #[doc(hidden)]
    fn write_result(result: &M::Result) -> Result<Multipart, CodecError>;
}

impl<F: Format, M: Remote> Bodies<M> for F {
    const CODEC: &'static str = F::NAME;

    fn name() -> Cow<'static, str> {
        M::wire_name()
    }

    fn read(body: Multipart) -> Result<M, Undecodable> {
        value::<F, _>(body)
    }

    fn write(message: &M) -> Result<Multipart, CodecError> {
        Ok(Frame::written(|bytes| F::write(message, bytes))?.into())
    }

    fn read_result(body: Multipart) -> Result<M::Result, Undecodable> {
        value::<F, _>(body)
    }

    fn write_result(result: &M::Result) -> Result<Multipart, CodecError> {
        Ok(Frame::written(|bytes| F::write(result, bytes))?.into())
    }
}

/// The value that the one frame of a body is.
pub(crate) fn value<F: Format, T: DeserializeOwned>(body: Multipart) -> Result<T, Undecodable> {
    let read = match &body[..] {
        [frame] => F::from_bytes(frame),
        frames => Err(CodecError::Frames { codec: F::NAME, found: frames.len() }),
    };
    read.map_err(|error| Undecodable::new(body, error))
}

/// Frames as they are, for those who encode by themselves: the codec of a
/// [`FramesCall`].
#[derive(Clone, Copy, Debug)]
pub enum Raw {}

/// A call whose body and result are frames. On the wire its codec is `raw`.
///
/// # Examples
/// ```
/// use actix::prelude::*;
/// use actix_zmq::{FramesCall, Multipart, Route, Service};
///
/// fn service(thumbnails: Recipient<FramesCall>) -> Service {
///     Service::new("images")
///         .route(Route::frames("thumbnail", thumbnails))
///         .route(Route::frames_inline("reverse", |FramesCall(frames): FramesCall| {
///             frames.into_iter().rev().collect::<Multipart>()
///         }))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramesCall(pub Multipart);

impl Message for FramesCall {
    type Result = Multipart;
}

impl Bodies<FramesCall> for Raw {
    const CODEC: &'static str = RAW;

    fn name() -> Cow<'static, str> {
        // Whoever makes one gives it a name.
        Cow::Borrowed("")
    }

    fn read(body: Multipart) -> Result<FramesCall, Undecodable> {
        Ok(FramesCall(body))
    }

    fn write(message: &FramesCall) -> Result<Multipart, CodecError> {
        Ok(message.0.clone())
    }

    fn read_result(body: Multipart) -> Result<Multipart, Undecodable> {
        Ok(body)
    }

    fn write_result(result: &Multipart) -> Result<Multipart, CodecError> {
        Ok(result.clone())
    }
}
