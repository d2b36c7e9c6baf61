//! A handle to the services behind one socket, and a recipient of one message.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use actix::prelude::SendError;
use actix::{Addr, MailboxError, Recipient};

use super::DefaultFormat;
use super::body::{Bodies, Remote, Sendable};
use super::call::Call;
use super::relay::OpenRelay;
use super::retry::Retry;
use super::stats::{Info, Ping, ServiceInfo, ServiceStats, Stats};
use crate::actors::RequestSocket;
use crate::blueprint::Blueprint;
use crate::codec::Format;
use crate::endpoint::IntoEndpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds;
use crate::messages::Timeout;
use crate::multipart::Multipart;

/// How long a call waits for a peer to be connected, by default.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(1);
/// How long a call waits for its result, by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Calls services: a handle that is cheap to clone, for any thread, with what
/// most calls have in common.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Message, Serialize, Deserialize)]
/// # #[rtype(result = "Result<i64, String>")]
/// # struct Divide(i64, i64);
///
/// async fn divide(zmq: &Addr<Factory>) -> Result<(), Box<dyn std::error::Error>> {
///     let socket = zmq.send(Open(Client::socket("tcp://127.0.0.1:5555"))).await??;
///     let calculator = Client::new(socket).timeout(Duration::from_secs(2));
///
///     match calculator.call(Divide(7, 2)).await? {
///         Ok(quotient) => println!("{quotient}"),
///         Err(refusal) => println!("the handler says {refusal:?}"),
///     }
///     println!("served by {}", calculator.info().await?.name);
///     Ok(())
/// }
/// ```
pub struct Client<F: Format = DefaultFormat> {
    socket: Addr<RequestSocket>,
    timeout: Timeout,
    retry: Option<Box<Retry>>,
    format: PhantomData<fn(F)>,
}

impl Client {
    /// A socket for calls: it keeps calls in its own queue until somebody is
    /// connected, fails fast where nobody is
    /// ([`unreachable_after`](Blueprint::unreachable_after) a second), and has a
    /// [`timeout`](Blueprint::timeout) of 30 s.
    ///
    /// With further endpoints libzmq gives calls also to those where nobody is,
    /// as long as somebody is elsewhere; they wait there for their timeout. For
    /// many services take a [`Broker`](crate::Broker), or a client for each.
    pub fn socket(endpoint: impl IntoEndpoint) -> Blueprint<kinds::Request> {
        RequestSocket::connect(endpoint).unreachable_after(UNREACHABLE_AFTER).timeout(TIMEOUT)
    }

    /// Calls through this socket, in [`MessagePack`](crate::MessagePack), with its timeout.
    #[must_use]
    pub const fn new(socket: Addr<RequestSocket>) -> Self {
        Self { socket, timeout: Timeout::Socket, retry: None, format: PhantomData }
    }

    /// Calls in another format, which must be the service's.
    #[must_use]
    pub fn codec<F: Format>(self) -> Client<F> {
        Client {
            socket: self.socket,
            timeout: self.timeout,
            retry: self.retry,
            format: PhantomData,
        }
    }
}

impl<F: Format> Client<F> {
    /// How long calls wait; see [`Call::timeout`].
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Timeout::After(timeout);
        self
    }

    /// How calls are made again; see [`Call::retry`].
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(Box::new(retry));
        self
    }

    /// The socket that calls go through.
    #[must_use]
    pub const fn addr(&self) -> &Addr<RequestSocket> {
        &self.socket
    }

    /// Calls the actor that serves this message.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancel safety
    /// As [`Call`].
    pub async fn call<M: Remote>(&self, message: M) -> Result<M::Result> {
        self.send(Call::<M, F>::of(message)).await
    }

    /// Makes a call with settings of its own, which go before those of the client.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancel safety
    /// As [`Call`].
    pub async fn send<M: Sendable, B: Bodies<M>>(&self, call: Call<M, B>) -> Result<M::Result> {
        answer_of(self.socket.send(self.with_defaults(call)).await)
    }

    /// Calls with frames, as they are.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancel safety
    /// As [`Call`].
    pub async fn frames(
        &self,
        name: impl Into<Cow<'static, str>>,
        frames: impl Into<Multipart>,
    ) -> Result<Multipart> {
        self.send(Call::frames(name, frames)).await
    }

    /// How long a service takes to answer nothing at all.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancel safety
    /// As [`Call`].
    pub async fn ping(&self) -> Result<Duration> {
        let asked = Instant::now();
        self.call(Ping {}).await?;
        Ok(asked.elapsed())
    }

    /// Who serves.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancel safety
    /// As [`Call`].
    pub async fn info(&self) -> Result<ServiceInfo> {
        self.call(Info {}).await
    }

    /// How the service is.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancel safety
    /// As [`Call`].
    pub async fn stats(&self) -> Result<ServiceStats> {
        self.call(Stats {}).await
    }

    /// A recipient of one message, under the client's settings.
    #[must_use]
    pub fn recipient<M: Remote>(&self) -> RemoteRecipient<M, F> {
        RemoteRecipient {
            client: self.clone(),
            name: None,
            idempotent: false,
            message: PhantomData,
        }
    }

    fn with_defaults<M, B>(&self, mut call: Call<M, B>) -> Call<M, B> {
        if call.timeout == Timeout::Socket {
            call.timeout = self.timeout;
        }
        if call.retry.is_none() {
            call.retry = self.retry.clone();
        }
        call
    }
}

