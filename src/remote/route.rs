//! From a name to whoever handles its messages, with a bound on how many at a time.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix::{MailboxError, Message, Recipient};
use futures::Stream;
use futures::stream::FuturesUnordered;

use super::body::{Bodies, FramesCall, Remote, Sendable};
use super::stats::RouteStats;
use super::trace::{Trace, Traced};
use crate::framing::call::{Answer, Failure, failure};
use crate::messages::Responder;
use crate::multipart::{Frame, Multipart};
use crate::shield::shielded;
use crate::tally::Tally;

/// How many calls of a route are under way at a time, by default.
const LIMIT: usize = 1_024;

/// Who handles a message of one name, and how many of them at a time.
///
/// A `Recipient<M>` alone is a route, too, with all defaults.
///
/// # Examples
/// ```
/// use actix::prelude::*;
/// use actix_zmq::{Route, Service};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Message, Serialize, Deserialize)]
/// #[rtype(result = "i64")]
/// struct Add(i64, i64);
///
/// fn service(adder: Recipient<Add>, old: Recipient<Add>) -> Service {
///     Service::new("calculator")
///         .route(adder)
///         .route(Route::to(old).name("add.v1").limit(16))
///         .route(Route::inline(|Add(a, b): Add| a - b).name("subtract"))
/// }
/// ```
#[must_use = "a route does nothing until a service has it"]
pub struct Route<M: Sendable> {
    pub(super) name: Option<Cow<'static, str>>,
    limit: usize,
    target: Target<M>,
}

enum Target<M: Sendable> {
    Recipient(Recipient<M>),
    Traced(Recipient<Traced<M>>),
    Inline(Box<dyn FnMut(M) -> M::Result + Send>),
}

impl<M: Sendable> Route<M> {
    const fn new(target: Target<M>) -> Self {
        Self { name: None, limit: LIMIT, target }
    }

    /// The name that callers use, 1 to 255 bytes that do not begin with `$`.
    ///
    /// # Default
    /// [`Remote::wire_name`]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many of its calls may wait in the actor's mailbox or be handled at a
    /// time; more are answered as [`Overloaded`](crate::ErrorKind::Overloaded)
    /// at once. At least 1.
    ///
    /// A call whose deadline is over counts no more. Its handler, if it has
    /// begun, goes on, for Actix cannot interrupt it: an actor that takes longer
    /// than its callers wait may have more at work than this.
    ///
    /// # Default
    /// 1,024
    pub fn limit(mut self, calls: usize) -> Self {
        self.limit = calls.max(1);
        self
    }
}

impl<M: Remote> Route<M> {
    /// To an actor.
    pub const fn to(recipient: Recipient<M>) -> Self {
        Self::new(Target::Recipient(recipient))
    }

    /// To an actor that is to know the span of each call; see [`Traced`].
    pub const fn traced(recipient: Recipient<Traced<M>>) -> Self {
        Self::new(Target::Traced(recipient))
    }

    /// To a closure on the socket's own task, which must not take long. The span
    /// of the call is the current one there. A panic in it is answered as
    /// [`Stopped`](crate::ErrorKind::Stopped).
    pub fn inline(closure: impl FnMut(M) -> M::Result + Send + 'static) -> Self {
        Self::new(Target::Inline(Box::new(closure)))
    }
}

impl Route<FramesCall> {
    /// Frames, as they are, to an actor.
    pub fn frames(name: impl Into<Cow<'static, str>>, recipient: Recipient<FramesCall>) -> Self {
        Self::new(Target::Recipient(recipient)).name(name)
    }

    /// Frames, as they are, to a closure on the socket's own task.
    pub fn frames_inline(
        name: impl Into<Cow<'static, str>>,
        closure: impl FnMut(FramesCall) -> Multipart + Send + 'static,
    ) -> Self {
        Self::new(Target::Inline(Box::new(closure))).name(name)
    }
}

impl<M: Remote> From<Recipient<M>> for Route<M> {
    fn from(recipient: Recipient<M>) -> Self {
        Self::to(recipient)
    }
}

impl<M: Sendable> fmt::Debug for Route<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A call that a service has taken.
pub(super) struct Taken {
    pub(super) body: Multipart,
    pub(super) at: Instant,
    pub(super) expires: Option<Instant>,
    pub(super) responder: Responder,
    pub(super) trace: Trace,
}

