//! Moves messages between a socket, a receiver and the outbound queue.

use std::task::Context;
use std::time::{Duration, Instant};

use super::fd::{Wakeup, defer};
use super::port::{Admitted, Port, Sends, Sent};
use super::queue::Queue;
use crate::multipart::Multipart;
use crate::sys::{Errno, Events};

/// Messages per turn: some 0.1 ms of small ones. A turn itself costs as much as
/// ten of them.
pub(crate) const BUDGET: usize = 512;
/// Messages in one direction before the other has its say.
pub(crate) const CHUNK: usize = 128;
/// The time a turn may take when messages are slow to handle.
const SLICE: Duration = Duration::from_micros(200);
/// How long a refused message of a socket without an exact `ZMQ_POLLOUT` waits
/// for a wake before it is offered again. libzmq does wake us when a peer has
/// room; the clock is for what it does not announce.
pub(crate) const RETRY: Duration = Duration::from_millis(20);

/// Where received messages go.
pub(crate) trait Inlet<T> {
    /// How many messages may be read; if none, the task is woken when one may.
    fn room(&mut self, cx: &mut Context<'_>) -> usize;
    /// Runs what may call a user's code. `None` ends the turn: it panicked.
    fn shielded<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> Option<R>;
    /// Takes a message.
    fn accept(&mut self, message: Multipart);
    /// What was decided on the subscription that was accepted last.
    fn admitted(&mut self) -> Option<Admitted> {
        None
    }
    /// Takes an answer that came when nothing was asked any more.
    fn late(&mut self, message: Multipart) {
        drop(message);
    }
    /// Offers what the receivers have answered meanwhile, or queues it.
    fn answer(&mut self, _queue: &mut Queue<T>, _offer: &mut dyn FnMut(&mut Multipart) -> bool) {}
    /// Hands over what was held back to make a batch.
    fn flush(&mut self) {}
    /// The next message of a stream that is sent when nothing else waits; the
    /// task is woken when there is one.
    fn next(&mut self, _cx: &mut Context<'_>) -> Option<&mut Multipart> {
        None
    }
    /// It was accepted.
    fn accepted(&mut self) {}
    /// There is no room for it: it is offered again, after those of other streams.
    fn refused(&mut self) {}
    /// It has no way to its peer.
    fn unroutable(&mut self) {}
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing to do; the waker is registered.
    Parked,
    /// The budget is spent; the task will be woken after others ran.
    Yielded,
    /// The receiver failed.
    Interrupted,
    /// The socket failed.
    Failed(Errno),
}

/// What a turn moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) received: u64,
    pub(crate) received_bytes: u64,
    /// Of streams, and of answers that nothing waited before; the queue counts its own.
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
}

/// The driver of one socket.
pub(crate) struct Pump<P, W> {
    // The registration is dropped before the socket is closed: fields drop in order.
    wakeup: W,
    port: P,
    sends: Sends,
    receives: bool,
    /// Whether messages stay in the queue for now.
    holds: bool,
    /// Whether what was sent in step is not answered yet.
    awaiting: bool,
    /// Whether a message was refused without `ZMQ_POLLOUT` to wait for.
    pub(crate) retry: bool,
    /// Whether libzmq was offered all it takes of the queue, so that what is
    /// left may be held against the bounds.
    pub(crate) offered: bool,
    /// For how long after a message it does not park.
    busy: Duration,
    /// Until when it does not, by the last message.
    busy_until: Option<Instant>,
}

impl<P: Port, W: Wakeup> Pump<P, W> {
    pub(crate) const fn new(port: P, wakeup: W, sends: Sends, receives: bool) -> Self {
        Self {
            wakeup,
            port,
            sends,
            receives,
            holds: false,
            awaiting: false,
            retry: false,
            offered: true,
            busy: Duration::ZERO,
            busy_until: None,
        }
    }

    /// Asks again for so long after a message, before it parks.
    pub(crate) const fn busy(mut self, time: Duration) -> Self {
        self.busy = time;
        self
    }

    /// The socket, for control: whoever uses it must be on the pump's task, before its turn.
    pub(crate) const fn port(&mut self) -> &mut P {
        &mut self.port
    }

    /// The socket, for what changes nothing that the pump knows.
    pub(crate) const fn port_ref(&self) -> &P {
        &self.port
    }

    /// Reads no more, and goes on sending.
    pub(crate) const fn stop_receiving(&mut self) {
        self.receives = false;
    }

    /// Keeps messages in the queue, or lets them go with the next turn.
    pub(crate) const fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// Offers a message that nothing waits before; a turn must follow. Its bytes
    /// if libzmq has taken it; otherwise it is as it was, and what has failed the
    /// turn finds out.
    pub(crate) fn send_now(&mut self, message: &mut Multipart) -> Option<u64> {
        match self.sends {
            Sends::Never | Sends::InStep => None,
            _ if self.holds => None,
            Sends::WhenWritable | Sends::Always | Sends::PerPeer => {
                let bytes = message.byte_len() as u64;
                (self.port.send(message) == Ok(Sent::Accepted)).then_some(bytes)
            }
        }
    }

