//! PUB, XPUB, SUB and XSUB.

use super::{Exchanges, Kind, Publishes, Queues, Receives, SocketType, Subscribes, sealed};
use crate::messages::{Subscription, TopicMessage};

/// Distributes messages to all subscribers (RFC 29/PUBSUB).
///
/// | | |
/// |---|---|
/// | Runs on | XPUB, which tells who has subscribed |
/// | Compatible peers | SUB, XSUB |
/// | Direction | send only |
/// | Pattern | one to many |
/// | Outgoing routing | to every peer with a matching subscription |
/// | Incoming routing | – |
/// | Action in mute state | libzmq drops for that subscriber, uncounted; with [`no_drop`](crate::Blueprint::no_drop) the message waits in our queue |
///
/// Without a subscriber a message is accepted and goes nowhere: subscriptions
/// travel from the subscriber to the publisher, and what is published before
/// they arrive is not seen ("slow joiner").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pub {}

/// A PUB that hears of its subscribers (RFC 29/PUBSUB).
///
/// | | |
/// |---|---|
/// | Compatible peers | SUB, XSUB |
/// | Direction | send; receive subscriptions, and messages from XSUB |
/// | Pattern | one to many |
/// | Outgoing routing | to every peer with a matching subscription |
/// | Incoming routing | fair-queued |
/// | Action in mute state | as [`Pub`] |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XPub {}

/// Receives the messages that it subscribed to (RFC 29/PUBSUB).
///
/// | | |
/// |---|---|
/// | Compatible peers | PUB, XPUB |
/// | Direction | receive only |
/// | Pattern | many to one |
/// | Outgoing routing | – |
/// | Incoming routing | fair-queued |
/// | Action in mute state | – |
///
/// Publishers filter; libzmq's SUB filters again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sub {}

/// A SUB that may also send upstream (RFC 29/PUBSUB).
///
/// | | |
/// |---|---|
/// | Compatible peers | PUB, XPUB |
/// | Direction | receive; send subscriptions, and messages for XPUB |
/// | Pattern | many to one |
/// | Outgoing routing | to every peer |
/// | Incoming routing | fair-queued |
/// | Action in mute state | libzmq drops for that peer, uncounted |
///
/// libzmq does not filter again what publishers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XSub {}

impl sealed::Sealed for Pub {}
impl Kind for Pub {
    const TYPE: SocketType = SocketType::Pub;
}
impl Publishes for Pub {}
impl Queues for Pub {}

impl sealed::Sealed for XPub {}
impl Kind for XPub {
    const TYPE: SocketType = SocketType::XPub;
}
impl Publishes for XPub {}
impl Queues for XPub {}
impl Receives for XPub {
    type Delivery = Subscription;
}

impl sealed::Sealed for Sub {}
impl Kind for Sub {
    const TYPE: SocketType = SocketType::Sub;
}
impl Subscribes for Sub {}
impl Receives for Sub {
    type Delivery = TopicMessage;
}

impl sealed::Sealed for XSub {}
impl Kind for XSub {
    const TYPE: SocketType = SocketType::XSub;
}
impl Subscribes for XSub {}
impl Exchanges for XSub {
    const UPSTREAM: bool = true;
}
impl Queues for XSub {}
impl Receives for XSub {
    type Delivery = TopicMessage;
}
