//! Opening, knowing and ending sockets: what the [`Factory`](crate::Factory) takes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use actix::{Addr, Message};

use crate::actors::{Pattern, Socket};
use crate::blueprint::Blueprint;
use crate::counters::Counter;
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::kinds::SocketType;
use crate::latency::Latency;
use crate::options::QueueLimits;

/// Opens a socket and resolves with its address.
///
/// With the default [`open_or_fail`](Blueprint::open_or_fail), the result is
/// there when the socket is up; a bind or option that fails is reported here
/// and the socket is gone. With [`open_with_retry`](Blueprint::open_with_retry)
/// the address comes at once and the socket keeps trying by its restart policy.
///
/// # Errors
/// Whatever the first opening fails with, with the endpoint;
/// [`Closed`](crate::ErrorKind::Closed) after a shutdown or when the arbiter
/// has stopped; [`InvalidOption`](crate::ErrorKind::InvalidOption) for a
/// receiving socket without a receiver. (A SUB socket without topics may get
/// both later, with [`Subscribe`](crate::Subscribe).)
///
/// # Cancel safety
/// Dropping the future does not undo the opening; the factory keeps the socket.
#[derive(Debug)]
pub struct Open<K: Pattern>(pub Blueprint<K>);

impl<K: Pattern> Message for Open<K> {
    type Result = Result<Addr<Socket<K>>>;
}

/// Ends all sockets and the context, and reports what became of their messages.
///
/// 1. Nothing new is taken: every send, request and [`Open`] after it fails with
///    [`Closed`](crate::ErrorKind::Closed). Requests in flight end with `Closed`.
/// 2. Until the deadline, queued messages are handed to libzmq, and requests
///    that were received may be answered.
/// 3. Sockets are closed; what was not handed over is given back to who awaits it.
/// 4. The context is terminated, on a thread of its own: libzmq sends what it
///    holds, for as long as the sockets' linger and the deadline allow.
///
/// It ends by its deadline, always. It may be sent any number of times, at
/// once or later: all get the same report, but for one whose own deadline
/// comes first, which gets what is known by then. Other arbiters must still run, so
/// send it before `System::stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long it may take.
    pub within: Duration,
}

impl Shutdown {
    /// Ends within this time.
    #[must_use]
    pub const fn within(time: Duration) -> Self {
        Self { within: time }
    }
}

impl Message for Shutdown {
    type Result = ShutdownReport;
}

/// Resolves with the report when a [`Shutdown`] has ended, whoever asked for it.
///
/// What `main` awaits beside
/// [`shutdown_on_signal`](crate::FactoryBuilder::shutdown_on_signal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended;

impl Message for Ended {
    type Result = ShutdownReport;
}

/// Asks for the state of every socket. Answered from counters, without asking
/// the sockets: a busy one does not delay it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status;

impl Message for Status {
    type Result = Vec<SocketStatus>;
}

/// A socket's number within its factory, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub(crate) u64);

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Where a socket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketState {
    /// Not opened yet.
    Opening,
    /// Open.
    Up,
    /// Failed, and about to be opened again.
    Down,
    /// Flushing before it closes.
    Closing,
    /// Closed for good.
    Closed,
}

impl fmt::Display for SocketState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opening => "opening",
            Self::Up => "up",
            Self::Down => "down",
            Self::Closing => "closing",
            Self::Closed => "closed",
        })
    }
}

/// An endpoint of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointStatus {
    /// Listening here; wildcards are resolved.
    Bound(Endpoint),
    /// Connected, or trying to.
    Connected(Endpoint),
}

impl EndpointStatus {
    /// The endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Bound(endpoint) | Self::Connected(endpoint) => endpoint,
        }
    }
}

