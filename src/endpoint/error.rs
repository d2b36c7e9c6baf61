//! Why a text is not an endpoint.

use std::convert::Infallible;

/// Why a text is not an endpoint, or not one for the use made of it.
///
/// # Examples
///
/// ```
/// use actix_zmq::{Endpoint, EndpointError};
///
/// let Err(error) = Endpoint::parse("tcp://localhost") else {
///     return Ok(());
/// };
/// assert!(matches!(error, EndpointError::MissingPort { .. }));
/// assert_eq!(error.endpoint(), "tcp://localhost");
/// # Ok::<(), EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is empty.
    #[error("the endpoint is empty: write one such as `tcp://127.0.0.1:5555`")]
    Empty,
    /// The text contains a NUL byte, at which libzmq would cut it off.
    #[error("endpoint {endpoint:?} contains a NUL byte: remove it")]
    NulByte {
        /// The text as it was given.
        endpoint: String,
    },
    /// The text has no `://`.
    #[error(
        "endpoint {endpoint:?} names no transport: begin it with `tcp://`, `ipc://`, `inproc://` or `ws://`"
    )]
    MissingScheme {
        /// The text as it was given.
        endpoint: String,
    },
    /// The scheme is not one that libzmq knows.
    #[error(
        "endpoint {endpoint:?} names the unknown transport {scheme:?}: use `tcp`, `ipc`, `inproc` or `ws`, in lower case"
    )]
    UnknownScheme {
        /// The text as it was given.
        endpoint: String,
        /// The part before `://`.
        scheme: String,
    },
    /// The scheme is one that libzmq knows but this crate's build leaves out.
    #[error(
        "endpoint {endpoint:?} needs the transport {scheme:?}, which is not built into this libzmq: use `tcp`, `ipc`, `inproc` or `ws`"
    )]
    UnsupportedTransport {
        /// The text as it was given.
        endpoint: String,
        /// The part before `://`.
        scheme: String,
    },
    /// Nothing, or only the `@` of an abstract IPC name, follows the scheme.
    #[error(
        "endpoint {endpoint:?} has no address: put a host and port, a path or a name after the scheme"
    )]
    MissingAddress {
        /// The text as it was given.
        endpoint: String,
    },
    /// A `tcp` or `ws` address has no port.
    #[error(
        "endpoint {endpoint:?} has no port: end the address with `:` and a port, as in `127.0.0.1:5555`"
    )]
    MissingPort {
        /// The text as it was given.
        endpoint: String,
    },
    /// The host is neither an address, nor a name, nor `*`.
    #[error(
        "endpoint {endpoint:?} has the invalid host {host:?}: use `*`, an IPv4 address, an IPv6 address in brackets, or a host name"
    )]
    InvalidHost {
        /// The text as it was given.
        endpoint: String,
        /// The part that is wrong.
        host: String,
    },
    /// The port is neither a number up to 65535 nor `*`.
    #[error(
        "endpoint {endpoint:?} has the invalid port {port:?}: use a decimal number from 1 to 65535, or `*` to bind any free port"
    )]
    InvalidPort {
        /// The text as it was given.
        endpoint: String,
        /// The part that is wrong.
        port: String,
    },
    /// The path of a `ws` address is one that libzmq would cut or misread.
    #[error(
        "endpoint {endpoint:?} has the invalid path {path:?}: use one segment of at most {max} printable ASCII characters without `/` or `:`"
    )]
    InvalidPath {
        /// The text as it was given.
        endpoint: String,
        /// The part that is wrong.
        path: String,
        /// The longest path allowed, in bytes.
        max: usize,
    },
    /// An `ipc` path begins with `*` but is not the wildcard.
    #[error(
        "endpoint {endpoint:?} has a path that begins with `*`: use `ipc://*` to bind any free path, or put `./` before the name"
    )]
    WildcardPath {
        /// The text as it was given.
        endpoint: String,
    },
    /// An `ipc` path or an `inproc` name is too long.
    #[error("endpoint {endpoint:?} has an address of {length} bytes: use at most {max}")]
    TooLong {
        /// The text as it was given.
        endpoint: String,
        /// How long the address is, in bytes.
        length: usize,
        /// The longest address allowed, in bytes.
        max: usize,
    },
    /// An address with a source has a wildcard where `connect` takes none.
    #[error(
        "endpoint {endpoint:?} has a wildcard beside a source address: name both hosts and the port after the `;`"
    )]
    WildcardSource {
        /// The text as it was given.
        endpoint: String,
    },
    /// The endpoint is a wildcard, which can only be bound.
    #[error("endpoint {endpoint:?} is a wildcard and can only be bound: connect to a full address")]
    WildcardConnect {
        /// The text as it was given.
        endpoint: String,
    },
    /// A `ws` endpoint names a host, which would be looked up on the calling thread.
    #[error(
        "endpoint {endpoint:?} needs a name to be looked up, which would block: connect to a numeric address"
    )]
    BlockingLookup {
        /// The text as it was given.
        endpoint: String,
    },
    /// The endpoint has a source address, which is for connecting only.
    #[error(
        "endpoint {endpoint:?} has a source address and can only be connected to: bind a single `host:port`"
    )]
    SourceBind {
        /// The text as it was given.
        endpoint: String,
    },
}

impl EndpointError {
    /// Returns the text that was refused.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::NulByte { endpoint }
            | Self::MissingScheme { endpoint }
            | Self::UnknownScheme { endpoint, .. }
            | Self::UnsupportedTransport { endpoint, .. }
            | Self::MissingAddress { endpoint }
            | Self::MissingPort { endpoint }
            | Self::InvalidHost { endpoint, .. }
            | Self::InvalidPort { endpoint, .. }
            | Self::InvalidPath { endpoint, .. }
            | Self::WildcardPath { endpoint }
            | Self::TooLong { endpoint, .. }
            | Self::WildcardSource { endpoint }
            | Self::WildcardConnect { endpoint }
            | Self::BlockingLookup { endpoint }
            | Self::SourceBind { endpoint } => endpoint,
        }
    }
}

/// Lets a function take any `impl TryInto<Endpoint>`, an [`Endpoint`](crate::Endpoint) included.
impl From<Infallible> for EndpointError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
