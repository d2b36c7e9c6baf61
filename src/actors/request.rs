//! REQUEST and REQ: requests in flight, each of which ends exactly once.

mod company;
mod table;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Context as ActorContext, Handler};

use self::company::Company;
pub(super) use self::table::{Awaiting, Waiter, poll_closed};
use self::table::{Open, Table};
use super::pattern::{Abandoned, Inbound, Pattern, Surroundings, Ticket, Wiring, refused};
use super::shared::Shared;
use super::socket::Socket;
use crate::codec::{Decode, Encode, encoded};
use crate::counters::Counter;
use crate::engine::deadlines::Due;
use crate::engine::entries::Key;
use crate::engine::port::Sends;
use crate::engine::queue::{Outcome, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::framing::reqrep;
use crate::kinds::{self, Requests};
use crate::messages::Request;
use crate::messages::Timeout;
use crate::multipart::Multipart;
use crate::sys::{self, option::OptionId};
use crate::topology::Setting;

/// More cannot be told apart by their places.
const MOST: usize = 1 << 31;

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
            Setting::UnreachableAfter(time) => self.unreachable_after = Some(time),
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
    company: Company,
    /// When those were asked that were answered in this turn.
    answered: Vec<Due>,
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
    asked: VecDeque<Key>,
    /// Replies to what is not known to have left yet, in order.
    answers: VecDeque<Multipart>,
    /// Nobody awaits any more what left last.
    abandoned: bool,
}

/// The response to a request: a refusal, or parked until the reply.
pub struct Replying<R>(ReplyingState, std::marker::PhantomData<fn() -> R>);

pub(super) enum ReplyingState {
    Refused(Error, Arc<Shared>),
    Later(Rc<RefCell<Table>>, Key),
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
        self.0.answer(sender.map(Waiter::new));
    }
}

impl ReplyingState {
    /// Parks who waits, or tells of the refusal.
    pub(super) fn answer(self, waiter: Option<Waiter>) {
        match self {
            Self::Refused(error, shared) => match waiter.filter(|waiter| !waiter.is_gone()) {
                Some(waiter) => drop(waiter.finish(Err(error))),
                None => shared.count(Counter::Lost, 1),
            },
            Self::Later(table, key) => {
                let mut table = table.borrow_mut();
                match waiter {
                    Some(waiter) => table.park(key, waiter),
                    // `do_send`: nobody waits, the request goes out all the same,
                    // and its reply is counted as late.
                    None if table.in_step => {}
                    None => drop(table.close(key)),
                }
            }
        }
    }
}

