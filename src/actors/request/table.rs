//! The requests in flight: found by their ids, ended by their deadlines, given
//! up by their callers.

use std::any::Any;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use actix::dev::OneshotSender;
use futures::task::AtomicWaker;
use tokio::task::unconstrained;
use uuid::Uuid;

use crate::codec::{Decode, Undecodable};
use crate::engine::deadlines::{Deadlines, Due};
use crate::engine::entries::{BLOCK, Entries, Key};
use crate::engine::queue::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::framing::reqrep::Id;
use crate::multipart::Multipart;
use crate::shield::shielded;

/// The requests in flight.
pub(super) struct Table {
    open: Entries<Open>,
    /// By place.
    deadlines: Deadlines<u32>,
    /// Those whose time begins to run with the next turn.
    fresh: Vec<Key>,
    /// Tells our ids from those of other sockets, and of this program's last run.
    nonce: u32,
    /// One for each block of places, woken when a caller there drops its future.
    watches: Vec<(Arc<Watch>, Waker)>,
    cancelled: Arc<Cancelled>,
    /// Of REQ: what nobody awaits is open, too, until its reply or its deadline.
    pub(super) in_step: bool,
}

/// A request in flight.
pub(super) struct Open {
    /// Absent for the moment between handler and response, and for `do_send`.
    waiter: Waiter,
    /// Since when its time runs.
    began: Option<Due>,
    /// In nanoseconds; 0 without one.
    timeout: u64,
    /// Its place in the outbound queue while it has not left.
    pub(super) place: Option<Place>,
    /// The parts of an idempotent request, to be sent again.
    pub(super) again: Option<Box<Multipart>>,
    /// Whether it had left once: then nobody can say that it was not served.
    pub(super) left: bool,
    /// Whether it has a deadline, which is among the others once its time runs.
    timed: bool,
}

impl Open {
    pub(super) fn new(again: Option<Multipart>) -> Self {
        let again = again.map(Box::new);
        Self {
            waiter: Waiter::Nobody,
            began: None,
            timeout: 0,
            place: None,
            again,
            left: false,
            timed: false,
        }
    }

    pub(super) const fn is_awaited(&self) -> bool {
        !matches!(self.waiter, Waiter::Nobody)
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout)
    }

    /// Since when its time runs; nothing before the first turn after it came.
    pub(super) const fn began(&self) -> Option<Due> {
        self.began
    }

    /// Answers who waits. `None` when nobody does.
    pub(super) fn finish(
        self,
        outcome: Result<Multipart>,
    ) -> Option<std::result::Result<(), Undecodable>> {
        self.waiter.finish(outcome)
    }

    /// Ends the request with an error, and gives it back if it has certainly
    /// not left. `false` when nobody waits.
    pub(super) fn fail(self, error: Error, unsent: impl FnOnce() -> Option<Multipart>) -> bool {
        if !self.is_awaited() {
            return false;
        }
        let error = match unsent() {
            Some(parts) if !self.left => error.with_message(parts),
            _ => error,
        };
        let _ = self.finish(Err(error));
        true
    }
}

/// Who waits for a reply.
pub(in crate::actors) enum Waiter {
    Nobody,
    /// For frames, as nearly everybody: without an allocation.
    Frames(OneshotSender<Result<Multipart>>),
    /// For a value, whatever it is.
    Value(Box<dyn Awaiting>),
}

impl Waiter {
    pub(in crate::actors) fn new<R: Decode + Send>(asker: OneshotSender<Result<R>>) -> Self {
        let mut asker = Some(asker);
        let frames: Option<&mut Option<OneshotSender<Result<Multipart>>>> =
            (&mut asker as &mut dyn Any).downcast_mut();
        if let Some(asker) = frames.and_then(Option::take) {
            return Self::Frames(asker);
        }
        asker.map_or(Self::Nobody, |asker| Self::Value(Box::new(asker)))
    }

