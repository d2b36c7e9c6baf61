//! The bounded outbound queue: pure, without a clock and without I/O.
//!
//! Messages wait here until libzmq takes them. Bounds are enforced after the
//! pump has had its turn, so that a burst which libzmq takes at once is never
//! refused; what a single burst may add before that is bounded by the
//! actor's own mailbox guard.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;

use bytes::Bytes;

use super::port::Sent;
use crate::multipart::Multipart;
use crate::options::{Overflow, QueueLimits};

/// A queued message with what to tell whom when it is done.
#[derive(Debug)]
pub(crate) struct Item<T> {
    pub(crate) frames: Multipart,
    pub(crate) ticket: T,
    bytes: usize,
    /// Taken once before: no bound is held against it.
    excused: bool,
}

/// A place in the queue: its number, and the message unless it was withdrawn.
struct Slot<T> {
    number: u64,
    item: Option<Item<T>>,
}

/// How a message's time in the queue ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// libzmq has taken it: so many bytes.
    Accepted(usize),
    /// Its peer is not connected.
    Unroutable(Multipart),
    /// The queue was full, and the policy refuses.
    Rejected(Multipart, Bound),
    /// The queue was full, and the policy drops.
    Dropped(Multipart, Bound),
}

/// The bound at which a message found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Messages(usize),
    Bytes(usize),
    Waiting(usize),
    /// One of these, for a message whose peer had refused it or an earlier one.
    Peer(usize),
}

impl Bound {
    pub(crate) const fn limit(self) -> usize {
        match self {
            Self::Messages(limit)
            | Self::Bytes(limit)
            | Self::Waiting(limit)
            | Self::Peer(limit) => limit,
        }
    }
}

/// A place in the queue, by which a message can be withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU64);

impl Place {
    const fn of(number: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(number))
    }

    const fn number(self) -> u64 {
        self.0.get() - 1
    }
}

/// The queue of one socket.
///
/// `ready` holds messages in order, withdrawn ones as holes. For sockets that
/// refuse per peer, a refused message and those behind it for the same peer
/// move to that peer's lane, so that they block nobody else. Numbers tell who
/// is older, wherever a message waits.
pub(crate) struct Queue<T> {
    ready: VecDeque<Slot<T>>,
    lanes: HashMap<Bytes, VecDeque<(u64, Item<T>)>>,
    next: u64,
    /// Messages from this number on have not been held against the bounds yet.
    judged: u64,
    holes: usize,
    messages: usize,
    bytes: usize,
    /// How many of these messages, and of these bytes, are excused.
    excused: (usize, usize),
    limits: QueueLimits,
    done: Vec<(T, Outcome)>,
}

