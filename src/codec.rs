//! Values into frames and back: the typed layer over plain frames.
//!
//! A message's body is anything that [encodes](Encode) or [decodes](Decode)
//! itself. Frames, bytes and text do so as they are; [`Json`] and
//! [`MessagePack`] wrap a serde value, as actix-web's `Json` does. A codec of
//! your own is a newtype with [`Codec`].

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};
use crate::multipart::{Frame, Multipart};
use crate::shield::shielded;

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
    /// The envelope around the body is not what the pattern's framing says.
    #[error("framing: {0}")]
    Framing(&'static str),
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
    pub(crate) fn framing(frames: Multipart, why: &'static str) -> Self {
        Self::new(frames, CodecError::Framing(why))
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

/// A newtype that carries one serde value in one frame.
///
/// Implementing it gives [`Encode`] and [`Decode`]. Codecs carry data only:
/// decoding must not run anything that the bytes name.
pub trait Codec: Sized + 'static {
    /// The wrapped value.
    type Value;
    /// The codec's name, for errors.
    const NAME: &'static str;

    /// Wraps a value.
    fn wrap(value: Self::Value) -> Self;

    /// The wrapped value.
    fn into_value(self) -> Self::Value;

    /// Writes the value.
    ///
    /// # Errors
    /// What the format says of a value that it cannot represent.
    fn to_bytes(&self) -> Result<Vec<u8>, CodecError>
    where
        Self::Value: Serialize;

    /// Reads a value.
    ///
    /// # Errors
    /// What the format says of bytes that it cannot read.
    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError>
    where
        Self::Value: DeserializeOwned;
}

/// A body in JSON (RFC 8259), in one frame.
///
/// # Examples
/// ```
/// use actix_zmq::{Json, codec::{Decode, Encode}};
///
/// let frames = Json(vec![1, 2]).encode()?;
/// assert_eq!(frames[0], "[1,2]");
/// let Json(back) = Json::<Vec<i32>>::decode(frames)?;
/// assert_eq!(back, [1, 2]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

/// A body in MessagePack, in one frame; structs as maps with their field names,
/// so that programs in other languages read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessagePack<T>(pub T);

/// How deep values may nest: serde_json's own limit, for both codecs. Without
/// one a peer's message could exhaust the stack, which aborts the process.
const MAX_DEPTH: usize = 128;

fn value_error(
    codec: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> CodecError {
    CodecError::Value { codec, source: Box::new(source) }
}

impl<T: 'static> Codec for Json<T> {
    type Value = T;
    const NAME: &'static str = "json";

    fn wrap(value: T) -> Self {
        Self(value)
    }

    fn into_value(self) -> T {
        self.0
    }

    fn to_bytes(&self) -> Result<Vec<u8>, CodecError>
    where
        T: Serialize,
    {
        serde_json::to_vec(&self.0).map_err(|error| value_error(Self::NAME, error))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError>
    where
        T: DeserializeOwned,
    {
        serde_json::from_slice(bytes).map(Self).map_err(|error| value_error(Self::NAME, error))
    }
}

impl<T: 'static> Codec for MessagePack<T> {
    type Value = T;
    const NAME: &'static str = "messagepack";

    fn wrap(value: T) -> Self {
        Self(value)
    }

    fn into_value(self) -> T {
        self.0
    }

    fn to_bytes(&self) -> Result<Vec<u8>, CodecError>
    where
        T: Serialize,
    {
        rmp_serde::to_vec_named(&self.0).map_err(|error| value_error(Self::NAME, error))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError>
    where
        T: DeserializeOwned,
    {
        let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
        reader.set_max_depth(MAX_DEPTH);
        T::deserialize(&mut reader).map(Self).map_err(|error| value_error(Self::NAME, error))
    }
}

impl<C> Encode for C
where
    C: Codec,
    C::Value: Serialize,
{
    #[inline]
    fn encode(self) -> Result<Multipart, CodecError> {
        Ok(self.to_bytes()?.into())
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
            let error = CodecError::Frames { codec: C::NAME, found: frames.len() };
            return Err(Undecodable::new(frames, error));
        };
        match C::from_bytes(frame) {
            Ok(value) => Ok(value),
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
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Price {
        symbol: String,
        cents: i64,
        tags: Vec<Option<u8>>,
    }

    proptest! {
        #[test]
        fn decode_of_encode_is_the_value(
            symbol in ".*", cents: i64, tags in prop::collection::vec(any::<Option<u8>>(), 0..5),
        ) {
            let price = Price { symbol, cents, tags };
            let frames = Json(price.clone()).encode()?;
            prop_assert_eq!(Json::<Price>::decode(frames)?.0, price.clone());
            let frames = MessagePack(price.clone()).encode()?;
            prop_assert_eq!(MessagePack::<Price>::decode(frames)?.0, price);
        }

        #[test]
        fn garbage_is_given_back_and_never_panics(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
        ) {
            let frames: Multipart = frames.into_iter().collect();
            if let Err(undecodable) = Json::<Price>::decode(frames.clone()) {
                prop_assert_eq!(undecodable.into_frames(), frames.clone());
            }
            if let Err(undecodable) = MessagePack::<Price>::decode(frames.clone()) {
                prop_assert_eq!(undecodable.into_frames(), frames);
            }
        }
    }

    #[test]
    fn deeply_nested_json_is_an_error() {
        let bomb: Multipart = "[".repeat(100_000).into();
        assert!(Json::<serde_json::Value>::decode(bomb).is_err());
        let bomb: Multipart = vec![0x91_u8; 100_000].into();
        assert!(MessagePack::<serde_json::Value>::decode(bomb).is_err());
    }
}
