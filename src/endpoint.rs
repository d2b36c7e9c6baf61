//! Endpoints, parsed once at the edge so that every later step can trust them.
//!
//! libzmq checks an endpoint late and loosely: `connect` takes
//! `tcp://127.0.0.1:99999` and goes to port 34463, and a text that
//! can never be a host is retried for ever in silence. Each rule below that is
//! stricter than "libzmq returned no error" closes one of those holes. Whether
//! a name that could be a host resolves, nobody can know beforehand.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod error;
#[cfg(test)]
mod tests;

pub use error::EndpointError;

/// Longest IPC path: `sockaddr_un` holds 108 bytes, one of them the final NUL.
const MAX_IPC_PATH: usize = 107;
/// Longest inproc name, the limit that `zmq_inproc(7)` gives.
const MAX_INPROC_NAME: usize = 255;
/// Longest host, the limit of the domain name system.
const MAX_HOST: usize = 253;
/// Longest WebSocket path. libzmq asserts, and so aborts the process, when
/// host and path overflow the 8 KiB buffer that its handshake is written to.
const MAX_WS_PATH: usize = 255;

/// The transport that an [`Endpoint`] names.
///
/// # Examples
///
/// ```
/// use actix_zmq::{Endpoint, Transport};
///
/// let endpoint = Endpoint::parse("inproc://jobs")?;
/// assert_eq!(endpoint.transport(), Transport::Inproc);
/// assert_eq!(endpoint.transport().to_string(), "inproc");
/// # Ok::<(), actix_zmq::EndpointError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// Unix domain sockets.
    Ipc,
    /// Threads of one process, through a context that they share.
    Inproc,
    /// WebSocket over TCP, without encryption.
    Ws,
}

impl Transport {
    /// Returns the part of an endpoint before `://`.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
            Self::Ws => "ws",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.scheme())
    }
}

/// What a parsed endpoint may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Usage {
    BindOrConnect,
    /// A wildcard: the system chooses, so there is nothing to connect to yet.
    BindOnly,
    /// The form `tcp://source:port;host:port`.
    ConnectOnly,
    /// A host name behind `ws://`, which libzmq would look up on the caller's thread.
    LooksUp,
}

/// An address that a socket binds or connects to, such as
/// `tcp://127.0.0.1:5555`.
///
/// A value of this type has been parsed: its transport is one this crate
/// carries and its address is well formed. The text is kept as it was given,
/// so two spellings of one address are two endpoints. Cloning is cheap.
///
/// | form | bind | connect |
/// | --- | --- | --- |
/// | `tcp://host:port`, `ws://host:port/path` | yes | yes; `ws` by numeric address |
/// | host `*`, or port `*` or `0` | yes | no |
/// | `tcp://source:port;host:port` | no | yes |
/// | `ipc://path`, `ipc://@abstract` | yes | yes |
/// | `ipc://*` | yes | no |
/// | `inproc://name` | yes | yes |
///
/// The file behind `ipc://*` is made where `TMPDIR`, `TEMPDIR` or `TMP` says,
/// in the working directory without them, and libzmq leaves it there.
///
/// # Examples
///
/// ```
/// use actix_zmq::Endpoint;
///
/// let endpoint: Endpoint = "tcp://127.0.0.1:5555".parse()?;
/// assert_eq!(endpoint.port(), Some(5555));
/// assert_eq!(endpoint.to_string(), "tcp://127.0.0.1:5555");
///
/// // libzmq would silently connect to port 34463.
/// assert!(Endpoint::parse("tcp://127.0.0.1:99999").is_err());
/// # Ok::<(), actix_zmq::EndpointError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    text: Arc<str>,
    transport: Transport,
    port: Option<u16>,
    usage: Usage,
}

