//! The one generic actor: a mailbox, timers and a life around the engine's pump.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, SpawnHandle, fut};
use futures::channel::oneshot;

use super::events::Events;
use super::open::{Live, Opening, Origin};
use super::parked::{Accepting, Sender};
use super::pattern::{Inbound, Pattern, Surroundings, Ticket};
use super::shared::Shared;
use crate::blueprint::{Blueprint, Plan};
use crate::codec::Encode;
use crate::counters::Counter;
use crate::endpoint::{IntoEndpoint, Transport};
use crate::engine::backoff::Backoff;
use crate::engine::fd::defer;
use crate::engine::pump::{BUDGET, Inlet, Moved, RETRY, Turn};
use crate::engine::queue::{Outcome, Queue};
use crate::engine::slots::Slots;
use crate::error::{Error, ErrorKind, Result};
use crate::messages::{EndpointStatus, EventKind, SocketState};
use crate::multipart::Multipart;
use crate::shield::shielded;
use crate::sys;

/// Messages from the mailbox between two turns of the pump. Actix empties a
/// mailbox without a pause; this keeps a flood from starving the socket, the
/// timers and the arbiter.
const HANDLED_PER_TURN: usize = 128;

/// A ZeroMQ socket as an actor.
///
/// Described by a [`Blueprint`], opened by the [`Factory`](crate::Factory).
/// The type parameter says what it is; use the aliases
/// [`PubSocket`](crate::PubSocket), [`SubSocket`](crate::SubSocket),
/// [`PushSocket`](crate::PushSocket), [`PullSocket`](crate::PullSocket),
/// [`RequestSocket`](crate::RequestSocket) and [`ReplySocket`](crate::ReplySocket).
///
/// The factory keeps it alive. Once the factory is gone, it lives as long as
/// somebody holds its address.
pub struct Socket<K: Pattern> {
    inbound: K::Inbound,
    around: Surroundings,
    queue: Queue<Ticket>,
    slots: Slots<Sender>,
    opening: Opening,
    live: Option<Live>,
    opener: Option<oneshot::Sender<Result<()>>>,
    retry_first: bool,
    backoff: Backoff,
    reopen_at: Option<Instant>,
    /// Messages read from a socket that was then replaced.
    stash: std::collections::VecDeque<Multipart>,
    handled: usize,
    alarm: Option<(Instant, SpawnHandle)>,
    /// Since when it has not been up; nothing before it was up for the first time.
    down_since: Option<Instant>,
    ending: ErrorKind,
}

impl<K: Pattern> Socket<K> {
    /// Describes a socket without endpoints; they can follow, here or at runtime.
    #[expect(clippy::new_ret_no_self, reason = "the actor itself is made by the factory")]
    pub fn new() -> Blueprint<K> {
        Blueprint::new()
    }

    /// Describes a socket that listens at an endpoint.
    pub fn bind(endpoint: impl IntoEndpoint) -> Blueprint<K> {
        Blueprint::new().bind(endpoint)
    }

    /// Describes a socket that connects to an endpoint.
    pub fn connect(endpoint: impl IntoEndpoint) -> Blueprint<K> {
        Blueprint::new().connect(endpoint)
    }

    /// The actor itself, made on its own arbiter.
    pub(crate) fn build(
        blueprint: Blueprint<K>,
        origin: Origin,
        shared: Arc<Shared>,
        opener: oneshot::Sender<Result<()>>,
    ) -> Self {
        let events = Events::new(Arc::clone(&shared), blueprint.watchers);
        Self {
            inbound: K::inbound(blueprint.setup),
            around: Surroundings::new(shared, events),
            queue: Queue::new(blueprint.queue),
            slots: Slots::default(),
            opening: Opening {
                context: Some(origin.context),
                arbiter: origin.arbiter,
                options: blueprint.options,
                linger: blueprint.linger.unwrap_or(origin.linger),
                endpoints: blueprint.endpoints,
                wiring: K::WIRING,
            },
            live: None,
            opener: Some(opener),
            retry_first: blueprint.retry_first,
            backoff: Backoff::new(blueprint.restart),
            reopen_at: None,
            stash: std::collections::VecDeque::new(),
            handled: 0,
            alarm: None,
            down_since: None,
            ending: ErrorKind::Closed,
        }
    }

