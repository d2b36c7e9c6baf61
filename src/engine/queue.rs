//! The bounded outbound queue: pure, without a clock and without I/O.
//!
//! Messages wait here until libzmq takes them. Bounds are enforced after the
//! pump has had its turn, so that a burst which libzmq takes at once is never
//! refused; what a single burst may add before that is bounded by the
//! actor's own mailbox guard.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::multipart::Multipart;
use crate::options::{Overflow, QueueLimits};

/// A queued message with what to tell whom when it is done.
#[derive(Debug)]
pub(crate) struct Item<T> {
    pub(crate) frames: Multipart,
    pub(crate) ticket: T,
    bytes: usize,
}

/// How a message's time in the queue ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// libzmq has taken it: so many bytes.
    Accepted(usize),
    /// Its peer is not connected.
    Unroutable(Multipart),
    /// The queue was full, and the policy refuses.
    Rejected(Multipart),
    /// The queue was full, and the policy drops.
    Dropped(Multipart),
}

/// A place in the queue, by which a message can be withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

/// The queue of one socket.
///
/// `ready` holds messages in order, withdrawn ones as holes. For sockets that
/// refuse per peer, a refused message and those behind it for the same peer
/// move to that peer's lane, so that they block nobody else.
pub(crate) struct Queue<T> {
    ready: VecDeque<Option<Item<T>>>,
    head: u64,
    lanes: HashMap<Bytes, VecDeque<Item<T>>>,
    messages: usize,
    bytes: usize,
    limits: QueueLimits,
    done: Vec<(T, Outcome)>,
}

impl<T> Queue<T> {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self {
            ready: VecDeque::new(),
            head: FIRST_PLACE,
            lanes: HashMap::new(),
            messages: 0,
            bytes: 0,
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
        let bytes = frames.byte_len();
        self.messages += 1;
        self.bytes += bytes;
        self.ready.push_back(Some(Item { frames, ticket, bytes }));
        Place(self.head + self.ready.len() as u64 - 1)
    }

    /// Takes a message back that has not left yet.
    pub(crate) fn withdraw(&mut self, place: Place) -> Option<Item<T>> {
        let index = usize::try_from(place.0.checked_sub(self.head)?).ok()?;
        let item = self.ready.get_mut(index)?.take()?;
        self.forget(&item);
        self.skip_holes();
        Some(item)
    }

    /// The oldest message that is ready.
    pub(crate) fn front(&mut self) -> Option<&mut Item<T>> {
        self.skip_holes();
        self.ready.front_mut().and_then(Option::as_mut)
    }

    /// libzmq has taken the oldest message.
    pub(crate) fn accepted(&mut self) {
        if let Some(item) = self.pop() {
            self.done.push((item.ticket, Outcome::Accepted(item.bytes)));
        }
    }

    /// The oldest message has no way to its peer.
    pub(crate) fn unroutable(&mut self) {
        if let Some(item) = self.pop() {
            self.done.push((item.ticket, Outcome::Unroutable(item.frames)));
        }
    }

    fn pop(&mut self) -> Option<Item<T>> {
        self.skip_holes();
        let item = self.ready.pop_front().flatten()?;
        self.head += 1;
        self.forget(&item);
        Some(item)
    }

    fn forget(&mut self, item: &Item<T>) {
        self.messages -= 1;
        self.bytes -= item.bytes;
    }

    fn skip_holes(&mut self) {
        while matches!(self.ready.front(), Some(None)) {
            self.ready.pop_front();
            self.head += 1;
        }
    }

    /// Moves the oldest message to its peer's lane.
    pub(crate) fn block_lane(&mut self) {
        self.skip_holes();
        if let Some(Some(item)) = self.ready.pop_front() {
            self.head += 1;
            self.lanes.entry(lane_of(&item.frames)).or_default().push_back(item);
        }
    }