impl Endpoint {
    /// Parses an endpoint.
    ///
    /// Nothing is looked up: whether a host resolves, an interface exists or a
    /// path can be created shows when a socket uses the endpoint.
    ///
    /// # Errors
    ///
    /// Returns an [`EndpointError`] that names the part that is wrong and what
    /// would be right.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_zmq::{Endpoint, EndpointError};
    ///
    /// assert!(Endpoint::parse("ipc:///run/jobs.sock").is_ok());
    /// assert!(matches!(
    ///     Endpoint::parse("udp://127.0.0.1:5555"),
    ///     Err(EndpointError::UnsupportedTransport { .. })
    /// ));
    /// ```
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::Empty);
        }
        let endpoint = || text.to_owned();
        if text.contains('\0') {
            let endpoint = endpoint();
            return Err(EndpointError::NulByte { endpoint });
        }
        let Some((scheme, address)) = text.split_once("://") else {
            let endpoint = endpoint();
            return Err(EndpointError::MissingScheme { endpoint });
        };
        let transport = match scheme {
            "tcp" => Transport::Tcp,
            "ipc" => Transport::Ipc,
            "inproc" => Transport::Inproc,
            "ws" => Transport::Ws,
            "udp" | "pgm" | "epgm" | "norm" | "tipc" | "vmci" | "wss" => {
                return Err(EndpointError::UnsupportedTransport {
                    endpoint: endpoint(),
                    scheme: scheme.to_owned(),
                });
            }
            _ => {
                return Err(EndpointError::UnknownScheme {
                    endpoint: endpoint(),
                    scheme: scheme.to_owned(),
                });
            }
        };
        if address.is_empty() {
            let endpoint = endpoint();
            return Err(EndpointError::MissingAddress { endpoint });
        }
        let (port, usage) = match transport {
            Transport::Tcp => parse_tcp(text, address)?,
            Transport::Ws => parse_ws(text, address)?,
            Transport::Ipc => (None, parse_ipc(text, address)?),
            Transport::Inproc => (None, parse_inproc(text, address)?),
        };
        Ok(Self { text: text.into(), transport, port, usage })
    }

    /// Returns the text that was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the transport.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether it has a numeric IPv6 address, of its own or of its source.
    pub(crate) fn is_ipv6(&self) -> bool {
        matches!(self.transport, Transport::Tcp | Transport::Ws)
            && (self.text.contains("://[") || self.text.contains(";["))
    }

    /// Returns the port of a `tcp` or `ws` endpoint.
    ///
    /// It is `None` for the other transports and for a wildcard port (`*` or
    /// `0`), and the destination's port where a source address is given.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns whether the system has to choose some of the address, so that
    /// the endpoint can be bound but not connected to.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_zmq::Endpoint;
    ///
    /// assert!(Endpoint::parse("tcp://127.0.0.1:*")?.is_wildcard());
    /// assert!(Endpoint::parse("tcp://*:5555")?.is_wildcard());
    /// assert!(!Endpoint::parse("tcp://127.0.0.1:5555")?.is_wildcard());
    /// # Ok::<(), actix_zmq::EndpointError>(())
    /// ```
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        matches!(self.usage, Usage::BindOnly)
    }

    /// Checks that a socket can connect to this endpoint.
    ///
    /// # Errors
    ///
    /// Returns [`EndpointError::WildcardConnect`] for a
    /// [wildcard](Self::is_wildcard), and [`EndpointError::BlockingLookup`] for
    /// a host name other than `localhost` in a `ws` endpoint: libzmq looks it
    /// up inside `zmq_connect`, which would hold the arbiter. Behind `tcp://`
    /// it does so in its own thread.
    pub fn check_connect(&self) -> Result<(), EndpointError> {
        match self.usage {
            Usage::BindOrConnect | Usage::ConnectOnly => Ok(()),
            Usage::LooksUp => {
                Err(EndpointError::BlockingLookup { endpoint: self.as_str().to_owned() })
            }
            Usage::BindOnly => {
                Err(EndpointError::WildcardConnect { endpoint: self.as_str().to_owned() })
            }
        }
    }

    /// Checks that a socket can bind this endpoint.
    ///
    /// A host name passes, as what it stands for is not looked up here. But
    /// the libzmq behind this crate binds numeric addresses and `*` only, and
    /// answers a name, `localhost` included, with `ENODEV`.
    ///
    /// # Errors
    ///
    /// Returns [`EndpointError::SourceBind`] for the form with a source
    /// address, `tcp://source:port;host:port`.
    pub fn check_bind(&self) -> Result<(), EndpointError> {
        match self.usage {
            Usage::BindOrConnect | Usage::BindOnly | Usage::LooksUp => Ok(()),
            Usage::ConnectOnly => {
                Err(EndpointError::SourceBind { endpoint: self.as_str().to_owned() })
            }
        }
    }
}

/// What one `host:port` turned out to be.
struct HostPort {
    any_host: bool,
    /// Neither numeric nor `localhost`, so only a lookup tells the address.
    is_name: bool,
    port: Option<u16>,
}

impl HostPort {
    const fn usage(&self) -> Usage {
        if self.any_host || self.port.is_none() { Usage::BindOnly } else { Usage::BindOrConnect }
    }
}

fn parse_tcp(text: &str, address: &str) -> Result<(Option<u16>, Usage), EndpointError> {
    let Some((source, destination)) = address.split_once(';') else {
        let parsed = parse_host_port(text, address)?;
        return Ok((parsed.port, parsed.usage()));
    };
    let source = parse_host_port(text, source)?;
    let destination = parse_host_port(text, destination)?;
    // A source port may be left to the system, but libzmq's `connect` refuses
    // a source host of `*`, and this form serves `connect` alone.
    if source.any_host || destination.usage() == Usage::BindOnly {
        let endpoint = text.to_owned();
        return Err(EndpointError::WildcardSource { endpoint });
    }
    Ok((destination.port, Usage::ConnectOnly))
}