/// A route of a service, whatever its message is.
pub(super) trait Serve {
    fn codec(&self) -> &'static str;
    /// Takes a call, or gives it back with the reason.
    fn take(&mut self, call: Taken);
    /// Answers what is done; the task is woken for the rest.
    fn poll(&mut self, cx: &mut Context<'_>);
    /// Gives up what nobody awaits any more.
    fn expire(&mut self, now: Instant);
    /// When `expire` has something to do, at the earliest.
    fn next_expiry(&self) -> Option<Instant>;
    fn stats(&self, name: &str) -> RouteStats;
    fn tally(&self) -> &Arc<Tally>;
}

/// A route with its calls under way.
pub(super) struct Typed<M: Sendable, B> {
    target: Target<M>,
    limit: usize,
    running: FuturesUnordered<Running<M>>,
    /// No call expires before this.
    next_expiry: Option<Instant>,
    tally: Arc<Tally>,
    /// The header of every result.
    header: Frame,
    bodies: PhantomData<fn(B)>,
}

/// A call that an actor has, or is to have.
struct Running<M: Sendable> {
    /// Dropped, the message is not handled any more if it was not yet.
    request: Option<Handling<M>>,
    responder: Option<Responder>,
    trace: Trace,
    at: Instant,
    expires: Option<Instant>,
    /// Of a call that may expire.
    waker: Option<Waker>,
}

/// An actor's answer, whatever it was sent.
type Handling<M> =
    Pin<Box<dyn Future<Output = Result<<M as Message>::Result, MailboxError>> + Send>>;

/// What became of a call, and who is to be told.
struct Done<R> {
    outcome: Result<R, Failure>,
    responder: Option<Responder>,
    trace: Trace,
    at: Instant,
}

impl<M: Sendable> Future for Running<M> {
    type Output = Done<M::Result>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match self.request.as_mut().map(|request| request.as_mut().poll(cx)) {
            Some(Poll::Ready(answer)) => answer.map_err(|_| Failure::Stopped),
            None => Err(Failure::Expired),
            Some(Poll::Pending) => {
                if self.expires.is_some() {
                    self.waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
        };
        let (responder, trace) = (self.responder.take(), std::mem::take(&mut self.trace));
        Poll::Ready(Done { outcome, responder, trace, at: self.at })
    }
}

impl<M, B> Typed<M, B>
where
    M: Sendable,
    B: Bodies<M>,
{
    pub(super) fn new(route: Route<M>) -> Self {
        Self {
            target: route.target,
            limit: route.limit,
            running: FuturesUnordered::new(),
            next_expiry: None,
            tally: Arc::default(),
            header: Answer::Result(B::CODEC).compose(),
            bodies: PhantomData,
        }
    }

    fn refuse(&self, responder: Responder, trace: &Trace, why: Failure, text: String) {
        trace.refused(why);
        self.tally.refused(why);
        answer(responder, failure(why, text));
    }

    fn done(&self, done: Done<M::Result>) {
        let Done { outcome, responder, trace, at } = done;
        let Some(responder) = responder else { return };
        let written = match outcome {
            Ok(result) => shielded(|| B::write_result(&result))
                .map_err(|text| format!("panicked: {text}"))
                .and_then(|written| written.map_err(|error| error.to_string()))
                .map_err(|text| (Failure::Unencodable, text)),
            Err(Failure::Stopped) => Err((Failure::Stopped, "the actor has stopped".to_owned())),
            Err(why) => Err((why, "nobody awaits it any more".to_owned())),
        };
        match written {
            Ok(body) => {
                self.tally.answered(at.elapsed());
                let mut frames = Multipart::with_capacity(1 + body.len());
                frames.push(self.header.clone());
                frames.append(body);
                answer(responder, frames);
            }
            Err((why, text)) => self.refuse(responder, &trace, why, text),
        }
    }
}

/// Answers a call. A socket that is closed has counted it.
pub(super) fn answer(responder: Responder, frames: Multipart) {
    let _ = responder.reply(frames);
}

impl<M, B> Serve for Typed<M, B>
where
    M: Sendable,
    B: Bodies<M>,
{
    fn codec(&self) -> &'static str {
        B::CODEC
    }

    fn take(&mut self, Taken { body, at, expires, responder, trace }: Taken) {
        self.tally.taken();
        if self.running.len() >= self.limit {
            let text = format!("{} calls are under way", self.limit);
            return self.refuse(responder, &trace, Failure::Overloaded, text);
        }
        let message = shielded(|| B::read(body))
            .map_err(|text| format!("panicked: {text}"))
            .and_then(|read| read.map_err(|undecodable| undecodable.error().to_string()));
        let message = match message {
            Ok(message) => message,
            Err(text) => return self.refuse(responder, &trace, Failure::Undecodable, text),
        };
        let request: Handling<M> = match &mut self.target {
            Target::Inline(closure) => {
                let outcome = trace.in_scope(|| shielded(|| closure(message)));
                let outcome = outcome.map_err(|_| Failure::Stopped);
                return self.done(Done { outcome, responder: Some(responder), trace, at });
            }
            Target::Recipient(recipient) => Box::pin(recipient.send(message)),
            Target::Traced(recipient) => {
                Box::pin(recipient.send(Traced { message, span: trace.span() }))
            }
        };
        let (request, responder) = (Some(request), Some(responder));
        self.running.push(Running { request, responder, trace, at, expires, waker: None });
        self.tally.set_in_flight(self.running.len());
        self.next_expiry = [self.next_expiry, expires].into_iter().flatten().min();
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        while !self.running.is_empty()
            && let Poll::Ready(Some(done)) = Pin::new(&mut self.running).poll_next(cx)
        {
            self.tally.set_in_flight(self.running.len());
            self.done(done);
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        let mut next = None::<Instant>;
        for running in self.running.iter_mut() {
            match running.expires {
                Some(at) if at <= now => {
                    running.request = None;
                    if let Some(waker) = running.waker.take() {
                        waker.wake();
                    }
                }
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => {}
            }
        }
        self.next_expiry = next;
    }

    fn next_expiry(&self) -> Option<Instant> {
        self.next_expiry
    }

    fn stats(&self, name: &str) -> RouteStats {
        RouteStats::of(name, self.limit, &self.tally)
    }

    fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }
}

/// When a call expires that is so old already: nothing for one that never does.
pub(super) fn expiry(now: Instant, timeout: Option<Duration>, age: Duration) -> Option<Instant> {
    timeout.map(|timeout| now + timeout.saturating_sub(age))
}