    /// Answers who waits. `None` when nobody does.
    pub(super) fn finish(
        self,
        outcome: Result<Multipart>,
    ) -> Option<std::result::Result<(), Undecodable>> {
        match self {
            Self::Nobody => None,
            Self::Frames(asker) => {
                // Nobody minds if the asker is gone.
                let _ = asker.send(outcome);
                Some(Ok(()))
            }
            Self::Value(asker) => Some(asker.finish(outcome)),
        }
    }

    /// Whether nobody waits any more; if somebody does, `cx` is told when that changes.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Frames(asker) => poll_closed(asker, cx),
            Self::Value(asker) => asker.poll_gone(cx),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Frames(asker) => asker.is_closed(),
            Self::Value(asker) => asker.is_gone(),
        }
    }
}

/// Who waits for a value.
pub(in crate::actors) trait Awaiting {
    fn finish(self: Box<Self>, outcome: Result<Multipart>) -> std::result::Result<(), Undecodable>;
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool;
    fn is_gone(&self) -> bool;
}

impl<R: Decode + Send> Awaiting for OneshotSender<Result<R>> {
    fn finish(self: Box<Self>, outcome: Result<Multipart>) -> std::result::Result<(), Undecodable> {
        let mut refused = None;
        let outcome = outcome.and_then(|frames| {
            let decoded = shielded(|| R::decode(frames)).map_err(|text| {
                Error::new(ErrorKind::Decode).detail(format!("panicked: {text}"))
            })?;
            decoded.map_err(|undecodable| {
                let error = Error::new(ErrorKind::Decode)
                    .detail(undecodable.error().to_string())
                    .with_message(undecodable.frames().clone());
                refused = Some(undecodable);
                error
            })
        });
        // Nobody minds if the asker is gone.
        let _ = self.send(outcome);
        refused.map_or(Ok(()), Err)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool {
        poll_closed(self, cx)
    }

    fn is_gone(&self) -> bool {
        self.is_closed()
    }
}

pub(in crate::actors) fn poll_closed<T>(
    asker: &mut OneshotSender<T>,
    cx: &mut Context<'_>,
) -> bool {
    // Outside tokio's budget: beyond it every waiter would ask to be asked
    // again, each time all of them.
    pin!(unconstrained(poll_fn(|cx| asker.poll_closed(cx)))).poll(cx).is_ready()
}

/// The blocks in which callers may have given up.
#[derive(Default)]
pub(super) struct Cancelled {
    blocks: Mutex<Vec<u32>>,
    waker: AtomicWaker,
}

/// Woken when a caller of one block drops its future.
struct Watch {
    block: u32,
    marked: AtomicBool,
    cancelled: Arc<Cancelled>,
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.marked.swap(true, Ordering::AcqRel) {
            let blocks = &self.cancelled.blocks;
            blocks.lock().unwrap_or_else(PoisonError::into_inner).push(self.block);
            self.cancelled.waker.wake();
        }
    }
}

