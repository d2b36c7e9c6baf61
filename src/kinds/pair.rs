//! PAIR.

use super::{Exchanges, Kind, Queues, Receives, SocketType, sealed};
use crate::messages::Received;

/// Talks with one other PAIR, and with nobody else (RFC 31/EXPAIR).
///
/// | | |
/// |---|---|
/// | Compatible peers | PAIR, one at a time |
/// | Direction | send and receive |
/// | Pattern | exclusive pair |
/// | Outgoing routing | – |
/// | Incoming routing | – |
/// | Action in mute state | waits in our queue, then [`Overflow`](crate::Overflow) |
///
/// It is made for two parts of one process, over `inproc://`. Over other
/// transports it works, but a peer that connects before libzmq has noticed that
/// the first has gone is turned away: it stays connected and is never served,
/// until it connects anew. So a PAIR's own restart waits for 100 ms at least,
/// whatever its [`RestartPolicy`](crate::RestartPolicy) says; and within the
/// process the other end is opened again together with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {}

impl sealed::Sealed for Pair {}
impl Kind for Pair {
    const TYPE: SocketType = SocketType::Pair;
}
impl Exchanges for Pair {}
impl Queues for Pair {}
impl Receives for Pair {
    type Delivery = Received;
}
