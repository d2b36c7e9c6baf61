//! REQUEST on DEALER, REPLY on ROUTER, and the lock-step types REQ and REP.

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

/// Sends one request at a time: the next leaves when the reply to the one
/// before has come. For peers that know no other way; elsewhere [`Request`] is
/// the better choice.
///
/// | | |
/// |---|---|
/// | Runs on | REQ |
/// | Compatible peers | REP, REPLY, ROUTER |
/// | Direction | send, receive, send, receive, … |
/// | Pattern | request/reply in lock-step |
/// | Outgoing routing | round-robin |
/// | Incoming routing | from the peer that was asked last |
/// | Action in mute state | waits in our queue, then [`Overflow`](crate::Overflow) |
///
/// Further requests wait in the outbound queue. libzmq's REQ cannot take a
/// request back once it has left: when one times out or is cancelled, the
/// socket is opened again, so that a late reply is never taken for the next
/// one's. With [`correlate`](crate::Blueprint::correlate) that is not needed.
///
/// On the wire: `[empty][parts…]` (RFC 28/REQREP), and a request id of four
/// bytes in front with `correlate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Req {}

/// Receives one request at a time: the next is read when the one before is
/// answered, dropped, or too old. Elsewhere [`Reply`] is the better choice.
///
/// | | |
/// |---|---|
/// | Runs on | ROUTER, mandatory, in lock-step |
/// | Compatible peers | REQ, REQUEST, DEALER |
/// | Direction | receive, send, receive, send, … |
/// | Pattern | request/reply in lock-step |
/// | Outgoing routing | to the peer that asked last |
/// | Incoming routing | fair-queued |
/// | Action in mute state | the reply waits for its peer alone; a peer that is gone is counted as unroutable |
///
/// libzmq's REP cannot go on without an answer: a server that drops a request
/// would have to close the socket, and with it lose what other peers have
/// asked. This one reads on. On the wire it is a REP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rep {}

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

impl sealed::Sealed for Req {}
impl Kind for Req {
    const TYPE: SocketType = SocketType::Req;
}
impl Requests for Req {}
impl Queues for Req {}

impl sealed::Sealed for Rep {}
impl Kind for Rep {
    const TYPE: SocketType = SocketType::Rep;
}
impl Replies for Rep {}
impl Queues for Rep {}
impl Receives for Rep {
    type Delivery = IncomingRequest;
}
