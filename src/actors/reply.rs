//! REPLY and REP: routes, kept until their request is answered.

mod worker;

use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use self::worker::Worker;
pub(crate) use self::worker::WorkerSetup;
use super::handing::require_receiver;
use super::pattern::{Inbound, Pattern, Receiving, Surroundings, Ticket, Wiring, refused};
use crate::counters::Counter;
use crate::deliver::Receiver;
use crate::engine::deadlines::{Deadlines, Due};
use crate::engine::entries::{Entries, Key};
use crate::engine::port::Sends;
use crate::engine::queue::{Outcome, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::framing::reqrep;
use crate::kinds;
use crate::messages::{Answer, Answered, EventKind, IncomingRequest, ReplyDesk, Responder};
use crate::multipart::{Frame, Multipart};
use crate::sys;
#[cfg(feature = "metrics")]
use crate::tally::Served;
use crate::topology::Setting;

/// More cannot be told apart by their places.
const MOST: usize = 1 << 31;
/// For how many answers there is room when a burst is over.
const ROOM_KEPT: usize = 1_024;

/// What REPLY's blueprint sets.
#[derive(Debug)]
pub struct ReplySetup {
    pub(crate) receiver: Option<Receiver<IncomingRequest>>,
    pub(crate) answer_within: Duration,
    pub(crate) max_unanswered: usize,
    /// Of one that works for brokers: how, and the routing ids of those.
    pub(crate) worker: WorkerSetup,
    pub(crate) brokers: Vec<Frame>,
}

impl Default for ReplySetup {
    fn default() -> Self {
        Self {
            receiver: None,
            answer_within: Duration::from_secs(60),
            max_unanswered: 65_536,
            worker: WorkerSetup::default(),
            brokers: Vec::new(),
        }
    }
}

impl ReplySetup {
    fn configure(&mut self, setting: Setting) -> bool {
        let Setting::AnswerWithin(age) = setting else { return false };
        self.answer_within = age;
        true
    }
}

impl Pattern for kinds::Reply {
    type Setup = ReplySetup;
    type Inbound = Answering;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Router,
        sends: Sends::PerPeer,
        receives: true,
        mandatory: true,
    };

    fn inbound(setup: ReplySetup) -> Answering {
        Answering::new(setup)
    }

    #[cfg(feature = "metrics")]
    fn served(setup: &ReplySetup) -> Option<Served> {
        setup.receiver.as_ref().and_then(|receiver| receiver.served().cloned())
    }

    fn check(setup: &ReplySetup) -> Result<()> {
        require_receiver(setup.receiver.is_some())
    }

    fn configure(setup: &mut ReplySetup, setting: Setting) -> bool {
        match setting {
            Setting::MaxUnanswered(requests) => setup.max_unanswered = requests.max(1),
            other => return setup.configure(other),
        }
        true
    }
}

impl Receiving for kinds::Reply {
    fn set_receiver(setup: &mut ReplySetup, receiver: Receiver<IncomingRequest>) {
        setup.receiver = Some(receiver);
    }
}

impl Pattern for kinds::Rep {
    type Setup = ReplySetup;
    type Inbound = Answering;
    const WIRING: Wiring = kinds::Reply::WIRING;

    fn inbound(setup: ReplySetup) -> Answering {
        // One at a time is all that lock-step is.
        Answering::new(ReplySetup { max_unanswered: 1, ..setup })
    }

    #[cfg(feature = "metrics")]
    fn served(setup: &ReplySetup) -> Option<Served> {
        kinds::Reply::served(setup)
    }

    fn check(setup: &ReplySetup) -> Result<()> {
        kinds::Reply::check(setup)
    }

    fn configure(setup: &mut ReplySetup, setting: Setting) -> bool {
        setup.configure(setting)
    }
}

impl Receiving for kinds::Rep {
    fn set_receiver(setup: &mut ReplySetup, receiver: Receiver<IncomingRequest>) {
        kinds::Reply::set_receiver(setup, receiver);
    }
}