impl Requesting {
    fn new(setup: RequestSetup, step: Option<Step>) -> Self {
        let table = Rc::new(RefCell::new(Table::new(step.is_some())));
        Self { setup, table, company: Company::default(), answered: Vec::new(), step }
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
    fn frames(&self, key: Key, parts: Multipart) -> Multipart {
        if self.step.is_some() {
            parts
        } else {
            reqrep::request(self.table.borrow().id(key), parts)
        }
    }

    /// The parts of such a request.
    fn parts_of(&self, frames: Multipart) -> Multipart {
        if self.step.is_some() { frames } else { reqrep::parts_of(frames) }
    }

    /// Ends the request that a reply belongs to.
    fn replied(&mut self, key: Option<Key>, parts: Multipart, around: &mut Surroundings) {
        let mut table = self.table.borrow_mut();
        let open = key.and_then(|key| table.close(key));
        drop(table);
        let began = open.as_ref().and_then(Open::began);
        match open.and_then(|open| open.finish(Ok(parts))) {
            Some(decoded) => {
                self.answered.extend(began);
                around.delivered(decoded);
            }
            None => around.count(Counter::LateReplies),
        }
    }

    /// Pairs what was asked in step with what was answered.
    fn pair(&mut self, around: &mut Surroundings) {
        while let Some(step) = &mut self.step
            && !step.asked.is_empty()
            && let Some(parts) = step.answers.pop_front()
            && let Some(key) = step.asked.pop_front()
        {
            self.replied(Some(key), parts, around);
        }
    }

    /// Ends a request with an error, and with its frames if they were not sent.
    fn fail(&self, key: Key, error: Error, unsent: Option<Multipart>) -> bool {
        let open = self.table.borrow_mut().close(key);
        open.is_some_and(|open| open.fail(error, || unsent.map(|frames| self.parts_of(frames))))
    }

    /// Ends every request; what has not left the queue is given back.
    fn fail_all(&self, kind: ErrorKind, queue: &mut Queue<Ticket>, around: &Surroundings) {
        let all: Vec<_> = self.table.borrow().iter().map(|(key, open)| (key, open.place)).collect();
        for (key, place) in all {
            let unsent = place.and_then(|place| queue.withdraw(place));
            around.count(Counter::Returned);
            self.fail(key, Error::new(kind), unsent.map(|item| item.frames));
        }
    }

    /// Ends a request whose caller does not wait any more, or not longer.
    fn give_up(
        &mut self,
        key: Key,
        counter: Counter,
        queue: &mut Queue<Ticket>,
        around: &Surroundings,
    ) {
        let Some(waited) = self.table.borrow().get(key).map(Open::timeout) else { return };
        around.count(counter);
        let error = Error::new(ErrorKind::TimedOut).detail(format!("no reply within {waited:?}"));
        self.end(key, error, self.setup.withdraw, queue, around);
    }

    /// Ends a request that is not answered any more.
    fn end(
        &mut self,
        key: Key,
        error: Error,
        withdraw: bool,
        queue: &mut Queue<Ticket>,
        around: &Surroundings,
    ) {
        let place = self.table.borrow().get(key).and_then(|open| open.place);
        let mut unsent = None;
        if withdraw && let Some(item) = place.and_then(|place| queue.withdraw(place)) {
            around.count(Counter::Withdrawn);
            unsent = Some(item.frames);
        }
        if let Some(step) = &mut self.step
            && step.asked.front() == Some(&key)
        {
            step.asked.clear();
            step.abandoned = true;
        }
        self.fail(key, error, unsent);
    }

    /// The requests that have left.
    fn sent(&self) -> Vec<Key> {
        let sent = |(key, open): (Key, &Open)| open.place.is_none().then_some(key);
        self.table.borrow().iter().filter_map(sent).collect()
    }

    /// What has left may have been served: only idempotent requests go out a
    /// second time, and only if there will be who takes them.
    fn sent_in_vain(
        &mut self,
        sent: Vec<Key>,
        kind: ErrorKind,
        again: bool,
        queue: &mut Queue<Ticket>,
        around: &Surroundings,
    ) {
        for key in sent {
            let mut table = self.table.borrow_mut();
            let Some(open) = table.get_mut(key).filter(|open| open.place.is_none()) else {
                continue;
            };
            let parts = open.again.as_mut().filter(|_| again).map(|parts| parts.share());
            drop(table);
            let Some(parts) = parts else {
                self.end(key, Error::new(kind), false, queue, around);
                continue;
            };
            let place = queue.push_again(self.frames(key, parts), Ticket::Request(key));
            if let Some(open) = self.table.borrow_mut().get_mut(key) {
                open.place = Some(place);
                open.left = true;
            }
            around.count(Counter::Resent);
        }
    }

    /// Fails fast what nobody is there to answer.
    fn mind_company(&mut self, now: Instant, queue: &mut Queue<Ticket>, around: &Surroundings) {
        let Some(limit) = self.setup.unreachable_after else { return };
        if self.company.look(&around.shared, now) {
            self.left_alone();
        }
        let lost = self.company.lost();
        // In step it is libzmq that sends again, or nobody.
        let again = self.step.is_none();
        self.sent_in_vain(lost, ErrorKind::PeerLost, again, queue, around);
        if !self.company.is_alone(now, limit) {
            return;
        }
        let is_here = |open: &Open| open.place.is_some() && !open.left;
        let table = self.table.borrow();
        let all: Vec<_> = table.iter().map(|(key, open)| (key, is_here(open))).collect();
        drop(table);
        for (key, is_here) in all {
            let kind = if is_here { ErrorKind::Unreachable } else { ErrorKind::PeerLost };
            around.count(Counter::Unreachable);
            let text = format!("nobody was connected for {limit:?}");
            self.end(key, Error::new(kind).detail(text), true, queue, around);
        }
    }
}

impl Inbound for Requesting {
    fn accept(&mut self, message: Multipart, around: &mut Surroundings) {
        self.company.replied();
        if let Some(step) = &mut self.step {
            step.answers.push_back(message);
            return self.pair(around);
        }
        match reqrep::parse_reply(message) {
            Ok((id, parts)) => {
                let key = self.table.borrow().key(id);
                self.replied(key, parts, around);
            }
            Err(undecodable) => around.undecodable(undecodable),
        }
    }

