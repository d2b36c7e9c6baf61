//! PUB and XPUB.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::task::Context;

use actix::{Context as ActorContext, Handler};

use super::handing::{FromFrames, Handing, require_receiver};
use super::outgoing::{Outbound, Outgoing};
use super::parked::Accepting;
use super::pattern::{Admitted, Framed, Inbound, Pattern, Receiving, Surroundings, Ticket, Wiring};
use super::socket::Socket;
use crate::codec::{Encode, encoded};
use crate::deliver::Receiver;
use crate::engine::port::Sends;
use crate::engine::queue::Queue;
use crate::error::{Error, ErrorKind, Result};
use crate::framing::TopicFraming;
use crate::framing::pubsub::{self, Unframeable};
use crate::kinds::{Pub, Publishes, XPub};
use crate::messages::{Admission, Publish, Subscription};
use crate::multipart::{Frame, Multipart};
use crate::sys::{self, option::OptionId};
use crate::topology::Setting;

impl Framed for PubSetup {
    fn framing(&mut self) -> &mut TopicFraming {
        &mut self.framing
    }
}

/// What the blueprints of PUB and XPUB set.
#[derive(Debug)]
pub struct PubSetup {
    pub(crate) framing: TopicFraming,
    /// Whether it is known who subscribes to what.
    pub(crate) counts: bool,
    /// Of XPUB alone.
    pub(crate) receiver: Option<Receiver<Subscription>>,
    /// Of XPUB alone.
    pub(crate) tells: Tells,
    /// Of XPUB alone: who is let in.
    pub(crate) manual: Option<Decide>,
}

impl Default for PubSetup {
    fn default() -> Self {
        Self {
            framing: TopicFraming::default(),
            counts: true,
            receiver: None,
            tells: Tells::Changes,
            manual: None,
        }
    }
}

impl PubSetup {
    fn configure(&mut self, setting: Setting) -> bool {
        let Setting::Framing(framing) = setting else { return false };
        self.framing = framing;
        true
    }
}

/// Which subscriptions an XPUB tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// The first one to a topic, and the end of the last.
    Changes,
    /// Every one, and the end of the last.
    Subscriptions,
    /// Every one, and every end.
    Everything,
}

/// Whose subscription is admitted.
pub(crate) struct Decide(Box<dyn FnMut(&Subscription) -> Admission + Send>);

impl Decide {
    pub(crate) fn new(decide: impl FnMut(&Subscription) -> Admission + Send + 'static) -> Self {
        Self(Box::new(decide))
    }
}

impl fmt::Debug for Decide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decide(…)")
    }
}

/// Both are XPUB in libzmq: a PUB would not tell who has subscribed.
const WIRING: Wiring =
    Wiring { raw: sys::SocketType::XPub, sends: Sends::Always, receives: true, mandatory: false };

impl Pattern for Pub {
    type Setup = PubSetup;
    type Inbound = Publishing;
    const WIRING: Wiring = WIRING;

    fn inbound(setup: PubSetup) -> Publishing {
        Publishing::new(setup, None)
    }

    fn conflates(setup: &PubSetup) -> bool {
        setup.framing != TopicFraming::Frames
    }

    fn check(setup: &PubSetup) -> Result<()> {
        setup.framing.check()
    }

    fn configure(setup: &mut PubSetup, setting: Setting) -> bool {
        setup.configure(setting)
    }
}

impl Pattern for XPub {
    type Setup = PubSetup;
    type Inbound = Publishing;
    const WIRING: Wiring = WIRING;

    fn inbound(mut setup: PubSetup) -> Publishing {
        let receiver = Handing::new(setup.receiver.take());
        Publishing::new(setup, Some(receiver))
    }

    fn check(setup: &PubSetup) -> Result<()> {
        setup.framing.check()?;
        require_receiver(setup.receiver.is_some())
    }

