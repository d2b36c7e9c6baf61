//! What is counted of a socket's life.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::messages::Count;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Something that is counted from a socket's opening on, across restarts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Counter {
            $($(#[$doc])* $name,)+
        }

        impl Counter {
            /// Every counter.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The counter's name, in lower case with underscores.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

counters! {
    /// Messages that libzmq accepted.
    Sent = "sent",
    /// Their bytes, framing of this crate included.
    SentBytes = "sent_bytes",
    /// Messages that were read from libzmq.
    Received = "received",
    /// Their bytes.
    ReceivedBytes = "received_bytes",
    /// Messages refused because the outbound queue was full.
    Rejected = "rejected",
    /// Messages dropped by the overflow policy.
    Dropped = "dropped",
    /// Refused or dropped messages that nobody awaited: lost, but for this count.
    Lost = "lost",
    /// Received messages that could not be decoded.
    Undecodable = "undecodable",
    /// Received messages that no receiver takes: no topic matches, or the receiver panicked or is gone.
    Undelivered = "undelivered",
    /// Received messages left out because only an exact topic was asked for.
    Filtered = "filtered",
    /// Requests and replies given back at the close of the socket.
    Returned = "returned",
    /// Requests that ended by their timeout.
    TimedOut = "timed_out",
    /// Requests that ended because nobody was connected for too long.
    Unreachable = "unreachable",
    /// Requests whose caller gave up.
    Cancelled = "cancelled",
    /// Requests taken back from the queue after a timeout or cancellation.
    Withdrawn = "withdrawn",
    /// Replies that nobody waits for: late, duplicate or unknown.
    LateReplies = "late_replies",
    /// Requests sent again after a restart, or after the last peer was lost.
    Resent = "resent",
    /// Replies whose peer was not connected any more.
    Unroutable = "unroutable",
    /// Received requests dropped by their handler without an answer.
    Unanswered = "unanswered",
    /// Received requests not answered within the settable age.
    Reaped = "reaped",
    /// How often the socket was opened again.
    Restarts = "restarts",
    /// Events that a slow watcher missed.
    MissedEvents = "missed_events",
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The counters of one socket: written by its actor, read by anyone.
#[derive(Debug)]
pub(crate) struct Counters([AtomicU64; Counter::ALL.len()]);

impl Counters {
    pub(crate) fn add(&self, counter: Counter, amount: u64) {
        if let Some(cell) = self.0.get(counter as usize) {
            cell.fetch_add(amount, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    pub(crate) fn snapshot(&self) -> Count {
        let counts: BTreeMap<_, _> = Counter::ALL
            .iter()
            .map(|counter| (*counter, self.get(*counter)))
            .filter(|(_, value)| *value > 0)
            .collect();
        Count(counts)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}