/// What an actor answered that may be gone.
pub(super) fn answer_of<T>(answer: std::result::Result<Result<T>, MailboxError>) -> Result<T> {
    answer.unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed).detail("the socket has ended")))
}

impl<F: Format> Clone for Client<F> {
    fn clone(&self) -> Self {
        Self {
            socket: self.socket.clone(),
            timeout: self.timeout,
            retry: self.retry.clone(),
            format: PhantomData,
        }
    }
}

impl<F: Format> fmt::Debug for Client<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("codec", &F::NAME)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// An actor elsewhere that takes one message, with the methods of a
/// [`Recipient`]; made by [`Client::recipient`].
///
/// | | a local `Recipient<M>` | this |
/// |---|---|---|
/// | `send` | fails when the actor is gone | fails with all that a [`Call`] can |
/// | `try_send` | gives the message back when the mailbox is full or closed | the same, of the socket's mailbox; what happens after that is not told |
/// | `do_send` | the message is lost when the mailbox is closed | the same, and when it does not get there |
///
/// Code that wants a real `Recipient<M>` gets one from
/// [`into_recipient`](Self::into_recipient).
pub struct RemoteRecipient<M, F: Format = DefaultFormat> {
    client: Client<F>,
    name: Option<Cow<'static, str>>,
    idempotent: bool,
    message: PhantomData<fn(M)>,
}

impl<M: Remote, F: Format> RemoteRecipient<M, F> {
    /// Under another name; see [`Call::name`].
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Marks its calls; see [`Call::idempotent`].
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sends a message, and resolves with its result.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancel safety
    /// As [`Call`].
    pub async fn send(&self, message: M) -> Result<M::Result> {
        answer_of(self.client.socket.send(self.call(message)).await)
    }

    /// Sends a message if the socket's mailbox has room, and forgets about it.
    ///
    /// # Errors
    /// When the socket's mailbox is full or closed, with the message.
    pub fn try_send(&self, message: M) -> std::result::Result<(), SendError<M>> {
        self.client.socket.try_send(self.call(message)).map_err(|refused| match refused {
            SendError::Full(call) => SendError::Full(call.into_message()),
            SendError::Closed(call) => SendError::Closed(call.into_message()),
        })
    }

    /// Sends a message whatever the socket's mailbox holds, and forgets about it.
    pub fn do_send(&self, message: M) {
        self.client.socket.do_send(self.call(message));
    }

    /// A `Recipient<M>` for code that wants one. It belongs to a small actor
    /// beside the socket, with at most 1,024 calls under way; beyond that its
    /// mailbox fills as that of any busy actor.
    ///
    /// A recipient resolves with `M::Result` or with a `MailboxError`, which has
    /// no room for what can go wrong on the way: a call that fails resolves with
    /// `MailboxError::Closed`, and the error is logged as a warning. With
    /// [`into_recipient_or`](Self::into_recipient_or) it becomes a result.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) when the socket has ended.
    pub async fn into_recipient(self) -> Result<Recipient<M>> {
        self.relay(None).await
    }

    /// The same, with a closure that makes a result of an error.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) when the socket has ended.
    ///
    /// # Examples
    /// ```
    /// # use actix::prelude::*;
    /// # use actix_zmq::{Client, Error};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Message, Serialize, Deserialize)]
    /// #[rtype(result = "Result<i64, String>")]
    /// struct Divide(i64, i64);
    ///
    /// async fn divider(client: &Client) -> Result<Recipient<Divide>, Error> {
    ///     client.recipient().into_recipient_or(|error| Err(error.to_string())).await
    /// }
    /// ```
    pub async fn into_recipient_or(
        self,
        result_of: impl FnMut(Error) -> M::Result + Send + 'static,
    ) -> Result<Recipient<M>> {
        self.relay(Some(Box::new(result_of))).await
    }

    async fn relay(
        self,
        result_of: Option<Box<dyn FnMut(Error) -> M::Result + Send>>,
    ) -> Result<Recipient<M>> {
        let socket = self.client.socket.clone();
        let opened = socket.send(OpenRelay { recipient: self, result_of }).await;
        opened.map_err(|_| Error::new(ErrorKind::Closed).detail("the socket has ended"))
    }

    pub(super) fn call(&self, message: M) -> Call<M, F> {
        let mut call = self.client.with_defaults(Call::of(message));
        call.idempotent = self.idempotent;
        match &self.name {
            Some(name) => call.name(name.clone()),
            None => call,
        }
    }

    pub(super) const fn socket(&self) -> &Addr<RequestSocket> {
        &self.client.socket
    }
}

impl<M, F: Format> Clone for RemoteRecipient<M, F> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            name: self.name.clone(),
            idempotent: self.idempotent,
            message: PhantomData,
        }
    }
}

impl<M, F: Format> fmt::Debug for RemoteRecipient<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRecipient")
            .field("client", &self.client)
            .field("name", &self.name)
            .field("idempotent", &self.idempotent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_go_anywhere() {
        fn check<T: Send + Sync + Clone + 'static>() {}
        check::<Client>();
        check::<RemoteRecipient<Ping>>();
    }
}
