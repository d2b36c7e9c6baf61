//! What is compared: workloads, contenders, and what is known of each.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::task::{Peer, Role};

/// Which libzmq is linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Build {
    /// The one that `zmq-sys` compiles by itself.
    #[default]
    Stock,
    /// The system's, by `configs/system-libzmq.toml`.
    System,
    /// Compiled with more, by `configs/tuned-libzmq.toml`, and with large batches.
    Tuned,
}

impl Build {
    /// Its name in files and targets; the stock one needs none.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::System => "system",
            Self::Tuned => "tuned",
        }
    }
}

/// One row of a table: whose code, on which libzmq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Contender {
    pub peer: Peer,
    pub build: Build,
}

/// What everything is measured against.
pub const RAW: Contender = Contender { peer: Peer::Raw, build: Build::Stock };

impl Contender {
    /// Its name in the results.
    pub fn key(self) -> String {
        match self.build {
            Build::Stock => self.peer.key(),
            build => format!("{}/{}", self.peer, build.key()),
        }
    }

    pub const fn is_ours(self) -> bool {
        self.peer.way().is_some()
    }

    /// All there are, in the order of the tables.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for &peer in Peer::value_variants() {
            all.push(Self { peer, build: Build::Stock });
            if matches!(peer, Peer::Raw | Peer::Inline) {
                all.extend([Build::System, Build::Tuned].map(|build| Self { peer, build }));
            }
        }
        all
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.peer {
            Peer::Raw => "raw `zmq` crate",
            Peer::Inline => "**actix-zmq**, inline",
            Peer::Batch => "**actix-zmq**, batches, same arbiter",
            Peer::BatchOther => "**actix-zmq**, batches, other arbiter",
            Peer::Each => "**actix-zmq**, one message each, same arbiter",
            Peer::EachOther => "**actix-zmq**, one message each, other arbiter",
            Peer::Typed => "**actix-zmq**, one MessagePack value each, same arbiter",
            Peer::RawFrames => "raw `zmq` crate, with our three frames",
            Peer::Tmq => "tmq",
            Peer::AsyncZmq => "async_zmq",
            Peer::Zeromq => "zeromq",
            Peer::Rzmq => "rzmq",
            Peer::Omq => "omq",
            Peer::Pyzmq => "pyzmq, blocking",
            Peer::PyzmqAsyncio => "pyzmq, asyncio",
            Peer::Aiozmq => "aiozmq",
            Peer::Txzmq => "txZMQ",
        };
        f.write_str(name)?;
        match self.build {
            Build::Stock => Ok(()),
            build => write!(f, ", {} libzmq", build.key()),
        }
    }
}

/// What is measured.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// PUSH → PULL, the receiver is the contender.
    Receive,
    /// PUSH → PULL, the sender is the contender.
    Send,
    /// PUSH → PULL, both ends are the contender.
    Both,
    /// PUB → SUB, both ends.
    PubSub,
    /// Requests per second, both ends.
    ReqRep,
    /// Round trips with one request in flight, both ends.
    Latency,
    /// Typed calls per second, both ends.
    Calls,
    /// Idle sockets, many requests, peers and subscriptions, a backlog.
    Scale,
}

/// The three or four columns of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub size: usize,
    pub window: usize,
    /// The most messages to send: as many as may wait in memory.
    pub limit: u64,
}

const fn column(size: usize) -> Column {
    Column { size, window: 1, limit: u64::MAX }
}

const fn publication(size: usize, limit: u64) -> Column {
    Column { size, window: 1, limit }
}

const fn in_flight(window: usize) -> Column {
    Column { size: 64, window, limit: u64::MAX }
}

const PIPELINE: &[Column] = &[column(16), column(256), column(4_096), column(65_536)];
const PUBLICATIONS: &[Column] =
    &[publication(16, 2_000_000), publication(256, 1_000_000), publication(4_096, 100_000)];

const REQUESTS: &[Column] = &[in_flight(64), in_flight(1_000)];
const ONE_REQUEST: &[Column] = &[in_flight(1)];

