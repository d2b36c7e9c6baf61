//! SUB and XSUB.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::task::{Context, Poll};

use actix::{Context as ActorContext, Handler};

use super::handing::require_receiver;
use super::pattern::{Framed, Inbound, Pattern, Receiving, Surroundings, Wiring};
use super::socket::Socket;
use crate::counters::Counter;
use crate::deliver::Receiver;
use crate::engine::port::Sends;
use crate::error::{Error, ErrorKind, Result};
use crate::framing::{TopicFraming, pubsub};
use crate::kinds::{Sub, Subscribes, XSub};
use crate::messages::{SocketState, Subscribe, TopicMessage, Unsubscribe};
use crate::multipart::Multipart;
use crate::sys::{self, option::OptionId};
use crate::topic::Topic;
use crate::topology::Setting;

impl Framed for SubSetup {
    fn framing(&mut self) -> &mut TopicFraming {
        &mut self.framing
    }
}

/// What the blueprints of SUB and XSUB set.
#[derive(Debug, Default)]
pub struct SubSetup {
    pub(crate) framing: TopicFraming,
    pub(crate) topics: Vec<(Topic, Option<Receiver<TopicMessage>>)>,
    pub(crate) receiver: Option<Receiver<TopicMessage>>,
}

impl Pattern for Sub {
    type Setup = SubSetup;
    type Inbound = Subscribing;
    const WIRING: Wiring =
        Wiring { raw: sys::SocketType::Sub, sends: Sends::Never, receives: true, mandatory: false };

    fn inbound(setup: SubSetup) -> Subscribing {
        Subscribing::new(setup, Way::Option)
    }

    fn conflates(setup: &SubSetup) -> bool {
        setup.framing != TopicFraming::Frames
    }

    fn check(setup: &SubSetup) -> Result<()> {
        setup.check()
    }

    fn configure(setup: &mut SubSetup, setting: Setting) -> bool {
        setup.configure(setting)
    }
}

impl Pattern for XSub {
    type Setup = SubSetup;
    type Inbound = Subscribing;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::XSub,
        sends: Sends::Always,
        receives: true,
        mandatory: false,
    };

    fn inbound(setup: SubSetup) -> Subscribing {
        Subscribing::new(setup, Way::Message)
    }

    fn check(setup: &SubSetup) -> Result<()> {
        setup.check()
    }

    fn configure(setup: &mut SubSetup, setting: Setting) -> bool {
        setup.configure(setting)
    }
}

impl SubSetup {
    fn configure(&mut self, setting: Setting) -> bool {
        match setting {
            Setting::Framing(framing) => self.framing = framing,
            Setting::Topics(topics) => {
                self.topics.extend(topics.into_iter().map(|topic| (Topic::prefix(topic), None)));
            }
            _ => return false,
        }
        true
    }

    fn check(&self) -> Result<()> {
        self.framing.check()?;
        // Without a topic, `Subscribe` brings both.
        let later = self.topics.is_empty();
        let own = self.topics.iter().any(|(_, receiver)| receiver.is_some());
        require_receiver(later || own || self.receiver.is_some())
    }
}

impl Receiving for XSub {
    fn set_receiver(setup: &mut SubSetup, receiver: Receiver<TopicMessage>) {
        setup.receiver = Some(receiver);
    }
}

/// How libzmq is told of a subscription.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// `ZMQ_SUBSCRIBE` and `ZMQ_UNSUBSCRIBE`, for SUB.
    Option,
    /// A message, for XSUB.
    Message,
}

impl Way {
    fn tell(self, socket: &sys::Socket, prefix: &[u8], on: bool) -> Result<(), sys::Errno> {
        match self {
            Self::Option if on => socket.set_bytes(OptionId::SUBSCRIBE, prefix),
            Self::Option => socket.set_bytes(OptionId::UNSUBSCRIBE, prefix),
            Self::Message => socket.tell(prefix, on),
        }
    }
}

impl Receiving for Sub {
    fn set_receiver(setup: &mut SubSetup, receiver: Receiver<TopicMessage>) {
        setup.receiver = Some(receiver);
    }
}

/// The part of a subscriber: its subscriptions, counted, and its receivers.
#[derive(Debug)]
pub struct Subscribing {
    way: Way,
    framing: TopicFraming,
    /// How often each topic is subscribed to.
    subscriptions: BTreeMap<(Vec<u8>, bool), usize>,
    /// How many of them are exact.
    exact: usize,
    receivers: Receivers,
    gone: bool,
}

