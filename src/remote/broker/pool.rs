//! Who works, who waits, and who has what: a broker without sockets.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::engine::deadlines::after;
use crate::framing::call::{self, Failure, failure};
use crate::framing::workers::Word;
use crate::multipart::{Frame, Multipart};
use crate::remote::clock::{Clocks, microseconds};

/// So many heartbeats may be missed: the guide's.
const LIVENESS: u32 = 3;
/// How many workers a request may cost before it is taken for what kills them.
const TRIES: u32 = 3;

/// A message on its way out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Out {
    Client(Frame, Multipart),
    Worker(Frame, Multipart),
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) answered: u64,
    pub(super) resent: u64,
    pub(super) refused: u64,
    pub(super) expired: u64,
    pub(super) lost: u64,
    pub(super) late: u64,
    pub(super) malformed: u64,
}

/// No worker has more requests than this, whatever it says that it takes.
const MOST: u32 = 65_536;

/// What a worker knows a request by: a number of this broker's.
type Token = [u8; 16];

/// How much a worker has, and its turn, which no other worker has.
type Placed = (usize, u64);

/// The workers, the requests that wait, and those that are given.
#[derive(Debug)]
pub(super) struct Pool {
    heartbeat: Duration,
    max_waiting: usize,
    resend_all: bool,
    closing: bool,
    workers: HashMap<Frame, Worker>,
    /// Those that have room: who has least to do, and of these who was given
    /// something longest ago.
    free: BTreeMap<Placed, Frame>,
    waiting: VecDeque<Asked>,
    given: HashMap<Token, Given>,
    clocks: Clocks,
    turn: u64,
    /// Tells our tokens from those of a broker before us.
    nonce: u64,
    next: u64,
    answer_within: Duration,
    pub(super) counts: Counts,
    pub(super) out: Vec<Out>,
}

#[derive(Debug)]
struct Worker {
    capacity: usize,
    has: HashSet<Token>,
    expires: Instant,
    turn: u64,
    /// Where it is among those that have room.
    placed: Option<Placed>,
    /// Whether it knows that we know more than RFC 6.
    is_told: bool,
    is_leaving: bool,
}

impl Worker {
    /// Until it says more: as RFC 6 has it, one at a time.
    fn new(now: Instant, turn: u64) -> Self {
        Self {
            capacity: 1,
            has: HashSet::new(),
            expires: now,
            turn,
            placed: None,
            is_told: false,
            is_leaving: false,
        }
    }
}

/// A request of a client.
#[derive(Debug)]
struct Asked {
    client: Frame,
    /// The frames up to the delimiter, which the answer repeats.
    hops: Multipart,
    parts: Multipart,
    expires: Option<Instant>,
    /// Whether it is a typed call, whose caller understands a failure.
    is_call: bool,
    may_repeat: bool,
    tries: u32,
}

#[derive(Debug)]
struct Given {
    asked: Asked,
    worker: Frame,
    /// When it is given up, so that the worker has room for another.
    until: Instant,
}

impl Pool {
    pub(super) fn new(
        heartbeat: Duration,
        answer_within: Duration,
        max_waiting: usize,
        resend_all: bool,
    ) -> Self {
        Self {
            heartbeat,
            answer_within,
            nonce: Uuid::new_v4().as_u64_pair().0,
            max_waiting,
            resend_all,
            closing: false,
            workers: HashMap::new(),
            free: BTreeMap::new(),
            waiting: VecDeque::new(),
            given: HashMap::new(),
            clocks: Clocks::default(),
            turn: 0,
            next: 0,
            counts: Counts::default(),
            out: Vec::new(),
        }
    }

    /// A client asks: what follows its routing id.
    pub(super) fn asks(&mut self, client: Frame, mut frames: Multipart, now: Instant) {
        self.counts.requests += 1;
        let Some(delimiter) = frames.iter().position(|frame| frame.is_empty()) else {
            self.counts.malformed += 1;
            return;
        };
        let parts = frames.split_off(delimiter + 1);
        let _delimiter = frames.split_off(delimiter);
        let header = parts.first().and_then(|header| call::Call::parse(header).ok());
        let mut expires = None;
        if let Some(call) = &header {
            let age = self.clocks.age(call.caller, call.sent, microseconds(now));
            expires = call.timeout.map(|timeout| now + timeout.saturating_sub(age));
        }
        let asked = Asked {
            client,
            hops: frames,
            expires,
            is_call: header.is_some(),
            may_repeat: header.map_or(self.resend_all, |call| call.idempotent),
            parts,
            tries: 0,
        };
        if self.closing {
            self.counts.refused += 1;
            return self.fail(asked, Failure::Overloaded, "the broker is closing");
        }
        if self.waiting.len() >= self.max_waiting {
            self.drop_late(now);
        }
        if self.free.is_empty() && self.waiting.len() >= self.max_waiting {
            self.counts.refused += 1;
            let text = format!("{} requests wait for a worker", self.max_waiting);
            return self.fail(asked, Failure::Overloaded, text);
        }
        self.waiting.push_back(asked);
        self.hand_out(now);
    }

