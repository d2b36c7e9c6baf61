//! Who waits for peers or subscribers.

use std::time::Instant;

use actix::{Context, Handler, ResponseFuture};
use futures::channel::oneshot;

use super::pattern::{Inbound, Pattern};
use super::publish::Publishing;
use super::shared::Shared;
use super::socket::Socket;
use crate::engine::deadlines::after;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::Publishes;
use crate::messages::{WaitConnected, WaitSubscribers};
use crate::multipart::Frame;

/// What somebody waits for.
#[derive(Debug)]
enum For {
    Peers,
    Subscribers(Frame),
}

#[derive(Debug)]
struct Waiter {
    what: For,
    count: usize,
    deadline: Instant,
    tell: oneshot::Sender<Result<usize>>,
}

/// Everyone who waits at one socket.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Vec<Waiter>);

impl Waiting {
    fn add(&mut self, waiter: Waiter, shared: &Shared) {
        if self.0.is_empty() {
            shared.family.waits(true);
        }
        self.0.push(waiter);
    }

    /// Tells those for whom it is so, or too late.
    pub(crate) fn look(&mut self, now: Instant, inbound: &impl Inbound, shared: &Shared) {
        if self.0.is_empty() {
            return;
        }
        let peers = shared.peers().unwrap_or(0);
        let waiters = std::mem::take(&mut self.0);
        for waiter in waiters {
            let (there, what) = match &waiter.what {
                For::Peers => (peers, "peers"),
                For::Subscribers(topic) => (inbound.subscribers(topic).unwrap_or(0), "subscribers"),
            };
            // Nobody minds if the asker is gone.
            if there >= waiter.count {
                let _ = waiter.tell.send(Ok(there));
            } else if waiter.deadline <= now {
                let detail = format!("{there} of {} {what} by the deadline", waiter.count);
                let _ = waiter.tell.send(Err(Error::new(ErrorKind::TimedOut).detail(detail)));
            } else if !waiter.tell.is_canceled() {
                self.0.push(waiter);
            }
        }
        if self.0.is_empty() {
            shared.family.waits(false);
        }
    }

    /// When the first of them has waited long enough.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().map(|waiter| waiter.deadline).min()
    }

    /// The socket is closed.
    pub(crate) fn end(&mut self, kind: ErrorKind, shared: &Shared) {
        if self.0.is_empty() {
            return;
        }
        shared.family.waits(false);
        for waiter in self.0.drain(..) {
            let _ = waiter.tell.send(Err(Error::new(kind)));
        }
    }
}

impl<K: Pattern> Socket<K> {
    /// Has somebody wait. The turn that looks follows in the same poll.
    fn wait(
        &mut self,
        what: For,
        count: usize,
        within: std::time::Duration,
    ) -> ResponseFuture<Result<usize>> {
        let (tell, told) = oneshot::channel();
        match self.check_open() {
            Ok(()) => {
                let deadline = after(Instant::now(), within);
                let shared = std::sync::Arc::clone(self.shared());
                self.waiting_mut().add(Waiter { what, count, deadline, tell }, &shared);
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        }
        Box::pin(async move { told.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed))) })
    }
}

fn unsupported(detail: &'static str) -> ResponseFuture<Result<usize>> {
    let error = Error::new(ErrorKind::Unsupported).detail(detail);
    Box::pin(std::future::ready(Err(error)))
}

impl<K: Pattern> Handler<WaitConnected> for Socket<K> {
    type Result = ResponseFuture<Result<usize>>;

    fn handle(&mut self, wait: WaitConnected, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        if self.shared().peers().is_none() {
            return unsupported("the socket was opened with `monitor(false)`");
        }
        self.wait(For::Peers, wait.peers, wait.deadline)
    }
}

impl<K: Publishes + Pattern<Inbound = Publishing>> Handler<WaitSubscribers> for Socket<K> {
    type Result = ResponseFuture<Result<usize>>;

    fn handle(&mut self, wait: WaitSubscribers, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        if self.inbound().subscribers(&wait.topic).is_none() {
            return unsupported("the socket was opened with `count_subscribers(false)`");
        }
        self.wait(For::Subscribers(wait.topic), wait.count, wait.deadline)
    }
}