impl Table {
    pub(super) fn new(in_step: bool) -> Self {
        let (nonce, start) = Uuid::new_v4().as_u64_pair();
        let (nonce, start) = (fold(nonce), fold(start));
        Self {
            // Nowhere near the end of the numbers.
            open: Entries::counting_from(u64::from(start) << 31),
            deadlines: Deadlines::new(),
            fresh: Vec::new(),
            nonce,
            watches: Vec::new(),
            cancelled: Arc::default(),
            in_step,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.open.len()
    }

    /// The id by which a reply names a request.
    pub(super) fn id(&self, key: Key) -> Id {
        let (nonce, number) = (u128::from(self.nonce), u128::from(key.sequence));
        (nonce << 96 | number << 32 | u128::from(key.place)).to_be_bytes()
    }

    /// The request with this id, if it is one of ours.
    pub(super) fn key(&self, id: Id) -> Option<Key> {
        let [a, b, c, d, sequence @ .., e, f, g, h] = id;
        let place = u32::from_be_bytes([e, f, g, h]);
        let ours = u32::from_be_bytes([a, b, c, d]) == self.nonce;
        ours.then_some(Key { place, sequence: u64::from_be_bytes(sequence) })
    }

    /// Adds a request. Its time begins to run with the next turn.
    pub(super) fn insert(&mut self, mut open: Open, timeout: Option<Duration>) -> Key {
        let timeout = timeout.map(|timeout| u64::try_from(timeout.as_nanos()));
        // A deadline beyond what the clock can tell is none.
        let timeout = timeout.and_then(std::result::Result::ok);
        open.timeout = timeout.unwrap_or(0);
        open.timed = timeout.is_some();
        let key = self.open.insert(open);
        self.fresh.push(key);
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&Open> {
        self.open.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Open> {
        self.open.get_mut(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Open)> {
        self.open.iter()
    }

    /// Takes a request out: whoever has it ends it.
    pub(super) fn close(&mut self, key: Key) -> Option<Open> {
        let open = self.open.remove(key)?;
        if open.timed && open.began.is_some() {
            let requests = &self.open;
            self.deadlines.removed(|due, place| is_due(requests, due, place));
        }
        Some(open)
    }

    /// Parks who waits for the reply.
    pub(super) fn park(&mut self, key: Key, waiter: Waiter) {
        let block = key.place / BLOCK;
        while self.watches.len() <= block as usize {
            let block = u32::try_from(self.watches.len()).unwrap_or(u32::MAX);
            let cancelled = Arc::clone(&self.cancelled);
            let watch = Arc::new(Watch { block, marked: AtomicBool::new(false), cancelled });
            self.watches.push((Arc::clone(&watch), Waker::from(watch)));
        }
        let Some((watch, waker)) = self.watches.get(block as usize) else { return };
        let Some(open) = self.open.get_mut(key) else { return };
        open.waiter = waiter;
        if open.waiter.poll_gone(&mut Context::from_waker(waker)) {
            watch.wake_by_ref();
        }
    }

    /// Wakes this task when a caller gives up.
    pub(super) fn register(&self, waker: &Waker) {
        self.cancelled.waker.register(waker);
    }

    /// The requests whose callers have given up since the last call.
    pub(super) fn take_cancelled(&self) -> Vec<Key> {
        let mut blocks = self.cancelled.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.is_empty() {
            return Vec::new();
        }
        let blocks = std::mem::take(&mut *blocks);
        let mut gone = Vec::new();
        for block in blocks {
            if let Some((watch, _)) = self.watches.get(block as usize) {
                // Before it is looked at: who goes from now on marks it again.
                watch.marked.swap(false, Ordering::AcqRel);
            }
            let places = block * BLOCK..(block + 1) * BLOCK;
            let open = places.filter_map(|place| self.open.at(place));
            gone.extend(open.filter(|(_, open)| open.waiter.is_gone()).map(|(key, _)| key));
        }
        gone
    }

    /// The time of those begins to run that have come since the last call.
    pub(super) fn start_clocks(&mut self, now: Instant) {
        let began = self.moment(now);
        for key in self.fresh.drain(..) {
            let Some(open) = self.open.get_mut(key) else { continue };
            open.began = began;
            if open.timed {
                let due = self.deadlines.due(now, open.timeout());
                open.timed = due.is_some();
                due.into_iter().for_each(|due| self.deadlines.insert(due, key.place));
            }
        }
    }

    /// A time as the table counts it.
    pub(super) fn moment(&self, now: Instant) -> Option<Due> {
        self.deadlines.due(now, Duration::ZERO)
    }

    /// A request whose time is up.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        let requests = &self.open;
        let place = self.deadlines.pop_due(now, |due, place| is_due(requests, due, place))?;
        let (key, _) = self.open.at(place)?;
        self.open.get_mut(key)?.timed = false;
        Some(key)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }
}

fn is_due(requests: &Entries<Open>, due: Due, place: u32) -> bool {
    let is_its = |open: &Open| {
        open.timed && open.began.and_then(|began| began.after(open.timeout)) == Some(due)
    };
    requests.at(place).is_some_and(|(_, open)| is_its(open))
}

/// What is random in one half of an id that is.
const fn fold(random: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = random.to_be_bytes();
    u32::from_be_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}

#[cfg(test)]
mod tests;
