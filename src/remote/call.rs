//! A message on its way to an actor elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use actix::Message;

use super::DefaultFormat;
use super::body::{Bodies, FramesCall, Raw, Remote, Sendable};
use super::clock::{caller, microseconds};
use super::retry::Retry;
use super::trace::Origin;
use crate::codec::{Format, Undecodable};
use crate::error::{Error, ErrorKind, Result};
use crate::framing::call::{self, Answer, Failure, Fields, Malformed};
use crate::messages::Timeout;
use crate::multipart::{Frame, Multipart};
use crate::shield::shielded;

/// Calls an actor that a [`Service`](crate::Service) serves elsewhere: send it
/// to a [`RequestSocket`](crate::RequestSocket), and it resolves with what the
/// actor's handler returns.
///
/// # Errors
/// | [`ErrorKind`] | |
/// |---|---|
/// | [`TimedOut`](ErrorKind::TimedOut) | no reply came in time, or the service found the time over before it began |
/// | [`Unreachable`](ErrorKind::Unreachable) | nobody was connected for [`unreachable_after`](crate::Blueprint::unreachable_after); it has not left |
/// | [`PeerLost`](ErrorKind::PeerLost) | the last peer went while it had the call, or a broker lost the worker |
/// | [`Overloaded`](ErrorKind::Overloaded) | the service has as many calls under way as it takes |
/// | [`UnknownMessage`](ErrorKind::UnknownMessage) | the service does not serve the name |
/// | [`WrongCodec`](ErrorKind::WrongCodec) | the service takes another codec |
/// | [`Encode`](ErrorKind::Encode), [`Decode`](ErrorKind::Decode) | this side cannot write the message, read the result |
/// | [`RemoteDecode`](ErrorKind::RemoteDecode), [`RemoteEncode`](ErrorKind::RemoteEncode) | nor can the service |
/// | [`Stopped`](ErrorKind::Stopped) | the actor behind the service has stopped |
/// | [`TooLarge`](ErrorKind::TooLarge) | the message is longer than the service takes |
/// | [`Incompatible`](ErrorKind::Incompatible) | the peer speaks another version, or something else |
///
/// and those of a [`Request`](crate::Request). The error of the handler itself
/// is in the result: a message whose result is `Result<T, E>` resolves with
/// that, and `E` comes across typed.
///
/// It belongs to the `tracing` span that is current where it is made, and so does
/// what serves it; see [`observability`](crate::observability).
///
/// # Cancel safety
/// As a [`Request`](crate::Request): dropping the future ends the call at once on this
/// side. The service is not told, and stops at the deadline.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::{Call, Json, Retry};
/// # use actix::Message;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Message, Serialize, Deserialize)]
/// # #[rtype(result = "i64")]
/// # struct Add(i64, i64);
///
/// let call = Call::new(Add(1, 2))
///     .codec::<Json>()
///     .timeout(Duration::from_secs(2))
///     .idempotent()
///     .retry(Retry::attempts(3));
/// ```
#[must_use = "a call does nothing until it is sent"]
pub struct Call<M, B = DefaultFormat> {
    message: M,
    name: Option<Cow<'static, str>>,
    pub(crate) timeout: Timeout,
    pub(crate) idempotent: bool,
    /// Apart, for most calls have none, and each is moved a few times on its way.
    pub(crate) retry: Option<Box<Retry>>,
    pub(crate) origin: Origin,
    bodies: PhantomData<fn(B)>,
}

impl<M: Remote> Call<M> {
    /// A call in [`MessagePack`](crate::MessagePack), under the type's
    /// [`wire_name`](Remote::wire_name), with the socket's timeout.
    pub fn new(message: M) -> Self {
        Self::of(message)
    }

    /// In another format, which must be the service's.
    pub fn codec<F: Format>(self) -> Call<M, F> {
        Call {
            message: self.message,
            name: self.name,
            timeout: self.timeout,
            idempotent: self.idempotent,
            retry: self.retry,
            origin: self.origin,
            bodies: PhantomData,
        }
    }
}

impl Call<FramesCall, Raw> {
    /// A call of frames, as they are.
    pub fn frames(name: impl Into<Cow<'static, str>>, frames: impl Into<Multipart>) -> Self {
        Self::of(FramesCall(frames.into())).name(name)
    }
}

impl<M, B> Call<M, B> {
    pub(crate) fn of(message: M) -> Self {
        Self {
            message,
            name: None,
            timeout: Timeout::Socket,
            idempotent: false,
            retry: None,
            origin: Origin::here(),
            bodies: PhantomData,
        }
    }

    /// Under another name, at most 255 bytes.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Waits so long for the result, all attempts together. The deadline goes
    /// along: the service does not begin what is late, and takes back what
    /// waits in its actor's mailbox. On the wire it is in whole milliseconds,
    /// rounded up.
    ///
    /// # Default
    /// The socket's [`timeout`](crate::Blueprint::timeout), which by default is none
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Timeout::After(timeout);
        self
    }

    /// Waits for ever, whatever the socket's timeout is.
    pub const fn no_timeout(mut self) -> Self {
        self.timeout = Timeout::None;
        self
    }

    /// Says that serving the call twice does no harm: it is sent again when the
    /// socket is opened again, by a broker when its worker is lost, and by
    /// [`retry`](Self::retry) when nobody knows whether it was served.
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Is made again when it fails; see [`Retry`].
    ///
    /// # Default
    /// Never
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(Box::new(retry));
        self
    }
}