impl Workload {
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Receive | Self::Send | Self::Both => PIPELINE,
            Self::PubSub => PUBLICATIONS,
            Self::ReqRep | Self::Calls => REQUESTS,
            Self::Latency => ONE_REQUEST,
            Self::Scale => &[],
        }
    }

    pub fn key(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Receive => "Receive: raw PUSH → PULL",
            Self::Send => "Send: PUSH → raw PULL",
            Self::Both => "Both ends: PUSH → PULL",
            Self::PubSub => "Publish/subscribe: PUB → SUB, topic and body",
            Self::ReqRep => "Request/reply, 64 B: replies per second",
            Self::Latency => "Request/reply, 64 B, one in flight: round trip",
            Self::Calls => {
                "Typed calls, a small struct in MessagePack with its deadline: results per second"
            }
            Self::Scale => "Scale",
        }
    }

    /// What a column's figure is of.
    pub fn label(self, column: &Column) -> String {
        match self {
            Self::ReqRep | Self::Latency | Self::Calls => format!("{} in flight", column.window),
            _ if column.size >= 1_024 => format!("{} KiB", column.size / 1_024),
            _ => format!("{} B", column.size),
        }
    }

    /// The high-water marks: libzmq's default, none where nothing may be lost,
    /// and beyond what is in flight where a ROUTER would drop.
    pub const fn hwm(self) -> u32 {
        match self {
            Self::PubSub => 0,
            Self::ReqRep | Self::Latency | Self::Calls => 10_000,
            _ => 1_000,
        }
    }

    /// The ends: whose code, in which role.
    pub const fn ends(self, contender: Contender) -> [(Contender, Role); 2] {
        // The other end has the same libzmq.
        let raw = Contender { peer: Peer::Raw, build: contender.build };
        match self {
            Self::Receive => [(raw, Role::Push), (contender, Role::Pull)],
            Self::Send => [(contender, Role::Push), (raw, Role::Pull)],
            Self::Both | Self::Scale => [(contender, Role::Push), (contender, Role::Pull)],
            Self::PubSub => [(contender, Role::Pub), (contender, Role::Sub)],
            Self::ReqRep | Self::Latency => [(contender, Role::Client), (contender, Role::Server)],
            Self::Calls => [(contender, Role::Caller), (contender, Role::Service)],
        }
    }

    /// Whether the contender has something of its own to show here.
    pub const fn has(self, contender: Contender) -> bool {
        match self {
            Self::Receive | Self::Send => !matches!(contender.peer, Peer::Typed | Peer::RawFrames),
            // One process each, so there is one arbiter to choose per end, not two.
            Self::Both => !matches!(
                contender.peer,
                Peer::BatchOther | Peer::EachOther | Peer::Typed | Peer::RawFrames
            ),
            Self::PubSub => {
                !matches!(contender.peer, Peer::BatchOther | Peer::EachOther | Peer::RawFrames)
            }
            // Replies are not delivered in batches.
            Self::ReqRep | Self::Latency => !matches!(
                contender.peer,
                Peer::Batch | Peer::BatchOther | Peer::EachOther | Peer::Typed
            ),
            // Nobody else has them.
            Self::Calls => matches!(contender.peer, Peer::Raw | Peer::Inline | Peer::Each),
            Self::Scale => {
                matches!(contender.peer, Peer::Raw | Peer::Inline)
                    && matches!(contender.build, Build::Stock)
            }
        }
    }

    /// Whether less is better.
    pub const fn is_latency(self) -> bool {
        matches!(self, Self::Latency)
    }

    /// The least that we want in a column, or for a latency the most, as a ratio
    /// to raw on the same libzmq.
    pub fn target(self, contender: Contender, column: &Column) -> Option<f64> {
        let by_size = |targets: [f64; 4]| {
            let sizes = [16, 256, 4_096, 65_536];
            sizes.iter().zip(targets).find(|(size, _)| **size == column.size).map(|pair| pair.1)
        };
        if contender.build == Build::Tuned && contender.peer == Peer::Inline {
            // To stock raw.
            return match self {
                Self::Receive => [(16, 1.15), (256, 1.6), (4_096, 3.0)]
                    .iter()
                    .find(|(size, _)| *size == column.size)
                    .map(|pair| pair.1),
                _ => None,
            };
        }
        match (self, contender.peer) {
            (Self::Receive, Peer::Inline | Peer::Batch | Peer::BatchOther)
            | (Self::Send, Peer::Inline | Peer::Batch) => by_size([0.95, 1.0, 1.0, 1.0]),
            (Self::Receive, Peer::Each) => by_size([0.65, 0.95, 1.0, 1.0]),
            (Self::Receive, Peer::EachOther) => by_size([0.5, 0.9, 1.0, 1.0]),
            (Self::Send, Peer::Each) if column.size == 16 => Some(0.5),
            (Self::PubSub, Peer::Inline) if column.size == 16 => Some(0.9),
            (Self::PubSub, Peer::Inline) if column.size == 4_096 => Some(1.0),
            (Self::ReqRep, Peer::Inline) => Some(1.0),
            (Self::Latency, Peer::Inline) => Some(1.1),
            (Self::Calls, Peer::Inline | Peer::Each) if column.window == 1_000 => Some(0.6),
            _ => None,
        }
    }
}
