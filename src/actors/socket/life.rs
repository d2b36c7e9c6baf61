//! Opening, failing, opening again, and the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::pattern::{Inbound, Pattern, Ticket};
use super::Socket;
use crate::blueprint::Plan;
use crate::counters::Counter;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::SocketType;
use crate::messages::{EventKind, SocketState};

impl<K: Pattern> Socket<K> {
    /// Opens the socket, for the first time or again.
    pub(super) fn open(&mut self) {
        self.reopen_at = None;
        match self.opening.open(&mut self.inbound) {
            Ok(live) => {
                self.live = Some(live);
                let named = self.opening.endpoints.iter().filter_map(|plan| plan.peer.clone());
                self.names = named.collect();
                if std::mem::take(&mut self.was_up) {
                    self.around.count(Counter::Restarts);
                }
                self.found_neighbours();
                self.around.shared.set_state(SocketState::Up);
                self.backoff.succeeded(Instant::now());
                self.publish_endpoints();
                let endpoints =
                    self.opening.endpoints.iter().map(|plan| plan.endpoint().clone()).collect();
                self.around.events.emit(EventKind::Up { endpoints });
                if let Some(opener) = self.opener.take() {
                    // Dropping `Open` does not undo it.
                    let _ = opener.send(Ok(()));
                }
            }
            Err(error) => {
                if error.kind() == ErrorKind::Closed {
                    // The context is shut down: nothing will open again.
                    self.answer_opener(Err(error));
                    self.close(ErrorKind::Closed);
                } else if self.opener.is_some() && !(self.retry_first && error.is_retryable()) {
                    self.answer_opener(Err(error));
                    self.close(ErrorKind::Closed);
                } else {
                    self.answer_opener(Ok(()));
                    self.fail(error);
                }
            }
        }
    }

    /// Tells neighbours who were cut off that the socket is there.
    fn found_neighbours(&self) {
        self.opening.doors().for_each(|door| self.shared().family.found(door));
    }

    /// Cuts neighbours off.
    fn lose_neighbours(&self) {
        let Some(live) = &self.live else { return };
        let now = Instant::now();
        for door in self.opening.doors() {
            self.shared().family.lost(door, now);
            live.leave(door);
        }
    }

    /// Connects again to neighbours that were gone and are back.
    pub(super) fn reconnect(&mut self) {
        for (endpoint, gone) in self.around.shared.take_rebound() {
            let is_cut_off = |plan: &Plan| plan.is_cut_off(&endpoint, gone);
            // A PAIR would turn its own new connection away, and libzmq may not
            // have forgotten a name yet.
            let anew = |plan: &Plan| K::TYPE == SocketType::Pair || plan.peer.is_some();
            if self.opening.endpoints.iter().any(|plan| is_cut_off(plan) && anew(plan)) {
                self.reopen("the other end within this process was opened again");
                continue;
            }
            if self.opening.endpoints.iter().any(is_cut_off) {
                self.inbound.left_alone();
            }
            let cut_off = self.opening.endpoints.iter_mut().filter(|plan| is_cut_off(plan));
            let Some(live) = &mut self.live else { continue };
            for plan in cut_off {
                match live.reconnect(&endpoint) {
                    Ok(()) => plan.connected = Some(Instant::now()),
                    Err(error) => tracing::warn!(%endpoint, %error, "cannot connect again"),
                }
            }
        }
    }

    pub(super) fn answer_opener(&mut self, result: Result<()>) {
        if let Some(opener) = self.opener.take() {
            let _ = opener.send(result);
        }
    }

    /// The socket failed: plan to open it again, or give up.
    pub(super) fn fail(&mut self, reason: Error) {
        tracing::warn!(socket = %self.shared().id, %reason, "socket is down");
        let now = Instant::now();
        let delay = self.backoff.failed(now, fastrand::f64());
        let again = delay.map(|delay| (self.backoff.attempt(), delay));
        self.go_down(reason, now, again);
    }

