//! What happens to a socket, told to whoever watches.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;

use super::SocketId;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::kinds::SocketType;
use crate::multipart::Multipart;

/// Something that happened to a socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SocketEvent {
    /// Which socket.
    pub socket: SocketId,
    /// Its type.
    pub socket_type: SocketType,
    /// What happened.
    pub kind: EventKind,
}

impl Message for SocketEvent {
    type Result = ();
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The socket is open, at these endpoints.
    Up {
        /// Bound and connected endpoints, as resolved.
        endpoints: Vec<Endpoint>,
    },
    /// Something happened to one of its connections.
    Connection(ConnectionEvent),
    /// The socket failed, or was told to restart.
    Down {
        /// Why.
        reason: Arc<Error>,
    },
    /// The socket will be opened again.
    Restarting {
        /// How many restarts in a row this makes, from 1; 0 for one on demand.
        attempt: u32,
        /// When.
        after: Duration,
    },
    /// The socket failed too often: it stays closed.
    GaveUp {
        /// The last failure.
        reason: Arc<Error>,
    },
    /// The socket is closed for good.
    Closed,
    /// A message could not be decoded. It is counted, and no receiver gets it;
    /// of a reply, the caller is told too.
    Undecodable {
        /// The frames, as received.
        frames: Multipart,
        /// Why.
        reason: Arc<str>,
    },
    /// The receiver is gone; nothing more is read.
    ReceiverGone {
        /// Deliveries whose handling was not confirmed.
        unconfirmed: usize,
    },
    /// A reply, or a message by routing id that nobody awaited, had no way to its peer and was dropped.
    Unroutable {
        /// The peer's routing id.
        peer: Multipart,
    },
    /// Messages were refused or dropped, and nobody awaited them.
    Lost {
        /// Why.
        reason: ErrorKind,
        /// How many since the last such event.
        messages: u64,
    },
    /// The watcher was too slow for so many events before this one.
    Missed {
        /// How many.
        events: u64,
    },
}

/// Something that libzmq's monitor told of a connection (`zmq_socket_monitor(3)`).
///
/// Of a storm, the first 32 of a kind within 100 ms at an endpoint are told one
/// by one and the others together. Connections within the process (`inproc`)
/// have no such events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionEvent {
    /// What happened.
    pub change: ConnectionChange,
    /// The socket's own endpoint: the one that it is bound to, or that it connects to.
    pub endpoint: String,
    /// The address of the other side, where there is one and the operating
    /// system still knew it; of several together, that of the last.
    pub peer: Option<SocketAddr>,
    /// How often it happened.
    pub times: u64,
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionChange {
    /// The socket listens.
    Listening,
    /// The socket cannot listen.
    BindFailed {
        /// The operating system's error.
        errno: i32,
    },
    /// The connection to the other side is there; the handshake follows.
    Connected,
    /// The connection is not there at once: libzmq goes on trying.
    ConnectDelayed,
    /// libzmq will try again.
    ConnectRetried {
        /// When.
        after: Duration,
    },
    /// A connection was accepted; the handshake follows.
    Accepted,
    /// A connection could not be accepted, most often for want of descriptors.
    AcceptFailed {
        /// The operating system's error.
        errno: i32,
    },
    /// The connection is gone.
    Disconnected,
    /// libzmq has closed a descriptor that listened or tried to connect.
    Closed,
    /// A descriptor could not be closed.
    CloseFailed {
        /// The operating system's error.
        errno: i32,
    },
    /// The other side speaks ZeroMQ, and was let in: from now on messages flow.
    HandshakeSucceeded,
    /// The other side does not speak ZeroMQ, or was not let in.
    HandshakeFailed {
        /// Why.
        reason: HandshakeFailure,
    },
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The connection broke, or the other side has closed it.
    System {
        /// The operating system's error.
        errno: i32,
    },
    /// The security mechanisms of the two sides differ.
    MechanismMismatch,
    /// The keys of the two sides do not fit.
    Cryptographic,
    /// The other side, or the authenticator, breaks the protocol.
    Protocol {
        /// libzmq's number for the breach (`ZMQ_PROTOCOL_ERROR_…`).
        code: u32,
    },
    /// The authenticator did not let it in (RFC 27/ZAP).
    Denied {
        /// ZAP's status: 300, 400 or 500.
        status: u32,
    },
}

/// For people, in one line, without the socket.
impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { endpoints } => {
                f.write_str("up")?;
                for (index, endpoint) in endpoints.iter().enumerate() {
                    write!(f, "{}{endpoint}", if index == 0 { " at " } else { ", " })?;
                }
                Ok(())
            }
            Self::Connection(connection) => connection.fmt(f),
            Self::Down { reason } => write!(f, "down: {reason}"),
            Self::Restarting { attempt, after } => {
                write!(f, "restarts in {after:.1?}, attempt {attempt}")
            }
            Self::GaveUp { reason } => write!(f, "given up: {reason}"),
            Self::Closed => f.write_str("closed"),
            Self::Undecodable { reason, .. } => write!(f, "cannot be decoded: {reason}"),
            Self::ReceiverGone { unconfirmed } => {
                write!(f, "the receiver is gone, {unconfirmed} deliveries unconfirmed")
            }
            Self::Unroutable { peer } => write!(f, "no way to peer {peer:?}"),
            Self::Lost { reason, messages } => {
                write!(f, "messages lost: {messages} ({reason:?})")
            }
            Self::Missed { events } => write!(f, "events left out: {events}"),
        }
    }
}

impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.change, self.endpoint)?;
        if let Some(peer) = self.peer {
            write!(f, ", peer {peer}")?;
        }
        if self.times > 1 {
            write!(f, ", {} times", self.times)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConnectionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = |errno: i32| std::io::Error::from_raw_os_error(errno);
        match *self {
            Self::Listening => f.write_str("listening"),
            Self::BindFailed { errno } => write!(f, "cannot listen: {}", system(errno)),
            Self::Connected => f.write_str("connected"),
            Self::ConnectDelayed => f.write_str("not connected at once"),
            Self::ConnectRetried { after } => write!(f, "connects again in {after:.1?}"),
            Self::Accepted => f.write_str("accepted"),
            Self::AcceptFailed { errno } => write!(f, "cannot accept: {}", system(errno)),
            Self::Disconnected => f.write_str("disconnected"),
            Self::Closed => f.write_str("descriptor closed"),
            Self::CloseFailed { errno } => write!(f, "cannot close: {}", system(errno)),
            Self::HandshakeSucceeded => f.write_str("handshake done"),
            Self::HandshakeFailed { reason } => write!(f, "handshake failed: {reason}"),
        }
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::System { errno } => std::io::Error::from_raw_os_error(errno).fmt(f),
            Self::MechanismMismatch => f.write_str("the security mechanisms differ"),
            Self::Cryptographic => f.write_str("the keys do not fit"),
            Self::Protocol { code } => write!(f, "breach of the protocol, code {code:#x}"),
            Self::Denied { status } => write!(f, "not let in, status {status}"),
        }
    }
}
