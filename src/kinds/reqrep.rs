//! REQUEST on DEALER and REPLY on ROUTER.

use super::{Kind, Queues, Receives, Replies, Requests, SocketType, sealed};
use crate::messages::IncomingRequest;

/// Sends requests, any number in flight, and correlates the replies by id.
///
/// | | |
/// |---|---|
/// | Runs on | DEALER |
/// | Compatible peers | REPLY, REP, ROUTER, txZMQ's REP connection |
/// | Direction | send and receive |
/// | Pattern | request/reply, not in lock-step |
/// | Outgoing routing | round-robin |
/// | Incoming routing | fair-queued |
/// | Action in mute state | waits in our queue, then [`Overflow`](crate::Overflow) |
///
/// On the wire: `[id, 16 bytes][empty][parts…]` (RFC 28/REQREP's envelope).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {}

/// Receives requests and answers each one once, now or later, in any order.
///
/// | | |
/// |---|---|
/// | Runs on | ROUTER, mandatory |
/// | Compatible peers | REQUEST, REQ, DEALER, txZMQ's REQ connection |
/// | Direction | receive and send |
/// | Pattern | request/reply, not in lock-step |
/// | Outgoing routing | to the peer that asked |
/// | Incoming routing | fair-queued |
/// | Action in mute state | the reply waits for its peer alone; a peer that is gone is counted as unroutable |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {}

impl sealed::Sealed for Request {}
impl Kind for Request {
    const TYPE: SocketType = SocketType::Request;
}
impl Requests for Request {}
impl Queues for Request {}

impl sealed::Sealed for Reply {}
impl Kind for Reply {
    const TYPE: SocketType = SocketType::Reply;
}
impl Replies for Reply {}
impl Queues for Reply {}
impl Receives for Reply {
    type Delivery = IncomingRequest;
}
