//! Many workers behind one endpoint: RFC 6/PPP, the guide's Paranoid Pirate.

mod pool;

use std::fmt;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, MailboxError,
    Message, MessageResult, ResponseFuture, WrapFuture,
};
use futures::channel::oneshot;
use serde::{Deserialize, Serialize};

use self::pool::{Out, Pool};
use crate::actors::{Factory, RouterSocket};
use crate::blueprint::Blueprint;
use crate::codec::Undecodable;
use crate::deliver::{Batch, Delivery};
use crate::endpoint::IntoEndpoint;
use crate::engine::deadlines::after;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::Router;
use crate::messages::{
    Close, ConnectionChange, EventKind, Many, Open, ReceivedFrom, SendTo, SocketEvent, Unsent,
};

/// An actor that spreads the requests of clients over workers.
///
/// Clients are whoever may ask a ROUTER: [`Client`](crate::Client),
/// [`RequestSocket`](crate::RequestSocket), a REQ in any language. Workers are
/// REPLY sockets that [`join`](Blueprint::join), and any other of
/// [RFC 6/PPP](https://rfc.zeromq.org/spec/6/), among them those of the ZeroMQ guide.
///
/// - **By load**: a request goes to the worker that has the least to do, as far
///   as its capacity goes; one that knows RFC 6 alone gets one at a time. While
///   there is no room, requests wait here, up to a bound.
/// - **Nothing is served late**: the deadline of a typed call is kept here, too.
/// - **A worker that is lost**, because its connection ends or three heartbeats
///   are missed, loses no request: those that say that it does no harm
///   ([`idempotent`](crate::Call::idempotent)) go to another, up to three times
///   in all, and the callers of the others are told
///   ([`PeerLost`](ErrorKind::PeerLost)) at once. The first answer is passed on,
///   and no other.
/// - **A worker that closes** gets nothing new, and answers what it has.
///
/// It takes [`AskBroker`] and [`StopBroker`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::prelude::*;
/// use actix_zmq::{Broker, StopBroker};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Message, Serialize, Deserialize)]
/// #[rtype(result = "i64")]
/// struct Add(i64, i64);
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let zmq = Factory::builder().start();
///     let broker = Broker::between("inproc://clients", "inproc://workers").start(&zmq).await?;
///
///     for name in ["one", "two"] {
///         let service = Service::new(name).route(Route::inline(|Add(a, b)| a + b));
///         let worker = ReplySocket::join("inproc://workers").capacity(8).deliver_to(service);
///         zmq.send(Open(worker)).await??;
///     }
///
///     let socket = zmq.send(Open(Client::socket("inproc://clients"))).await??;
///     assert_eq!(Client::new(socket).call(Add(1, 2)).await?, 3);
///
///     let report = broker.send(StopBroker::within(Duration::from_secs(1))).await?;
///     assert_eq!((report.answered, report.lost), (1, 0));
///     zmq.send(Shutdown::within(Duration::from_secs(1))).await?;
///     Ok(())
/// }
/// ```
pub struct Broker {
    /// Absent while they are opened.
    sockets: Option<Sockets>,
    pool: Pool,
    heartbeat: Duration,
    /// What is on its way out: nothing is stopped before it is there.
    sending: usize,
    stopping: Option<Stopping>,
}

#[derive(Clone)]
struct Sockets {
    clients: Addr<RouterSocket>,
    workers: Addr<RouterSocket>,
}

struct Stopping {
    deadline: Instant,
    /// Whether the sockets are being closed.
    is_closing: bool,
    waiting: Vec<oneshot::Sender<BrokerReport>>,
}

/// Sets up a [`Broker`].
#[must_use = "a broker does nothing until it is started"]
#[derive(Debug)]
pub struct BrokerBuilder {
    clients: Blueprint<Router>,
    workers: Blueprint<Router>,
    heartbeat: Duration,
    answer_within: Duration,
    max_waiting: usize,
    resend_all: bool,
}

impl Broker {
    /// A broker that listens at one endpoint for clients and at another for workers.
    pub fn between(clients: impl IntoEndpoint, workers: impl IntoEndpoint) -> BrokerBuilder {
        Self::over(RouterSocket::bind(clients), RouterSocket::bind(workers))
    }

