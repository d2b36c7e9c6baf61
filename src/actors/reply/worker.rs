//! A server that gets its requests from brokers: RFC 6/PPP's worker.

use std::time::{Duration, Instant};

use super::super::pattern::Ticket;
use crate::engine::deadlines::after;
use crate::engine::queue::Queue;
use crate::framing::workers::Word;
use crate::multipart::{Frame, Multipart};

/// So many heartbeats may be missed before a broker counts as gone: the guide's.
const LIVENESS: u32 = 3;

/// After so many heartbeats a worker presents itself again at the latest.
const RAREST: u32 = 32;

/// How a worker presents itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerSetup {
    pub(crate) capacity: u32,
    pub(crate) heartbeat: Duration,
}

impl Default for WorkerSetup {
    fn default() -> Self {
        Self { capacity: 64, heartbeat: Duration::from_secs(1) }
    }
}

/// The brokers of a worker.
#[derive(Debug)]
pub(super) struct Worker {
    setup: WorkerSetup,
    brokers: Vec<Broker>,
    /// When the next heartbeat is due: at once, for one that has just begun.
    next: Option<Instant>,
    /// By when a worker that wants to leave does so, whoever has not let it go.
    leaves: Option<Instant>,
}

#[derive(Debug)]
struct Broker {
    peer: Frame,
    /// When it was heard last; not since the socket was opened.
    heard: Option<Instant>,
    /// How many heartbeats long it has been silent beyond what is alive.
    quiet: u32,
    /// Whether it knows more than RFC 6. One that was started again then learns
    /// from a heartbeat what the worker takes.
    knows_capacity: bool,
    has_let_go: bool,
    /// Words to it that are still in the queue: with some, no more is said.
    unsaid: usize,
}

impl Broker {
    const fn new(peer: Frame) -> Self {
        let (knows_capacity, has_let_go) = (false, false);
        Self { peer, heard: None, quiet: 0, knows_capacity, has_let_go, unsaid: 0 }
    }

    /// Puts words into the queue, behind what is there.
    fn say<const N: usize>(&mut self, number: usize, words: [Word; N], queue: &mut Queue<Ticket>) {
        if self.unsaid > 0 {
            return;
        }
        for word in words {
            self.unsaid += 1;
            queue.push([self.peer.clone(), word.compose()].into(), Ticket::Word(number));
        }
    }
}

impl Worker {
    pub(super) fn new(setup: WorkerSetup, brokers: Vec<Frame>) -> Self {
        let brokers = brokers.into_iter().map(Broker::new).collect();
        Self { setup, brokers, next: None, leaves: None }
    }

    /// The socket is new: nobody knows it.
    pub(super) fn reset(&mut self) {
        self.next = None;
        for broker in &mut self.brokers {
            broker.heard = None;
            broker.knows_capacity = false;
        }
    }

    /// Takes a message if it is a word, and notes who is alive. A broker that is
    /// heard again after a silence knows nobody, so the worker presents itself.
    pub(super) fn hears(&mut self, message: &Multipart, now: Instant) -> bool {
        let (Some(peer), word) = (message.first(), message.get(1)) else { return false };
        let word = word.filter(|_| message.len() == 2).and_then(|word| Word::parse(word));
        if let Some(broker) = self.brokers.iter_mut().find(|broker| broker.peer == *peer) {
            let silence = self.setup.heartbeat.saturating_mul(LIVENESS);
            if broker.heard.is_some_and(|heard| now.saturating_duration_since(heard) > silence) {
                broker.heard = None;
                self.next = None;
            } else {
                broker.heard = Some(now);
            }
            broker.knows_capacity |= matches!(word, Some(Word::Capacity(_)));
            broker.has_let_go |= word == Some(Word::Left);
        }
        word.is_some()
    }

    /// Says what is due.
    pub(super) fn tend(&mut self, now: Instant, queue: &mut Queue<Ticket>) {
        if self.next.is_some_and(|next| next > now) {
            return;
        }
        self.next = Some(after(now, self.setup.heartbeat));
        let silence = self.setup.heartbeat.saturating_mul(LIVENESS);
        for (number, broker) in self.brokers.iter_mut().enumerate() {
            let capacity = Word::Capacity(self.setup.capacity);
            if self.leaves.is_some() {
                // What it has it still answers. Who has let it go is not read any more.
                broker.say(number, [Word::Heartbeat], queue);
                continue;
            }
            match broker.heard {
                // It has never said a word, or has begun to again.
                None => {
                    broker.say(number, [Word::Ready, capacity], queue);
                    broker.heard = Some(now);
                }
                Some(heard) if now.saturating_duration_since(heard) <= silence => {
                    broker.quiet = 0;
                    let word = if broker.knows_capacity { capacity } else { Word::Heartbeat };
                    broker.say(number, [word], queue);
                }
                // It is gone, or there again without knowing us. Less and less
                // often: what is said to one that is gone waits in libzmq.
                Some(_) => {
                    broker.quiet += 1;
                    if broker.quiet.is_power_of_two() || broker.quiet.is_multiple_of(RAREST) {
                        broker.say(number, [Word::Ready, capacity], queue);
                    }
                }
            }
        }
    }

    /// Wants no further requests.
    pub(super) fn leave(&mut self, queue: &mut Queue<Ticket>) {
        if self.leaves.is_some() {
            return;
        }
        // Who knows RFC 6 alone lets nobody go.
        self.leaves = Some(after(Instant::now(), self.setup.heartbeat));
        for (number, broker) in self.brokers.iter_mut().enumerate() {
            // Before it can be heard, what was said before has to be.
            broker.unsaid = 0;
            broker.say(number, [Word::Leaving], queue);
        }
    }

    /// A word has left the queue, one way or another.
    pub(super) fn said(&mut self, broker: usize) {
        if let Some(broker) = self.brokers.get_mut(broker) {
            broker.unsaid = broker.unsaid.saturating_sub(1);
        }
    }

    /// Whether requests may still come to one that wants to leave.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        let silence = self.setup.heartbeat.saturating_mul(LIVENESS);
        let holds = |broker: &Broker| {
            let is_there =
                broker.heard.is_some_and(|at| now.saturating_duration_since(at) <= silence);
            is_there && !broker.has_let_go
        };
        self.leaves.is_some_and(|leaves| now < leaves) && self.brokers.iter().any(holds)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        // Whether it is still held is asked once more when that is over.
        let leaves = self.leaves.filter(|leaves| *leaves > Instant::now());
        [self.next, leaves].into_iter().flatten().min()
    }
}
