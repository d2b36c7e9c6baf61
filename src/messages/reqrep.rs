//! REQUEST and REPLY.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::Message;
use futures::channel::oneshot;
use futures::task::AtomicWaker;

use crate::codec::{Decode, Encode, Undecodable, encoded};
use crate::deliver::Delivery;
use crate::engine::entries::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::multipart::Multipart;

/// Asks a peer, and resolves with its reply.
///
/// `B` is the body that is sent, `R` what the reply is decoded into: frames,
/// or a value in a codec.
///
/// # Errors
/// [`TimedOut`](ErrorKind::TimedOut), [`Restarted`](ErrorKind::Restarted),
/// [`Closed`](ErrorKind::Closed), [`Full`](ErrorKind::Full) and
/// [`Dropped`](ErrorKind::Dropped) by the overflow policy,
/// [`Encode`](ErrorKind::Encode), [`Decode`](ErrorKind::Decode) with the reply's
/// frames. A request that has certainly not left is given back.
///
/// # Cancel safety
/// Dropping the future ends the request at once: a request that has not left
/// is withdrawn (see [`withdraw_unsent`](crate::Blueprint::withdraw_unsent)),
/// the reply to one that has is dropped and counted as late.
///
/// With `do_send` nobody awaits the reply, which is counted as late. On a REQ,
/// which has one request on its way at a time, the request is in flight all
/// the same, until its reply or its timeout.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::{Json, Request};
///
/// let frames = Request::new(["add", "1", "2"]);
/// let typed = Request::new(Json((1, 2)))
///     .expect::<Json<i32>>()
///     .timeout(Duration::from_secs(2))
///     .idempotent();
/// ```
pub struct Request<B = Multipart, R = Multipart> {
    pub(crate) body: B,
    pub(crate) timeout: Timeout,
    pub(crate) idempotent: bool,
    reply: PhantomData<fn() -> R>,
}

/// Whose timeout holds for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    Socket,
    None,
    After(Duration),
}

impl<B> Request<B> {
    /// A request whose reply is wanted as frames, with the socket's timeout.
    pub const fn new(body: B) -> Self {
        Self { body, timeout: Timeout::Socket, idempotent: false, reply: PhantomData }
    }
}

impl<B, R> Request<B, R> {
    /// Wants the reply decoded.
    #[must_use]
    pub fn expect<T: Decode>(self) -> Request<B, T> {
        Request {
            body: self.body,
            timeout: self.timeout,
            idempotent: self.idempotent,
            reply: PhantomData,
        }
    }

    /// Waits so long for the reply, counted from when the socket takes the
    /// request. By default, as the socket says, which by default is for ever.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Timeout::After(timeout);
        self
    }

    /// Waits for ever, whatever the socket's timeout is.
    #[must_use]
    pub const fn no_timeout(mut self) -> Self {
        self.timeout = Timeout::None;
        self
    }

    /// Says that serving the request twice does no harm: after a restart of
    /// the socket it is sent again instead of ending with
    /// [`Restarted`](ErrorKind::Restarted).
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

impl<B: fmt::Debug, R> fmt::Debug for Request<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("body", &self.body)
            .field("timeout", &self.timeout)
            .field("idempotent", &self.idempotent)
            .finish()
    }
}

impl<B: 'static, R: 'static> Message for Request<B, R> {
    type Result = Result<R>;
}

/// A request that a REPLY socket received, with the means to answer it.
///
/// Answer it now or later, from any thread, once. Dropping it unanswered
/// frees its route and is counted; keeping it beyond
/// [`answer_within`](crate::Blueprint::answer_within) has it reaped and counted.
#[derive(Debug)]
pub struct IncomingRequest<B = Multipart> {
    /// What the peer asks.
    pub body: B,
    /// How to answer.
    pub responder: Responder,
}

impl<B> IncomingRequest<B> {
    /// Answers; see [`Responder::reply`].
    ///
    /// # Errors
    /// As [`Responder::reply`].
    pub fn reply(self, body: impl Encode) -> Result<()> {
        self.responder.reply(body)
    }
}

impl<B: 'static> Message for IncomingRequest<B> {
    type Result = ();
}

impl<B: Decode + Send> Delivery for IncomingRequest<B> {
    type Raw = IncomingRequest;

    #[inline]
    fn from_raw(raw: IncomingRequest) -> std::result::Result<Self, Undecodable> {
        Ok(Self { body: B::decode(raw.body)?, responder: raw.responder })
    }
}

/// The right to answer one request, once.
#[must_use = "a request whose responder is dropped is never answered"]
pub struct Responder {
    token: Key,
    desk: Option<Arc<ReplyDesk>>,
}

impl Responder {
    pub(crate) const fn new(token: Key, desk: Arc<ReplyDesk>) -> Self {
        Self { token, desk: Some(desk) }
    }