impl Subscribing {
    fn new(setup: SubSetup, way: Way) -> Self {
        let mut part = Self {
            way,
            framing: setup.framing,
            subscriptions: BTreeMap::new(),
            exact: 0,
            receivers: Receivers { rest: setup.receiver, ..Receivers::default() },
            gone: false,
        };
        for (topic, receiver) in setup.topics {
            part.note(&topic, receiver);
        }
        part
    }

    fn note(&mut self, topic: &Topic, receiver: Option<Receiver<TopicMessage>>) {
        *self.subscriptions.entry(key_of(topic)).or_default() += 1;
        self.exact += usize::from(topic.is_exact());
        if let Some(receiver) = receiver {
            self.receivers.of(topic.is_exact()).insert(topic.as_bytes().to_vec(), receiver);
            // Whoever was gone may have been replaced.
            self.gone = false;
        }
    }

    /// Takes one reference back; `false` when there is none.
    fn forget(&mut self, topic: &Topic) -> bool {
        let key = key_of(topic);
        let Some(references) = self.subscriptions.get_mut(&key) else { return false };
        *references -= 1;
        self.exact -= usize::from(topic.is_exact());
        if *references == 0 {
            self.subscriptions.remove(&key);
            self.receivers.of(topic.is_exact()).remove(topic.as_bytes());
            self.gone = false;
        }
        true
    }

    /// Whether a message that no prefix asks for was asked for. libzmq knows
    /// prefixes only; where all are, it has done the work.
    fn is_exactly_wanted(&self, topic: &[u8]) -> bool {
        self.exact == 0 || self.subscriptions.contains_key(&(topic.to_vec(), true))
    }
}

fn key_of(topic: &Topic) -> (Vec<u8>, bool) {
    (topic.as_bytes().to_vec(), topic.is_exact())
}

type ByTopic = BTreeMap<Vec<u8>, Receiver<TopicMessage>>;

/// Receivers by topic, and the one for everything else.
#[derive(Debug, Default)]
struct Receivers {
    exact: ByTopic,
    by_prefix: ByTopic,
    rest: Option<Receiver<TopicMessage>>,
}

impl Receivers {
    const fn of(&mut self, exact: bool) -> &mut ByTopic {
        if exact { &mut self.exact } else { &mut self.by_prefix }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Receiver<TopicMessage>> {
        self.exact.values_mut().chain(self.by_prefix.values_mut()).chain(self.rest.as_mut())
    }

    /// The receiver of this very topic, or with the longest prefix.
    fn find(&mut self, topic: &[u8], prefix: Option<&[u8]>) -> Option<&mut Receiver<TopicMessage>> {
        if self.exact.contains_key(topic) {
            return self.exact.get_mut(topic);
        }
        match prefix {
            Some(prefix) => self.by_prefix.get_mut(prefix),
            None => self.rest.as_mut(),
        }
    }
}

/// The longest key that `topic` starts with.
///
/// The greatest key up to `topic` is either a prefix of it or shares a shorter
/// beginning with it, which bounds the next candidate.
fn longest_prefix<'a, V>(map: &'a BTreeMap<Vec<u8>, V>, topic: &[u8]) -> Option<&'a [u8]> {
    let mut bound = topic;
    loop {
        let up_to = (Bound::Unbounded, Bound::Included(bound));
        let (key, _) = map.range::<[u8], _>(up_to).next_back()?;
        if topic.starts_with(key) {
            return Some(key);
        }
        let common = key.iter().zip(bound).take_while(|(a, b)| a == b).count();
        bound = bound.get(..common)?;
    }
}

