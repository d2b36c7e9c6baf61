//! One turn: orders, deadlines, I/O, answers, timers.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use actix::{Context, fut};

use super::super::open::RESCUED;
use super::super::outgoing::Feeds;
use super::super::pattern::{Abandoned, Admitted, Inbound, Pattern, Surroundings, Ticket, refused};
use super::{HANDLED_PER_TURN, Socket};
use crate::counters::Counter;
use crate::engine::deadlines::after;
use crate::engine::fd::defer;
use crate::engine::port::Sends;
use crate::engine::pump::{BUDGET, CHUNK, Inlet, Moved, RETRY, Turn};
use crate::engine::queue::{Outcome, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::messages::{EventKind, SocketState};
use crate::multipart::Multipart;
use crate::shield::shielded;

impl<K: Pattern> Socket<K> {
    /// One turn: orders, deadlines, I/O, answers, timers.
    pub(super) fn turn(&mut self, ctx: &mut Context<Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mailbox_is_empty = std::mem::take(&mut self.handled) < HANDLED_PER_TURN;
        self.around.shared.register(cx.waker());
        self.inbound.register(cx);
        let now = Instant::now();
        if self.reopen_at.is_some_and(|at| at <= now) && self.state() == SocketState::Down {
            self.open();
        }
        self.reconnect();
        if mailbox_is_empty && !ctx.connected() && self.feeds.is_empty() {
            // Nobody is left who could ever use the socket.
            if self.around.shared.close_deadline().is_none() {
                let deadline = after(now, self.opening.linger);
                drop(self.around.shared.order_close(deadline, None));
            }
            self.last_call();
        }
        self.follow_orders(now);
        if let (SocketState::Closing, true, Some(live)) =
            (self.state(), K::TYPE.sends() && !self.inbound.is_held(now), &mut self.live)
        {
            // What it would receive is new work.
            live.pump.stop_receiving();
        }
        self.take_answers();
        self.inbound.tend(now, &mut self.queue, &mut self.around);
        match self.inbound.abandoned() {
            Abandoned::Nothing => {}
            Abandoned::Release => {
                if let Some(live) = &mut self.live {
                    live.pump.release();
                }
            }
            Abandoned::Reopen => self.reopen("a request that had left is not awaited any more"),
        }
        self.listen(now, cx);
        let mut failure = None;
        if self.live.is_some() {
            match self.deliver_stash(cx) {
                Ok(()) => failure = self.pump(cx),
                Err(error) => failure = Some(error),
            }
        }
        self.settle();
        if let Some(error) = failure {
            self.failed(error);
        }
        if self.state() == SocketState::Closing && self.is_flushed(now) {
            self.close(self.ending);
        }
        self.waiting.look(now, &self.inbound, &self.around.shared);
        self.around.report_losses();
        self.around.events.poll(cx);
        self.around.shared.set_gauges(
            self.queue.len(),
            self.queue.bytes(),
            self.inbound.in_flight(),
        );
        if self.state() == SocketState::Closed {
            return Poll::Ready(());
        }
        let now = Instant::now();
        self.inbound.leave(now, &self.around);
        self.set_alarm(now, ctx);
        Poll::Pending
    }

    /// What was answered elsewhere leaves, and makes room for new requests.
    fn take_answers(&mut self) {
        let Self { inbound, around, queue, live, sent_now, .. } = self;
        let mut left = CHUNK;
        inbound.take_answers(queue, around, &mut |frames| match live {
            Some(live) if left > 0 => {
                left -= 1;
                live.pump
                    .send_now(frames)
                    .inspect(|bytes| {
                        sent_now.0 += 1;
                        sent_now.1 += bytes;
                    })
                    .is_some()
            }
            _ => false,
        });
    }

    /// Takes what libzmq's monitor has to tell.
    fn listen(&mut self, now: Instant, cx: &mut TaskContext<'_>) {
        if let Some(monitor) = self.live.as_mut().and_then(|live| live.monitor.as_mut()) {
            // That the context has ended the pump finds out as well.
            let _ = monitor.drain(cx, |notice| self.connections.note(notice, now));
        }
        self.connections.tend(now);
        if self.connections.take_emptied() {
            self.inbound.left_alone();
        }
        self.tell_connections();
    }

    pub(super) fn tell_connections(&mut self) {
        for event in self.connections.take_told() {
            self.around.events.emit(EventKind::Connection(event));
        }
        self.around.shared.set_peers(self.connections.peers());
    }

    /// Begins to close when that is ordered: after what was sent before, but
    /// by the deadline however full the mailbox is.
    fn follow_orders(&mut self, now: Instant) {
        if matches!(self.state(), SocketState::Closing | SocketState::Closed) {
            return;
        }
        let Some(deadline) = self.around.shared.close_deadline() else { return };
        if !self.last_call && now < deadline {
            return;
        }
        let was_up = self.live.is_some();
        self.around.shared.set_state(SocketState::Closing);
        self.answer_opener(Err(Error::new(ErrorKind::Closed)));
        self.reopen_at = None;
        self.inbound.closing(ErrorKind::Closed, &mut self.queue, &mut self.around);
        self.feeds.close(ErrorKind::Closed);
        if !K::TYPE.sends() {
            self.draining = RESCUED as u64;
        }
        if !was_up {
            self.close(ErrorKind::Closed);
        }
    }

    fn is_flushed(&self, now: Instant) -> bool {
        let due = self.around.shared.close_deadline().is_none_or(|deadline| deadline <= now);
        let is_idle = self.queue.is_empty()
            && self.draining == 0
            && !self.inbound.is_busy()
            && !self.inbound.is_held(now);
        due || self.live.is_none() || is_idle
    }

    /// Messages rescued from the previous socket go first, a turn's worth at a time.
    fn deliver_stash(&mut self, cx: &mut TaskContext<'_>) -> Result<()> {
        for _ in 0..BUDGET {
            if self.stash.is_empty() || self.inbound.room(cx, &mut self.around) == 0 {
                break;
            }
            let Some(message) = self.stash.pop_front() else { break };
            let inbound = &mut self.inbound;
            if self.around.shielded(|around| inbound.accept(message, around)).is_none() {
                return Err(self.take_failure());
            }
        }
        self.inbound.flush();
        if !self.stash.is_empty() && self.inbound.room(cx, &mut self.around) > 0 {
            defer(cx);
        }
        Ok(())
    }

    pub(super) fn take_failure(&mut self) -> Error {
        self.around.failure.take().unwrap_or_else(|| Error::new(ErrorKind::Panicked))
    }

    fn pump(&mut self, cx: &mut TaskContext<'_>) -> Option<Error> {
        let live = self.live.as_mut()?;
        live.pump.hold(self.inbound.holds(&self.around.shared));
        let mut moved = Moved::default();
        let mut inlet: Guarded<'_, K> = Guarded {
            inbound: &mut self.inbound,
            around: &mut self.around,
            feeds: &mut self.feeds,
            behind_stash: !self.stash.is_empty(),
        };
        let turn = live.pump.turn(cx, &mut inlet, &mut self.queue, &mut moved);
        self.around.shared.count(Counter::Received, moved.received);
        self.around.shared.count(Counter::ReceivedBytes, moved.received_bytes);
        self.sent_now.0 += moved.sent;
        self.sent_now.1 += moved.sent_bytes;
        // Dry, or without credit, or enough of it.
        self.draining = match turn {
            Turn::Yielded => self.draining.saturating_sub(moved.received),
            _ => 0,
        };
        if turn == Turn::Parked && live.pump.retry && moved.received > 0 {
            // Its peer may have had room before we parked, and what told so is
            // consumed: what was refused is offered once more, in another turn.
            defer(cx);
        }
        match turn {
            Turn::Parked | Turn::Yielded => None,
            Turn::Interrupted => Some(self.take_failure()),
            Turn::Failed(errno) => Some(Error::from_errno(errno)),
        }
    }

    /// The pump stopped: whether that is the end depends on why.
    fn failed(&mut self, error: Error) {
        match (self.state(), error.kind()) {
            (SocketState::Closing | SocketState::Closed, _) | (_, ErrorKind::Closed) => {
                self.close(ErrorKind::Closed);
            }
            _ => self.fail(error),
        }
    }

    /// Applies the bounds, and tells everyone what became of their messages.
    pub(super) fn settle(&mut self) {
        let Self { queue, slots, batches, inbound, live, .. } = self;
        // What libzmq was not offered yet is not held against the bounds.
        if live.as_ref().is_none_or(|live| live.pump.offered) {
            queue.enforce(|ticket| match ticket {
                Ticket::Send { slot, .. } => slots.is_waiting(*slot),
                Ticket::Part { batch, .. } => batches.is_waiting(*batch),
                other => inbound.is_awaited(other),
            });
        }
        self.feeds.tell(&self.inbound, &mut self.around);
        let mut done = self.queue.take_done();
        let (mut sent, mut bytes) = std::mem::take(&mut self.sent_now);
        for (ticket, outcome) in done.drain(..) {
            if let Outcome::Accepted(size) = outcome {
                sent += 1;
                bytes += size as u64;
            }
            match ticket {
                Ticket::Send { slot, topic } => {
                    let sender = self.slots.take(slot);
                    self.settle_send(topic, outcome, |answer| {
                        sender.is_some_and(|sender| sender.send(answer).is_ok())
                    });
                }
                Ticket::Part { batch, topic } => {
                    let batches = self.batches.clone();
                    self.settle_send(topic, outcome, |answer| batches.ended(batch, answer.err()));
                }
                other => self.inbound.done(other, outcome, &mut self.around),
            }
        }
        self.queue.recycle(done);
        if sent > 0 {
            self.around.shared.count(Counter::Sent, sent);
            self.around.shared.count(Counter::SentBytes, bytes);
        }
    }

    fn settle_send(
        &mut self,
        topic: usize,
        outcome: Outcome,
        tell: impl FnOnce(Result<()>) -> bool,
    ) {
        let Some((error, counter, frames)) = refused(outcome) else {
            // Nobody minds if the sender is gone.
            let _ = tell(Ok(()));
            return;
        };
        self.around.count(counter);
        let kind = error.kind();
        let routed = K::WIRING.sends == Sends::PerPeer;
        let peer = routed.then(|| frames.first().cloned().unwrap_or_default());
        let error = match &peer {
            Some(peer) => error.with_peer(peer.clone().into_bytes()),
            None => error,
        };
        let body = self.inbound.unframed(topic, frames);
        if !tell(Err(error.with_message(body))) {
            self.around.lost(kind);
            if let (ErrorKind::Unroutable, Some(peer)) = (kind, peer) {
                self.around.events.emit(EventKind::Unroutable { peer: peer.into() });
            }
        }
    }

    /// One actor timer for whatever is due first.
    fn set_alarm(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let retry = self.live.as_ref().is_some_and(|live| live.pump.retry).then(|| now + RETRY);
        let close = self.around.shared.close_deadline();
        let held = self.connections.next_deadline();
        let waits = self.waiting.next_deadline();
        let due = [self.inbound.next_deadline(), self.reopen_at, retry, close, held, waits];
        self.alarm.set(due.into_iter().flatten().min(), ctx, &self.around.shared);
    }
}

