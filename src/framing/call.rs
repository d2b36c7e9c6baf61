//! The envelope of a typed call and of its answer; `docs/wire-format.md` shows
//! the bytes.
//!
//! What follows the delimiter of a request (see [`reqrep`](super::reqrep)) is
//! `[header][body…]`, and so is what follows that of its reply. Numbers are
//! big-endian. A header ends with fields that a later version of it may add: a
//! reader skips those that it does not know.

use std::convert::Infallible;
use std::time::Duration;

use crate::multipart::{Frame, Multipart};

const MAGIC: [u8; 2] = *b"AZ";
const VERSION: u8 = 1;
const CALL: u8 = 1;
const RESULT: u8 = 2;
const FAILURE: u8 = 3;
const IDEMPOTENT: u8 = 1;

/// What every header begins with: magic, version, kind, flags, one byte more
/// by the kind, and the lengths of codec and name.
const PREFIX: usize = 8;
/// The timeout, the caller and the time of sending of a call.
#[cfg(test)]
const TIMES: usize = 4 + 8 + 8;

/// How long the fields of a call are together. Those beyond are neither written nor read.
#[cfg(any(test, feature = "opentelemetry"))]
const FIELDS: usize = 8_192;
/// How many of them are read.
#[cfg(any(test, feature = "opentelemetry"))]
const MOST_FIELDS: usize = 16;

/// The codec's name in the envelope of frames that are passed on as they are.
pub(crate) const RAW: &str = "raw";

/// Why a server has not served a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No route has the name.
    Unknown,
    /// The body cannot be read.
    Undecodable,
    /// As many calls are under way as there may be.
    Overloaded,
    /// Its deadline is over.
    Expired,
    /// The actor that would handle it has stopped.
    Stopped,
    /// The body is not in the codec that is served.
    WrongCodec,
    /// The header has another version.
    WrongVersion,
    /// The result cannot be written.
    Unencodable,
    /// The body is longer than it may be.
    TooLarge,
    /// What arrived has no header of a call.
    NoCall,
    /// The worker that had it is gone.
    WorkerLost,
    /// A code of a later version.
    Other(u8),
}

impl Failure {
    const ALL: [Self; 11] = [
        Self::Unknown,
        Self::Undecodable,
        Self::Overloaded,
        Self::Expired,
        Self::Stopped,
        Self::WrongCodec,
        Self::WrongVersion,
        Self::Unencodable,
        Self::TooLarge,
        Self::NoCall,
        Self::WorkerLost,
    ];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Unknown => 1,
            Self::Undecodable => 2,
            Self::Overloaded => 3,
            Self::Expired => 4,
            Self::Stopped => 5,
            Self::WrongCodec => 6,
            Self::WrongVersion => 7,
            Self::Unencodable => 8,
            Self::TooLarge => 9,
            Self::NoCall => 10,
            Self::WorkerLost => 11,
            Self::Other(code) => code,
        }
    }

    fn of(code: u8) -> Self {
        Self::ALL.into_iter().find(|one| one.code() == code).unwrap_or(Self::Other(code))
    }
}

/// The header of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    /// Whether it may be served twice.
    pub(crate) idempotent: bool,
    /// How often it was sent before.
    pub(crate) attempt: u8,
    /// How long its caller waits from `sent` on; nothing: for ever.
    pub(crate) timeout: Option<Duration>,
    /// Whose clock `sent` is of; zero: nobody's.
    pub(crate) caller: u64,
    /// Microseconds on the caller's clock.
    pub(crate) sent: u64,
    pub(crate) codec: &'a str,
    pub(crate) name: &'a str,
    /// What else goes along.
    pub(crate) fields: Fields<'a>,
}

/// Why frames are no call, or no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Version(u8),
    Header(&'static str),
}

/// The answer to a call, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// The result, in this codec.
    Result(&'a str),
    Failure(Failure),
}

impl<'a> Call<'a> {
    /// The header's bytes. Names longer than 255 bytes are cut; nobody makes any.
    pub(crate) fn compose(&self) -> Frame {
        let codec = self.codec.as_bytes().get(..255).unwrap_or(self.codec.as_bytes());
        let name = self.name.as_bytes().get(..255).unwrap_or(self.name.as_bytes());
        let flags = if self.idempotent { IDEMPOTENT } else { 0 };
        frame(|bytes| {
            prefix(bytes, CALL, flags, self.attempt, codec, name);
            bytes.extend_from_slice(&milliseconds(self.timeout).to_be_bytes());
            bytes.extend_from_slice(&self.caller.to_be_bytes());
            bytes.extend_from_slice(&self.sent.to_be_bytes());
            bytes.extend_from_slice(codec);
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(self.fields.0);
        })
    }