/// The part of a server: the way back of every request that is not answered yet.
///
/// Routes have numbers of their own, so that two peers with one id, or one
/// peer with two requests under one id, never meet.
#[derive(Debug)]
pub struct Answering {
    setup: ReplySetup,
    routes: Entries<Route>,
    /// By place.
    ages: Deadlines<u32>,
    /// Routes that have come in this turn. Their age is counted from its end:
    /// most of them are answered by then.
    fresh: Vec<Key>,
    desk: Arc<ReplyDesk>,
    /// What the desk is given for its list of answers.
    answers: Vec<Answer>,
    worker: Option<Worker>,
    gone: bool,
    closing: bool,
}

#[derive(Debug)]
struct Route {
    envelope: Multipart,
    reap_at: Option<Due>,
}

impl Answering {
    fn new(mut setup: ReplySetup) -> Self {
        let brokers = std::mem::take(&mut setup.brokers);
        if !brokers.is_empty() {
            // A worker reads on when it has all that it takes: heartbeats.
            let capacity = (setup.worker.capacity as usize).saturating_mul(brokers.len());
            setup.max_unanswered = setup.max_unanswered.max(capacity.saturating_add(1));
        }
        let worker = (!brokers.is_empty()).then(|| Worker::new(setup.worker, brokers));
        Self {
            setup,
            worker,
            routes: Entries::counting_from(0),
            ages: Deadlines::default(),
            fresh: Vec::new(),
            desk: Arc::default(),
            answers: Vec::new(),
            gone: false,
            closing: false,
        }
    }

    fn close(&mut self, token: Key) -> Option<Multipart> {
        let route = self.routes.remove(token)?;
        if route.reap_at.is_some() {
            let routes = &self.routes;
            self.ages.removed(|due, place| is_due(routes, due, place));
        }
        Some(route.envelope)
    }

    fn answer(
        &mut self,
        answer: Answer,
        queue: &mut Queue<Ticket>,
        around: &Surroundings,
        offer: &mut dyn FnMut(&mut Multipart) -> bool,
    ) {
        let envelope = self.close(answer.token);
        match (answer.outcome, envelope) {
            (Answered::Reply(parts, confirm), Some(envelope)) => {
                let mut frames = reqrep::reply(envelope, parts);
                if !queue.is_empty() || !offer(&mut frames) {
                    queue.push(frames, Ticket::Reply(confirm));
                } else if let Some(confirm) = confirm {
                    let _ = confirm.send(Ok(()));
                }
            }
            (Answered::Reply(parts, confirm), None) => {
                // Reaped before: counted then.
                if let Some(confirm) = confirm {
                    let error = Error::new(ErrorKind::TimedOut)
                        .detail("the request was given up before it was answered")
                        .with_message(parts);
                    let _ = confirm.send(Err(error));
                }
            }
            (Answered::Never, Some(_)) => around.count(Counter::Unanswered),
            (Answered::Never, None) => {}
        }
    }
}

fn is_due(routes: &Entries<Route>, due: Due, place: u32) -> bool {
    routes.at(place).is_some_and(|(_, route)| route.reap_at == Some(due))
}

