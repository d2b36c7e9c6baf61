//! Who gets the messages, and tells when all are there.

use std::future::pending;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use actix_zmq::kinds::Receives;
use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Delivery, Receiving};
use futures::channel::oneshot;

use crate::support::Outcome;
use crate::{Load, Way};

/// What is done with each message.
pub(crate) trait Work<M>: Send + Unpin + 'static {
    fn take(&mut self, message: M);
}

/// Has a socket do the work, or an actor here.
pub(crate) fn deliver<K, M, W>(socket: Blueprint<K>, way: Way, mut work: W) -> Blueprint<K>
where
    K: Receiving + Receives,
    M: Delivery<Raw = K::Delivery>,
    W: Work<M>,
{
    match way {
        Way::Inline => socket.on_message(move |message: M| work.take(message)),
        Way::Batch => socket.deliver_to(Worker::new(work).start().recipient::<Batch<M>>()),
        Way::Each => socket.deliver_to(Worker::new(work).start().recipient::<M>()),
    }
}

struct Worker<M, W> {
    work: W,
    of: PhantomData<fn(M)>,
}

impl<M, W> Worker<M, W> {
    const fn new(work: W) -> Self {
        Self { work, of: PhantomData }
    }
}

impl<M: 'static, W: Work<M>> Actor for Worker<M, W> {
    type Context = Context<Self>;
}

impl<M: Delivery, W: Work<M>> Handler<M> for Worker<M, W> {
    type Result = ();

    fn handle(&mut self, message: M, _ctx: &mut Context<Self>) {
        self.work.take(message);
    }
}

impl<M: Delivery, W: Work<M>> Handler<Batch<M>> for Worker<M, W> {
    type Result = ();

    fn handle(&mut self, messages: Batch<M>, _ctx: &mut Context<Self>) {
        for message in messages {
            self.work.take(message);
        }
    }
}

/// Tells how long it took from the first message to the last, or what was wrong.
pub(crate) struct Done(oneshot::Receiver<Result<Duration, String>>);

impl Done {
    pub(crate) async fn outcome(self) -> Outcome<Duration> {
        match self.0.await {
            Ok(outcome) => Ok(outcome?),
            // Its socket is closed: at a signal, which others notice.
            Err(_canceled) => pending().await,
        }
    }
}

/// Counts messages.
pub(crate) struct Tally {
    size: usize,
    left: u32,
    first: Option<Instant>,
    done: Option<oneshot::Sender<Result<Duration, String>>>,
}

impl Tally {
    pub(crate) fn new(load: Load) -> (Self, Done) {
        let (done, told) = oneshot::channel();
        let tally = Self { size: load.size(), left: load.count, first: None, done: Some(done) };
        (tally, Done(told))
    }

    /// Counts one more; `false` for one that was not asked for.
    fn count(&mut self, body: &Multipart) -> bool {
        if !matches!(&body[..], [only] if only.len() == self.size) {
            let sizes: Vec<_> = body.iter().map(|frame| frame.len()).collect();
            self.tell(Err(format!("message of incorrect size received: {sizes:?} [B]")));
            return false;
        }
        let first = *self.first.get_or_insert_with(Instant::now);
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.tell(Ok(first.elapsed()));
        }
        true
    }

    fn tell(&mut self, outcome: Result<Duration, String>) {
        if let Some(done) = self.done.take() {
            // It fails when nobody waits for it any more.
            let _ = done.send(outcome);
        }
    }
}

impl Work<Pulled> for Tally {
    fn take(&mut self, Pulled(body): Pulled) {
        self.count(&body);
    }
}

impl Work<TopicMessage> for Tally {
    fn take(&mut self, message: TopicMessage) {
        self.count(&message.body);
    }
}

/// Answers each request with itself.
pub(crate) struct Echo(Tally);

impl Echo {
    pub(crate) fn new(load: Load) -> (Self, Done) {
        let (tally, done) = Tally::new(load);
        (Self(tally), done)
    }
}

impl Work<IncomingRequest> for Echo {
    fn take(&mut self, request: IncomingRequest) {
        let IncomingRequest { body, responder } = request;
        let wanted = self.0.count(&body);
        if wanted && let Err(error) = responder.reply(body) {
            self.0.tell(Err(error.to_string()));
        }
    }
}