    /// A worker says or answers something: what follows its routing id.
    pub(super) fn hears(&mut self, worker: Frame, mut frames: Multipart, now: Instant) {
        let word = frames.first().filter(|_| frames.len() == 1).and_then(|one| Word::parse(one));
        let presents = matches!(word, Some(Word::Ready | Word::Heartbeat | Word::Capacity(_)));
        if presents && !self.workers.contains_key(&worker) {
            tracing::debug!(worker = %worker.escape_ascii(), "a worker has come");
            self.turn += 1;
            self.workers.insert(worker.clone(), Worker::new(now, self.turn));
        }
        let Some(known) = self.workers.get_mut(&worker) else {
            // One that we have lost, of a broker before us, or a stranger.
            match word {
                Some(Word::Leaving) => self.let_go(worker),
                Some(_) => {}
                None if answer_in(&frames).is_some() => self.counts.late += 1,
                None => self.counts.malformed += 1,
            }
            return;
        };
        known.expires = after(now, self.heartbeat.saturating_mul(LIVENESS));
        match word {
            Some(word @ Word::Capacity(requests)) => {
                known.capacity = requests.clamp(1, MOST) as usize;
                if !std::mem::replace(&mut known.is_told, true) {
                    self.out.push(Out::Worker(worker.clone(), word.compose().into()));
                }
            }
            Some(Word::Leaving) => {
                known.is_leaving = true;
                self.let_go(worker.clone());
            }
            Some(Word::Ready) => known.is_leaving = false,
            Some(Word::Heartbeat | Word::Left) => {}
            None => {
                let Some(token) = answer_in(&frames) else {
                    self.counts.malformed += 1;
                    return;
                };
                // Only who has it answers it; so a stranger, or who has lost it, is late.
                if known.has.remove(&token) {
                    self.answered(token, frames.split_off(2));
                } else {
                    self.counts.late += 1;
                }
            }
        }
        self.place(&worker);
        self.hand_out(now);
    }

    /// Tells a worker that it gets nothing more.
    fn let_go(&mut self, worker: Frame) {
        self.out.push(Out::Worker(worker, Word::Left.compose().into()));
    }

    /// The first answer is the answer.
    fn answered(&mut self, token: Token, parts: Multipart) {
        let Some(Given { asked, .. }) = self.given.remove(&token) else {
            self.counts.late += 1;
            return;
        };
        self.counts.answered += 1;
        self.out.push(answer(asked.client, asked.hops, parts));
    }

    /// Puts a worker where it belongs among those that have room.
    fn place(&mut self, name: &Frame) {
        let Some(worker) = self.workers.get_mut(name) else { return };
        if let Some(placed) = worker.placed.take() {
            self.free.remove(&placed);
        }
        if !worker.is_leaving && worker.has.len() < worker.capacity {
            let placed = (worker.has.len(), worker.turn);
            worker.placed = Some(placed);
            self.free.insert(placed, name.clone());
        }
    }

    /// Gives what waits to who has least to do.
    fn hand_out(&mut self, now: Instant) {
        while !self.waiting.is_empty()
            && let Some((_, name)) = self.free.pop_first()
        {
            let Some(mut asked) = self.waiting.pop_front() else { return };
            if asked.expires.is_some_and(|expires| expires <= now) {
                self.expire(asked);
                self.place(&name);
                continue;
            }
            let Some(worker) = self.workers.get_mut(&name) else { continue };
            let token = (u128::from(self.nonce) << 64 | u128::from(self.next)).to_be_bytes();
            self.next += 1;
            // Who takes for ever has lost it.
            let at_last = after(now, self.answer_within);
            let until = asked.expires.map_or(at_last, |expires| expires.min(at_last));
            self.turn += 1;
            asked.tries += 1;
            worker.turn = self.turn;
            worker.has.insert(token);
            let mut frames = Multipart::with_capacity(2 + asked.parts.len());
            frames.push(Frame::from(token));
            frames.push(Frame::empty());
            frames.extend(asked.parts.share());
            self.out.push(Out::Worker(name.clone(), frames));
            self.given.insert(token, Given { asked, worker: name.clone(), until });
            self.place(&name);
        }
    }

