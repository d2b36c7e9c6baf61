//! Actors that receive: into an inbox, at once or behind a gate.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use actix::{Actor, ActorContext, Addr, Context, Handler, Message, Recipient, ResponseFuture};
use actix_zmq::{Batch, EventKind, SocketEvent};
use futures::StreamExt;
use futures::channel::mpsc;

/// Everything that arrived, in order.
pub(crate) struct Inbox<T>(mpsc::UnboundedReceiver<T>);

impl<T> Inbox<T> {
    /// The next one.
    pub(crate) async fn next(&mut self) -> T {
        self.0.next().await.expect("whoever fills the inbox is gone")
    }

    /// The next `count`.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            taken.push(self.next().await);
        }
        taken
    }

    /// What is there already.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }

    /// The first that is wanted; the others before it are dropped.
    pub(crate) async fn find<U>(&mut self, mut wanted: impl FnMut(T) -> Option<U>) -> U {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }
}

impl Inbox<SocketEvent> {
    /// The first event that is wanted.
    pub(crate) async fn event<U>(&mut self, mut wanted: impl FnMut(EventKind) -> Option<U>) -> U {
        self.find(|event| wanted(event.kind)).await
    }

    /// The next event of the socket's own life, not of a connection.
    pub(crate) async fn life(&mut self) -> EventKind {
        self.event(|kind| (!matches!(kind, EventKind::Connection(_))).then_some(kind)).await
    }

    /// Waits for the next `Up`.
    pub(crate) async fn up(&mut self) {
        self.event(|kind| matches!(kind, EventKind::Up { .. }).then_some(())).await;
    }
}

/// A closure that fills an inbox.
pub(crate) fn inbox<T: Send + 'static>() -> (impl Fn(T) + Clone + Send + 'static, Inbox<T>) {
    let (sender, receiver) = mpsc::unbounded();
    let fill = move |item| {
        // A test may end before its traffic does.
        let _ = sender.unbounded_send(item);
    };
    (fill, Inbox(receiver))
}

/// An actor that puts what it receives, singly or in batches, into an inbox.
pub(crate) struct Collector<M>(mpsc::UnboundedSender<M>);

/// Starts a [`Collector`] on this arbiter.
pub(crate) fn collector<M>() -> (Addr<Collector<M>>, Inbox<M>)
where
    M: Message<Result = ()> + Send + Unpin + 'static,
{
    let (sender, receiver) = mpsc::unbounded();
    (Collector(sender).start(), Inbox(receiver))
}

/// A watcher of events.
pub(crate) fn events() -> (Recipient<SocketEvent>, Inbox<SocketEvent>) {
    let (watcher, inbox) = collector();
    (watcher.recipient(), inbox)
}

impl<M: Unpin + 'static> Actor for Collector<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Collector<M> {
    type Result = ();

    fn handle(&mut self, message: M, _ctx: &mut Context<Self>) {
        let _ = self.0.unbounded_send(message);
    }
}

impl<M: Unpin + 'static> Handler<Batch<M>> for Collector<M> {
    type Result = ();

    fn handle(&mut self, batch: Batch<M>, _ctx: &mut Context<Self>) {
        for message in batch {
            let _ = self.0.unbounded_send(message);
        }
    }
}

/// Holds up whoever awaits it until it is opened, for one or for all.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<GateState>>);

#[derive(Default)]
struct GateState {
    open: bool,
    permits: usize,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Opens it for good.
    pub(crate) fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Lets `count` pass.
    pub(crate) fn permit(&self, count: usize) {
        self.change(|state| state.permits += count);
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        let mut state = self.0.lock().unwrap();
        change(&mut state);
        for waker in std::mem::take(&mut state.waiting) {
            waker.wake();
        }
    }

    /// Waits until it may pass.
    pub(crate) fn pass(&self) -> impl Future<Output = ()> + Send + 'static {
        Passing(self.clone())
    }
}

struct Passing(Gate);

impl Future for Passing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut state = self.0.0.lock().unwrap();
        if state.open {
            return Poll::Ready(());
        }
        if state.permits > 0 {
            state.permits -= 1;
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// An actor that shows a message at its arrival, and is done with it when the gate lets it pass.
pub(crate) struct Gated<M> {
    gate: Gate,
    arrived: mpsc::UnboundedSender<M>,
}

/// Starts a [`Gated`] on this arbiter.
pub(crate) fn gated<M>() -> (Addr<Gated<M>>, Gate, Inbox<M>)
where
    M: Message<Result = ()> + Send + Unpin + 'static,
{
    let (arrived, receiver) = mpsc::unbounded();
    let gate = Gate::default();
    (Gated { gate: gate.clone(), arrived }.start(), gate, Inbox(receiver))
}

impl<M: Unpin + 'static> Actor for Gated<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Gated<M> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: M, _ctx: &mut Context<Self>) -> ResponseFuture<()> {
        let _ = self.arrived.unbounded_send(message);
        Box::pin(self.gate.pass())
    }
}

/// An actor that ends at the first message.
pub(crate) struct ShortLived;

impl Actor for ShortLived {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()>> Handler<M> for ShortLived {
    type Result = ();

    fn handle(&mut self, _message: M, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