impl Inbound for Subscribing {
    fn room(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> usize {
        // Which receiver the next message is for is not known before it is
        // read, so all must have room: the slowest sets the pace.
        let mut room = usize::MAX;
        let mut lost = None;
        for receiver in self.receivers.all() {
            room = room.min(match receiver.poll_room(cx) {
                Poll::Ready(Ok(room)) => room,
                Poll::Ready(Err(gone)) => {
                    lost = Some(gone);
                    0
                }
                Poll::Pending => 0,
            });
        }
        if let Some(gone) = lost {
            around.gone(&mut self.gone, gone);
        }
        room
    }

    fn accept(&mut self, message: Multipart, around: &mut Surroundings) {
        // A prefix is matched as libzmq does, against the whole first frame, so
        // that one which ends in the separator selects its receiver, too.
        let first = message.first().map_or(&[][..], |frame| frame);
        let prefix = longest_prefix(&self.receivers.by_prefix, first).map(<[u8]>::to_vec);
        let by_prefix = self.exact > 0
            && self.subscriptions.keys().any(|(bytes, exact)| !exact && first.starts_with(bytes));
        let (topic, body) = match pubsub::parse(&self.framing, message) {
            Ok(parts) => parts,
            Err(undecodable) => {
                around.undecodable(undecodable);
                return;
            }
        };
        if !by_prefix && !self.is_exactly_wanted(&topic) {
            around.count(Counter::Filtered);
            return;
        }
        match self.receivers.find(&topic, prefix.as_deref()) {
            Some(receiver) => around.delivered(receiver.deliver(TopicMessage { topic, body })),
            None => around.count(Counter::Undelivered),
        }
    }

    fn flush(&mut self) {
        self.receivers.all().for_each(Receiver::flush);
    }

    fn closed(&mut self, _around: &mut Surroundings) {
        // The socket's actor lives as long as its addresses. Who receives may
        // want to know that nothing more will come.
        self.receivers = Receivers::default();
    }

    fn opened(&mut self, socket: &sys::Socket) -> Result<()> {
        for ((bytes, _), references) in &self.subscriptions {
            for _ in 0..*references {
                self.way.tell(socket, bytes, true).map_err(Error::from_errno)?;
            }
        }
        Ok(())
    }
}

impl<K> Handler<Subscribe> for Socket<K>
where
    K: Subscribes + Pattern<Inbound = Subscribing>,
{
    type Result = Result<()>;

    fn handle(&mut self, message: Subscribe, ctx: &mut ActorContext<Self>) -> Result<()> {
        self.breathe(ctx);
        self.check_open()?;
        let bytes = message.topic.as_bytes();
        if self.state() == SocketState::Up {
            let way = self.inbound().way;
            self.with_socket(|socket| way.tell(socket, bytes, true))?;
        }
        self.inbound_mut().note(&message.topic, message.receiver);
        Ok(())
    }
}

impl<K> Handler<Unsubscribe> for Socket<K>
where
    K: Subscribes + Pattern<Inbound = Subscribing>,
{
    type Result = Result<()>;

    fn handle(&mut self, message: Unsubscribe, ctx: &mut ActorContext<Self>) -> Result<()> {
        self.breathe(ctx);
        self.check_open()?;
        let Unsubscribe(topic) = message;
        if !self.inbound_mut().forget(&topic) {
            let error = Error::new(ErrorKind::NotFound);
            return Err(error.detail(format!("no subscription to {topic:?}")));
        }
        if self.state() == SocketState::Up {
            let way = self.inbound().way;
            self.with_socket(|socket| way.tell(socket, topic.as_bytes(), false))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_longest_prefix_is_found(
            keys in prop::collection::btree_set("[ab]{0,5}", 0..12), topic in "[ab]{0,7}",
        ) {
            let map: BTreeMap<Vec<u8>, ()> =
                keys.iter().map(|key| (key.clone().into_bytes(), ())).collect();
            let expected = keys.iter().filter(|key| topic.starts_with(*key)).max_by_key(|k| k.len());
            let found = longest_prefix(&map, topic.as_bytes());
            prop_assert_eq!(found, expected.map(String::as_bytes));
        }
    }

    #[test]
    fn references_to_a_topic_are_counted() {
        let mut part = Sub::inbound(SubSetup::default());
        part.note(&Topic::prefix("a"), None);
        part.note(&Topic::prefix("a"), None);
        assert!(part.forget(&Topic::prefix("a")));
        assert!(!part.forget(&Topic::exact("a")));
        assert!(part.forget(&Topic::prefix("a")));
        assert!(!part.forget(&Topic::prefix("a")));
    }

    #[test]
    fn an_exact_topic_is_wanted_alone() {
        let mut part = Sub::inbound(SubSetup::default());
        part.note(&Topic::exact("news"), None);
        assert!(part.is_exactly_wanted(b"news"));
        assert!(!part.is_exactly_wanted(b"newsletter"));
        part.forget(&Topic::exact("news"));
        assert!(
            part.is_exactly_wanted(b"newsletter"),
            "libzmq filters when there are only prefixes"
        );
    }
}
