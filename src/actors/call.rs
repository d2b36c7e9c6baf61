//! Calls through a requester: a request each, or one after the other.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Context;
use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Addr, AsyncContext, Context as ActorContext, Handler};
use futures::future::{Either, select};

use super::pattern::Pattern;
use super::request::{Awaiting, ReplyingState, Requesting, Waiter, poll_closed};
use super::socket::Socket;
use crate::codec::Undecodable;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::Requests;
use crate::messages::{Request, Timeout};
use crate::multipart::Multipart;
use crate::remote::call::{Written, answered};
use crate::remote::trace::{Origin, Trace};
use crate::remote::{Bodies, Call, Retry, Sendable};

/// The response to a call: parked until the reply, or a task that calls again.
pub struct Calling<M, B> {
    state: State,
    call: PhantomData<fn(M, B)>,
}

enum State {
    Once(ReplyingState, Trace),
    Again(Box<Again>),
}

/// A call that may be made more than once.
struct Again {
    written: Written,
    retry: Box<Retry>,
    idempotent: bool,
    timeout: Option<Duration>,
    origin: Origin,
    trace: Trace,
}

impl<M, B> fmt::Debug for Calling<M, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}

impl<K, M, B> Handler<Call<M, B>> for Socket<K>
where
    K: Requests + Pattern<Inbound = Requesting>,
    M: Sendable,
    B: Bodies<M>,
{
    type Result = Calling<M, B>;

    fn handle(&mut self, mut call: Call<M, B>, ctx: &mut ActorContext<Self>) -> Calling<M, B> {
        self.breathe(ctx);
        let timeout = self.inbound().timeout(call.timeout);
        let (idempotent, retry) = (call.idempotent, call.retry.take());
        let origin = std::mem::take(&mut call.origin);
        let socket = self.shared().name.as_deref();
        let trace = Trace::call(&origin, || call.wire_name(), socket, retry.is_some());
        let state = match (call.written(), retry) {
            (Ok(written), Some(retry)) => {
                let again = Again { written, retry, idempotent, timeout, origin, trace };
                State::Again(Box::new(again))
            }
            (Ok(mut written), None) => {
                written.fields = trace.fields(&origin);
                let begun = self.begin(request_of(written.once(timeout), timeout, idempotent));
                State::Once(self.replying(begun), trace)
            }
            (Err(error), _) => State::Once(self.replying(Err(error)), trace),
        };
        Calling { state, call: PhantomData }
    }
}

fn request_of(parts: Multipart, timeout: Option<Duration>, idempotent: bool) -> Request {
    let mut request = Request::new(parts);
    request.timeout = timeout.map_or(Timeout::None, Timeout::After);
    request.idempotent = idempotent;
    request
}

impl<K, M, B> MessageResponse<Socket<K>, Call<M, B>> for Calling<M, B>
where
    K: Requests + Pattern<Inbound = Requesting>,
    M: Sendable,
    B: Bodies<M>,
{
    fn handle(
        self,
        ctx: &mut ActorContext<Socket<K>>,
        asker: Option<OneshotSender<Result<M::Result>>>,
    ) {
        match self.state {
            State::Once(state, trace) => {
                state.answer(asker.map(|asker| {
                    Waiter::Value(Box::new(Awaits::<M, B> { asker, trace, bodies: PhantomData }))
                }));
            }
            State::Again(again) => {
                let socket = ctx.address();
                actix_rt::spawn(again.run::<K, M, B>(socket, asker));
            }
        }
    }
}

/// Who waits for the result of a call.
struct Awaits<M: Sendable, B> {
    asker: OneshotSender<Result<M::Result>>,
    trace: Trace,
    bodies: PhantomData<fn(B)>,
}

impl<M: Sendable, B: Bodies<M>> Awaiting for Awaits<M, B> {
    fn finish(self: Box<Self>, outcome: Result<Multipart>) -> std::result::Result<(), Undecodable> {
        let (outcome, unreadable) = match outcome {
            Ok(frames) => answered::<M, B>(frames),
            Err(error) => (Err(error), None),
        };
        match &outcome {
            _ if self.asker.is_closed() => self.trace.cancelled(),
            Ok(_) => {}
            Err(error) => self.trace.failed(error.kind()),
        }
        // Nobody minds if the asker is gone.
        let _ = self.asker.send(outcome);
        unreadable.map_or(Ok(()), Err)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool {
        poll_closed(&mut self.asker, cx)
    }

    fn is_gone(&self) -> bool {
        self.asker.is_closed()
    }
}

impl Again {
    /// Calls until there is a result, or no sense in calling again, or nobody
    /// who waits.
    async fn run<K, M, B>(
        mut self: Box<Self>,
        socket: Addr<Socket<K>>,
        asker: Option<OneshotSender<Result<M::Result>>>,
    ) where
        K: Requests + Pattern<Inbound = Requesting>,
        M: Sendable,
        B: Bodies<M>,
    {
        let Some(mut asker) = asker else {
            let _ = self.attempts::<K, M, B>(&socket).await;
            return;
        };
        let trace = self.trace.clone();
        let gone = poll_fn(|cx| asker.poll_closed(cx));
        let outcome = match select(pin!(self.attempts::<K, M, B>(&socket)), pin!(gone)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => return trace.cancelled(),
        };
        if let Err(error) = &outcome {
            trace.failed(error.kind());
        }
        // Nobody minds if the asker is gone.
        let _ = asker.send(outcome);
    }

    async fn attempts<K, M, B>(&mut self, socket: &Addr<Socket<K>>) -> Result<M::Result>
    where
        K: Requests + Pattern<Inbound = Requesting>,
        M: Sendable,
        B: Bodies<M>,
    {
        let began = Instant::now();
        loop {
            let left = self.timeout.map(|whole| whole.saturating_sub(began.elapsed()));
            let attempt = self.retry.attempt_timeout(self.timeout);
            let timeout = [left, attempt].into_iter().flatten().min();
            let trace = self.trace.attempt(self.written.attempts);
            self.written.fields = trace.fields(&self.origin);
            let parts = self.written.again(timeout);
            let request = request_of(parts, timeout, self.idempotent);
            let error = match socket.send(request).await {
                Err(_) => Error::new(ErrorKind::Closed).detail("the socket has ended"),
                Ok(Err(error)) => error,
                Ok(Ok(frames)) => match answered::<M, B>(frames).0 {
                    Ok(result) => return Ok(result),
                    Err(error) => error,
                },
            };
            trace.failed(error.kind());
            drop(trace);
            let attempts = self.written.attempts;
            let Some(delay) = self.retry.after(attempts, error.kind(), self.idempotent) else {
                return Err(error);
            };
            let left = self.timeout.map(|whole| whole.saturating_sub(began.elapsed()));
            if left.is_some_and(|left| left <= delay) {
                return Err(error);
            }
            tracing::debug!(%error, attempts, ?delay, "a call is made again");
            actix_rt::time::sleep(delay).await;
        }
    }
}