    /// A worker is gone. What it has goes to another where that does no harm.
    pub(super) fn lost(&mut self, name: &Frame, now: Instant) {
        let Some(worker) = self.workers.remove(name) else { return };
        tracing::debug!(worker = %name.escape_ascii(), has = worker.has.len(), "a worker is lost");
        if let Some(placed) = worker.placed {
            self.free.remove(&placed);
        }
        let mut tokens: Vec<Token> = worker.has.into_iter().collect();
        // The oldest goes first again.
        tokens.sort_unstable_by(|a, b| b.cmp(a));
        for token in tokens {
            let is_its = self.given.get(&token).is_some_and(|given| given.worker == *name);
            let Some(Given { asked, .. }) = is_its.then(|| self.given.remove(&token)).flatten()
            else {
                continue;
            };
            self.again(asked, asked_may_repeat);
        }
        self.hand_out(now);
    }

    /// A request that was given could not be sent: it has certainly not been served.
    pub(super) fn unsent(&mut self, name: &Frame, frames: &Multipart, now: Instant) {
        let token = frames.first().and_then(|token| Token::try_from(&token[..]).ok());
        if let Some(token) = token
            && let Some(Given { asked, .. }) = self.given.remove(&token)
        {
            if let Some(worker) = self.workers.get_mut(name) {
                worker.has.remove(&token);
            }
            self.again(asked, |_| true);
        }
        self.lost(name, now);
    }

    fn again(&mut self, asked: Asked, may: impl FnOnce(&Asked) -> bool) {
        if asked.tries < TRIES && may(&asked) {
            self.counts.resent += 1;
            self.waiting.push_front(asked);
        } else {
            self.counts.lost += 1;
            let text = format!("the worker was lost, at attempt {}", asked.tries);
            self.fail(asked, Failure::WorkerLost, text);
        }
    }

    fn expire(&mut self, asked: Asked) {
        self.counts.expired += 1;
        self.fail(asked, Failure::Expired, "no worker has answered it in time");
    }

    /// Tells a caller. Others would not understand, and have their timeouts.
    fn fail(&mut self, asked: Asked, why: Failure, text: impl Into<Frame>) {
        if asked.is_call {
            self.out.push(answer(asked.client, asked.hops, failure(why, text)));
        }
    }

    /// A heartbeat: who was not heard is gone, everybody else hears of us.
    pub(super) fn beat(&mut self, now: Instant) {
        let silent = self.workers.iter().filter(|(_, worker)| worker.expires <= now);
        let silent: Vec<Frame> = silent.map(|(name, _)| name.clone()).collect();
        for name in silent {
            self.lost(&name, now);
        }
        let over = self.given.iter().filter(|(_, given)| given.until <= now);
        let over: Vec<Token> = over.map(|(token, _)| *token).collect();
        for token in over {
            let Some(Given { asked, worker, .. }) = self.given.remove(&token) else { continue };
            if let Some(worker) = self.workers.get_mut(&worker) {
                worker.has.remove(&token);
            }
            self.place(&worker);
            self.expire(asked);
        }
        for name in self.workers.keys() {
            self.out.push(Out::Worker(name.clone(), Word::Heartbeat.compose().into()));
        }
        self.drop_late(now);
        self.hand_out(now);
    }

    /// Answers those that wait and are awaited no more.
    fn drop_late(&mut self, now: Instant) {
        let (stay, over): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|asked| asked.expires.is_none_or(|expires| expires > now));
        self.waiting = stay;
        for asked in over {
            self.expire(asked);
        }
    }

    /// Takes no further requests.
    pub(super) const fn close(&mut self) {
        self.closing = true;
    }

    /// Fails all that is not answered yet.
    pub(super) fn give_up(&mut self) {
        let given = std::mem::take(&mut self.given);
        let waiting = std::mem::take(&mut self.waiting);
        for asked in given.into_values().map(|given| given.asked).chain(waiting) {
            self.counts.lost += 1;
            self.fail(asked, Failure::WorkerLost, "the broker has closed");
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn given(&self) -> usize {
        self.given.len()
    }

    /// Each worker with its capacity, what it has, and whether it is leaving.
    pub(super) fn workers(&self) -> impl Iterator<Item = (&Frame, usize, usize, bool)> {
        self.workers
            .iter()
            .map(|(name, worker)| (name, worker.capacity, worker.has.len(), worker.is_leaving))
    }
}

/// Which request is answered, if that is what these frames do.
fn answer_in(frames: &Multipart) -> Option<Token> {
    let [token, delimiter, ..] = &frames[..] else { return None };
    Token::try_from(&token[..]).ok().filter(|_| delimiter.is_empty())
}

const fn asked_may_repeat(asked: &Asked) -> bool {
    asked.may_repeat
}

fn answer(client: Frame, hops: Multipart, parts: Multipart) -> Out {
    let mut frames = Multipart::with_capacity(hops.len() + 1 + parts.len());
    frames.extend(hops);
    frames.push(Frame::empty());
    frames.extend(parts);
    Out::Client(client, frames)
}

#[cfg(test)]
mod tests;
