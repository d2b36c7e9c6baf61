//! The formats that serde values are written in, each with its newtype.

use serde::Serialize;
use serde::de::DeserializeOwned;
#[cfg(feature = "messagepack")]
use serde::de::{Deserializer, Visitor};

use super::CodecError;

/// A format that any serde value can be written in.
///
/// Formats carry data only: reading must not run anything that the bytes name,
/// and must bound how deep it recurses (see [`nested`](super::nested)).
///
/// # Examples
/// A codec of one's own, here of text, is a newtype with `Format` for the type
/// as it is named alone, and [`Codec`] for each value:
///
/// ```
/// use actix_zmq::codec::{Codec, CodecError, Format};
/// use actix_zmq::{Publish, SubSocket};
/// use serde::{Serialize, de::DeserializeOwned};
///
/// struct Pretty<T = ()>(pub T);
///
/// impl Format for Pretty {
///     const NAME: &'static str = "pretty";
///
///     fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
///         serde_json::to_writer_pretty(bytes, value)
///             .map_err(|error| CodecError::value(Self::NAME, error))
///     }
///
///     fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
///         serde_json::from_slice(bytes).map_err(|error| CodecError::value(Self::NAME, error))
///     }
/// }
///
/// impl<T: 'static> Codec for Pretty<T> {
///     type Value = T;
///     type Format = Pretty;
///
///     fn wrap(value: T) -> Self { Self(value) }
///     fn value(&self) -> &T { &self.0 }
///     fn into_value(self) -> T { self.0 }
/// }
///
/// let publish = Publish::new("prices", Pretty(vec![1, 2]));
/// ```
pub trait Format: 'static {
    /// The format's name, in errors and in the envelope of a
    /// [`Call`](crate::Call): ASCII, 1 to 32 bytes.
    const NAME: &'static str;

    /// Writes a value behind what `bytes` has already.
    ///
    /// # Errors
    /// What the format says of a value that it cannot represent. What is in
    /// `bytes` then is of no use.
    fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Writes a value.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::new();
        Self::write(value, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What the format says of bytes that it cannot read.
    fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError>;
}

/// A newtype that carries one serde value in one frame, in its [`Format`].
///
/// Implementing it gives [`Encode`](super::Encode) and [`Decode`](super::Decode).
pub trait Codec: Sized + 'static {
    /// The wrapped value.
    type Value;
    /// The format that it is written in.
    type Format: Format;

    /// Wraps a value.
    fn wrap(value: Self::Value) -> Self;

    /// The wrapped value.
    fn value(&self) -> &Self::Value;

    /// The wrapped value.
    fn into_value(self) -> Self::Value;
}

#[cfg(any(feature = "json", feature = "messagepack", feature = "postcard"))]
macro_rules! newtype {
    ($name:ident) => {
        impl<T: 'static> Codec for $name<T> {
            type Value = T;
            type Format = $name;

            fn wrap(value: T) -> Self {
                Self(value)
            }

            fn value(&self) -> &T {
                &self.0
            }

            fn into_value(self) -> T {
                self.0
            }
        }
    };
}

/// JSON (RFC 8259), in one frame; at most 128 levels deep. Feature `json`, on by default.
///
/// `Json<T>` is a body; `Json` alone is the [`Format`], as in
/// [`Client::codec`](crate::Client::codec).
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
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T = ()>(pub T);

#[cfg(feature = "json")]
newtype!(Json);

#[cfg(feature = "json")]
impl Format for Json {
    const NAME: &'static str = "json";

    fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(bytes, value).map_err(|error| CodecError::value(Self::NAME, error))
    }

    fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = super::nested(&mut reader, bytes.len());
        let value = value.map_err(|error| CodecError::value(Self::NAME, error))?;
        reader.end().map_err(|error| CodecError::value(Self::NAME, error))?;
        Ok(value)
    }
}

/// MessagePack, in one frame; structs as maps with their field names, so that
/// programs in other languages read them; at most 128 levels deep. Feature
/// `messagepack`, on by default.
///
/// `MessagePack<T>` is a body; `MessagePack` alone is the [`Format`].
#[cfg(feature = "messagepack")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessagePack<T = ()>(pub T);

#[cfg(feature = "messagepack")]
newtype!(MessagePack);

#[cfg(feature = "messagepack")]
impl Format for MessagePack {
    const NAME: &'static str = "msgpack";

    fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        rmp_serde::encode::write_named(bytes, value)
            .map_err(|error| CodecError::value(Self::NAME, error))
    }

    fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
        // Its own bound counts no options.
        reader.set_max_depth(super::MAX_NESTING);
        let value = super::nested(&mut reader, bytes.len());
        let value = value.map_err(|error| CodecError::value(Self::NAME, error))?;
        // A slice has no further marker only at its end.
        match reader.deserialize_option(More) {
            Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
            _ => Err(CodecError::Trailing { codec: Self::NAME }),
        }
    }
}

/// Reads the marker of a value and nothing after it: what is in it may end too
/// soon, which looks like the end of the slice.
#[cfg(feature = "messagepack")]
struct More;

#[cfg(feature = "messagepack")]
impl<'de> Visitor<'de> for More {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("anything")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Ok(())
    }
}

/// [Postcard](https://postcard.jamesmunns.com/wire-format), in one frame: the
/// smallest and fastest, for peers in Rust that share the type; at most 128
/// levels deep. Feature `postcard`.
///
/// `Postcard<T>` is a body; `Postcard` alone is the [`Format`]. The bytes do not
/// describe themselves: both ends must have the same fields in the same order.
#[cfg(feature = "postcard")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Postcard<T = ()>(pub T);

#[cfg(feature = "postcard")]
newtype!(Postcard);

#[cfg(feature = "postcard")]
impl Format for Postcard {
    const NAME: &'static str = "postcard";

    fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        *bytes = postcard::to_extend(value, std::mem::take(bytes))
            .map_err(|error| CodecError::value(Self::NAME, error))?;
        Ok(())
    }

    fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        let mut reader = postcard::Deserializer::from_bytes(bytes);
        let value = super::nested(&mut reader, bytes.len())
            .map_err(|error| CodecError::value(Self::NAME, error))?;
        let rest = reader.finalize().map_err(|error| CodecError::value(Self::NAME, error))?;
        if rest.is_empty() { Ok(value) } else { Err(CodecError::Trailing { codec: Self::NAME }) }
    }
}
