//! What one end of a workload is told to do.

use std::fmt;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// How messages pass between a socket of ours and the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// A closure, or a stream, on the socket's own task.
    Inline,
    /// Batches by mailbox, same arbiter.
    Batch,
    /// Batches by mailbox, from or to another arbiter.
    BatchOther,
    /// A mailbox message each, same arbiter.
    Each,
    /// A mailbox message each, from or to another arbiter.
    EachOther,
}

/// Whose code an end runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Peer {
    Raw,
    Inline,
    Batch,
    BatchOther,
    Each,
    EachOther,
    /// Ours, with values in a codec.
    Typed,
    /// Raw, with the frames that ours sends.
    RawFrames,
    Tmq,
    #[value(name = "async_zmq")]
    AsyncZmq,
    Zeromq,
    Rzmq,
    Omq,
    Pyzmq,
    PyzmqAsyncio,
    Aiozmq,
    Txzmq,
}

impl Peer {
    /// Its name on the command line.
    pub fn key(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How, if it is one of ours.
    pub const fn way(self) -> Option<Way> {
        Some(match self {
            Self::Inline => Way::Inline,
            Self::Batch => Way::Batch,
            Self::BatchOther => Way::BatchOther,
            Self::Each | Self::Typed => Way::Each,
            Self::EachOther => Way::EachOther,
            _ => return None,
        })
    }

    /// Whether Python runs it.
    pub const fn is_python(self) -> bool {
        matches!(self, Self::Pyzmq | Self::PyzmqAsyncio | Self::Aiozmq | Self::Txzmq)
    }
}

/// Which socket an end has, and so what it does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Connects a PUSH and sends.
    Push,
    /// Binds a PULL and counts.
    Pull,
    /// Binds a PUB and sends.
    Pub,
    /// Connects a SUB and counts.
    Sub,
    /// Binds a ROUTER and echoes.
    Server,
    /// Connects a DEALER and keeps a window of requests in flight.
    Client,
    /// Binds a ROUTER and serves typed calls; raw echoes their frames.
    Service,
    /// Connects a DEALER and keeps a window of typed calls in flight.
    Caller,
}

/// One end of a workload.
#[derive(Args, Clone, Debug)]
pub struct Task {
    #[arg(long)]
    pub peer: Peer,
    #[arg(long)]
    pub role: Role,
    /// Bytes of a body.
    #[arg(long)]
    pub size: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 1)]
    pub window: usize,
    /// High-water marks, both; 0 is without a bound.
    #[arg(long)]
    pub hwm: u32,
    /// Milliseconds that do not count, from the first message on.
    #[arg(long)]
    pub warm_up: u64,
    /// Milliseconds that count.
    #[arg(long)]
    pub measure: u64,
    /// The most messages to send.
    #[arg(long)]
    pub limit: u64,
    /// Has libzmq read and write 256 KiB at a time, where it can.
    #[arg(long)]
    pub large_batches: bool,
}

/// What publications are filed under.
pub const TOPIC: &str = "topic.a";

/// How long the header of a call of [`Order`] is, and its body in MessagePack;
/// a test holds both to what is sent.
pub const CALL_HEADER: usize = 28 + "msgpack".len() + "Order".len();
pub const CALL_BODY: usize = 40;

/// libzmq's default is 8 KiB.
pub const LARGE_BATCH: u32 = 256 * 1024;

impl Task {
    /// A body.
    pub fn body(&self) -> Vec<u8> {
        vec![b'x'; self.size]
    }

    /// Whether the frames are those that ours sends.
    pub const fn has_envelope(&self) -> bool {
        matches!(self.peer, Peer::RawFrames) || matches!(self.role, Role::Service | Role::Caller)
    }

    /// What raw sends as a request: the body alone, that of ours, or a typed call's.
    pub fn request(&self) -> Vec<Vec<u8>> {
        let shell = [b"16 bytes of an id"[..16].to_vec(), Vec::new()];
        if matches!(self.role, Role::Caller) {
            // The length of the header, and of the value in MessagePack.
            return shell
                .into_iter()
                .chain([vec![b'h'; CALL_HEADER], vec![b'v'; CALL_BODY]])
                .collect();
        }
        let shell = shell.into_iter().filter(|_| self.has_envelope());
        shell.chain([self.body()]).collect()
    }

    pub const fn warm_up(&self) -> Duration {
        Duration::from_millis(self.warm_up)
    }

    /// How long a sender sends, or a client asks.
    pub const fn duration(&self) -> Duration {
        Duration::from_millis(self.warm_up + self.measure)
    }

    /// As libzmq wants it.
    pub fn hwm_i32(&self) -> i32 {
        i32::try_from(self.hwm).unwrap_or(i32::MAX)
    }
}

/// What an end prints, a line each, for the one who started it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Where a binding end listens.
    Endpoint(String),
    /// A subscriber has subscribed.
    Ready,
    /// All is sent.
    Sent(Sent),
    /// All that arrives has arrived.
    Report(Report),
    /// Figures of the `scale` part.
    Figures(Vec<f64>),
}

/// A sender's account.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Sent {
    pub count: u64,
    /// CPU time for each message, in nanoseconds.
    pub cpu_ns: f64,
    pub max_rss_kib: u64,
}

/// A receiver's, or a client's, account.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// All messages that came, the warm-up included.
    pub count: u64,
    /// Whether nothing more came, though something should have.
    #[serde(default)]
    pub stalled: bool,
    /// Messages per second, the warm-up excluded.
    pub rate: f64,
    /// CPU time for each message, in nanoseconds.
    pub cpu_ns: f64,
    pub max_rss_kib: u64,
    /// Round trips in microseconds: the median, and the 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<(f64, f64)>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}