impl<T> Queue<T> {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self {
            ready: VecDeque::new(),
            lanes: HashMap::new(),
            next: 0,
            judged: 0,
            holes: 0,
            messages: 0,
            bytes: 0,
            excused: (0, 0),
            limits,
            done: Vec::new(),
        }
    }

    /// How many messages wait.
    pub(crate) const fn len(&self) -> usize {
        self.messages
    }

    /// How many bytes the waiting messages have.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Whether anything waits that no peer has refused yet.
    pub(crate) fn has_ready(&mut self) -> bool {
        self.skip_holes();
        !self.ready.is_empty()
    }

    /// Adds a message at the end; [`enforce`](Self::enforce) decides whether it may stay.
    pub(crate) fn push(&mut self, frames: Multipart, ticket: T) -> Place {
        self.add(frames, ticket, false)
    }

    /// Adds a message that had left before; no bound refuses or drops it.
    pub(crate) fn push_again(&mut self, frames: Multipart, ticket: T) -> Place {
        self.add(frames, ticket, true)
    }

    fn add(&mut self, frames: Multipart, ticket: T, excused: bool) -> Place {
        let bytes = frames.byte_len();
        let number = self.next;
        self.next += 1;
        self.messages += 1;
        self.bytes += bytes;
        if excused {
            self.excused.0 += 1;
            self.excused.1 += bytes;
        }
        let item = Item { frames, ticket, bytes, excused };
        self.ready.push_back(Slot { number, item: Some(item) });
        Place::of(number)
    }

    /// Takes a message back that has not left yet.
    pub(crate) fn withdraw(&mut self, place: Place) -> Option<Item<T>> {
        let index = self.ready.binary_search_by_key(&place.number(), |slot| slot.number).ok()?;
        let item = self.ready.get_mut(index)?.item.take()?;
        self.forget(&item);
        self.holes += 1;
        // Holes behind a message that waits for ever must not pile up.
        if self.holes > self.messages + HOLES_KEPT {
            self.ready.retain(|slot| slot.item.is_some());
            self.holes = 0;
        }
        Some(item)
    }

    /// The oldest message that is ready.
    pub(crate) fn front(&mut self) -> Option<&mut Item<T>> {
        self.skip_holes();
        self.ready.front_mut().and_then(|slot| slot.item.as_mut())
    }

    /// libzmq has taken the oldest message.
    pub(crate) fn accepted(&mut self) {
        if let Some(item) = self.pop_ready() {
            self.done.push((item.ticket, Outcome::Accepted(item.bytes)));
        }
    }

    /// The oldest message has no way to its peer.
    pub(crate) fn unroutable(&mut self) {
        if let Some(item) = self.pop_ready() {
            self.done.push((item.ticket, Outcome::Unroutable(item.frames)));
        }
    }

    fn pop_ready(&mut self) -> Option<Item<T>> {
        self.skip_holes();
        let item = self.ready.pop_front()?.item?;
        self.forget(&item);
        Some(item)
    }

    const fn forget(&mut self, item: &Item<T>) {
        self.messages -= 1;
        self.bytes -= item.bytes;
        if item.excused {
            self.excused.0 -= 1;
            self.excused.1 -= item.bytes;
        }
    }

    /// The messages and bytes that count towards the bounds.
    const fn held(&self) -> (usize, usize) {
        (self.messages - self.excused.0, self.bytes - self.excused.1)
    }

    fn skip_holes(&mut self) {
        while self.ready.front().is_some_and(|slot| slot.item.is_none()) {
            self.ready.pop_front();
            self.holes -= 1;
        }
    }

    /// Moves the oldest message to its peer's lane.
    pub(crate) fn block_lane(&mut self) {
        self.skip_holes();
        if let Some(Slot { number, item: Some(item) }) = self.ready.pop_front() {
            match self.lanes.get_mut(peer_of(&item.frames)) {
                Some(lane) => lane.push_back((number, item)),
                None => {
                    let lane = Bytes::copy_from_slice(peer_of(&item.frames));
                    self.lanes.insert(lane, VecDeque::from([(number, item)]));
                }
            }
        }
    }

    /// Whether the oldest message's peer has refused an earlier one.
    pub(crate) fn front_is_blocked(&mut self) -> bool {
        if self.lanes.is_empty() {
            return false;
        }
        self.skip_holes();
        match self.ready.front() {
            Some(Slot { item: Some(item), .. }) => self.lanes.contains_key(peer_of(&item.frames)),
            _ => false,
        }
    }

    /// The peers that have refused a message.
    pub(crate) fn blocked_lanes(&self) -> Vec<Bytes> {
        self.lanes.keys().cloned().collect()
    }

    pub(crate) fn has_blocked_lanes(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Offers a blocked peer's messages in order, until `send` refuses one, the
    /// budget is spent or none is left.
    pub(crate) fn try_lane<E>(
        &mut self,
        lane: &Bytes,
        budget: &mut usize,
        mut send: impl FnMut(&mut Multipart) -> Result<Sent, E>,
    ) -> Result<(), E> {
        while *budget > 0
            && let Some((_, item)) = self.lanes.get_mut(lane).and_then(VecDeque::front_mut)
        {
            let outcome = send(&mut item.frames)?;
            if outcome == Sent::Refused {
                break;
            }
            *budget -= 1;
            let Some(item) = self.pop_lane(lane) else { break };
            let outcome = match outcome {
                Sent::Accepted => Outcome::Accepted(item.bytes),
                Sent::Unroutable | Sent::Refused => Outcome::Unroutable(item.frames),
            };
            self.done.push((item.ticket, outcome));
        }
        Ok(())
    }

    fn pop_lane(&mut self, lane: &Bytes) -> Option<Item<T>> {
        let items = self.lanes.get_mut(lane)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.lanes.remove(lane);
        }
        let (_, item) = item?;
        self.forget(&item);
        Some(item)
    }

    /// Applies the bounds and the policy to what has come since the last time.
    /// `waits` tells whether somebody awaits a ticket.
    pub(crate) fn enforce(&mut self, waits: impl Fn(&T) -> bool) {
        if self.over(self.held(), 0).is_some() {
            match self.limits.overflow {
                Overflow::DropOldest => self.drop_oldest(),
                Overflow::Reject => self.refuse_newest(Outcome::Rejected, |_| false),
                Overflow::DropNewest => self.refuse_newest(Outcome::Dropped, |_| false),
                Overflow::Wait => self.refuse_newest(Outcome::Rejected, waits),
            }
        }
        self.judged = self.next;
    }

    fn drop_oldest(&mut self) {
        while let Some(bound) = self.over(self.held(), 0) {
            let held = |slot: &&Slot<T>| slot.item.as_ref().is_some_and(|item| !item.excused);
            let ready = self.ready.iter().find(held).map(|slot| slot.number);
            let lane = self
                .lanes
                .iter()
                .filter_map(|(lane, items)| Some((items.front()?.0, lane)))
                .min()
                .filter(|(number, _)| ready.is_none_or(|ready| *number < ready))
                .map(|(_, lane)| lane.clone());
            let item = match (lane, ready) {
                (Some(lane), _) => self.pop_lane(&lane),
                (None, Some(number)) => self.withdraw(Place::of(number)),
                (None, None) => None,
            };
            let Some(item) = item else { break };
            self.done.push((item.ticket, Outcome::Dropped(item.frames, bound)));
        }
    }

    /// Refuses those of the new messages that are beyond the bounds.
    ///
    /// A message is held against the older ones that stay: one that waits
    /// beyond the bound pushes nobody out who was within it, and one that is
    /// refused takes no room from those behind it. Who may stay once stays, so
    /// that each message is looked at once.
    fn refuse_newest(
        &mut self,
        outcome: impl Fn(Multipart, Bound) -> Outcome,
        waits: impl Fn(&T) -> bool,
    ) {
        // The number, the bytes, the lane if it is in one.
        let recent = self.ready.iter().rev().take_while(|slot| slot.number >= self.judged);
        let mut new: Vec<(u64, usize, Option<Bytes>)> = recent
            .filter_map(|slot| Some((slot.number, slot.item.as_ref()?)))
            .filter(|(_, item)| !item.excused)
            .map(|(number, item)| (number, item.bytes, None))
            .collect();
        for (lane, items) in &self.lanes {
            let recent = items.iter().rev().take_while(|(number, _)| *number >= self.judged);
            new.extend(recent.map(|(number, item)| (*number, item.bytes, Some(lane.clone()))));
        }
        new.sort_unstable_by_key(|(number, ..)| *number);
        // How many messages and bytes stay, of those looked at and before.
        let (mut messages, mut bytes) = self.held();
        messages -= new.len();
        bytes -= new.iter().map(|(_, size, _)| size).sum::<usize>();
        for (number, size, lane) in new {
            let (with, bytes_with) = (messages + 1, bytes + size);
            let mut over = self.over((with, bytes_with), 0);
            if over.is_some()
                && self.limits.waiting > 0
                && self.find(number, lane.as_ref()).is_some_and(|item| waits(&item.ticket))
            {
                over = self.over((with, bytes_with), self.limits.waiting);
            }
            match over {
                None => (messages, bytes) = (with, bytes_with),
                Some(bound) => {
                    let bound = if lane.is_some() { Bound::Peer(bound.limit()) } else { bound };
                    if let Some(item) = self.remove(number, lane.as_ref()) {
                        self.done.push((item.ticket, outcome(item.frames, bound)));
                    }
                }
            }
        }
    }

    fn find(&self, number: u64, lane: Option<&Bytes>) -> Option<&Item<T>> {
        match lane {
            None => {
                let at = self.ready.binary_search_by_key(&number, |slot| slot.number).ok()?;
                self.ready.get(at)?.item.as_ref()
            }
            Some(lane) => {
                let items = self.lanes.get(lane)?;
                let at = items.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                items.get(at).map(|(_, item)| item)
            }
        }
    }

    fn remove(&mut self, number: u64, lane: Option<&Bytes>) -> Option<Item<T>> {
        let Some(lane) = lane else { return self.withdraw(Place::of(number)) };
        let items = self.lanes.get_mut(lane)?;
        let at = items.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let (_, item) = items.remove(at)?;
        if items.is_empty() {
            self.lanes.remove(lane);
        }
        self.forget(&item);
        Some(item)
    }

    /// The bound that so many messages and bytes are beyond, if any; with
    /// `waiting`, beyond those for awaited sends.
    const fn over(&self, (messages, bytes): (usize, usize), waiting: usize) -> Option<Bound> {
        let most_bytes = self.limits.bytes.saturating_mul(if waiting == 0 { 1 } else { 2 });
        if messages > self.limits.messages.saturating_add(waiting) {
            return Some(match waiting {
                0 => Bound::Messages(self.limits.messages),
                _ => Bound::Waiting(waiting),
            });
        }
        if bytes > most_bytes { Some(Bound::Bytes(most_bytes)) } else { None }
    }

    /// What has ended since the last call, in order.
    pub(crate) fn take_done(&mut self) -> Vec<(T, Outcome)> {
        std::mem::take(&mut self.done)
    }

    /// Gives an emptied list back, so that its allocation serves again.
    pub(crate) fn recycle(&mut self, mut done: Vec<(T, Outcome)>) {
        if self.done.is_empty() {
            done.clear();
            self.done = done;
        }
    }

    /// Empties the queue: the messages that nothing will send any more, oldest first.
    pub(crate) fn drain(&mut self) -> Vec<Item<T>> {
        self.forget_lanes();
        self.messages = 0;
        self.bytes = 0;
        self.excused = (0, 0);
        self.holes = 0;
        self.ready.drain(..).filter_map(|slot| slot.item).collect()
    }

    /// What has waited for a peer goes back among the others: the socket is a new one.
    pub(crate) fn forget_lanes(&mut self) {
        if self.lanes.is_empty() {
            return;
        }
        let waited = std::mem::take(&mut self.lanes).into_values().flatten();
        let mut all: Vec<_> = self.ready.drain(..).collect();
        all.extend(waited.map(|(number, item)| Slot { number, item: Some(item) }));
        all.sort_unstable_by_key(|slot| slot.number);
        self.ready = all.into();
    }
}

/// How many withdrawn places are kept beside as many messages before they are
/// cleared away in one go.
const HOLES_KEPT: usize = 64;

/// The peer's routing id: the first frame.
fn peer_of(frames: &Multipart) -> &[u8] {
    frames.first().map_or(&[], |frame| &frame[..])
}

#[cfg(test)]
mod tests;