/// A socket as [`Status`] tells of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SocketStatus {
    /// Its number.
    pub id: SocketId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its type.
    pub socket_type: SocketType,
    /// Where it is in its life.
    pub state: SocketState,
    /// Its endpoints, as resolved.
    pub endpoints: Vec<EndpointStatus>,
    /// How often it was opened again.
    pub restarts: u64,
    /// Messages in the outbound queue.
    pub queued: usize,
    /// Bytes in the outbound queue.
    pub queued_bytes: usize,
    /// The bounds of the outbound queue: in messages, in bytes, and in awaited
    /// messages beyond these.
    pub limits: QueueLimits,
    /// Requests in flight, or requests received and not answered yet.
    pub in_flight: usize,
    /// How many peers are connected and have shaken hands, those within the
    /// process included; nothing on a socket without
    /// [`monitor`](crate::Blueprint::monitor).
    pub peers: Option<usize>,
    /// How long requests took that were answered of late; nothing for a type
    /// that makes none, as all but REQUEST and REQ.
    pub latency: Option<Latency>,
    pub(crate) counts: Count,
}

impl SocketStatus {
    /// A counter's value since the socket was opened.
    #[must_use]
    pub fn count(&self, counter: Counter) -> u64 {
        self.counts.get(counter)
    }

    /// All counters that are not zero.
    #[must_use]
    pub const fn counts(&self) -> &Count {
        &self.counts
    }
}

/// A socket's counters at one moment; those not listed are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count(pub(crate) BTreeMap<Counter, u64>);

impl Count {
    /// One counter's value.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.get(&counter).copied().unwrap_or(0)
    }

    /// The counters that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        self.0.iter().map(|(counter, value)| (*counter, *value))
    }
}

/// What became of a socket's messages by the time it was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketReport {
    /// Its number.
    pub id: SocketId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its type.
    pub socket_type: SocketType,
    /// Messages that libzmq accepted in the socket's life.
    pub sent: u64,
    /// Messages and requests given back to their senders at the end, with
    /// [`Closed`](crate::ErrorKind::Closed).
    pub returned: u64,
    /// Messages that were refused, dropped or unroutable while nobody awaited
    /// them, in the socket's life.
    pub dropped: u64,
    /// Messages that nobody awaited and that were still in the queue at the deadline: lost.
    pub still_queued: u64,
    /// Requests received and never answered.
    pub unanswered: u64,
    /// Whether the socket said so itself. Otherwise its arbiter did not
    /// answer by the deadline, and the figures are the last known ones.
    pub confirmed: bool,
}

/// The end of a [`Shutdown`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Every socket that was open when it began.
    pub sockets: Vec<SocketReport>,
    /// Whether the context was terminated before the deadline, so that libzmq
    /// has sent what it held or given up after the linger.
    pub terminated: bool,
    /// How long it took.
    pub took: Duration,
}

impl ShutdownReport {
    /// Whether nothing was left behind: the context ended in time, every socket
    /// said so itself, no message that nobody awaits was still queued, and no
    /// received request was left without an answer. It says nothing of what was
    /// given back ([`SocketReport::returned`]), nor of what peers make of what
    /// they were sent.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.terminated
            && self.sockets.iter().all(|socket| {
                socket.confirmed && socket.still_queued == 0 && socket.unanswered == 0
            })
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {} closed in {:.1?}, context {}",
            self.sockets.len(),
            if self.sockets.len() == 1 { "socket" } else { "sockets" },
            self.took,
            if self.terminated { "terminated" } else { "not terminated in time" },
        )?;
        for socket in &self.sockets {
            write!(f, "  {} {}", socket.id, socket.socket_type)?;
            if let Some(name) = &socket.name {
                write!(f, " {name:?}")?;
            }
            write!(
                f,
                ": {} sent, {} returned, {} dropped, {} still queued",
                socket.sent, socket.returned, socket.dropped, socket.still_queued,
            )?;
            if socket.unanswered > 0 {
                write!(f, ", {} unanswered", socket.unanswered)?;
            }
            if !socket.confirmed {
                f.write_str(", not confirmed")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
