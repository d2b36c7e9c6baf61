//! REQUEST and REQ: requests in flight, each of which ends exactly once.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Context as ActorContext, Handler};
use futures::task::AtomicWaker;
use tokio::task::unconstrained;
use uuid::Uuid;

use super::pattern::{Abandoned, Inbound, Pattern, Surroundings, Ticket, Wiring, refused};
use super::shared::Shared;
use super::socket::Socket;
use crate::codec::{Decode, Encode, Undecodable, encoded};
use crate::counters::Counter;
use crate::engine::deadlines::Deadlines;
use crate::engine::port::Sends;
use crate::engine::queue::{Outcome, Place, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::framing::reqrep;
use crate::kinds::{self, Requests};
use crate::messages::Request;
use crate::messages::Timeout;
use crate::multipart::Multipart;
use crate::shield::shielded;
use crate::sys::{self, option::OptionId};
use crate::topology::Setting;

/// What REQUEST's blueprint sets.
#[derive(Debug)]
pub struct RequestSetup {
    pub(crate) timeout: Option<Duration>,
    pub(crate) withdraw: bool,
    pub(crate) unreachable_after: Option<Duration>,
    pub(crate) max_in_flight: usize,
    /// Of REQ alone: `ZMQ_REQ_CORRELATE`.
    pub(crate) correlate: bool,
}

impl Default for RequestSetup {
    fn default() -> Self {
        Self {
            timeout: None,
            withdraw: true,
            unreachable_after: None,
            max_in_flight: 262_144,
            correlate: false,
        }
    }
}

impl RequestSetup {
    fn configure(&mut self, setting: Setting) -> bool {
        match setting {
            Setting::Timeout(timeout) => self.timeout = Some(timeout),
            Setting::MaxInFlight(requests) => self.max_in_flight = requests,
            Setting::WithdrawUnsent(on) => self.withdraw = on,
            _ => return false,
        }
        true
    }
}

impl Pattern for kinds::Request {
    type Setup = RequestSetup;
    type Inbound = Requesting;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Dealer,
        sends: Sends::WhenWritable,
        receives: true,
        mandatory: false,
    };

    fn inbound(setup: RequestSetup) -> Requesting {
        Requesting::new(setup, None)
    }

    fn configure(setup: &mut RequestSetup, setting: Setting) -> bool {
        setup.configure(setting)
    }
}

impl Pattern for kinds::Req {
    type Setup = RequestSetup;
    type Inbound = Requesting;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Req,
        sends: Sends::InStep,
        receives: true,
        mandatory: false,
    };

    fn inbound(setup: RequestSetup) -> Requesting {
        Requesting::new(setup, Some(Step::default()))
    }

    fn configure(setup: &mut RequestSetup, setting: Setting) -> bool {
        match setting {
            Setting::Correlate(on) => setup.correlate = on,
            other => return setup.configure(other),
        }
        true
    }
}

/// The part of a requester: who waits for which reply.
pub struct Requesting {
    setup: RequestSetup,
    table: Rc<RefCell<Table>>,
    cancelled: Arc<Cancelled>,
    /// Of REQ: libzmq frames the requests, and replies come in their order.
    step: Option<Step>,
}

/// Which request a reply belongs to that carries no id.
///
/// There is at most one on its way. But a turn of the pump may send it, receive
/// its reply and send the next before anyone is told that the first has left.
#[derive(Debug, Default)]
struct Step {
    /// What has left and is not answered yet, in order.
    asked: VecDeque<Uuid>,
    /// Replies to what is not known to have left yet, in order.
    answers: VecDeque<Multipart>,
    /// Nobody awaits any more what left last.
    abandoned: bool,
}

/// The requests in flight.
#[derive(Default)]
struct Table {
    open: HashMap<Uuid, Open>,
    deadlines: Deadlines<Uuid>,
    /// Of REQ: what nobody awaits is open, too, until its reply or its deadline.
    in_step: bool,
}

/// A request in flight.
struct Open {
    /// Absent for the moment between handler and response, and for `do_send`.
    waiter: Option<Box<dyn Waiter>>,
    deadline: Option<Instant>,
    since: Instant,
    /// Its place in the outbound queue while it has not left.
    place: Option<Place>,
    /// The parts of an idempotent request, to be sent again.
    again: Option<Multipart>,
    /// Whether it had left once: then nobody can say that it was not served.
    left: bool,
}

impl Open {
    /// Gives the request back with an error if it has certainly not left.
    fn give_back(&self, error: Error, unsent: Option<Multipart>) -> Error {
        match unsent {
            Some(parts) if !self.left => error.with_message(parts),
            _ => error,
        }
    }
}

impl Table {
    fn close(&mut self, id: &Uuid) -> Option<Open> {
        let open = self.open.remove(id)?;
        if let Some(at) = open.deadline {
            self.deadlines.remove(at, *id);
        }
        Some(open)
    }
}