    /// Answers. Success means that the socket has the reply; a peer that has
    /// gone meanwhile is counted and told as
    /// [`EventKind::Unroutable`](super::EventKind::Unroutable).
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) with the reply when the socket is closed,
    /// [`Encode`](ErrorKind::Encode).
    pub fn reply(self, body: impl Encode) -> Result<()> {
        self.answer(body, None)
    }

    /// Answers, and resolves when libzmq has accepted the reply.
    ///
    /// # Errors
    /// As [`reply`](Self::reply); also [`Unroutable`](ErrorKind::Unroutable)
    /// with the peer and the reply when the peer has gone,
    /// [`TimedOut`](ErrorKind::TimedOut) when the request was reaped before, and
    /// [`PeerFull`](ErrorKind::PeerFull), [`Full`](ErrorKind::Full) or
    /// [`Dropped`](ErrorKind::Dropped) by the overflow policy.
    ///
    /// # Cancel safety
    /// The reply is on its way as soon as this is called; dropping the future
    /// only forgoes the confirmation.
    pub fn reply_confirmed(
        self,
        body: impl Encode,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let (told, outcome) = oneshot::channel();
        let queued = self.answer(body, Some(told));
        async move {
            queued?;
            outcome.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed)))
        }
    }

    fn answer(mut self, body: impl Encode, confirm: Option<Confirm>) -> Result<()> {
        let frames = encoded(body)?;
        match self.desk.take() {
            Some(desk) => {
                desk.put(Answer { token: self.token, outcome: Answered::Reply(frames, confirm) })
            }
            None => Err(Error::new(ErrorKind::Closed).with_message(frames)),
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            // A closed desk has forgotten the route already.
            let _ = desk.put(Answer { token: self.token, outcome: Answered::Never });
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("token", &self.token.sequence).finish_non_exhaustive()
    }
}

type Confirm = oneshot::Sender<Result<()>>;

/// What a server did with a request.
#[derive(Debug)]
pub(crate) enum Answered {
    Reply(Multipart, Option<Confirm>),
    Never,
}

/// An answer on its way to the socket.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) token: Key,
    pub(crate) outcome: Answered,
}

/// Where answers wait for the socket. Bounded, because every answer belongs
/// to a request that is outstanding, and those are.
#[derive(Debug, Default)]
pub(crate) struct ReplyDesk {
    state: Mutex<Desk>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Desk {
    answers: Vec<Answer>,
    /// The socket is in its turn, at the end of which it looks: it need not be woken.
    attended: bool,
    closed: bool,
}

impl ReplyDesk {
    fn state(&self) -> MutexGuard<'_, Desk> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, answer: Answer) -> Result<()> {
        let mut desk = self.state();
        if desk.closed {
            let mut error = Error::new(ErrorKind::Closed);
            if let Answered::Reply(frames, _) = answer.outcome {
                error = error.with_message(frames);
            }
            return Err(error);
        }
        desk.answers.push(answer);
        let attended = desk.attended;
        drop(desk);
        if !attended {
            self.waker.wake();
        }
        Ok(())
    }

    /// Exchanges an empty list for the answers since the last call.
    pub(crate) fn swap(&self, answers: &mut Vec<Answer>) {
        std::mem::swap(&mut self.state().answers, answers);
    }

    /// The socket's turn begins. After it, this task is woken by the next answer.
    pub(crate) fn attend(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
        self.state().attended = true;
    }

    /// The socket's turn is over: it has another if answers have come too late for it.
    pub(crate) fn leave(&self) {
        let mut desk = self.state();
        desk.attended = false;
        let late = !desk.answers.is_empty();
        drop(desk);
        if late {
            self.waker.wake();
        }
    }

    /// Refuses answers from now on, and hands out the last ones.
    pub(crate) fn close(&self) -> Vec<Answer> {
        let mut desk = self.state();
        desk.closed = true;
        std::mem::take(&mut desk.answers)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answer(desk: &Arc<ReplyDesk>) {
        let token = Key { place: 0, sequence: 0 };
        assert!(Responder::new(token, Arc::clone(desk)).reply("answer").is_ok());
    }

    #[test]
    fn answers_wake_a_socket_that_would_not_look() {
        let (desk, woken) = (Arc::new(ReplyDesk::default()), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let mut answers = Vec::new();
        let wakes = || woken.0.load(Ordering::Relaxed);

        desk.attend(&waker);
        answer(&desk);
        desk.swap(&mut answers);
        assert_eq!((answers.len(), wakes()), (1, 0));
        answers.clear();
        answer(&desk);
        desk.leave();
        assert_eq!(wakes(), 1, "one came too late for the turn");

        desk.attend(&waker);
        desk.swap(&mut answers);
        desk.leave();
        assert_eq!((answers.len(), wakes()), (1, 1));
        answer(&desk);
        assert_eq!(wakes(), 2, "one came between two turns");

        assert_eq!(desk.close().len(), 1);
        let late = Responder::new(Key { place: 0, sequence: 1 }, desk).reply("late");
        assert!(late.is_err_and(|error| error.message().is_some()));
    }
}