    /// Does not wait for the answer to what was sent in step any more.
    pub(crate) const fn release(&mut self) {
        self.awaiting = false;
    }

    /// Works until there is nothing to do or the budget is spent.
    pub(crate) fn turn<T>(
        &mut self,
        cx: &mut Context<'_>,
        inlet: &mut impl Inlet<T>,
        queue: &mut Queue<T>,
        moved: &mut Moved,
    ) -> Turn {
        let turn = self.work(cx, inlet, queue, moved);
        inlet.flush();
        turn
    }

    fn work<T>(
        &mut self,
        cx: &mut Context<'_>,
        inlet: &mut impl Inlet<T>,
        queue: &mut Queue<T>,
        moved: &mut Moved,
    ) -> Turn {
        let started = Instant::now();
        let mut budget = BUDGET;
        // What was refused before is offered once in this turn.
        let mut offer = Offer::Fresh;
        let mut armed = false;
        let mut events = Events::default();
        let mut received = Received::Dry;
        loop {
            // Where there is more to read, nobody need be asked.
            let looks = received != Received::More;
            if looks {
                armed = match self.wakeup.arm(cx) {
                    Ok(armed) => armed,
                    Err(error) => {
                        return Turn::Failed(Errno(error.raw_os_error().unwrap_or(libc::EIO)));
                    }
                };
                events = match self.port.events() {
                    Ok(events) => events,
                    Err(error) => return Turn::Failed(error),
                };
            }
            let before = (moved.received, moved.sent);
            received = Received::Nothing;
            if self.receives && events.readable() {
                received = match self.receive(cx, inlet, &mut budget, moved) {
                    Ok(received) => received,
                    Err(turn) => return turn,
                };
            }
            let mut called = received != Received::Nothing;
            called |= self.answer(inlet, queue, &mut budget, moved);
            let waiting = queue.len();
            match self.send(queue, events.writable(), &mut offer, &mut budget) {
                Ok(any) => called |= any,
                Err(error) => return Turn::Failed(error),
            }
            if queue.is_empty() {
                match self.draw(cx, inlet, events.writable(), &mut offer, &mut budget, moved) {
                    Ok(any) => called |= any,
                    Err(error) => return Turn::Failed(error),
                }
            }
            let any = before != (moved.received, moved.sent) || queue.len() < waiting;
            if any && !self.busy.is_zero() {
                self.busy_until = started.checked_add(self.busy);
            }
            if !called {
                if !looks {
                    continue;
                }
                // `ZMQ_EVENTS` was the last call: safe to park.
                if armed && !self.is_busy(started) {
                    return Turn::Parked;
                }
                defer(cx);
                return Turn::Yielded;
            }
            budget = budget.saturating_sub(1);
            if budget == 0 || started.elapsed() > SLICE {
                defer(cx);
                return Turn::Yielded;
            }
        }
    }

    /// Whether a message is so recent that the next one may be worth waiting for awake.
    fn is_busy(&mut self, now: Instant) -> bool {
        self.busy_until = self.busy_until.filter(|until| *until > now);
        self.busy_until.is_some()
    }

    /// Reads up to a chunk.
    fn receive<T>(
        &mut self,
        cx: &mut Context<'_>,
        inlet: &mut impl Inlet<T>,
        budget: &mut usize,
        moved: &mut Moved,
    ) -> Result<Received, Turn> {
        let chunk = CHUNK.min(*budget).min(inlet.room(cx));
        if chunk == 0 {
            return Ok(Received::Nothing);
        }
        let began = moved.received;
        let outcome = inlet
            .shielded(|inlet| self.receive_shielded(inlet, chunk, moved))
            .unwrap_or(Err(Turn::Interrupted));
        let count = usize::try_from(moved.received - began).unwrap_or(chunk);
        *budget = budget.saturating_sub(count);
        outcome
    }

    fn receive_shielded<T>(
        &mut self,
        inlet: &mut impl Inlet<T>,
        chunk: usize,
        moved: &mut Moved,
    ) -> Result<Received, Turn> {
        for _ in 0..chunk {
            let mut message = Multipart::place();
            let Some(bytes) = self.port.receive(&mut message).map_err(Turn::Failed)? else {
                return Ok(Received::Dry);
            };
            moved.received += 1;
            moved.received_bytes += bytes as u64;
            if self.sends == Sends::InStep && !std::mem::take(&mut self.awaiting) {
                inlet.late(message);
            } else {
                inlet.accept(message);
            }
            while let Some(admitted) = inlet.admitted() {
                self.port.admit(&admitted).map_err(Turn::Failed)?;
            }
        }
        Ok(Received::More)
    }

