//! What can go wrong, as values: a kind to match, a context to read, and the
//! message that was not sent.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;

use crate::endpoint::EndpointError;
use crate::multipart::Multipart;
use crate::sys::Errno;

/// The result of this crate's messages.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not an endpoint, or not one that can be used like this.
    #[error("invalid endpoint")]
    InvalidEndpoint,
    /// An option's value is out of its range, or options contradict each other
    /// (`EINVAL`), such as a context without I/O threads and an endpoint that
    /// needs one (`EMTHREAD`).
    #[error("invalid option")]
    InvalidOption,
    /// The message cannot be sent as it is, for example because it has no frames.
    #[error("invalid message")]
    InvalidMessage,
    /// Somebody listens at the endpoint already (`EADDRINUSE`).
    #[error("address in use")]
    AddressInUse,
    /// The host, interface or directory of the endpoint is not there (`EADDRNOTAVAIL`, `ENODEV`, `ENOENT`, `ENOTDIR`).
    #[error("address not available")]
    AddressUnavailable,
    /// The operating system denies the endpoint (`EACCES`, `EPERM`).
    #[error("permission denied")]
    PermissionDenied,
    /// The socket is not bound, connected or subscribed like that.
    #[error("not found")]
    NotFound,
    /// The linked libzmq, or this platform, cannot do it.
    #[error("not supported")]
    Unsupported,
    /// The limit of sockets or file descriptors is reached (`EMFILE`, `ENFILE`).
    #[error("too many sockets or descriptors")]
    TooManySockets,
    /// A bound is reached and the overflow policy refuses the message.
    #[error("queue full")]
    Full,
    /// The peer that the message is for is at its high-water mark, and the overflow policy refuses to let it wait.
    #[error("peer is full")]
    PeerFull,
    /// The overflow policy dropped the message to make room, or for want of it.
    #[error("dropped by the overflow policy")]
    Dropped,
    /// The socket or the factory is closed or closing.
    #[error("closed")]
    Closed,
    /// The socket is down and will be opened again; the request may be repeated then.
    #[error("socket is restarting")]
    Restarting,
    /// The socket was opened again while the request was in flight; whether it was served is not known.
    #[error("socket restarted while the request was in flight")]
    Restarted,
    /// The reply did not come in time.
    #[error("timed out")]
    TimedOut,
    /// The peer that the message is for is not connected (`EHOSTUNREACH`).
    #[error("peer is not connected")]
    Unroutable,
    /// Another peer has the routing id that one is to be connected under.
    #[error("routing id in use")]
    RoutingIdInUse,
    /// A value could not be turned into frames.
    #[error("cannot encode")]
    Encode,
    /// Frames could not be turned into a value.
    #[error("cannot decode")]
    Decode,
    /// No peer is connected; the call has not left.
    #[error("no peer is connected")]
    Unreachable,
    /// The peer was lost while it had the call; whether it was served is not known.
    #[error("the peer was lost while it had the call")]
    PeerLost,
    /// The service has as many calls under way as it takes.
    #[error("the service is overloaded")]
    Overloaded,
    /// The service does not know a message of this name.
    #[error("the service does not know the message")]
    UnknownMessage,
    /// The service takes bodies in another codec.
    #[error("the service uses another codec")]
    WrongCodec,
    /// The peer speaks another version of the envelope, or does not speak it.
    #[error("the peer does not speak this protocol")]
    Incompatible,
    /// The service cannot decode the message; see [`Decode`](Self::Decode) for this side.
    #[error("the service cannot decode the message")]
    RemoteDecode,
    /// The service cannot encode the result; see [`Encode`](Self::Encode) for this side.
    #[error("the service cannot encode the result")]
    RemoteEncode,
    /// A body is longer than the service, or this caller, takes.
    #[error("too large")]
    TooLarge,
    /// The actor that would handle the call has stopped.
    #[error("the remote actor has stopped")]
    Stopped,
    /// A user's closure panicked.
    #[error("a handler panicked")]
    Panicked,
    /// The socket failed too often and is not opened again.
    #[error("gave up restarting")]
    GaveUp,
    /// Anything else that the operating system or libzmq reports; [`Error::errno`] tells the number.
    #[error("system error")]
    System,
}

impl ErrorKind {
    /// Whether the same attempt may succeed later without any change by the caller.
    ///
    /// A request that [timed out](Self::TimedOut) or was in flight
    /// [during a restart](Self::Restarted) may have been served: repeat it
    /// only if that does no harm.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::AddressInUse
            | Self::AddressUnavailable
            | Self::TooManySockets
            | Self::Full
            | Self::PeerFull
            | Self::Restarting
            | Self::Restarted
            | Self::TimedOut
            | Self::Unroutable
            | Self::RoutingIdInUse
            | Self::Unreachable
            | Self::PeerLost
            | Self::Overloaded
            | Self::Stopped
            | Self::System => true,
            Self::InvalidEndpoint
            | Self::InvalidOption
            | Self::InvalidMessage
            | Self::PermissionDenied
            | Self::NotFound
            | Self::Unsupported
            | Self::Dropped
            | Self::Closed
            | Self::Encode
            | Self::Decode
            | Self::UnknownMessage
            | Self::WrongCodec
            | Self::Incompatible
            | Self::RemoteDecode
            | Self::RemoteEncode
            | Self::TooLarge
            | Self::Panicked
            | Self::GaveUp => false,
        }
    }
}