    /// A broker over sockets of one's own description.
    pub const fn over(clients: Blueprint<Router>, workers: Blueprint<Router>) -> BrokerBuilder {
        BrokerBuilder {
            clients,
            workers,
            heartbeat: Duration::from_secs(1),
            answer_within: Duration::from_secs(60),
            max_waiting: 10_000,
            resend_all: false,
        }
    }

    /// Sends what has come together.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        let Some(sockets) = self.sockets.clone() else { return };
        let (mut clients, mut workers) = (Vec::new(), Vec::new());
        for out in self.pool.out.drain(..) {
            match out {
                Out::Client(peer, body) => clients.push(SendTo { peer, body }),
                Out::Worker(peer, body) => workers.push(SendTo { peer, body }),
            }
        }
        if !clients.is_empty() {
            self.sending += 1;
            let sent = sockets.clients.send(Many(clients)).into_actor(self);
            ctx.spawn(sent.map(|unsent, broker, ctx| {
                broker.sending -= 1;
                broker.told(unsent, ctx, |_, error| {
                    // Whoever asked has gone.
                    tracing::debug!(%error, "an answer was not sent");
                });
                broker.stop_when_done(ctx);
            }));
        }
        if !workers.is_empty() {
            self.sending += 1;
            let sent = sockets.workers.send(Many(workers)).into_actor(self);
            ctx.spawn(sent.map(|unsent, broker, ctx| {
                broker.sending -= 1;
                broker.told(unsent, ctx, |pool, error| {
                    let peer = crate::Frame::from(error.peer().unwrap_or_default());
                    let frames = error.into_message().unwrap_or_default();
                    pool.unsent(&peer, &frames, Instant::now());
                });
                broker.flush(ctx);
            }));
        }
        self.stop_when_done(ctx);
    }

    /// What became of messages on their way out.
    fn told(
        &mut self,
        unsent: std::result::Result<std::result::Result<(), Unsent>, MailboxError>,
        ctx: &mut Context<Self>,
        mut refused: impl FnMut(&mut Pool, Error),
    ) {
        match unsent {
            Ok(Ok(())) => {}
            Ok(Err(unsent)) => {
                for error in unsent.into_errors() {
                    refused(&mut self.pool, error);
                }
            }
            // A socket has ended, and so has this.
            Err(_) => ctx.stop(),
        }
    }

    /// Ends when nothing is left to be done, or no time to do it.
    fn stop_when_done(&mut self, ctx: &mut Context<Self>) {
        let Some(stopping) = &mut self.stopping else { return };
        let is_idle = self.pool.given() + self.pool.waiting() + self.sending == 0;
        let is_due = stopping.deadline <= Instant::now();
        if stopping.is_closing || !(is_idle || is_due) {
            return;
        }
        stopping.is_closing = true;
        let left = stopping.deadline.saturating_duration_since(Instant::now());
        self.pool.give_up();
        self.flush(ctx);
        let Some(Sockets { clients, workers }) = self.sockets.clone() else { return ctx.stop() };
        let closed = async move {
            // What was just sent goes first, as far as there is time.
            let _ = clients.send(Close::within(left)).await;
            let _ = workers.send(Close::within(left)).await;
        };
        ctx.spawn(closed.into_actor(self).map(|(), broker, ctx| {
            let report = broker.report();
            let waiting = broker.stopping.take().map(|stopping| stopping.waiting);
            for asker in waiting.into_iter().flatten() {
                let _ = asker.send(report.clone());
            }
            ctx.stop();
        }));
    }

    fn report(&self) -> BrokerReport {
        let counts = self.pool.counts;
        BrokerReport {
            requests: counts.requests,
            answered: counts.answered,
            resent: counts.resent,
            refused: counts.refused,
            expired: counts.expired,
            lost: counts.lost,
            late: counts.late,
            malformed: counts.malformed,
            waiting: self.pool.waiting() as u64,
            workers: self
                .pool
                .workers()
                .map(|(name, capacity, has, is_leaving)| WorkerReport {
                    name: name.escape_ascii().to_string(),
                    capacity: capacity as u64,
                    in_flight: has as u64,
                    is_leaving,
                })
                .collect(),
        }
    }
}