    /// Closes the socket, to open it again in the given attempt after the given
    /// delay; without them, for good.
    fn go_down(&mut self, reason: Error, now: Instant, again: Option<(u32, Duration)>) {
        let reason = Arc::new(reason);
        self.around.events.emit(EventKind::Down { reason: Arc::clone(&reason) });
        self.was_up |= self.live.is_some();
        self.salvage();
        self.inbound.interrupted(again.is_some(), &mut self.queue, &mut self.around);
        match again {
            Some((attempt, after)) => {
                self.around.shared.set_state(SocketState::Down);
                self.around.events.emit(EventKind::Restarting { attempt, after });
                // A delay beyond what the clock can tell is as good as never.
                self.reopen_at = now.checked_add(after);
            }
            None => {
                self.around.events.emit(EventKind::GaveUp { reason });
                self.close(ErrorKind::GaveUp);
            }
        }
    }

    /// Reads what libzmq still holds, and closes the socket.
    pub(super) fn salvage(&mut self) {
        self.lose_neighbours();
        let Some(mut live) = self.live.take() else { return };
        live.rescue(&mut self.stash);
        drop(live);
        self.connections.reset();
        self.tell_connections();
        self.inbound.rescued(&mut self.stash, &mut self.around);
        self.queue.forget_lanes();
    }

    /// Opens the socket again on demand.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.check_open()?;
        if self.state() == SocketState::Up {
            self.reopen("restart was asked for");
        } else {
            // Down already: without the rest of the delay.
            self.reopen_at = Some(Instant::now());
        }
        self.check_open()
    }

    /// Closes an open socket, to open it again without counting that as a failure.
    pub(crate) fn reopen(&mut self, why: &'static str) {
        if self.state() == SocketState::Up {
            let reason = Error::new(ErrorKind::Restarting).detail(why);
            let delay = self.backoff.on_demand();
            self.go_down(reason, Instant::now(), Some((0, delay)));
        }
    }

    /// The end: nothing is left behind without an answer.
    pub(super) fn close(&mut self, kind: ErrorKind) {
        if self.state() == SocketState::Closed {
            return;
        }
        self.ending = kind;
        self.reopen_at = None;
        self.inbound.closing(kind, &mut self.queue, &mut self.around);
        self.feeds.close(kind);
        self.settle();
        self.inbound.closed(&mut self.around);
        let stashed = std::mem::take(&mut self.stash).len();
        self.around.shared.count(Counter::Undelivered, stashed as u64);
        let mut still_queued = 0;
        for item in self.queue.drain() {
            if matches!(item.ticket, Ticket::Word(_)) {
                continue;
            }
            let error = Error::new(kind);
            let told = match item.ticket {
                Ticket::Send { slot, topic } => self.slots.take(slot).map(|sender| {
                    let body = self.inbound.unframed(topic, item.frames);
                    sender.send(Err(error.with_message(body))).is_ok()
                }),
                Ticket::Part { batch, topic } => {
                    let body = self.inbound.unframed(topic, item.frames);
                    Some(self.batches.ended(batch, Some(error.with_message(body))))
                }
                Ticket::Reply(Some(confirm)) => {
                    let body = self.inbound.unframed(0, item.frames);
                    Some(confirm.send(Err(error.with_message(body))).is_ok())
                }
                // Whoever awaited a request was told when the closing began.
                Ticket::Reply(None) | Ticket::Request(_) | Ticket::Word(_) => None,
            };
            match told {
                Some(true) => self.around.count(Counter::Returned),
                Some(false) | None => still_queued += 1,
            }
        }
        self.lose_neighbours();
        if let Some(mut live) = self.live.take() {
            let until = self.around.shared.linger_until();
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            live.set_linger(left.unwrap_or(self.opening.linger).min(self.opening.linger));
        }
        self.connections.reset();
        self.tell_connections();
        self.waiting.end(kind, &self.around.shared);
        // With the last handle of a socket the factory's context can be terminated.
        self.opening.context = None;
        self.publish_endpoints();
        self.around.events.emit(EventKind::Closed);
        self.around.events.finish();
        self.around.shared.closed(self.around.shared.report_now(still_queued, true));
    }
}
