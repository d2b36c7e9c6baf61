//! Values into frames and back: the typed layer over plain frames.
//!
//! A message's body is anything that [encodes](Encode) or [decodes](Decode)
//! itself. Frames, bytes and text do so as they are; [`Json`] and
//! [`MessagePack`] wrap a serde value, as actix-web's `Json` does, and so does
//! `Postcard`. A codec of your own is a newtype with [`Format`] and [`Codec`].

mod envelopes;
mod formats;
mod nesting;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};
use crate::multipart::{Frame, Multipart};
use crate::shield::shielded;

pub use envelopes::{OrRaw, Stamped};
#[cfg(feature = "json")]
pub use formats::Json;
#[cfg(feature = "messagepack")]
pub use formats::MessagePack;
#[cfg(feature = "postcard")]
pub use formats::Postcard;
pub use formats::{Codec, Format};
pub use nesting::{MAX_NESTING, nested};

/// Why a value could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The codec refused the value or the bytes.
    #[error("{codec}: {source}")]
    Value {
        /// The name of the codec.
        codec: &'static str,
        /// What the codec said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The body has another number of frames than the codec takes.
    #[error("{codec}: expected 1 frame, found {found}")]
    Frames {
        /// The name of the codec.
        codec: &'static str,
        /// How many frames the body has.
        found: usize,
    },
    /// Bytes are left over after the value.
    #[error("{codec}: bytes after the value")]
    Trailing {
        /// The name of the codec.
        codec: &'static str,
    },
    /// The envelope around the body is not what the pattern's framing says.
    #[error("framing: {0}")]
    Framing(Cow<'static, str>),
}

impl CodecError {
    /// What a codec says of a value or of bytes.
    pub fn value(
        codec: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Value { codec, source: Box::new(source) }
    }
}

/// Frames that could not be decoded, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode {} frames: {error}", frames.len())]
pub struct Undecodable {
    // Boxed, so that the rare case does not weigh on every result.
    frames: Box<Multipart>,
    #[source]
    error: CodecError,
}

impl Undecodable {
    /// Gives frames back that a codec could not decode.
    #[must_use]
    pub fn new(frames: Multipart, error: CodecError) -> Self {
        Self { frames: Box::new(frames), error }
    }

    /// Frames whose envelope is not as it should be.
    pub(crate) fn framing(frames: Multipart, why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(frames, CodecError::Framing(why.into()))
    }

    /// The frames, as they came.
    #[must_use]
    pub fn frames(&self) -> &Multipart {
        &self.frames
    }

    /// The frames, as they came.
    #[must_use]
    pub fn into_frames(self) -> Multipart {
        *self.frames
    }

    /// Why they could not be decoded.
    #[must_use]
    pub const fn error(&self) -> &CodecError {
        &self.error
    }
}

/// A body that can be sent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message body",
    label = "not frames, bytes or text, nor wrapped in a codec",
    note = "wrap a serde value: `Json(value)` or `MessagePack(value)`"
)]
pub trait Encode: Sized {
    /// Turns the body into frames.
    ///
    /// # Errors
    /// What the codec says of a value that it cannot represent.
    fn encode(self) -> Result<Multipart, CodecError>;

    /// Whether it runs no code but this crate's, so that it need not be shielded.
    #[doc(hidden)]
    const IS_PLAIN: bool = false;
}

/// A body that can be received.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be decoded from frames",
    note = "receive `Multipart`, or wrap a serde type: `Json<T>` or `MessagePack<T>`"
)]
pub trait Decode: Sized + 'static {
    /// Turns frames into the body.
    ///
    /// # Errors
    /// [`Undecodable`] with the frames, untouched.
    fn decode(frames: Multipart) -> Result<Self, Undecodable>;
}

impl<C> Encode for C
where
    C: Codec,
    C::Value: Serialize,
{
    #[inline]
    fn encode(self) -> Result<Multipart, CodecError> {
        Ok(Frame::written(|bytes| C::Format::write(self.value(), bytes))?.into())
    }
}

impl<C> Decode for C
where
    C: Codec,
    C::Value: DeserializeOwned,
{
    #[inline]
    fn decode(frames: Multipart) -> Result<Self, Undecodable> {
        let [frame] = &frames[..] else {
            let error = CodecError::Frames { codec: C::Format::NAME, found: frames.len() };
            return Err(Undecodable::new(frames, error));
        };
        match C::Format::from_bytes(frame) {
            Ok(value) => Ok(C::wrap(value)),
            Err(error) => Err(Undecodable::new(frames, error)),
        }
    }
}

impl Decode for Multipart {
    #[inline]
    fn decode(frames: Multipart) -> Result<Self, Undecodable> {
        Ok(frames)
    }
}

impl Decode for Frame {
    /// Takes exactly one frame.
    #[inline]
    fn decode(frames: Multipart) -> Result<Self, Undecodable> {
        if frames.len() == 1 {
            return Ok(frames.into_first());
        }
        let error = CodecError::Frames { codec: "frame", found: frames.len() };
        Err(Undecodable::new(frames, error))
    }
}

macro_rules! encode_as_frames {
    ($($body:ty),+) => {
        $(impl Encode for $body {
            const IS_PLAIN: bool = true;

            #[inline]
            fn encode(self) -> Result<Multipart, CodecError> {
                Ok(self.into())
            }
        })+
    };
}

encode_as_frames!(Multipart, Frame, Bytes, Vec<u8>, String, &str, &[u8], Vec<Frame>);

impl<F: Into<Frame>, const N: usize> Encode for [F; N] {
    #[inline]
    fn encode(self) -> Result<Multipart, CodecError> {
        Ok(self.into())
    }
}

/// Encodes a user's value, whatever its encoder does.
#[inline]
pub(crate) fn encoded<B: Encode>(body: B) -> Result<Multipart, Error> {
    let encoded = if B::IS_PLAIN {
        body.encode()
    } else {
        shielded(|| body.encode())
            .map_err(|text| Error::new(ErrorKind::Encode).detail(format!("panicked: {text}")))?
    };
    encoded.map_err(|error| {
        let text = error.to_string();
        Error::new(ErrorKind::Encode).detail(text).caused_by(error)
    })
}

#[cfg(test)]
mod tests;
