//! PUSH and PULL.

use super::{Kind, Queues, Receives, Sends, SocketType, sealed};
use crate::messages::Pulled;

/// Hands each message to one of its peers in turn (RFC 30/PIPELINE).
///
/// | | |
/// |---|---|
/// | Compatible peers | PULL |
/// | Direction | send only |
/// | Pattern | pipeline |
/// | Outgoing routing | round-robin |
/// | Incoming routing | – |
/// | Action in mute state | waits in our queue, then [`Overflow`](crate::Overflow) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {}

/// Collects messages from all its peers (RFC 30/PIPELINE).
///
/// | | |
/// |---|---|
/// | Compatible peers | PUSH |
/// | Direction | receive only |
/// | Pattern | pipeline |
/// | Outgoing routing | – |
/// | Incoming routing | fair-queued |
/// | Action in mute state | – |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {}

impl sealed::Sealed for Push {}
impl Kind for Push {
    const TYPE: SocketType = SocketType::Push;
}
impl Sends for Push {}
impl Queues for Push {}

impl sealed::Sealed for Pull {}
impl Kind for Pull {
    const TYPE: SocketType = SocketType::Pull;
}
impl Receives for Pull {
    type Delivery = Pulled;
}