    pub(crate) fn state(&self) -> SocketState {
        self.around.shared.state()
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.around.shared
    }

    pub(crate) const fn inbound(&self) -> &K::Inbound {
        &self.inbound
    }

    pub(crate) const fn inbound_mut(&mut self) -> &mut K::Inbound {
        &mut self.inbound
    }

    pub(crate) const fn queue_mut(&mut self) -> &mut Queue<Ticket> {
        &mut self.queue
    }

    pub(crate) const fn events_mut(&mut self) -> &mut Events {
        &mut self.around.events
    }

    pub(crate) const fn endpoints_mut(&mut self) -> &mut Vec<Plan> {
        &mut self.opening.endpoints
    }

    pub(crate) const fn linger(&self) -> Duration {
        self.opening.linger
    }

    /// Counts a handled message, and lets others run when it was many.
    pub(crate) fn breathe(&mut self, ctx: &mut Context<Self>) {
        self.handled += 1;
        if self.handled == HANDLED_PER_TURN {
            // The mailbox rests until the pump has had its turn and the
            // arbiter's other tasks theirs.
            ctx.wait(fut::wrap_future::<_, Self>(tokio::task::yield_now()).map(|(), _, _| ()));
        }
    }

    /// Refuses new work on a socket that is closing or closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        match self.state() {
            SocketState::Closing | SocketState::Closed => Err(Error::new(self.ending)),
            SocketState::Opening | SocketState::Up | SocketState::Down => Ok(()),
        }
    }

    pub(crate) fn encode(&self, body: impl Encode) -> Result<Multipart> {
        let encoded = shielded(|| body.encode())
            .map_err(|text| Error::new(ErrorKind::Encode).detail(format!("panicked: {text}")))?;
        encoded.map_err(|error| {
            let text = error.to_string();
            Error::new(ErrorKind::Encode).detail(text).caused_by(error)
        })
    }

    /// Queues a message whose sender wants to know when libzmq has it.
    pub(crate) fn enqueue(&mut self, frames: Multipart, topic: usize) -> Accepting {
        if let Err(error) = self.check_open() {
            let body = self.inbound.unframed(topic, frames);
            return self.refuse(error.with_message(body));
        }
        let slot = self.slots.reserve();
        self.queue.push(frames, Ticket::Send { slot, topic });
        Accepting::later(self.slots.clone(), slot)
    }

    /// The response to a message that is refused at once.
    pub(crate) fn refuse(&self, error: Error) -> Accepting {
        Accepting::refused(error, Arc::clone(&self.around.shared))
    }

    /// Runs a libzmq call on the open socket. The pump's turn follows in the same poll.
    pub(crate) fn with_socket<T>(
        &mut self,
        call: impl FnOnce(&sys::Socket) -> std::result::Result<T, sys::Errno>,
    ) -> Result<T> {
        self.check_open()?;
        match &mut self.live {
            Some(live) => call(live.pump.port()).map_err(Error::from_errno),
            None => Err(Error::new(ErrorKind::Restarting)),
        }
    }

    pub(crate) fn publish_endpoints(&self) {
        let endpoints = self
            .opening
            .endpoints
            .iter()
            .map(|plan| {
                let endpoint = plan.resolved.as_ref().unwrap_or(&plan.given).clone();
                if plan.bind {
                    EndpointStatus::Bound(endpoint)
                } else {
                    EndpointStatus::Connected(endpoint)
                }
            })
            .collect();
        self.around.shared.set_endpoints(endpoints);
    }

    /// Opens the socket, for the first time or again.
    fn open(&mut self) {
        self.reopen_at = None;
        match self.opening.open(&mut self.inbound) {
            Ok(live) => {
                self.live = Some(live);
                if let Some(gone) = self.down_since.take() {
                    self.around.count(Counter::Restarts);
                    self.call_back_neighbours(gone);
                }
                self.around.shared.set_state(SocketState::Up);
                self.backoff.succeeded(Instant::now());
                self.publish_endpoints();
                let endpoints = self
                    .opening
                    .endpoints
                    .iter()
                    .map(|plan| plan.resolved.as_ref().unwrap_or(&plan.given).clone())
                    .collect();
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

    /// Peers within the process do not reconnect by themselves.
    fn call_back_neighbours(&self, gone: Instant) {
        for plan in self.opening.endpoints.iter().filter(|plan| plan.bind) {
            if plan.given.transport() == Transport::Inproc {
                self.shared().family.rebound(&plan.given, gone);
            }
        }
    }

    /// Connects again to neighbours that were gone and are back.
    fn reconnect(&mut self) {
        for (endpoint, gone) in self.around.shared.take_rebound() {
            let Some(live) = &mut self.live else { continue };
            // Connected before, so cut off since; later connections are alive.
            let cut_off = self.opening.endpoints.iter_mut().filter(|plan| {
                !plan.bind && plan.given == endpoint && plan.connected.is_some_and(|at| at < gone)
            });
            for plan in cut_off {
                match live.reconnect(&endpoint) {
                    Ok(()) => plan.connected = Some(Instant::now()),
                    Err(error) => tracing::warn!(%endpoint, %error, "cannot connect again"),
                }
            }
        }
    }

    fn answer_opener(&mut self, result: Result<()>) {
        if let Some(opener) = self.opener.take() {
            let _ = opener.send(result);
        }
    }

    /// The socket failed: plan to open it again, or give up.
    fn fail(&mut self, reason: Error) {
        tracing::warn!(socket = %self.shared().id, %reason, "socket is down");
        let reason = Arc::new(reason);
        self.around.events.emit(EventKind::Down { reason: Arc::clone(&reason) });
        let now = Instant::now();
        if self.live.is_some() {
            self.down_since = Some(now);
        }
        self.salvage();
        self.inbound.restarting(&mut self.queue, &mut self.around);
        match self.backoff.failed(now, fastrand::f64()) {
            Some(after) => {
                self.around.shared.set_state(SocketState::Down);
                let attempt = self.backoff.attempt();
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
    fn salvage(&mut self) {
        let Some(mut live) = self.live.take() else { return };
        live.rescue(&mut self.stash);
        drop(live);
        self.inbound.rescued(&mut self.stash, &mut self.around);
        self.queue.forget_lanes();
    }

    /// Opens the socket again on demand.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.check_open()?;
        if self.state() == SocketState::Up {
            self.fail(Error::new(ErrorKind::Restarting).detail("restart was asked for"));
        } else {
            // Down already: without the rest of the delay.
            self.reopen_at = Some(Instant::now());
        }
        self.check_open()
    }

    /// One turn: orders, deadlines, I/O, answers, timers.
    fn turn(&mut self, ctx: &mut Context<Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.handled = 0;
        self.around.shared.register(cx.waker());
        self.inbound.register(cx);
        let now = Instant::now();
        if self.reopen_at.is_some_and(|at| at <= now) && self.state() == SocketState::Down {
            self.open();
        }
        self.reconnect();
        self.follow_orders(ctx, now);
        self.inbound.take_answers(&mut self.queue, &mut self.around);
        self.inbound.tend(now, &mut self.queue, &mut self.around);
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
        self.set_alarm(ctx);
        Poll::Pending
    }

    /// An order to close, or nobody left who could ever use the socket.
    fn follow_orders(&mut self, ctx: &Context<Self>, now: Instant) {
        if matches!(self.state(), SocketState::Closing | SocketState::Closed) {
            return;
        }
        if self.around.shared.close_deadline().is_none() {
            if ctx.connected() {
                return;
            }
            let deadline = now.checked_add(self.opening.linger).unwrap_or(now);
            drop(self.around.shared.order_close(deadline, None));
        }
        let was_up = self.live.is_some();
        self.around.shared.set_state(SocketState::Closing);
        self.answer_opener(Err(Error::new(ErrorKind::Closed)));
        self.reopen_at = None;
        self.inbound.closing(ErrorKind::Closed, &mut self.queue, &mut self.around);
        if let Some(live) = &mut self.live {
            live.pump.stop_receiving();
        }
        if !was_up {
            self.close(ErrorKind::Closed);
        }
    }

    fn is_flushed(&self, now: Instant) -> bool {
        let due = self.around.shared.close_deadline().is_none_or(|deadline| deadline <= now);
        due || self.live.is_none() || (self.queue.is_empty() && !self.inbound.is_busy())
    }

    /// Messages rescued from the previous socket go first, a turn's worth at a time.
    fn deliver_stash(&mut self, cx: &mut TaskContext<'_>) -> Result<()> {
        for _ in 0..BUDGET {
            if self.stash.is_empty() || self.inbound.poll_ready(cx, &mut self.around).is_pending() {
                break;
            }
            let Some(message) = self.stash.pop_front() else { break };
            if !self.inbound.accept(message, &mut self.around) {
                return Err(self.take_failure());
            }
        }
        self.inbound.flush();
        if !self.stash.is_empty() && self.inbound.poll_ready(cx, &mut self.around).is_ready() {
            defer(cx);
        }
        Ok(())
    }

    fn take_failure(&mut self) -> Error {
        self.around.failure.take().unwrap_or_else(|| Error::new(ErrorKind::Panicked))
    }

    fn pump(&mut self, cx: &mut TaskContext<'_>) -> Option<Error> {
        let live = self.live.as_mut()?;
        let mut moved = Moved::default();
        let mut inlet = Guarded {
            inbound: &mut self.inbound,
            around: &mut self.around,
            behind_stash: !self.stash.is_empty(),
        };
        let turn = live.pump.turn(cx, &mut inlet, &mut self.queue, &mut moved);
        self.around.shared.count(Counter::Received, moved.received);
        self.around.shared.count(Counter::ReceivedBytes, moved.received_bytes);
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
    fn settle(&mut self) {
        let Self { queue, slots, inbound, live, .. } = self;
        // What libzmq was not offered yet is not held against the bounds.
        if live.as_ref().is_none_or(|live| live.pump.offered) {
            queue.enforce(|ticket| match ticket {
                Ticket::Send { slot, .. } => slots.is_waiting(*slot),
                other => inbound.is_awaited(other),
            });
        }
        let mut done = self.queue.take_done();
        let (mut sent, mut bytes) = (0, 0);
        for (ticket, outcome) in done.drain(..) {
            if let Outcome::Accepted(size) = outcome {
                sent += 1;
                bytes += size as u64;
            }
            match ticket {
                Ticket::Send { slot, topic } => self.settle_send(slot, topic, outcome),
                other => self.inbound.done(other, outcome, &mut self.around),
            }
        }
        self.queue.recycle(done);
        if sent > 0 {
            self.around.shared.count(Counter::Sent, sent);
            self.around.shared.count(Counter::SentBytes, bytes);
        }
    }

    fn settle_send(&mut self, slot: usize, topic: usize, outcome: Outcome) {
        let sender = self.slots.take(slot);
        let (kind, counter, frames) = match outcome {
            Outcome::Accepted(_) => {
                if let Some(sender) = sender {
                    let _ = sender.send(Ok(()));
                }
                return;
            }
            Outcome::Rejected(frames) => (ErrorKind::Full, Counter::Rejected, frames),
            Outcome::Dropped(frames) => (ErrorKind::Dropped, Counter::Dropped, frames),
            Outcome::Unroutable(frames) => (ErrorKind::Unroutable, Counter::Unroutable, frames),
        };
        self.around.count(counter);
        let told = sender.is_some_and(|sender| {
            let error = Error::new(kind)
                .with_limit(self.around.shared.queue_limit)
                .with_message(self.inbound.unframed(topic, frames));
            sender.send(Err(error)).is_ok()
        });
        if !told {
            self.around.lost(kind);
        }
    }

    /// The end: nothing is left behind without an answer.
    fn close(&mut self, kind: ErrorKind) {
        if self.state() == SocketState::Closed {
            return;
        }
        self.ending = kind;
        self.reopen_at = None;
        self.inbound.closing(kind, &mut self.queue, &mut self.around);
        self.settle();
        self.inbound.closed(&mut self.around);
        let stashed = std::mem::take(&mut self.stash).len();
        self.around.shared.count(Counter::Undelivered, stashed as u64);
        let mut still_queued = 0;
        for item in self.queue.drain() {
            let error = Error::new(kind);
            let told = match item.ticket {
                Ticket::Send { slot, topic } => self.slots.take(slot).map(|sender| {
                    let body = self.inbound.unframed(topic, item.frames);
                    sender.send(Err(error.with_message(body))).is_ok()
                }),
                Ticket::Reply(Some(confirm)) => {
                    let body = self.inbound.unframed(0, item.frames);
                    Some(confirm.send(Err(error.with_message(body))).is_ok())
                }
                // Whoever awaited a request was told when the closing began.
                Ticket::Reply(None) | Ticket::Request(_) => None,
            };
            match told {
                Some(true) => self.around.count(Counter::Returned),
                Some(false) | None => still_queued += 1,
            }
        }
        if let Some(mut live) = self.live.take() {
            let until = self.around.shared.linger_until();
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            live.set_linger(left.unwrap_or(self.opening.linger).min(self.opening.linger));
        }
        // With the last handle of a socket the factory's context can be terminated.
        self.opening.context = None;
        self.opening.arbiter = None;
        self.publish_endpoints();
        self.around.events.emit(EventKind::Closed);
        self.around.events.finish();
        self.around.shared.closed(self.around.shared.report_now(still_queued, true));
    }

    /// One actor timer for whatever is due first.
    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let retry = self.live.as_ref().is_some_and(|live| live.pump.retry).then(|| now + RETRY);
        let close = match self.state() {
            SocketState::Closing => self.around.shared.close_deadline(),
            _ => None,
        };
        let due = [self.inbound.next_deadline(), self.reopen_at, retry, close];
        let Some(due) = due.into_iter().flatten().min() else { return };
        if let Some((at, handle)) = self.alarm {
            if at <= due {
                return;
            }
            ctx.cancel_future(handle);
        }
        let handle = ctx.run_later(due.saturating_duration_since(now), |act, _| {
            act.alarm = None;
            // The pump's item may have been polled already in this round.
            act.around.shared.wake();
        });
        self.alarm = Some((due, handle));
    }
}

/// The part of a socket type, as the pump sees it.
struct Guarded<'a, I> {
    inbound: &'a mut I,
    around: &'a mut Surroundings,
    /// Older messages wait for a receiver: nothing overtakes them.
    behind_stash: bool,
}

impl<I: Inbound> Inlet<Ticket> for Guarded<'_, I> {
    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        if self.behind_stash {
            return Poll::Pending;
        }
        self.inbound.poll_ready(cx, self.around)
    }

    fn accept(&mut self, message: Multipart) -> bool {
        self.inbound.accept(message, self.around)
    }

    fn answer(&mut self, queue: &mut Queue<Ticket>) {
        // Inline handlers have answered meanwhile: out with it in the same turn.
        self.inbound.take_answers(queue, self.around);
    }

    fn flush(&mut self) {
        self.inbound.flush();
    }
}

/// Polls the socket's turn as long as the actor lives.
struct Driver;

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

impl<K: Pattern> Actor for Socket<K> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.open();
        ctx.spawn(Driver);
    }
}

impl<K: Pattern> Drop for Socket<K> {
    fn drop(&mut self) {
        // The arbiter ends before the socket was closed: the same, at once.
        self.close(ErrorKind::Closed);
    }
}

impl<K: Pattern> fmt::Debug for Socket<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.around.shared.id)
            .field("type", &K::TYPE)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