impl<M, B> fmt::Debug for Call<M, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("idempotent", &self.idempotent)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl<M: Sendable, B: 'static> Message for Call<M, B> {
    type Result = Result<M::Result>;
}

impl<M: Sendable, B: Bodies<M>> Call<M, B> {
    /// The name that it goes by.
    pub(crate) fn wire_name(&self) -> Cow<'static, str> {
        self.name.clone().unwrap_or_else(B::name)
    }

    /// The message as a body, under its name.
    ///
    /// # Errors
    /// What the codec says, also by panicking.
    pub(crate) fn written(&self) -> Result<Written> {
        let name = self.wire_name();
        if name.len() > 255 {
            let text = format!("a name of {} bytes; 255 may be sent", name.len());
            return Err(Error::new(ErrorKind::InvalidMessage).detail(text));
        }
        let written = shielded(|| B::write(&self.message))
            .map_err(|text| Error::new(ErrorKind::Encode).detail(format!("panicked: {text}")))?;
        let body = written.map_err(|error| {
            let text = error.to_string();
            Error::new(ErrorKind::Encode).detail(text).caused_by(error)
        })?;
        Ok(Written {
            name,
            codec: B::CODEC,
            idempotent: self.idempotent,
            fields: Vec::new(),
            body,
            attempts: 0,
        })
    }

    /// The message itself.
    pub(crate) fn into_message(self) -> M {
        self.message
    }
}

/// A call that is ready to be sent, once or more.
#[derive(Debug)]
pub(crate) struct Written {
    name: Cow<'static, str>,
    codec: &'static str,
    idempotent: bool,
    /// What else goes along in the header.
    pub(crate) fields: Vec<u8>,
    body: Multipart,
    pub(crate) attempts: u32,
}

impl Written {
    fn header(&self, timeout: Option<Duration>) -> Frame {
        let header = call::Call {
            idempotent: self.idempotent,
            attempt: u8::try_from(self.attempts).unwrap_or(u8::MAX),
            timeout,
            caller: caller(),
            sent: microseconds(Instant::now()),
            codec: self.codec,
            name: &self.name,
            fields: Fields::written(&self.fields),
        };
        header.compose()
    }

    /// The parts of a request that is made once.
    pub(crate) fn once(self, timeout: Option<Duration>) -> Multipart {
        // With room for the request's id and delimiter.
        let mut parts = Multipart::with_capacity(3 + self.body.len());
        parts.push(self.header(timeout));
        parts.append(self.body);
        parts
    }

    /// The parts of a request that may be made again.
    pub(crate) fn again(&mut self, timeout: Option<Duration>) -> Multipart {
        let mut parts = Multipart::with_capacity(1 + self.body.len());
        parts.push(self.header(timeout));
        parts.append(self.body.share());
        self.attempts += 1;
        parts
    }
}

/// What a service answered, and beside an error the frames that cannot be read.
pub(crate) fn answered<M: Sendable, B: Bodies<M>>(
    mut frames: Multipart,
) -> (Result<M::Result>, Option<Undecodable>) {
    let given_back = |kind, text: String, header: Option<Frame>, body: Multipart| {
        let frames: Multipart = header.into_iter().chain(body).collect();
        let error = Error::new(kind).detail(text.clone()).with_message(frames.clone());
        (Err(error), Some(Undecodable::framing(frames, text)))
    };
    let Some(header) = frames.split_first() else {
        let text = "a reply without a header".to_owned();
        return given_back(ErrorKind::Incompatible, text, None, frames);
    };
    let (kind, text) = match Answer::parse(&header) {
        Err(Malformed::Version(version)) => {
            let text = format!("version {version} of the envelope; version 1 is spoken");
            (ErrorKind::Incompatible, text)
        }
        Err(Malformed::Header(why)) => (ErrorKind::Incompatible, why.to_owned()),
        Ok(Answer::Failure(failure)) => {
            let text = frames.first().map(|text| String::from_utf8_lossy(text).into_owned());
            return (Err(Error::new(kind_of(failure)).detail(text.unwrap_or_default())), None);
        }
        Ok(Answer::Result(codec)) if codec != B::CODEC => {
            (ErrorKind::WrongCodec, format!("a result in {codec:?}; {:?} was asked", B::CODEC))
        }
        Ok(Answer::Result(_)) => match shielded(|| B::read_result(frames)) {
            Ok(Ok(result)) => return (Ok(result), None),
            Ok(Err(undecodable)) => {
                let text = undecodable.error().to_string();
                let body = undecodable.into_frames();
                return given_back(ErrorKind::Decode, text, Some(header), body);
            }
            Err(text) => {
                // The frames went with whoever panicked.
                let text = format!("panicked: {text}");
                return given_back(ErrorKind::Decode, text, Some(header), Multipart::new());
            }
        },
    };
    given_back(kind, text, Some(header), frames)
}

/// As whom a caller meets a service's failure.
const fn kind_of(failure: Failure) -> ErrorKind {
    match failure {
        Failure::Unknown => ErrorKind::UnknownMessage,
        Failure::Undecodable => ErrorKind::RemoteDecode,
        Failure::Overloaded => ErrorKind::Overloaded,
        Failure::Expired => ErrorKind::TimedOut,
        Failure::Stopped => ErrorKind::Stopped,
        Failure::WrongCodec => ErrorKind::WrongCodec,
        Failure::Unencodable => ErrorKind::RemoteEncode,
        Failure::TooLarge => ErrorKind::TooLarge,
        Failure::WorkerLost => ErrorKind::PeerLost,
        Failure::WrongVersion | Failure::NoCall | Failure::Other(_) => ErrorKind::Incompatible,
    }
}