    /// Whether the oldest message's peer has refused an earlier one.
    pub(crate) fn front_is_blocked(&mut self) -> bool {
        if self.lanes.is_empty() {
            return false;
        }
        match self.ready.front() {
            Some(Some(item)) => self.lanes.contains_key(&lane_of(&item.frames)),
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

    /// Offers a blocked peer's messages in order, until `send` refuses one or none is left.
    pub(crate) fn try_lane<E>(
        &mut self,
        lane: &Bytes,
        mut send: impl FnMut(&mut Multipart) -> Result<super::port::Sent, E>,
    ) -> Result<(), E> {
        use super::port::Sent;
        while let Some(items) = self.lanes.get_mut(lane) {
            let Some(item) = items.front_mut() else {
                self.lanes.remove(lane);
                break;
            };
            let outcome = send(&mut item.frames)?;
            if outcome == Sent::Refused {
                break;
            }
            let Some(item) = items.pop_front() else { break };
            if items.is_empty() {
                self.lanes.remove(lane);
            }
            self.forget(&item);
            let outcome = match outcome {
                Sent::Accepted => Outcome::Accepted(item.bytes),
                Sent::Unroutable | Sent::Refused => Outcome::Unroutable(item.frames),
            };
            self.done.push((item.ticket, outcome));
        }
        Ok(())
    }

    /// Applies the bounds and the policy. `waits` tells whether somebody awaits a ticket.
    pub(crate) fn enforce(&mut self, waits: impl Fn(&T) -> bool) {
        match self.limits.overflow {
            Overflow::DropOldest => {
                while self.over(0) {
                    let Some(item) = self.pop().or_else(|| self.pop_lane()) else { break };
                    self.done.push((item.ticket, Outcome::Dropped(item.frames)));
                }
            }
            Overflow::Reject | Overflow::DropNewest => {
                let reject = self.limits.overflow == Overflow::Reject;
                let mut refused = Vec::new();
                while self.over(0) {
                    let Some(item) = self.pop_newest() else { break };
                    refused.push(item);
                }
                // In the order in which they came.
                for item in refused.into_iter().rev() {
                    let outcome = if reject {
                        Outcome::Rejected(item.frames)
                    } else {
                        Outcome::Dropped(item.frames)
                    };
                    self.done.push((item.ticket, outcome));
                }
            }
            Overflow::Wait => self.enforce_wait(waits),
        }
    }

    /// Beyond the bound may stay who is awaited, up to `waiting` of them.
    fn enforce_wait(&mut self, waits: impl Fn(&T) -> bool) {
        if !self.over(0) {
            return;
        }
        let mut index = self.ready.len();
        while index > 0 && self.over(0) {
            index -= 1;
            let Some(Some(item)) = self.ready.get(index) else { continue };
            let may_stay = waits(&item.ticket) && !self.over(self.limits.waiting);
            if may_stay {
                // Those before it have waited longer and are fewer than `waiting`
                // beyond the bound; only the unawaited among them must go.
                continue;
            }
            let Some(item) = self.ready.get_mut(index).and_then(Option::take) else { continue };
            self.forget(&item);
            self.done.push((item.ticket, Outcome::Rejected(item.frames)));
        }
        while matches!(self.ready.back(), Some(None)) {
            self.ready.pop_back();
        }
        self.skip_holes();
    }

    const fn over(&self, grace: usize) -> bool {
        self.messages > self.limits.messages.saturating_add(grace)
            || (grace == 0 && self.bytes > self.limits.bytes)
            || (grace > 0 && self.bytes > self.limits.bytes.saturating_mul(2))
    }

    fn pop_newest(&mut self) -> Option<Item<T>> {
        while let Some(slot) = self.ready.pop_back() {
            if let Some(item) = slot {
                self.forget(&item);
                return Some(item);
            }
        }
        self.pop_lane()
    }

    fn pop_lane(&mut self) -> Option<Item<T>> {
        let lane = self.lanes.keys().next().cloned()?;
        let items = self.lanes.get_mut(&lane)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.lanes.remove(&lane);
        }
        let item = item?;
        self.forget(&item);
        Some(item)
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

    /// Empties the queue: the messages that nothing will send any more.
    pub(crate) fn drain(&mut self) -> Vec<Item<T>> {
        let mut rest: Vec<_> = self.ready.drain(..).flatten().collect();
        rest.extend(self.lanes.drain().flat_map(|(_, items)| items));
        self.messages = 0;
        self.bytes = 0;
        rest
    }

    /// What has waited for a peer goes back to the front: the socket is a new one.
    pub(crate) fn forget_lanes(&mut self) {
        for (_, items) in std::mem::take(&mut self.lanes) {
            for item in items.into_iter().rev() {
                self.ready.push_front(Some(item));
                self.head -= 1;
            }
        }
    }
}

/// Places are counted from here, so that messages can be put back in front.
const FIRST_PLACE: u64 = 1 << 62;

/// The peer's routing id: the first frame.
fn lane_of(frames: &Multipart) -> Bytes {
    frames.first().map(|frame| Bytes::copy_from_slice(frame)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