    fn configure(setup: &mut PubSetup, setting: Setting) -> bool {
        setup.configure(setting)
    }
}

impl Receiving for XPub {
    fn set_receiver(setup: &mut PubSetup, receiver: Receiver<Subscription>) {
        setup.receiver = Some(receiver);
    }
}

/// The part of a publisher: it knows how its messages are framed, who has
/// subscribed to what, and who hears of it.
#[derive(Debug)]
pub struct Publishing {
    framing: TopicFraming,
    tells: Tells,
    manual: Option<Decide>,
    subscribers: Option<Subscribers>,
    /// Absent on a PUB.
    receiver: Option<Handing<Subscription>>,
    admitted: VecDeque<Admitted>,
}

impl Publishing {
    fn new(setup: PubSetup, receiver: Option<Handing<Subscription>>) -> Self {
        Self {
            framing: setup.framing,
            tells: setup.tells,
            manual: setup.manual,
            subscribers: setup.counts.then(Subscribers::default),
            receiver,
            admitted: VecDeque::new(),
        }
    }

    /// What a subscriber gets of what it asked for.
    fn decide(&mut self, subscription: &Subscription, topic: &Frame) -> Vec<Frame> {
        let Some(Decide(decide)) = &mut self.manual else { return vec![topic.clone()] };
        match decide(subscription) {
            Admission::Admit => vec![topic.clone()],
            Admission::Refuse => Vec::new(),
            Admission::Instead(topics) => topics,
        }
    }
}

impl FromFrames for Subscription {
    fn from_frames(frames: Multipart) -> Self {
        pubsub::parse_subscription(frames)
    }
}

impl Inbound for Publishing {
    fn room(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> usize {
        match &mut self.receiver {
            Some(receiver) => receiver.room(cx, around),
            None => usize::MAX,
        }
    }

    fn accept(&mut self, message: Multipart, around: &mut Surroundings) {
        let from = message.first().and_then(Frame::source);
        let subscription = Subscription::from_frames(message);
        let (on, topic) = match &subscription {
            Subscription::Subscribed(topic) => (true, topic.clone()),
            Subscription::Unsubscribed(topic) => (false, topic.clone()),
            Subscription::Message(_) => {
                // libzmq's own PUB would have dropped it.
                if let Some(receiver) = &mut self.receiver {
                    receiver.hand(subscription, around);
                }
                return;
            }
        };
        let topics = self.decide(&subscription, &topic);
        let mut change = self.subscribers.is_none();
        for topic in topics {
            if let Some(subscribers) = &mut self.subscribers {
                change |= subscribers.note(&topic, on, from);
            }
            if self.manual.is_some() {
                self.admitted.push_back(Admitted { on, topic });
            }
        }
        let told = match self.tells {
            Tells::Changes => change || self.manual.is_some(),
            Tells::Subscriptions => on || change,
            Tells::Everything => true,
        };
        if let Some(receiver) = self.receiver.as_mut().filter(|_| told) {
            receiver.hand(subscription, around);
        }
    }

    fn admitted(&mut self) -> Option<Admitted> {
        self.admitted.pop_front()
    }

    fn flush(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.flush();
        }
    }

    fn opened(&mut self, socket: &sys::Socket) -> Result<()> {
        let option = match (self.manual.is_some(), self.subscribers.is_some(), self.tells) {
            (true, _, _) => OptionId::XPUB_MANUAL,
            // What is not to be told is left out here, for libzmq tells of no change twice.
            (false, true, _) | (false, false, Tells::Everything) => OptionId::XPUB_VERBOSER,
            (false, false, Tells::Subscriptions) => OptionId::XPUB_VERBOSE,
            (false, false, Tells::Changes) => return Ok(()),
        };
        socket.set_i32(option, 1).map_err(Error::from_errno)
    }

    fn subscribers(&self, topic: &[u8]) -> Option<usize> {
        let subscribers = self.subscribers.as_ref()?;
        Some(subscribers.count(&pubsub::beginning(&self.framing, topic)))
    }