impl BrokerBuilder {
    /// How often workers are told that the broker is there; who is not heard
    /// for three of them is lost. From 10 ms to a year.
    ///
    /// # Default
    /// 1 s, the guide's
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval.clamp(Duration::from_millis(10), LONGEST);
        self
    }

    /// How long a worker may take for a request that has no deadline, or a later
    /// one: then its caller is told that it is too late, and the worker has room
    /// for another.
    ///
    /// # Default
    /// 60 s
    pub const fn answer_within(mut self, time: Duration) -> Self {
        self.answer_within = time;
        self
    }

    /// How many requests may wait for a worker. Beyond them typed calls are
    /// answered as [`Overloaded`](ErrorKind::Overloaded); others, whose callers
    /// would not understand that, are dropped and counted.
    ///
    /// # Default
    /// 10,000
    pub const fn max_waiting(mut self, requests: usize) -> Self {
        self.max_waiting = requests;
        self
    }

    /// Whether requests that are no typed calls, and so do not say whether they
    /// may be served twice, go to another worker when theirs is lost.
    ///
    /// # Default
    /// Off
    pub const fn resend_untyped(mut self, on: bool) -> Self {
        self.resend_all = on;
        self
    }

    /// Opens both sockets and starts the broker, on this arbiter.
    ///
    /// # Errors
    /// As [`Open`]; [`Closed`](ErrorKind::Closed) when the factory has ended.
    ///
    /// # Panics
    /// Outside of Actix's system or tokio's local tasks, as every actor's start.
    pub async fn start(self, factory: &Addr<Factory>) -> Result<Addr<Broker>> {
        let Self { clients, workers, heartbeat, answer_within, max_waiting, resend_all } = self;
        let pool = Pool::new(heartbeat, answer_within, max_waiting, resend_all);
        let broker = Broker { sockets: None, pool, heartbeat, sending: 0, stopping: None }.start();
        let clients = clients.deliver_to(broker.clone().recipient::<Batch<FromClient>>());
        let workers = workers
            .watch(broker.clone().recipient::<SocketEvent>())
            .deliver_to(broker.clone().recipient::<Batch<FromWorker>>());
        // Workers first: who asks finds them.
        let opened = match open(factory, workers).await {
            Ok(workers) => match open(factory, clients).await {
                Ok(clients) => Ok(Sockets { clients, workers }),
                Err(error) => {
                    let _ = workers.send(Close::new()).await;
                    Err(error)
                }
            },
            Err(error) => Err(error),
        };
        let begun = broker.send(Begin(opened.as_ref().ok().cloned())).await;
        opened?;
        begun.map_err(|_| Error::new(ErrorKind::Closed).detail("the broker has ended"))?;
        Ok(broker)
    }
}

async fn open(factory: &Addr<Factory>, socket: Blueprint<Router>) -> Result<Addr<RouterSocket>> {
    let ended = || Error::new(ErrorKind::Closed).detail("the factory has ended");
    factory.send(Open(socket)).await.map_err(|_| ended())?
}

/// The sockets are open, or will never be.
struct Begin(Option<Sockets>);

impl Message for Begin {
    type Result = ();
}

/// What a client has sent.
struct FromClient(ReceivedFrom);

/// What a worker has sent.
struct FromWorker(ReceivedFrom);

macro_rules! delivery {
    ($name:ident) => {
        impl Message for $name {
            type Result = ();
        }

        impl Delivery for $name {
            type Raw = ReceivedFrom;

            fn from_raw(raw: ReceivedFrom) -> std::result::Result<Self, Undecodable> {
                Ok(Self(raw))
            }
        }
    };
}

delivery!(FromClient);
delivery!(FromWorker);

/// The longest heartbeat: what any clock can add.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long after the end of a connection its worker is asked for: libzmq tells
/// of the end before it forgets the peer.
const PROBE: Duration = Duration::from_millis(20);

