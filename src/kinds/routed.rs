//! DEALER and ROUTER, as they are.

use super::{Exchanges, Kind, Queues, Receives, Routes, SocketType, sealed};
use crate::messages::{Received, ReceivedFrom};

/// Sends to its peers in turn and receives from all of them (RFC 28/REQREP).
///
/// | | |
/// |---|---|
/// | Compatible peers | ROUTER, REP, DEALER |
/// | Direction | send and receive |
/// | Pattern | request/reply, not in lock-step |
/// | Outgoing routing | round-robin |
/// | Incoming routing | fair-queued |
/// | Action in mute state | waits in our queue, then [`Overflow`](crate::Overflow) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dealer {}

/// Knows its peers by their routing ids, and sends to the one that is named
/// (RFC 28/REQREP).
///
/// | | |
/// |---|---|
/// | Runs on | ROUTER, mandatory |
/// | Compatible peers | DEALER, REQ, ROUTER |
/// | Direction | receive and send |
/// | Pattern | request/reply, not in lock-step |
/// | Outgoing routing | to the named peer |
/// | Incoming routing | fair-queued |
/// | Action in mute state | a message waits for its peer alone; one for a peer that is not there is given back |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {}

impl sealed::Sealed for Dealer {}
impl Kind for Dealer {
    const TYPE: SocketType = SocketType::Dealer;
}
impl Exchanges for Dealer {}
impl Queues for Dealer {}
impl Receives for Dealer {
    type Delivery = Received;
}

impl sealed::Sealed for Router {}
impl Kind for Router {
    const TYPE: SocketType = SocketType::Router;
}
impl Routes for Router {}
impl Queues for Router {}
impl Receives for Router {
    type Delivery = ReceivedFrom;
}