    /// Has up to a chunk of answers sent that nothing waits before, and the
    /// others queued. Tells whether libzmq was called at all.
    fn answer<T>(
        &mut self,
        inlet: &mut impl Inlet<T>,
        queue: &mut Queue<T>,
        budget: &mut usize,
        moved: &mut Moved,
    ) -> bool {
        let most = CHUNK.min(*budget);
        let mut left = most;
        inlet.answer(queue, &mut |message| {
            if left == 0 {
                return false;
            }
            left -= 1;
            let taken = self.send_now(message);
            moved.sent += u64::from(taken.is_some());
            moved.sent_bytes += taken.unwrap_or(0);
            taken.is_some()
        });
        *budget -= most - left;
        left < most
    }

    /// Sends up to a chunk. Tells whether libzmq was called at all.
    fn send<T>(
        &mut self,
        queue: &mut Queue<T>,
        writable: bool,
        offer: &mut Offer,
        budget: &mut usize,
    ) -> Result<bool, Errno> {
        self.offered = true;
        if queue.is_empty() {
            // What a stream holds may have been refused in this turn.
            self.retry &= *offer == Offer::Refused;
            return Ok(false);
        }
        match self.sends {
            Sends::Never => Ok(false),
            _ if self.holds => Ok(false),
            Sends::WhenWritable if !writable => Ok(false),
            Sends::InStep if !writable || self.awaiting => Ok(false),
            Sends::Always if *offer == Offer::Refused => Ok(false),
            Sends::WhenWritable | Sends::InStep | Sends::Always => {
                self.retry = false;
                let refused = self.send_in_order(queue, budget)?;
                if refused && self.sends == Sends::Always {
                    *offer = Offer::Refused;
                    self.retry = true;
                }
                Ok(true)
            }
            Sends::PerPeer => self.send_by_peer(queue, offer, budget),
        }
    }

    /// Sends up to a chunk of what streams yield. Tells whether libzmq was called at all.
    fn draw<T>(
        &mut self,
        cx: &mut Context<'_>,
        inlet: &mut impl Inlet<T>,
        writable: bool,
        offer: &mut Offer,
        budget: &mut usize,
        moved: &mut Moved,
    ) -> Result<bool, Errno> {
        let waits = match self.sends {
            Sends::Never | Sends::InStep => true,
            Sends::WhenWritable => !writable,
            Sends::Always | Sends::PerPeer => *offer == Offer::Refused,
        };
        if waits {
            return Ok(false);
        }
        let mut called = false;
        for _ in 0..CHUNK.min(*budget) {
            let Some(message) = inlet.next(cx) else { break };
            called = true;
            let bytes = message.byte_len() as u64;
            match self.port.send(message)? {
                Sent::Accepted => {
                    inlet.accepted();
                    moved.sent += 1;
                    moved.sent_bytes += bytes;
                }
                Sent::Unroutable => inlet.unroutable(),
                Sent::Refused => {
                    inlet.refused();
                    *offer = Offer::Refused;
                    self.retry = self.sends != Sends::WhenWritable;
                    break;
                }
            }
            *budget = budget.saturating_sub(1);
        }
        Ok(called)
    }

    fn send_in_order<T>(
        &mut self,
        queue: &mut Queue<T>,
        budget: &mut usize,
    ) -> Result<bool, Errno> {
        for _ in 0..CHUNK.min(*budget) {
            let Some(item) = queue.front() else { return Ok(false) };
            match self.port.send(&mut item.frames)? {
                Sent::Accepted => queue.accepted(),
                Sent::Unroutable => queue.unroutable(),
                Sent::Refused => return Ok(true),
            }
            *budget = budget.saturating_sub(1);
            if self.sends == Sends::InStep {
                self.awaiting = true;
                return Ok(false);
            }
        }
        self.offered = !queue.has_ready();
        Ok(false)
    }

    fn send_by_peer<T>(
        &mut self,
        queue: &mut Queue<T>,
        offer: &mut Offer,
        budget: &mut usize,
    ) -> Result<bool, Errno> {
        let mut called = false;
        if *offer == Offer::Fresh {
            *offer = Offer::Refused;
            for lane in queue.blocked_lanes() {
                if *budget == 0 {
                    break;
                }
                called = true;
                queue.try_lane(&lane, budget, |frames| self.port.send(frames))?;
            }
        }
        for _ in 0..CHUNK.min(*budget) {
            if queue.front_is_blocked() {
                queue.block_lane();
                continue;
            }
            let Some(item) = queue.front() else { break };
            called = true;
            match self.port.send(&mut item.frames)? {
                Sent::Accepted => queue.accepted(),
                Sent::Unroutable => queue.unroutable(),
                Sent::Refused => queue.block_lane(),
            }
            *budget = budget.saturating_sub(1);
        }
        self.retry = queue.has_blocked_lanes();
        self.offered = !queue.has_ready();
        // Messages moved to a lane without a call still need another round.
        Ok(called || queue.has_ready())
    }
}

/// What an attempt to read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    /// libzmq was not called.
    Nothing,
    /// All that there was.
    Dry,
    /// As much as was to be read; there may be more.
    More,
}

/// Whether refused messages may still be offered in this turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    Fresh,
    Refused,
}

#[cfg(test)]
mod tests;
