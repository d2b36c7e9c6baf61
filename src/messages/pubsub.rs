//! PUB and SUB.

use std::time::Duration;

use actix::Message;

use crate::codec::{Decode, Undecodable};
use crate::deliver::{Delivery, IntoReceiver, OneWay, Receiver};
use crate::error::Result;
use crate::multipart::{Frame, Multipart};
use crate::topic::Topic;

/// Sends a message to everyone who subscribed to its topic.
///
/// The body is frames, bytes, text, or a value in a codec. Resolves when
/// libzmq has accepted the message; subscribers that are slower than their
/// high-water mark miss it, unless the socket was built with
/// [`no_drop`](crate::Blueprint::no_drop).
///
/// # Errors
/// As [`Push`](super::Push); also [`InvalidMessage`](crate::ErrorKind::InvalidMessage)
/// for what the socket's [`TopicFraming`](crate::TopicFraming) cannot carry.
///
/// # Cancel safety
/// Dropping the future does not take the message back once the socket has it.
///
/// # Examples
/// ```
/// use actix_zmq::{Json, Publish};
///
/// let plain = Publish::new("news", "hello");
/// let typed = Publish { topic: "prices.EUR".into(), body: Json(101.5) };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<B = Multipart> {
    /// What subscribers filter by.
    pub topic: Frame,
    /// What they receive.
    pub body: B,
}

impl<B> Publish<B> {
    /// A message under a topic.
    pub fn new(topic: impl Into<Frame>, body: B) -> Self {
        Self { topic: topic.into(), body }
    }
}

impl<B: 'static> Message for Publish<B> {
    type Result = Result<()>;
}

/// Subscribes to a prefix, or to one exact topic.
///
/// libzmq counts references: after two subscriptions to the same topic, one
/// [`Unsubscribe`] leaves one. The subscription reaches publishers a moment
/// later; what they publish before is not seen.
///
/// With a [receiver](Self::deliver_to) of its own, the longest prefix that
/// matches a message decides who gets it; the socket's receiver has the empty
/// prefix. A second receiver for one topic replaces the first.
///
/// # Errors
/// [`Closed`](crate::ErrorKind::Closed). While the socket restarts the
/// subscription is kept and made with the others.
#[derive(Debug)]
pub struct Subscribe {
    pub(crate) topic: Topic,
    pub(crate) receiver: Option<Receiver<TopicMessage>>,
}

impl Subscribe {
    /// Subscribes; messages go to the socket's receiver.
    #[must_use]
    pub fn new(topic: impl Into<Topic>) -> Self {
        Self { topic: topic.into(), receiver: None }
    }

    /// Delivers what this topic matches to a receiver of its own.
    #[must_use]
    pub fn deliver_to(mut self, receiver: impl IntoReceiver<TopicMessage>) -> Self {
        self.receiver = Some(receiver.into_receiver());
        self
    }
}

impl Message for Subscribe {
    type Result = Result<()>;
}

/// Takes one subscription back; with the last one its receiver goes too.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) when there is no such subscription,
/// [`Closed`](crate::ErrorKind::Closed).
#[derive(Clone, Debug)]
pub struct Unsubscribe(pub(crate) Topic);

impl Unsubscribe {
    /// Names the subscription as it was made.
    #[must_use]
    pub fn new(topic: impl Into<Topic>) -> Self {
        Self(topic.into())
    }
}

impl Message for Unsubscribe {
    type Result = Result<()>;
}

/// A message that a SUB socket received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMessage<B = Multipart> {
    /// What the publisher filed it under.
    pub topic: Frame,
    /// What it sent: all frames after the topic, or a value decoded from them.
    pub body: B,
}

impl<B: 'static> Message for TopicMessage<B> {
    type Result = ();
}

impl<B: Decode + Send> Delivery for TopicMessage<B> {
    type Raw = TopicMessage;

    #[inline]
    fn from_raw(raw: TopicMessage) -> std::result::Result<Self, Undecodable> {
        Ok(Self { topic: raw.topic, body: B::decode(raw.body)? })
    }
}

impl OneWay for TopicMessage {
    #[inline]
    fn into_body(self) -> Multipart {
        self.body
    }
}

/// What an XPUB socket hears from its subscribers.
///
/// libzmq tells of a topic when the first subscriber comes and the last one
/// goes, unless the socket was built with [`verbose`](crate::Blueprint::verbose).
/// After a restart of the socket, or of a connection, subscribers subscribe anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subscription {
    /// Somebody subscribed to this prefix.
    Subscribed(Frame),
    /// Nobody, or with [`verboser`](crate::Blueprint::verboser) somebody, is
    /// subscribed to this prefix any more.
    Unsubscribed(Frame),
    /// An XSUB peer sent this upstream: anything that is no subscription.
    Message(Multipart),
}

impl Message for Subscription {
    type Result = ();
}

impl Delivery for Subscription {
    type Raw = Self;

    #[inline]
    fn from_raw(raw: Self) -> std::result::Result<Self, Undecodable> {
        Ok(raw)
    }
}

/// What becomes of a subscription, or of the end of one, that an XPUB with
/// [`manual`](crate::Blueprint::manual) is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// It holds.
    #[default]
    Admit,
    /// The subscriber gets nothing for it.
    Refuse,
    /// These prefixes are subscribed to, or given up, in its place.
    Instead(Vec<Frame>),
}

/// Waits until so many subscribers would get a message with this topic: what
/// a publisher does instead of sleeping before its first message.
///
/// Resolves with the number of subscribers, which may be more. Each connection
/// counts once; a subscriber within the process counts once for each of its
/// subscriptions that match. With [`invert_matching`](crate::Blueprint::invert_matching)
/// it counts those who would *not* get the message.
///
/// # Errors
/// [`TimedOut`](crate::ErrorKind::TimedOut) at the deadline;
/// [`Unsupported`](crate::ErrorKind::Unsupported) on a socket that was told not
/// to [`count_subscribers`](crate::Blueprint::count_subscribers);
/// [`Closed`](crate::ErrorKind::Closed).
///
/// # Cancel safety
/// Dropping the future ends the wait and changes nothing.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::prelude::*;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let zmq = Factory::builder().start();
/// let publisher = zmq.send(Open(PubSocket::bind("inproc://news"))).await??;
/// let subscriber = SubSocket::connect("inproc://news").topic("news.");
/// zmq.send(Open(subscriber.on_message(|_: TopicMessage| {}))).await??;
/// let wait = WaitSubscribers {
///     topic: "news.de".into(),
///     count: 1,
///     deadline: Duration::from_secs(5),
/// };
/// assert_eq!(publisher.send(wait).await??, 1);
/// # zmq.send(Shutdown::within(Duration::from_secs(1))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitSubscribers {
    /// The topic of the message that is to be published.
    pub topic: Frame,
    /// How many subscribers it is to reach, at least.
    pub count: usize,
    /// How long to wait.
    pub deadline: Duration,
}

impl Message for WaitSubscribers {
    type Result = Result<usize>;
}