    fn rescued(&mut self, stash: &mut VecDeque<Multipart>, _around: &mut Surroundings) {
        // Subscriptions end with their socket: subscribers subscribe anew.
        stash.retain(|message| !pubsub::is_subscription(message));
    }

    fn interrupted(
        &mut self,
        _comes_back: bool,
        _queue: &mut Queue<Ticket>,
        _around: &mut Surroundings,
    ) {
        self.admitted.clear();
        if let Some(subscribers) = &mut self.subscribers {
            *subscribers = Subscribers::default();
        }
    }

    fn unframed(&self, topic: usize, frames: Multipart) -> Multipart {
        pubsub::body_of(&self.framing, topic, frames)
    }
}

/// Who has subscribed to what.
///
/// libzmq tells of each end of a subscription once, and of its beginning as
/// often as the subscriber says so. It tells a subscriber by the descriptor of
/// its connection: those within the process have none, and neither have those
/// whose connection is gone. A number is used again for another connection, so
/// each is known by what it stands for, too.
#[derive(Debug, Default)]
struct Subscribers(HashMap<Vec<u8>, Subscribed>);

#[derive(Debug, Default)]
struct Subscribed {
    connections: Vec<Connection>,
    others: usize,
    /// Connections that were found gone before libzmq told of their end.
    owed: usize,
}

/// A connection, by its number and what that stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Connection(i32, u64);

impl Connection {
    fn of(fd: i32) -> Option<Self> {
        sys::descriptors::identity(fd).map(|what| Self(fd, what))
    }

    fn is_alive(self) -> bool {
        Self::of(self.0) == Some(self)
    }
}

impl Subscribed {
    const fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.others == 0
    }

    fn begins(&mut self, from: Option<i32>) {
        let Some(fd) = from else {
            self.others += 1;
            return;
        };
        let connection = Connection::of(fd);
        if let Some(at) = self.connections.iter().position(|known| known.0 == fd) {
            if self.connections.get(at).copied() == connection {
                return;
            }
            self.connections.swap_remove(at);
            self.owed += 1;
        }
        match connection {
            Some(connection) => self.connections.push(connection),
            // It is gone already.
            None => self.owed += 1,
        }
    }

    fn ends(&mut self, from: Option<i32>) {
        let known = |fd| self.connections.iter().position(|known| known.0 == fd);
        let gone = || self.connections.iter().position(|known| !known.is_alive());
        let at = match from {
            Some(fd) => known(fd),
            None if self.owed > 0 => {
                self.owed -= 1;
                return;
            }
            None => gone(),
        };
        match at {
            Some(at) => {
                self.connections.swap_remove(at);
            }
            None if self.others > 0 => self.others -= 1,
            // Gone with its connection, which does not look so yet.
            None => {
                self.connections.pop();
            }
        }
    }
}

impl Subscribers {
    /// Whether that was the first one to a topic, or the end of the last.
    fn note(&mut self, topic: &[u8], on: bool, from: Option<i32>) -> bool {
        if on {
            let subscribed = self.0.entry(topic.to_vec()).or_default();
            let first = subscribed.is_empty();
            subscribed.begins(from);
            return first;
        }
        let Some(subscribed) = self.0.get_mut(topic) else { return false };
        let was_empty = subscribed.is_empty();
        subscribed.ends(from);
        let is_empty = subscribed.is_empty();
        if is_empty && subscribed.owed == 0 {
            self.0.remove(topic);
        }
        is_empty && !was_empty
    }

    /// How many would get a message that begins like this.
    fn count(&self, beginning: &[u8]) -> usize {
        let prefixes = (0..=beginning.len()).filter_map(|end| beginning.get(..end));
        let mut connections = Vec::new();
        let mut others = 0;
        for subscribed in prefixes.filter_map(|prefix| self.0.get(prefix)) {
            connections.extend_from_slice(&subscribed.connections);
            others += subscribed.others;
        }
        connections.sort_unstable();
        connections.dedup();
        connections.into_iter().filter(|connection| connection.is_alive()).count() + others
    }
}