/// The part of a socket type, as the pump sees it.
struct Guarded<'a, K: Pattern> {
    inbound: &'a mut K::Inbound,
    around: &'a mut Surroundings,
    feeds: &'a mut Feeds<K>,
    /// Older messages wait for a receiver: nothing overtakes them.
    behind_stash: bool,
}

impl<K: Pattern> Inlet<Ticket> for Guarded<'_, K> {
    fn room(&mut self, cx: &mut TaskContext<'_>) -> usize {
        if self.behind_stash { 0 } else { self.inbound.room(cx, self.around) }
    }

    fn shielded<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> Option<R> {
        shielded(|| work(self)).map_err(|text| self.around.broke(text)).ok()
    }

    fn accept(&mut self, message: Multipart) {
        self.inbound.accept(message, self.around);
    }

    fn admitted(&mut self) -> Option<Admitted> {
        self.inbound.admitted()
    }

    fn late(&mut self, message: Multipart) {
        self.inbound.late(message, self.around);
    }

    fn answer(&mut self, queue: &mut Queue<Ticket>, offer: &mut dyn FnMut(&mut Multipart) -> bool) {
        // Inline handlers have answered meanwhile: out with it in the same turn.
        self.inbound.take_answers(queue, self.around, offer);
    }

    fn flush(&mut self) {
        self.inbound.flush();
    }

    fn next(&mut self, cx: &mut TaskContext<'_>) -> Option<&mut Multipart> {
        self.feeds.next(self.inbound, cx)
    }

    fn accepted(&mut self) {
        self.feeds.accepted();
    }

    fn refused(&mut self) {
        self.feeds.rotate();
    }

    fn unroutable(&mut self) {
        self.feeds.unroutable();
    }
}

/// Polls the socket's turn as long as the actor lives.
pub(super) struct Driver;

impl<K: Pattern> fut::ActorFuture<Socket<K>> for Driver {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        socket: &mut Socket<K>,
        ctx: &mut Context<Socket<K>>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        socket.turn(ctx, task)
    }
}