/// Who waits for a reply, whatever it is decoded into.
pub(super) trait Waiter {
    fn finish(self: Box<Self>, outcome: Result<Multipart>) -> std::result::Result<(), Undecodable>;
    /// Ready when nobody waits any more.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

struct Awaits<R>(OneshotSender<Result<R>>);

impl<R: Decode + Send> Waiter for Awaits<R> {
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
        let _ = self.0.send(outcome);
        refused.map_or(Ok(()), Err)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Outside tokio's budget: beyond it every waiter would ask to be asked
        // again, each time all of them.
        pin!(unconstrained(poll_fn(|cx| self.0.poll_closed(cx)))).poll(cx)
    }
}

/// The requests whose callers may have given up.
#[derive(Default)]
struct Cancelled {
    ids: Mutex<Vec<Uuid>>,
    waker: AtomicWaker,
}

/// Woken when one caller drops its future.
struct CancelFlag {
    id: Uuid,
    cancelled: Arc<Cancelled>,
}

impl Wake for CancelFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.cancelled.ids.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);
        self.cancelled.waker.wake();
    }
}

impl Cancelled {
    fn take(&self) -> Vec<Uuid> {
        std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether nobody waits any more; if somebody does, we are told when that changes.
    fn is_gone(self: &Arc<Self>, id: Uuid, waiter: &mut dyn Waiter) -> bool {
        let flag = Waker::from(Arc::new(CancelFlag { id, cancelled: Arc::clone(self) }));
        waiter.poll_gone(&mut Context::from_waker(&flag)).is_ready()
    }
}

/// The response to a request: a refusal, or parked until the reply.
pub struct Replying<R>(ReplyingState, std::marker::PhantomData<fn() -> R>);

pub(super) enum ReplyingState {
    Refused(Error, Arc<Shared>),
    Later { table: Rc<RefCell<Table>>, cancelled: Arc<Cancelled>, id: Uuid },
}

impl<R> Replying<R> {
    const fn new(state: ReplyingState) -> Self {
        Self(state, std::marker::PhantomData)
    }
}

impl<R> std::fmt::Debug for Replying<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replying").finish_non_exhaustive()
    }
}

impl<A, B, R> MessageResponse<A, Request<B, R>> for Replying<R>
where
    A: Actor,
    B: 'static,
    R: Decode + Send,
{
    fn handle(self, _ctx: &mut A::Context, sender: Option<OneshotSender<Result<R>>>) {
        self.0.answer(sender.map(|sender| -> Box<dyn Waiter> { Box::new(Awaits(sender)) }));
    }
}

impl ReplyingState {
    /// Parks who waits, or tells of the refusal.
    pub(super) fn answer(self, waiter: Option<Box<dyn Waiter>>) {
        match self {
            Self::Refused(error, shared) => match waiter {
                Some(waiter) => drop(waiter.finish(Err(error))),
                None => shared.count(Counter::Lost, 1),
            },
            Self::Later { table, cancelled, id } => {
                let mut table = table.borrow_mut();
                let Some(open) = table.open.get_mut(&id) else { return };
                // `do_send`: nobody waits, the request goes out all the same,
                // and its reply is counted as late.
                let Some(mut waiter) = waiter else {
                    if !table.in_step {
                        table.close(&id);
                    }
                    return;
                };
                if cancelled.is_gone(id, &mut *waiter) {
                    cancelled.ids.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                    cancelled.waker.wake();
                }
                open.waiter = Some(waiter);
            }
        }
    }
}

impl Requesting {
    fn new(setup: RequestSetup, step: Option<Step>) -> Self {
        let table = Table { in_step: step.is_some(), ..Table::default() };
        Self { setup, table: Rc::new(RefCell::new(table)), cancelled: Arc::default(), step }
    }

    /// How long a request with this timeout waits.
    pub(super) const fn timeout(&self, timeout: Timeout) -> Option<Duration> {
        match timeout {
            Timeout::Socket => self.setup.timeout,
            Timeout::None => None,
            Timeout::After(timeout) => Some(timeout),
        }
    }

    /// A request as it goes to libzmq.
    fn frames(&self, id: Uuid, parts: Multipart) -> Multipart {
        if self.step.is_some() { parts } else { reqrep::request(id, parts) }
    }

    /// The parts of such a request.
    fn parts_of(&self, frames: Multipart) -> Multipart {
        if self.step.is_some() { frames } else { reqrep::parts_of(frames) }
    }

    /// Ends the request that a reply belongs to.
    fn replied(&self, id: &Uuid, parts: Multipart, around: &mut Surroundings) {
        let open = self.table.borrow_mut().close(id);
        match open.and_then(|open| open.waiter) {
            Some(waiter) => {
                if let Err(undecodable) = waiter.finish(Ok(parts)) {
                    around.undecodable(undecodable);
                }
            }
            None => around.count(Counter::LateReplies),
        }
    }