    fn holds(&self, shared: &Shared) -> bool {
        // libzmq would take it for whoever comes, and not give it back.
        self.setup.unreachable_after.is_some() && shared.peers() == Some(0)
    }

    fn left_alone(&mut self) {
        if self.setup.unreachable_after.is_some() {
            self.company.left(self.sent());
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
        self.table.borrow().register(cx.waker());
    }

    fn tend(&mut self, now: Instant, queue: &mut Queue<Ticket>, around: &mut Surroundings) {
        let cancelled = self.table.borrow().take_cancelled();
        for key in cancelled {
            self.give_up(key, Counter::Cancelled, queue, around);
        }
        self.table.borrow_mut().start_clocks(now);
        loop {
            let due = self.table.borrow_mut().pop_due(now);
            let Some(key) = due else { break };
            self.give_up(key, Counter::TimedOut, queue, around);
        }
        self.mind_company(now, queue, around);
    }

    fn leave(&mut self, now: Instant, around: &Surroundings) {
        if !self.answered.is_empty()
            && let Some(end) = self.table.borrow().moment(now)
        {
            let times = self.answered.drain(..).map(|began| began.until(end));
            around.shared.took(times, now);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let table = self.table.borrow();
        let limit = self.setup.unreachable_after.filter(|_| table.len() > 0);
        let look = limit.and_then(|limit| self.company.next_look(Instant::now(), limit));
        [table.next_deadline(), look].into_iter().flatten().min()
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome, around: &mut Surroundings) {
        let Ticket::Request(key) = ticket else { return };
        let Some((error, counter, frames)) = refused(outcome) else {
            let mut table = self.table.borrow_mut();
            let open = table.get_mut(key).map(|open| open.place = None);
            drop(table);
            if let Some(step) = &mut self.step {
                if open.is_some() {
                    step.asked.push_back(key);
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
        if !self.fail(key, error, Some(frames)) {
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
        // What has not left is sent by the next socket.
        self.sent_in_vain(self.sent(), ErrorKind::Restarted, comes_back, queue, around);
    }

    fn closing(&mut self, kind: ErrorKind, queue: &mut Queue<Ticket>, around: &mut Surroundings) {
        self.fail_all(kind, queue, around);
    }

    fn is_awaited(&self, ticket: &Ticket) -> bool {
        let Ticket::Request(key) = ticket else { return false };
        self.table.borrow().get(*key).is_some_and(Open::is_awaited)
    }

    fn in_flight(&self) -> usize {
        self.table.borrow().len()
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
        let (limit, in_flight) = (part.setup.max_in_flight.min(MOST), part.in_flight());
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
        let timeout = part.timeout(request.timeout);
        let table = Rc::clone(&part.table);
        let again = request.idempotent.then(|| parts.share());
        let key = table.borrow_mut().insert(Open::new(again), timeout);
        let mut frames = part.frames(key, parts);
        // Without a place it has left.
        if !self.send_now(&mut frames) {
            let place = self.queue_mut().push(frames, Ticket::Request(key));
            if let Some(open) = table.borrow_mut().get_mut(key) {
                open.place = Some(place);
            }
        }
        Ok(ReplyingState::Later(table, key))
    }
}

impl std::fmt::Debug for Requesting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requesting").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
