//! PUB and XPUB.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::task::{Context, Poll};

use actix::{Context as ActorContext, Handler};

use super::handing::{Handing, require_receiver};
use super::parked::Accepting;
use super::pattern::{Admitted, Framed, Inbound, Pattern, Receiving, Surroundings, Ticket, Wiring};
use super::socket::Socket;
use crate::codec::{Encode, encoded};
use crate::deliver::Receiver;
use crate::engine::port::Sends;
use crate::engine::queue::Queue;
use crate::error::{Error, ErrorKind, Result};
use crate::framing::{TopicFraming, pubsub};
use crate::kinds::{Pub, Publishes, XPub};
use crate::messages::{Admission, Publish, Subscription};
use crate::multipart::{Frame, Multipart};
use crate::shield::shielded;
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
        let receiver = Handing::new(setup.receiver.take(), pubsub::parse_subscription);
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

    /// What a subscriber gets of what it asked for. `None` when the closure broke.
    fn decide(
        &mut self,
        subscription: &Subscription,
        topic: &Frame,
        around: &mut Surroundings,
    ) -> Option<Vec<Frame>> {
        let Some(Decide(decide)) = &mut self.manual else { return Some(vec![topic.clone()]) };
        match shielded(|| decide(subscription)) {
            Ok(Admission::Admit) => Some(vec![topic.clone()]),
            Ok(Admission::Refuse) => Some(Vec::new()),
            Ok(Admission::Instead(topics)) => Some(topics),
            Err(text) => {
                around.failure = Some(Error::new(ErrorKind::Panicked).detail(text));
                None
            }
        }
    }
}

impl Inbound for Publishing {
    fn poll_ready(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> Poll<()> {
        match &mut self.receiver {
            Some(receiver) => receiver.poll_ready(cx, around),
            None => Poll::Ready(()),
        }
    }

    fn accept(&mut self, message: Multipart, around: &mut Surroundings) -> bool {
        let from = message.first().and_then(Frame::source);
        let subscription = pubsub::parse_subscription(message);
        let (on, topic) = match &subscription {
            Subscription::Subscribed(topic) => (true, topic.clone()),
            Subscription::Unsubscribed(topic) => (false, topic.clone()),
            Subscription::Message(_) => {
                // libzmq's own PUB would have dropped it.
                let Some(receiver) = &mut self.receiver else { return true };
                return receiver.hand(subscription, around);
            }
        };
        let Some(topics) = self.decide(&subscription, &topic, around) else { return false };
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
        match &mut self.receiver {
            Some(receiver) if told => receiver.hand(subscription, around),
            _ => true,
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
/// libzmq tells a subscriber by the descriptor of its connection, which not all
/// have: those within the process, and those whose connection is gone, have
/// none, and are told apart by their number alone.
#[derive(Debug, Default)]
struct Subscribers(HashMap<Vec<u8>, Subscribed>);

#[derive(Debug, Default)]
struct Subscribed {
    connections: Vec<i32>,
    others: usize,
}

impl Subscribers {
    /// Whether that was the first one to a topic, or the end of the last.
    fn note(&mut self, topic: &[u8], on: bool, from: Option<i32>) -> bool {
        if on {
            let known = self.0.contains_key(topic);
            let subscribed = self.0.entry(topic.to_vec()).or_default();
            match from {
                Some(fd) if subscribed.connections.contains(&fd) => {}
                Some(fd) => subscribed.connections.push(fd),
                None => subscribed.others += 1,
            }
            return !known;
        }
        let Some(subscribed) = self.0.get_mut(topic) else { return true };
        let mut connections = subscribed.connections.iter();
        match connections.position(|fd| Some(*fd) == from) {
            Some(at) => {
                subscribed.connections.swap_remove(at);
            }
            None if subscribed.others > 0 => subscribed.others -= 1,
            // Gone with its connection, of which nothing is left to know it by.
            None => {
                subscribed.connections.pop();
            }
        }
        let last = subscribed.connections.is_empty() && subscribed.others == 0;
        if last {
            self.0.remove(topic);
        }
        last
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
        connections.len() + others
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
        let topic = message.topic.len();
        let framed = encoded(message.body).and_then(|body| {
            pubsub::compose(&self.inbound().framing, message.topic, body).map_err(|error| {
                Error::new(ErrorKind::InvalidMessage).detail(error.why).with_message(*error.body)
            })
        });
        match framed {
            Ok(frames) => self.enqueue(frames, topic),
            Err(error) => self.refuse(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_counts_once_however_often_it_subscribes() {
        let mut subscribers = Subscribers::default();
        assert!(subscribers.note(b"a", true, Some(5)));
        assert!(!subscribers.note(b"a", true, Some(5)));
        assert!(subscribers.note(b"ab", true, Some(5)));
        assert_eq!((subscribers.count(b"a"), subscribers.count(b"abc")), (1, 1));
        assert!(!subscribers.note(b"a", true, Some(6)));
        assert!(subscribers.note(b"", true, None));
        assert_eq!((subscribers.count(b"a"), subscribers.count(b"x")), (3, 1));
    }

    #[test]
    fn the_end_of_the_last_one_is_known() {
        let mut subscribers = Subscribers::default();
        subscribers.note(b"a", true, Some(5));
        subscribers.note(b"a", true, Some(6));
        // A connection that is gone is known by its number alone.
        assert!(!subscribers.note(b"a", false, None));
        assert_eq!(subscribers.count(b"a"), 1);
        assert!(subscribers.note(b"a", false, Some(6)));
        assert_eq!(subscribers.count(b"a"), 0);
    }
}