    /// Pairs what was asked in step with what was answered.
    fn pair(&mut self, around: &mut Surroundings) {
        while let Some(step) = &mut self.step
            && !step.asked.is_empty()
            && let Some(parts) = step.answers.pop_front()
            && let Some(id) = step.asked.pop_front()
        {
            self.replied(&id, parts, around);
        }
    }

    /// Ends a request with an error, and with its frames if they were not sent.
    fn fail(&self, id: Uuid, error: Error, unsent: Option<Multipart>) -> bool {
        let Some(mut open) = self.table.borrow_mut().close(&id) else { return false };
        let Some(waiter) = open.waiter.take() else { return false };
        let unsent = unsent.map(|frames| self.parts_of(frames));
        let _ = waiter.finish(Err(open.give_back(error, unsent)));
        true
    }

    /// Ends every request; what has not left the queue is given back.
    fn fail_all(&self, kind: ErrorKind, queue: &mut Queue<Ticket>, around: &Surroundings) {
        let ids: Vec<Uuid> = self.table.borrow().open.keys().copied().collect();
        for id in ids {
            let place = self.table.borrow().open.get(&id).and_then(|open| open.place);
            let unsent = place.and_then(|place| queue.withdraw(place));
            around.count(Counter::Returned);
            self.fail(id, Error::new(kind), unsent.map(|item| item.frames));
        }
    }

    /// Ends a request whose caller does not wait any more, or not longer.
    fn give_up(
        &mut self,
        id: Uuid,
        counter: Counter,
        queue: &mut Queue<Ticket>,
        around: &Surroundings,
    ) {
        let (place, waited) = match self.table.borrow().open.get(&id) {
            None => return,
            Some(open) => (open.place, open.deadline.unwrap_or_else(Instant::now) - open.since),
        };
        around.count(counter);
        let mut unsent = None;
        if self.setup.withdraw
            && let Some(item) = place.and_then(|place| queue.withdraw(place))
        {
            around.count(Counter::Withdrawn);
            unsent = Some(item.frames);
        }
        if let Some(step) = &mut self.step
            && step.asked.front() == Some(&id)
        {
            step.asked.clear();
            step.abandoned = true;
        }
        let error = Error::new(ErrorKind::TimedOut).detail(format!("no reply within {waited:?}"));
        self.fail(id, error, unsent);
    }
}

impl Inbound for Requesting {
    fn accept(&mut self, message: Multipart, around: &mut Surroundings) {
        if let Some(step) = &mut self.step {
            step.answers.push_back(message);
            return self.pair(around);
        }
        match reqrep::parse_reply(message) {
            Ok((id, parts)) => self.replied(&id, parts, around),
            Err(undecodable) => around.undecodable(undecodable),
        }
    }

    fn late(&mut self, _message: Multipart, around: &mut Surroundings) {
        around.count(Counter::LateReplies);
    }

    fn abandoned(&mut self) -> Abandoned {
        let Some(step) = &mut self.step else { return Abandoned::Nothing };
        match (std::mem::take(&mut step.abandoned), self.setup.correlate) {
            (false, _) => Abandoned::Nothing,
            (true, true) => Abandoned::Release,
            (true, false) => Abandoned::Reopen,
        }
    }

    fn opened(&mut self, socket: &sys::Socket) -> Result<()> {
        if self.setup.correlate {
            let set = socket.set_i32(OptionId::REQ_CORRELATE, 1);
            set.and_then(|()| socket.set_i32(OptionId::REQ_RELAXED, 1))
                .map_err(Error::from_errno)?;
        }
        Ok(())
    }

    fn register(&mut self, cx: &mut Context<'_>) {
        self.cancelled.waker.register(cx.waker());
    }