/// A failure: what kind, where, and the message that was not sent.
///
/// Match on [`kind`](Self::kind); the text is for people. A failed send gives
/// its message back through [`into_message`](Self::into_message).
///
/// # Examples
/// ```
/// use actix_zmq::{Endpoint, Error, ErrorKind};
///
/// let error: Error = Endpoint::parse("tcp://127.0.0.1:99999").unwrap_err().into();
/// assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
/// assert!(!error.is_retryable());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    detail: Option<Cow<'static, str>>,
    endpoint: Option<String>,
    limit: Option<usize>,
    peer: Option<Bytes>,
    errno: Option<i32>,
    message: Option<Multipart>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: None,
            endpoint: None,
            limit: None,
            peer: None,
            errno: None,
            message: None,
            source: None,
        }))
    }

    pub(crate) fn from_errno(errno: Errno) -> Self {
        let kind = match errno {
            Errno::ADDRINUSE => ErrorKind::AddressInUse,
            Errno::ADDRNOTAVAIL | Errno::NODEV | Errno::NOENT | Errno::NOTDIR => {
                ErrorKind::AddressUnavailable
            }
            Errno::ACCES | Errno::PERM => ErrorKind::PermissionDenied,
            Errno::MFILE | Errno::NFILE => ErrorKind::TooManySockets,
            Errno::TERM => ErrorKind::Closed,
            Errno::HOSTUNREACH => ErrorKind::Unroutable,
            Errno::AGAIN => ErrorKind::Full,
            Errno::MTHREAD => ErrorKind::InvalidOption,
            Errno::PROTONOSUPPORT | Errno::OPNOTSUPP => ErrorKind::Unsupported,
            Errno::NAMETOOLONG | Errno::NOCOMPATPROTO => ErrorKind::InvalidEndpoint,
            _ => ErrorKind::System,
        };
        let mut error = Self::new(kind);
        error.0.errno = Some(errno.0);
        error.0.source = Some(Box::new(errno));
        error
    }

    /// What the operating system reports outside libzmq.
    pub(crate) fn from_io(error: std::io::Error) -> Self {
        Self::from_errno(Errno(error.raw_os_error().unwrap_or(libc::EIO))).caused_by(error)
    }

    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub(crate) fn at(mut self, endpoint: impl Into<String>) -> Self {
        self.0.endpoint = Some(endpoint.into());
        self
    }

    pub(crate) fn with_limit(mut self, limit: usize) -> Self {
        self.0.limit = Some(limit);
        self
    }

    pub(crate) fn with_peer(mut self, peer: Bytes) -> Self {
        self.0.peer = Some(peer);
        self
    }

    pub(crate) fn with_message(mut self, message: Multipart) -> Self {
        self.0.message = Some(message);
        self
    }

    pub(crate) fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same attempt may succeed later; see [`ErrorKind::is_retryable`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// The endpoint that the failure concerns.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// The limit that was reached, in the unit that the text names.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.0.limit
    }

    /// The routing id of the peer that the failure concerns.
    #[must_use]
    pub fn peer(&self) -> Option<&[u8]> {
        self.0.peer.as_deref()
    }

    /// The number of the operating system's or libzmq's error.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// The message that was not sent or could not be decoded: the body as it
    /// was given, encoded if it was a value.
    #[must_use]
    pub fn message(&self) -> Option<&Multipart> {
        self.0.message.as_ref()
    }

    /// The message that was not sent, to be kept or sent again.
    #[must_use]
    pub fn into_message(self) -> Option<Multipart> {
        self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The parts are optional, which a derive cannot express.
        write!(f, "{}", self.0.kind)?;
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, " at {endpoint:?}")?;
        }
        if let Some(peer) = &self.0.peer {
            write!(f, ", peer b\"{}\"", peer.escape_ascii())?;
        }
        if let Some(limit) = self.0.limit {
            write!(f, ", limit {limit}")?;
        }
        if let Some(detail) = &self.0.detail {
            write!(f, ": {detail}")?;
        } else if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        let kind = match error {
            EndpointError::UnsupportedTransport { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::InvalidEndpoint,
        };
        Self::new(kind).at(error.endpoint()).detail(error.to_string()).caused_by(error)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_fits_everywhere() {
        fn fits<E: StdError + Send + Sync + 'static>() {}
        fits::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_text_names_what_it_concerns() {
        let error = Error::from_errno(Errno::ADDRINUSE).at("tcp://127.0.0.1:1");
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
        assert!(error.to_string().contains("tcp://127.0.0.1:1"), "{error}");
        let error = Error::new(ErrorKind::Full).with_limit(3).with_message("x".into());
        assert!(error.to_string().contains("limit 3"), "{error}");
        assert_eq!(error.into_message(), Some("x".into()));
    }

    #[test]
    fn no_error_number_is_without_a_kind() {
        for number in -5..200 {
            let _ = Error::from_errno(Errno(number)).to_string();
        }
    }
}
