//! Many messages in one mailbox message.

use std::fmt;
use std::pin::Pin;

use actix::Message;
use futures::Stream;

use crate::error::{Error, Result};

/// Sends many messages with the cost of one mailbox message.
///
/// `M` is what the socket takes one by one: [`Push`](crate::Push),
/// [`Publish`](crate::Publish), [`SendMessage`](crate::SendMessage) or
/// [`SendTo`](crate::SendTo). They leave in order, between what was sent before
/// and what is sent after. Each is for itself: one that is refused does not
/// hold back the others.
///
/// Resolves when libzmq has accepted or the socket refused each of them.
/// The outbound queue's bounds count every message, so a batch that is larger
/// than what libzmq and the queue take is refused in part; [`Feed`] waits
/// instead.
///
/// # Errors
/// [`Unsent`]: an error for each message that was not accepted, as it would be
/// when sent alone, with the message in it.
///
/// # Cancel safety
/// Dropping the future takes nothing back once the socket has it.
///
/// # Examples
/// ```
/// use actix_zmq::prelude::*;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let zmq = Factory::builder().start();
/// # zmq.send(Open(PullSocket::bind("inproc://jobs").on_message(|_: Pulled| {}))).await??;
/// let jobs = zmq.send(Open(PushSocket::connect("inproc://jobs"))).await??;
/// jobs.send(Many::from_iter((1..=100).map(|n: u32| Push(Json(n))))).await??;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Many<M>(pub Vec<M>);

impl<M> From<Vec<M>> for Many<M> {
    fn from(messages: Vec<M>) -> Self {
        Self(messages)
    }
}

impl<M> FromIterator<M> for Many<M> {
    fn from_iter<I: IntoIterator<Item = M>>(messages: I) -> Self {
        Self(messages.into_iter().collect())
    }
}

impl<M: 'static> Message for Many<M> {
    type Result = std::result::Result<(), Unsent>;
}

/// Those of [`Many`] messages that libzmq has not accepted: an error for each,
/// in the order in which they were given up, with the message in it.
#[derive(Debug, thiserror::Error)]
#[error("{} messages were not sent, the first: {}", errors.len(), First(errors))]
pub struct Unsent {
    errors: Vec<Error>,
}

struct First<'a>(&'a [Error]);

impl fmt::Display for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |error| error.fmt(f))
    }
}

impl Unsent {
    pub(crate) const fn new(errors: Vec<Error>) -> Self {
        Self { errors }
    }

    /// The errors, at least one.
    #[must_use]
    pub fn errors(&self) -> &[Error] {
        &self.errors
    }

    /// The errors, at least one, to take the messages out of them.
    #[must_use]
    pub fn into_errors(self) -> Vec<Error> {
        self.errors
    }
}

/// Sends what a stream yields, as fast as libzmq takes it and no faster.
///
/// The socket itself asks the stream for the next message, when nothing that
/// was sent before waits in its queue and libzmq has room: no mailbox message,
/// no queue, and backpressure up to the stream's source. What others send
/// meanwhile goes between. Several feeds take turns. A socket that is down asks
/// for nothing, and goes on when it is up.
///
/// `M` is what the socket takes one by one: [`Push`](crate::Push),
/// [`Publish`](crate::Publish), [`SendMessage`](crate::SendMessage) or
/// [`SendTo`](crate::SendTo). At a ROUTER's peer that is full, the feed
/// waits, and the others go on.
///
/// The stream is polled on the socket's arbiter and must not block it. An
/// iterator becomes a stream with `futures::stream::iter`.
///
/// Resolves when the stream has ended and libzmq has accepted all of it, to the
/// number of messages.
///
/// # Errors
/// The feed ends, and the rest of the stream is dropped unasked:
/// [`Closed`](crate::ErrorKind::Closed) when the socket begins to close,
/// [`Unroutable`](crate::ErrorKind::Unroutable),
/// [`InvalidMessage`](crate::ErrorKind::InvalidMessage) and
/// [`Encode`](crate::ErrorKind::Encode) for a message that cannot be sent,
/// [`Panicked`](crate::ErrorKind::Panicked) when the stream does. A message
/// that was taken from the stream and not accepted is in the error.
///
/// # Cancel safety
/// Dropping the future does not end the feed.
///
/// # Examples
/// ```
/// use actix_zmq::prelude::*;
/// use futures::stream;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let zmq = Factory::builder().start();
/// # zmq.send(Open(PullSocket::bind("inproc://rows").on_message(|_: Pulled| {}))).await??;
/// let rows = zmq.send(Open(PushSocket::connect("inproc://rows"))).await??;
/// let sent = rows.send(Feed::new(stream::iter((0..5_000_u32).map(|n| Push(Json(n)))))).await??;
/// assert_eq!(sent, 5_000);
/// # Ok(())
/// # }
/// ```
pub struct Feed<M> {
    pub(crate) stream: Pin<Box<dyn Stream<Item = M> + Send>>,
}

impl<M> Feed<M> {
    /// Of what a stream yields.
    #[must_use]
    pub fn new(stream: impl Stream<Item = M> + Send + 'static) -> Self {
        Self { stream: Box::pin(stream) }
    }
}

impl<M> fmt::Debug for Feed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl<M: 'static> Message for Feed<M> {
    type Result = Result<u64>;
}