    pub(crate) fn parse(header: &'a [u8]) -> Result<Self, Malformed> {
        let (prefix, rest) = split_prefix(header)?;
        if prefix.kind != CALL {
            return Err(Malformed::Header("not a call"));
        }
        let (timeout, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let (caller, rest) = rest.split_first_chunk::<8>().ok_or(SHORT)?;
        let (sent, rest) = rest.split_first_chunk::<8>().ok_or(SHORT)?;
        let (codec, rest) = text(rest, prefix.codec)?;
        let (name, fields) = text(rest, prefix.name)?;
        let timeout = u32::from_be_bytes(*timeout);
        Ok(Self {
            idempotent: prefix.flags & IDEMPOTENT != 0,
            attempt: prefix.more,
            timeout: (timeout > 0).then(|| Duration::from_millis(timeout.into())),
            caller: u64::from_be_bytes(*caller),
            sent: u64::from_be_bytes(*sent),
            codec,
            name,
            fields: Fields(fields),
        })
    }
}

/// What goes along with a call under keys, such as the context of a trace:
/// whatever bytes follow the name. Those that are no fields are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Those that [`add_field`] has written.
    pub(crate) const fn written(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[cfg(any(test, feature = "opentelemetry"))]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys with their values, up to the first that is none.
    #[cfg(any(test, feature = "opentelemetry"))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.0.get(..FIELDS).unwrap_or(self.0);
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (key, after) = text(after, *length).ok().filter(|(key, _)| !key.is_empty())?;
            let (length, after) = after.split_first_chunk::<2>()?;
            let (value, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = after;
            Some((key, str::from_utf8(value).ok()?))
        })
        .take(MOST_FIELDS)
    }
}

/// Adds a field to those of a call; `false` if there is no room for it, or its
/// key is none.
#[cfg(any(test, feature = "opentelemetry"))]
pub(crate) fn add_field(fields: &mut Vec<u8>, key: &str, value: &str) -> bool {
    let lengths = (u8::try_from(key.len()), u16::try_from(value.len()));
    let (Ok(of_key @ 1..), Ok(of_value)) = lengths else { return false };
    if fields.len() + 1 + key.len() + 2 + value.len() > FIELDS {
        return false;
    }
    fields.push(of_key);
    fields.extend_from_slice(key.as_bytes());
    fields.extend_from_slice(&of_value.to_be_bytes());
    fields.extend_from_slice(value.as_bytes());
    true
}

/// Rounded up, so that a short time is not none, up to 49 days.
fn milliseconds(timeout: Option<Duration>) -> u32 {
    let Some(timeout) = timeout else { return 0 };
    let rounded = timeout.as_nanos().div_ceil(1_000_000).max(1);
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

impl<'a> Answer<'a> {
    pub(crate) fn compose(&self) -> Frame {
        let (kind, code, codec) = match self {
            Self::Result(codec) => (RESULT, 0, codec.as_bytes()),
            Self::Failure(failure) => (FAILURE, failure.code(), &[][..]),
        };
        frame(|bytes| {
            prefix(bytes, kind, 0, code, codec, &[]);
            bytes.extend_from_slice(codec);
        })
    }

    pub(crate) fn parse(header: &'a [u8]) -> Result<Self, Malformed> {
        let (prefix, rest) = split_prefix(header)?;
        match prefix.kind {
            RESULT => Ok(Self::Result(text(rest, prefix.codec)?.0)),
            FAILURE => Ok(Self::Failure(Failure::of(prefix.more))),
            _ => Err(Malformed::Header("neither a result nor a failure")),
        }
    }
}

fn frame(write: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let written = Frame::written(|bytes| {
        write(bytes);
        Ok::<_, Infallible>(())
    });
    written.unwrap_or_else(|never| match never {})
}

/// A failure with its text, as it is answered.
pub(crate) fn failure(failure: Failure, text: impl Into<Frame>) -> Multipart {
    [Answer::Failure(failure).compose(), text.into()].into()
}

struct Prefix {
    kind: u8,
    flags: u8,
    more: u8,
    codec: u8,
    name: u8,
}

const SHORT: Malformed = Malformed::Header("the header is too short");

fn prefix(bytes: &mut Vec<u8>, kind: u8, flags: u8, more: u8, codec: &[u8], name: &[u8]) {
    let length = |text: &[u8]| u8::try_from(text.len()).unwrap_or(u8::MAX);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, kind, flags, more, length(codec), length(name)]);
}

fn split_prefix(header: &[u8]) -> Result<(Prefix, &[u8]), Malformed> {
    let (prefix, rest) = header.split_first_chunk::<PREFIX>().ok_or(SHORT)?;
    let [first, second, version, kind, flags, more, codec, name] = *prefix;
    if [first, second] != MAGIC {
        return Err(Malformed::Header("the header does not begin with AZ"));
    }
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    Ok((Prefix { kind, flags, more, codec, name }, rest))
}

fn text(bytes: &[u8], length: u8) -> Result<(&str, &[u8]), Malformed> {
    let (text, rest) = bytes.split_at_checked(length.into()).ok_or(SHORT)?;
    let text = str::from_utf8(text).map_err(|_| Malformed::Header("a name is not UTF-8"))?;
    Ok((text, rest))
}

#[cfg(test)]
mod tests;
