//! What happens to a socket, told to whoever watches.

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