fn parse_ws(text: &str, address: &str) -> Result<(Option<u16>, Usage), EndpointError> {
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    // libzmq takes the path from the last `/` and the host up to the last `:`
    // of the whole text, so a second `/` would drop segments and a `:` would
    // spoil the Host header; a space or line break would split the request.
    let sane = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':');
    if path.len() > MAX_WS_PATH || !path.bytes().all(sane) {
        return Err(EndpointError::InvalidPath {
            endpoint: text.to_owned(),
            path: format!("/{path}"),
            max: MAX_WS_PATH,
        });
    }
    let parsed = parse_host_port(text, authority)?;
    let usage = match parsed.usage() {
        Usage::BindOrConnect if parsed.is_name => Usage::LooksUp,
        usage => usage,
    };
    Ok((parsed.port, usage))
}

fn parse_ipc(text: &str, path: &str) -> Result<Usage, EndpointError> {
    if path.len() > MAX_IPC_PATH {
        return Err(EndpointError::TooLong {
            endpoint: text.to_owned(),
            length: path.len(),
            max: MAX_IPC_PATH,
        });
    }
    match path {
        "*" => Ok(Usage::BindOnly),
        "@" => Err(EndpointError::MissingAddress { endpoint: text.to_owned() }),
        // `bind` takes any path that begins with `*` for the wildcard and
        // drops the rest, so the peers would look for a file nobody made.
        _ if path.starts_with('*') => {
            Err(EndpointError::WildcardPath { endpoint: text.to_owned() })
        }
        _ => Ok(Usage::BindOrConnect),
    }
}

fn parse_inproc(text: &str, name: &str) -> Result<Usage, EndpointError> {
    if name.len() > MAX_INPROC_NAME {
        return Err(EndpointError::TooLong {
            endpoint: text.to_owned(),
            length: name.len(),
            max: MAX_INPROC_NAME,
        });
    }
    Ok(Usage::BindOrConnect)
}

fn parse_host_port(text: &str, address: &str) -> Result<HostPort, EndpointError> {
    // A `]` in the last part means that its colon was inside an IPv6 address.
    let split = address.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
    let Some((host, port)) = split else {
        let endpoint = text.to_owned();
        return Err(EndpointError::MissingPort { endpoint });
    };
    if !is_host(host) {
        return Err(EndpointError::InvalidHost {
            endpoint: text.to_owned(),
            host: host.to_owned(),
        });
    }
    let any_host = host == "*";
    let is_name = !any_host
        && !host.starts_with('[')
        && host != "localhost"
        && host.parse::<Ipv4Addr>().is_err();
    Ok(HostPort { any_host, is_name, port: parse_port(text, port)? })
}

/// Parses a port; `None` is a wildcard.
///
/// A leading zero is refused because libzmq takes `0` for a wildcard and `00`
/// for an error, and a leading `+` because only `u16::from_str` likes it.
fn parse_port(text: &str, port: &str) -> Result<Option<u16>, EndpointError> {
    let number = match port {
        "*" | "0" => return Ok(None),
        _ if port.starts_with(['0', '+']) => None,
        _ => port.parse().ok(),
    };
    match number {
        Some(_) => Ok(number),
        None => {
            Err(EndpointError::InvalidPort { endpoint: text.to_owned(), port: port.to_owned() })
        }
    }
}

fn is_host(host: &str) -> bool {
    if host == "*" {
        return true;
    }
    if host.len() > MAX_HOST {
        return false;
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let (address, zone) = match inner.split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (inner, None),
        };
        return address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone);
    }
    // Digits and dots alone are never a resolvable name, and the C library
    // would read `127.1` or `010.0.0.1` in ways that surprise.
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    is_name(host)
}

/// libzmq reads a zone that begins with a letter as an interface, and any
/// other as an index that must not be zero.
fn is_zone(zone: &str) -> bool {
    if zone.starts_with(|c: char| c.is_ascii_digit()) {
        return zone.parse::<u32>().is_ok_and(|index| index != 0);
    }
    is_name(zone) && zone.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The characters that libzmq's `connect` lets through in a name.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.text).finish()
    }
}

impl AsRef<str> for Endpoint {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl TryFrom<&String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: &String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

/// What names an endpoint: an [`Endpoint`], or a text that is parsed into one.
pub trait IntoEndpoint {
    /// Parses, or passes on.
    ///
    /// # Errors
    ///
    /// Returns the [`EndpointError`] of [`Endpoint::parse`].
    fn into_endpoint(self) -> Result<Endpoint, EndpointError>;
}

impl<T> IntoEndpoint for T
where
    T: TryInto<Endpoint>,
    EndpointError: From<T::Error>,
{
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Ok(self.try_into()?)
    }
}

impl From<&Self> for Endpoint {
    fn from(endpoint: &Self) -> Self {
        endpoint.clone()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.as_str().to_owned()
    }
}