impl Actor for Broker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(self.heartbeat, Self::beat);
    }
}

impl Broker {
    fn beat(&mut self, ctx: &mut Context<Self>) {
        self.pool.beat(Instant::now());
        self.flush(ctx);
    }
}

impl Handler<Begin> for Broker {
    type Result = ();

    fn handle(&mut self, Begin(sockets): Begin, ctx: &mut Context<Self>) {
        if sockets.is_none() {
            ctx.stop();
        }
        self.sockets = sockets;
        self.flush(ctx);
    }
}

impl Handler<Batch<FromClient>> for Broker {
    type Result = ();

    fn handle(&mut self, batch: Batch<FromClient>, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for FromClient(ReceivedFrom { peer, body }) in batch {
            self.pool.asks(peer, body, now);
        }
        self.flush(ctx);
    }
}

impl Handler<Batch<FromWorker>> for Broker {
    type Result = ();

    fn handle(&mut self, batch: Batch<FromWorker>, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for FromWorker(ReceivedFrom { peer, body }) in batch {
            self.pool.hears(peer, body, now);
        }
        self.flush(ctx);
    }
}

impl Handler<SocketEvent> for Broker {
    type Result = ();

    fn handle(&mut self, event: SocketEvent, ctx: &mut Context<Self>) {
        if let EventKind::Connection(connection) = event.kind
            && connection.change == ConnectionChange::Disconnected
        {
            ctx.run_later(PROBE, Self::beat);
        }
    }
}

/// Asks a [`Broker`] how it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskBroker;

impl Message for AskBroker {
    type Result = BrokerReport;
}

impl Handler<AskBroker> for Broker {
    type Result = MessageResult<AskBroker>;

    fn handle(&mut self, _: AskBroker, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.report())
    }
}

/// Ends a [`Broker`]: it refuses what comes from now on, waits for the answers
/// to what it has given out, answers what is left at the deadline as
/// [`PeerLost`](ErrorKind::PeerLost), and closes its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopBroker {
    within: Duration,
}

impl StopBroker {
    /// By this time from now.
    #[must_use]
    pub const fn within(time: Duration) -> Self {
        Self { within: time }
    }
}

impl Message for StopBroker {
    type Result = BrokerReport;
}

impl Handler<StopBroker> for Broker {
    type Result = ResponseFuture<BrokerReport>;

    fn handle(&mut self, stop: StopBroker, ctx: &mut Context<Self>) -> Self::Result {
        let (tell, told) = oneshot::channel();
        let deadline = after(Instant::now(), stop.within);
        let stopping = self.stopping.get_or_insert_with(|| Stopping {
            deadline,
            is_closing: false,
            waiting: Vec::new(),
        });
        stopping.deadline = stopping.deadline.min(deadline);
        stopping.waiting.push(tell);
        self.pool.close();
        ctx.run_later(stop.within, Self::stop_when_done);
        self.stop_when_done(ctx);
        let last = self.report();
        Box::pin(async move { told.await.unwrap_or(last) })
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// How a [`Broker`] is, or was at its end. Figures are since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BrokerReport {
    /// Requests that came.
    pub requests: u64,
    /// Answers that were passed back.
    pub answered: u64,
    /// Requests that went to another worker because theirs was lost.
    pub resent: u64,
    /// Requests that were refused: too many waited, or the broker was closing.
    pub refused: u64,
    /// Typed calls whose deadline was over before a worker had time.
    pub expired: u64,
    /// Requests whose worker was lost and that could not go to another.
    pub lost: u64,
    /// Answers that came twice, or too late.
    pub late: u64,
    /// Messages that were neither a request nor anything a worker says.
    pub malformed: u64,
    /// Requests that wait for a worker now.
    pub waiting: u64,
    /// The workers that are there now.
    pub workers: Vec<WorkerReport>,
}

/// One worker of a [`Broker`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerReport {
    /// Its routing id, with escapes for what is not text.
    pub name: String,
    /// How many requests it takes at a time.
    pub capacity: u64,
    /// How many it has now.
    pub in_flight: u64,
    /// Whether it takes no more.
    pub is_leaving: bool,
}