    fn tend(&mut self, now: Instant, queue: &mut Queue<Ticket>, around: &mut Surroundings) {
        for id in self.cancelled.take() {
            let gone = match self.table.borrow_mut().open.get_mut(&id) {
                Some(Open { waiter: Some(waiter), .. }) => {
                    self.cancelled.is_gone(id, &mut **waiter)
                }
                _ => false,
            };
            if gone {
                self.give_up(id, Counter::Cancelled, queue, around);
            }
        }
        loop {
            let due = self.table.borrow_mut().deadlines.pop_due(now);
            let Some(id) = due else { break };
            self.give_up(id, Counter::TimedOut, queue, around);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.table.borrow().deadlines.next()
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome, around: &mut Surroundings) {
        let Ticket::Request(id) = ticket else { return };
        let Some((error, counter, frames)) = refused(outcome) else {
            let mut table = self.table.borrow_mut();
            let open = table.open.get_mut(&id).map(|open| open.place = None);
            drop(table);
            if let Some(step) = &mut self.step {
                if open.is_some() {
                    step.asked.push_back(id);
                    self.pair(around);
                } else if step.answers.pop_front().is_some() {
                    // Its caller has gone while it could not be withdrawn.
                    around.count(Counter::LateReplies);
                } else {
                    step.abandoned = true;
                }
            }
            return;
        };
        around.count(counter);
        let kind = error.kind();
        if !self.fail(id, error, Some(frames)) {
            around.lost(kind);
        }
    }

    fn rescued(&mut self, stash: &mut VecDeque<Multipart>, around: &mut Surroundings) {
        // Replies that have come already end their requests before the restart does.
        for message in std::mem::take(stash) {
            self.accept(message, around);
        }
    }

    fn interrupted(
        &mut self,
        comes_back: bool,
        queue: &mut Queue<Ticket>,
        around: &mut Surroundings,
    ) {
        if let Some(step) = &mut self.step {
            *step = Step::default();
        }
        // What has not left is sent by the next socket. What has left may have
        // been served: only idempotent requests go out a second time.
        let sent: Vec<Uuid> = self
            .table
            .borrow()
            .open
            .iter()
            .filter(|(_, open)| open.place.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in sent {
            let mut table = self.table.borrow_mut();
            let Some(open) = table.open.get_mut(&id) else { continue };
            if comes_back && let Some(parts) = &mut open.again {
                let parts = parts.share();
                let frames = if self.step.is_some() { parts } else { reqrep::request(id, parts) };
                open.place = Some(queue.push_again(frames, Ticket::Request(id)));
                open.left = true;
                around.count(Counter::Resent);
            } else {
                drop(table);
                self.fail(id, Error::new(ErrorKind::Restarted), None);
            }
        }
    }

    fn closing(&mut self, kind: ErrorKind, queue: &mut Queue<Ticket>, around: &mut Surroundings) {
        self.fail_all(kind, queue, around);
    }

    fn is_awaited(&self, ticket: &Ticket) -> bool {
        let Ticket::Request(id) = ticket else { return false };
        self.table.borrow().open.get(id).is_some_and(|open| open.waiter.is_some())
    }

    fn in_flight(&self) -> usize {
        self.table.borrow().open.len()
    }
}

impl<K, B, R> Handler<Request<B, R>> for Socket<K>
where
    K: Requests + Pattern<Inbound = Requesting>,
    B: Encode + 'static,
    R: Decode + Send,
{
    type Result = Replying<R>;

    fn handle(&mut self, request: Request<B, R>, ctx: &mut ActorContext<Self>) -> Replying<R> {
        self.breathe(ctx);
        let begun = self.begin(request);
        Replying::new(self.replying(begun))
    }
}

impl<K: Requests + Pattern<Inbound = Requesting>> Socket<K> {
    /// What becomes of a request that has begun, or not.
    pub(super) fn replying(&self, begun: Result<ReplyingState>) -> ReplyingState {
        begun.unwrap_or_else(|error| ReplyingState::Refused(error, Arc::clone(self.shared())))
    }

    pub(super) fn begin<B: Encode, R>(&mut self, request: Request<B, R>) -> Result<ReplyingState> {
        let mut parts = encoded(request.body)?;
        if let Err(error) = self.check_open() {
            return Err(error.with_message(parts));
        }
        let part = self.inbound();
        let (limit, in_flight) = (part.setup.max_in_flight, part.in_flight());
        if in_flight >= limit {
            let error = Error::new(ErrorKind::Full)
                .detail("too many requests in flight")
                .with_limit(limit)
                .with_message(parts);
            return Err(error);
        }
        if part.step.is_some() && parts.is_empty() {
            let error = Error::new(ErrorKind::InvalidMessage).detail("a REQ's body has frames");
            return Err(error.with_message(parts));
        }
        let since = Instant::now();
        let timeout = part.timeout(request.timeout);
        let (table, cancelled) = (Rc::clone(&part.table), Arc::clone(&part.cancelled));
        // A deadline beyond what the clock can tell is none.
        let deadline = timeout.and_then(|timeout| since.checked_add(timeout));
        let id = Uuid::new_v4();
        let again = request.idempotent.then(|| parts.share());
        let mut frames = part.frames(id, parts);
        // Without a place it has left.
        let place = if self.send_now(&mut frames) {
            None
        } else {
            Some(self.queue_mut().push(frames, Ticket::Request(id)))
        };
        let mut open = table.borrow_mut();
        if let Some(at) = deadline {
            open.deadlines.insert(at, id);
        }
        let entry = Open { waiter: None, deadline, since, place, again, left: false };
        open.open.insert(id, entry);
        drop(open);
        Ok(ReplyingState::Later { table, cancelled, id })
    }
}

impl std::fmt::Debug for Requesting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requesting").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
