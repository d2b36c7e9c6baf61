//! Proxies.

use actix::{Addr, Message};

use crate::actors::{Proxy, ProxyBlueprint};
use crate::codec::{Decode, Undecodable};
use crate::deliver::{Delivery, OneWay};
use crate::error::Result;
use crate::multipart::Multipart;

/// Opens a proxy and resolves with its address when it moves messages.
///
/// # Errors
/// As [`Open`](super::Open).
///
/// # Cancel safety
/// Dropping the future does not undo the opening; the factory keeps the proxy.
#[derive(Debug)]
pub struct OpenProxy(pub ProxyBlueprint);

impl Message for OpenProxy {
    type Result = Result<Addr<Proxy>>;
}

/// Has a proxy move nothing until [`Resume`]. Messages wait in libzmq's queues.
///
/// Resolves when it has paused; while it waits for a side that is full, or for
/// a slow capture, it cannot.
///
/// # Errors
/// [`Restarting`](crate::ErrorKind::Restarting) or [`Closed`](crate::ErrorKind::Closed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause;

impl Message for Pause {
    type Result = Result<()>;
}

/// Has a proxy go on after a [`Pause`]. Resolves when it does.
///
/// # Errors
/// As [`Pause`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resume;

impl Message for Resume {
    type Result = Result<()>;
}

/// Asks a proxy what it has moved since it was opened, or opened again.
///
/// # Errors
/// As [`Pause`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics;

impl Message for Statistics {
    type Result = Result<ProxyStatistics>;
}

/// What the two sides of a proxy have moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyStatistics {
    /// The side that clients know.
    pub frontend: SideStatistics,
    /// The side that workers know.
    pub backend: SideStatistics,
}

/// What one side of a proxy has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SideStatistics {
    /// Messages that came in.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Messages that went out.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
}

/// A message that went through a proxy, in either direction: its frames, or a
/// value decoded from them.
///
/// A routing id in front is part of the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured<B = Multipart>(pub B);

impl<B: 'static> Message for Captured<B> {
    type Result = ();
}

impl<B: Decode + Send> Delivery for Captured<B> {
    type Raw = Captured;

    fn from_raw(raw: Captured) -> std::result::Result<Self, Undecodable> {
        B::decode(raw.0).map(Self)
    }
}

impl OneWay for Captured {
    fn into_body(self) -> Multipart {
        self.0
    }
}