impl<K, B> Outgoing<K> for Publish<B>
where
    K: Publishes + Pattern<Inbound = Publishing>,
    B: Encode + 'static,
{
    fn framed(self, inbound: &Publishing) -> Result<Outbound> {
        let topic = self.topic.len();
        let body = encoded(self.body)?;
        match pubsub::compose(&inbound.framing, self.topic, body) {
            Ok(frames) => Ok(Outbound { frames, topic }),
            Err(Unframeable { body, why }) => {
                Err(Error::new(ErrorKind::InvalidMessage).detail(why).with_message(*body))
            }
        }
    }
}

impl<K, B> Handler<Publish<B>> for Socket<K>
where
    K: Publishes + Pattern<Inbound = Publishing>,
    B: Encode + 'static,
{
    type Result = Accepting;

    fn handle(&mut self, message: Publish<B>, ctx: &mut ActorContext<Self>) -> Accepting {
        self.breathe(ctx);
        self.send(message)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    /// Something with a descriptor.
    fn line() -> std::io::Result<(TcpListener, Option<i32>)> {
        let line = TcpListener::bind("127.0.0.1:0")?;
        let fd = line.as_raw_fd();
        Ok((line, Some(fd)))
    }

    #[test]
    fn a_subscriber_counts_once_however_often_it_subscribes() -> std::io::Result<()> {
        let mut subscribers = Subscribers::default();
        let ((_one, a), (_two, b)) = (line()?, line()?);
        assert!(subscribers.note(b"a", true, a));
        assert!(!subscribers.note(b"a", true, a));
        assert!(subscribers.note(b"ab", true, a));
        assert_eq!((subscribers.count(b"a"), subscribers.count(b"abc")), (1, 1));
        assert!(!subscribers.note(b"a", true, b));
        assert!(subscribers.note(b"", true, None));
        assert_eq!((subscribers.count(b"a"), subscribers.count(b"x")), (3, 1));
        Ok(())
    }

    #[test]
    fn the_end_of_the_last_one_is_known() -> std::io::Result<()> {
        let mut subscribers = Subscribers::default();
        let ((one, a), (_two, b)) = (line()?, line()?);
        subscribers.note(b"a", true, a);
        subscribers.note(b"a", true, b);
        drop(one);
        assert_eq!(subscribers.count(b"a"), 1, "who is gone does not count");
        assert!(!subscribers.note(b"a", false, None));
        assert_eq!(subscribers.count(b"a"), 1);
        assert!(subscribers.note(b"a", false, b));
        assert!(!subscribers.note(b"a", false, b), "of what has ended there is no other end");
        assert_eq!(subscribers.count(b"a"), 0);
        assert!(subscribers.0.is_empty());
        Ok(())
    }

    #[test]
    fn a_number_that_is_used_again_is_another_subscriber() -> std::io::Result<()> {
        let mut subscribers = Subscribers::default();
        let (_line, fd) = line()?;
        let number = fd.unwrap_or_default();
        // As if it had stood for something else before.
        let before =
            Subscribed { connections: vec![Connection(number, 0)], ..Subscribed::default() };
        subscribers.0.insert(b"a".to_vec(), before);
        assert_eq!(subscribers.count(b"a"), 0);
        assert!(!subscribers.note(b"a", true, fd));
        assert_eq!(subscribers.count(b"a"), 1);
        // The end of the one before comes late.
        assert!(!subscribers.note(b"a", false, None));
        assert_eq!(subscribers.count(b"a"), 1);
        assert!(subscribers.note(b"a", false, None));
        assert!(subscribers.0.is_empty());
        Ok(())
    }
}