impl Inbound for Answering {
    fn room(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> usize {
        // An answer wakes the task through the desk, a reaped route by the timer.
        let unanswered = self.setup.max_unanswered.min(MOST).saturating_sub(self.routes.len());
        match &mut self.setup.receiver {
            Some(receiver) if unanswered > 0 => {
                around.room(receiver, &mut self.gone, cx).min(unanswered)
            }
            _ => 0,
        }
    }

    fn accept(&mut self, message: Multipart, around: &mut Surroundings) {
        if let Some(worker) = &mut self.worker
            && worker.hears(&message, Instant::now())
        {
            return;
        }
        let (envelope, body) = match reqrep::parse_request(message) {
            Ok(request) => request,
            Err(undecodable) => return around.undecodable(undecodable),
        };
        let Some(receiver) = &mut self.setup.receiver else { return };
        let token = self.routes.insert(Route { envelope, reap_at: None });
        if !receiver.answers_all() {
            self.fresh.push(token);
        }
        let responder = Responder::new(token, Arc::clone(&self.desk));
        around.delivered(receiver.deliver(IncomingRequest { body, responder }));
    }

    fn flush(&mut self) {
        if let Some(receiver) = &mut self.setup.receiver {
            receiver.flush();
        }
    }

    fn register(&mut self, cx: &mut Context<'_>) {
        self.desk.attend(cx.waker());
        if let Some(receiver) = &mut self.setup.receiver {
            receiver.tend(cx);
        }
    }

    fn take_answers(
        &mut self,
        queue: &mut Queue<Ticket>,
        around: &mut Surroundings,
        offer: &mut dyn FnMut(&mut Multipart) -> bool,
    ) {
        let mut answers = std::mem::take(&mut self.answers);
        self.desk.swap(&mut answers);
        for answer in answers.drain(..) {
            self.answer(answer, queue, around, offer);
        }
        answers.shrink_to(ROOM_KEPT);
        self.answers = answers;
    }

    fn leave(&mut self, now: Instant, _around: &Surroundings) {
        for token in self.fresh.drain(..) {
            if let Some(route) = self.routes.get_mut(token)
                && let Some(due) = self.ages.due(now, self.setup.answer_within)
            {
                route.reap_at = Some(due);
                self.ages.insert(due, token.place);
            }
        }
        self.desk.leave();
    }

    fn opened(&mut self, _socket: &sys::Socket) -> Result<()> {
        if let Some(worker) = &mut self.worker {
            worker.reset();
        }
        Ok(())
    }

    fn tend(&mut self, now: Instant, queue: &mut Queue<Ticket>, around: &mut Surroundings) {
        if let Some(worker) = &mut self.worker {
            worker.tend(now, queue);
        }
        let Self { routes, ages, .. } = self;
        while let Some(place) = ages.pop_due(now, |due, place| is_due(routes, due, place)) {
            if let Some((token, _)) = routes.at(place) {
                routes.remove(token);
            }
            around.count(Counter::Reaped);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let receivers = self.setup.receiver.as_ref().and_then(Receiver::next_deadline);
        let worker = self.worker.as_ref().and_then(Worker::next_deadline);
        [self.ages.next(), receivers, worker].into_iter().flatten().min()
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome, around: &mut Surroundings) {
        let confirm = match ticket {
            Ticket::Reply(confirm) => confirm,
            Ticket::Word(broker) => {
                // What was not heard is said again at the next heartbeat.
                if let Some(worker) = &mut self.worker {
                    worker.said(broker);
                }
                return;
            }
            _ => return,
        };
        let Some((error, counter, frames)) = refused(outcome) else {
            if let Some(confirm) = confirm {
                let _ = confirm.send(Ok(()));
            }
            return;
        };
        around.count(counter);
        let kind = error.kind();
        let peer = frames.first().cloned().unwrap_or_default();
        if let Some(confirm) = confirm {
            let error =
                error.with_peer(peer.into_bytes()).with_message(reqrep::reply_parts(frames));
            let _ = confirm.send(Err(error));
            return;
        }
        around.lost(kind);
        if kind == ErrorKind::Unroutable {
            around.events.emit(EventKind::Unroutable { peer: peer.into() });
        }
    }

    fn closing(&mut self, _kind: ErrorKind, queue: &mut Queue<Ticket>, _around: &mut Surroundings) {
        self.closing = true;
        if let Some(worker) = &mut self.worker {
            worker.leave(queue);
        }
    }

    fn is_held(&self, now: Instant) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.is_held(now))
    }

    fn closed(&mut self, around: &mut Surroundings) {
        for answer in self.desk.close() {
            self.routes.remove(answer.token);
            match answer.outcome {
                Answered::Reply(parts, Some(confirm)) => {
                    around.count(Counter::Returned);
                    let _ = confirm.send(Err(Error::new(ErrorKind::Closed).with_message(parts)));
                }
                Answered::Reply(_, None) => around.count(Counter::Lost),
                Answered::Never => around.count(Counter::Unanswered),
            }
        }
        around.shared.count(Counter::Unanswered, self.routes.len() as u64);
        self.routes.clear();
        self.ages.clear();
    }

    fn unframed(&self, _topic: usize, frames: Multipart) -> Multipart {
        reqrep::reply_parts(frames)
    }

    fn in_flight(&self) -> usize {
        self.routes.len()
    }

    fn is_busy(&self) -> bool {
        self.closing && !self.routes.is_empty()
    }
}
