//! A proxy: two sockets, and a thread that moves messages between them.

mod blueprint;
mod live;

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::thread;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, ResponseFuture, fut};
use futures::channel::oneshot;

pub use blueprint::ProxyBlueprint;
use live::{Asked, Live, count, parse};

use super::alarm::Alarm;
use super::events::Events;
use super::open::Opening;
use super::pattern::Surroundings;
use super::shared::{Family, LastCall, Shared};
use crate::blueprint::{Blueprint, Plan};
use crate::counters::Counter;
use crate::deliver::Receiver;
use crate::endpoint::Endpoint;
use crate::engine::backoff::Backoff;
use crate::engine::deadlines::after;
use crate::engine::tap::Tap;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::{Dealer, Pull, Push, Router, SocketType, XPub, XSub};
use crate::messages::{
    Captured, Close, EventKind, Pause, ProxyStatistics, Resume, SocketId, SocketReport,
    SocketState, Statistics, Watch,
};
use crate::multipart::Multipart;
use crate::options::QueueLimits;
use crate::sys::{self, Errno};

/// Two sockets, between which a thread of their own moves messages at libzmq's
/// speed (as `zmq_proxy_steerable(3)`).
///
/// | Made by | Frontend | Backend | For |
/// |---|---|---|---|
/// | [`queue`](Self::queue) | ROUTER | DEALER | requests to workers, and their replies back |
/// | [`forwarder`](Self::forwarder) | XSUB | XPUB | publications from many to many, and subscriptions back |
/// | [`streamer`](Self::streamer) | PULL | PUSH | jobs from many to many |
///
/// It takes [`Pause`], [`Resume`], [`Statistics`], [`Watch`] and [`Close`], is in
/// the factory's [`Status`](crate::Status) with the endpoints of both sides, and
/// ends with the factory, after the sockets that send. A failure of a side has
/// both opened again by the restart policy.
///
/// Of the two blueprints it takes endpoints, linger and libzmq's own options; a
/// receiver, topics, bounds, watchers and policies are those of actors, which
/// its sides are not.
///
/// What it does not do: unlike a [`RouterSocket`](crate::RouterSocket) its
/// ROUTER drops, as libzmq's does, a reply to a client that is gone or full. What is in
/// libzmq's queues when it ends is sent for the time of the linger.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::prelude::*;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let zmq = Factory::builder().start();
/// let queue = Proxy::queue(
///     RouterSocket::bind("inproc://clients"),
///     DealerSocket::bind("inproc://workers"),
/// );
/// let queue = zmq.send(OpenProxy(queue)).await??;
/// zmq.send(Open(ReplySocket::connect("inproc://workers").on_message(
///     |request: IncomingRequest| {
///         let IncomingRequest { body, responder } = request;
///         let _ = responder.reply(body);
///     },
/// )))
/// .await??;
/// let client = zmq.send(Open(RequestSocket::connect("inproc://clients"))).await??;
/// let reply = client.send(Request::new("hello")).await??;
/// assert_eq!(reply, "hello".into());
/// assert_eq!(queue.send(Statistics).await??.frontend.received, 1);
/// # zmq.send(Shutdown::within(Duration::from_secs(1))).await?;
/// # Ok(())
/// # }
/// ```
pub struct Proxy {
    sides: [Opening; 2],
    capture: Option<Receiver<Captured>>,
    around: Surroundings,
    backoff: Backoff,
    context: Option<sys::Context>,
    opener: Option<oneshot::Sender<Result<()>>>,
    live: Option<Live>,
    was_up: bool,
    reopen_at: Option<Instant>,
    alarm: Alarm,
    gone: bool,
    ended: bool,
    /// It ends in order to be opened again.
    rejoins: bool,
    /// Also when it is opened again.
    paused: bool,
}

impl Proxy {
    /// Requests to workers, spread in turn, and their replies back: ROUTER and DEALER.
    pub fn queue(frontend: Blueprint<Router>, backend: Blueprint<Dealer>) -> ProxyBlueprint {
        ProxyBlueprint::new(frontend, backend)
    }

    /// Publications from many to many, and subscriptions back: XSUB, to which
    /// publishers connect, and XPUB, to which subscribers do.
    pub fn forwarder(frontend: Blueprint<XSub>, backend: Blueprint<XPub>) -> ProxyBlueprint {
        ProxyBlueprint::new(frontend, backend)
    }

    /// Jobs from many to many: PULL and PUSH.
    pub fn streamer(frontend: Blueprint<Pull>, backend: Blueprint<Push>) -> ProxyBlueprint {
        ProxyBlueprint::new(frontend, backend)
    }

    pub(super) fn build(
        blueprint: ProxyBlueprint,
        context: &sys::Context,
        linger: Duration,
        shared: Arc<Shared>,
        opener: oneshot::Sender<Result<()>>,
    ) -> Self {
        let events = Events::new(Arc::clone(&shared), blueprint.watchers);
        Self {
            sides: blueprint.sides.map(|side| Opening {
                context: Some(context.clone()),
                options: side.options,
                linger: side.linger.unwrap_or(linger),
                endpoints: side.endpoints,
                wiring: side.wiring,
                monitored: false,
                busy_poll: Duration::ZERO,
            }),
            capture: blueprint.capture,
            around: Surroundings::new(shared, events),
            backoff: Backoff::new(blueprint.restart),
            context: Some(context.clone()),
            opener: Some(opener),
            live: None,
            was_up: false,
            reopen_at: None,
            alarm: Alarm::default(),
            gone: false,
            ended: false,
            rejoins: false,
            paused: false,
        }
    }

    pub(super) fn shared(id: SocketId, name: Option<String>, family: Arc<Family>) -> Shared {
        Shared::new(id, name, SocketType::Proxy, QueueLimits::default(), false, family)
    }

    fn state(&self) -> SocketState {
        self.around.shared.state()
    }

    /// Opens both sides and starts the thread.
    fn start_thread(&mut self) -> Result<Live> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(context) = self.context.clone() else { return Err(Error::new(ErrorKind::Closed)) };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let tapped = |what: &str| -> Result<(Tap, sys::Socket)> {
            let endpoint = format!("inproc://actix-zmq-{what}-{number}");
            let ours = Tap::open(&context, CAPTURED)?;
            let theirs = sys::Socket::open(&context, sys::SocketType::Pair)
                .and_then(|socket| {
                    socket.set_i32(sys::option::OptionId::LINGER, 0)?;
                    socket.set_i32(sys::option::OptionId::SNDHWM, CAPTURED)?;
                    socket.bind(&endpoint)?;
                    Ok(socket)
                })
                .map_err(Error::from_errno)?;
            ours.connect(&endpoint)?;
            Ok((ours, theirs))
        };
        let (control, mut steered) = tapped("proxy")?;
        let captured = self.capture.as_ref().map(|_| tapped("capture")).transpose()?;
        let (captured, capture) = captured.unzip();
        let [frontend, backend] = &mut self.sides;
        let (frontend, backend) = (frontend.assemble()?, backend.assemble()?);
        let (tell, outcome) = oneshot::channel();
        let shared = Arc::clone(&self.around.shared);
        let work = move || {
            let ended = sys::proxy(frontend, backend, capture, &mut steered);
            // With the socket that steered it: closed now, its last answer might be
            // lost. Nobody minds if the actor is gone.
            let _ = tell.send((ended, steered));
            shared.wake();
        };
        thread::Builder::new().name("zmq-proxy".into()).spawn(work).map_err(Error::from_io)?;
        Ok(Live {
            control,
            captured,
            asked: VecDeque::new(),
            counted: ProxyStatistics::default(),
            outcome,
            told_to_end: false,
        })
    }

    fn open(&mut self) {
        self.reopen_at = None;
        match self.start_thread() {
            Ok(live) => {
                self.live = Some(live);
                self.ended = false;
                if self.paused
                    && let Some(live) = &mut self.live
                {
                    let _ = live.say("PAUSE");
                }
                if std::mem::take(&mut self.was_up) {
                    self.around.count(Counter::Restarts);
                }
                self.around.shared.set_state(SocketState::Up);
                self.backoff.succeeded(Instant::now());
                let endpoints = self.publish_endpoints();
                for door in self.sides.iter().flat_map(Opening::doors) {
                    self.around.shared.family.found(door);
                }
                self.around.events.emit(EventKind::Up { endpoints });
                self.answer_opener(Ok(()));
            }
            Err(error) if self.opener.is_some() || error.kind() == ErrorKind::Closed => {
                self.answer_opener(Err(error));
                self.close();
            }
            Err(error) => self.fail(error),
        }
    }

    fn publish_endpoints(&self) -> Vec<Endpoint> {
        let plans = || self.sides.iter().flat_map(|side| &side.endpoints);
        self.around.shared.set_endpoints(plans().map(Plan::status).collect());
        plans().map(|plan| plan.endpoint().clone()).collect()
    }

    fn answer_opener(&mut self, result: Result<()>) {
        if let Some(opener) = self.opener.take() {
            // Dropping `OpenProxy` does not undo it.
            let _ = opener.send(result);
        }
    }

    /// It failed: open it again later, or give up.
    fn fail(&mut self, reason: Error) {
        let now = Instant::now();
        self.was_up |= self.live.is_some();
        self.leave(now);
        let reason = Arc::new(reason);
        tracing::warn!(proxy = %self.around.shared.id, %reason, "proxy is down");
        self.around.events.emit(EventKind::Down { reason: Arc::clone(&reason) });
        match self.backoff.failed(now, fastrand::f64()) {
            Some(after) => {
                self.around.shared.set_state(SocketState::Down);
                let attempt = self.backoff.attempt();
                self.around.events.emit(EventKind::Restarting { attempt, after });
                self.reopen_at = now.checked_add(after);
            }
            None => {
                self.around.events.emit(EventKind::GaveUp { reason });
                self.close();
            }
        }
    }

    /// Lets go of the thread, and tells the neighbours that nobody is there.
    fn leave(&mut self, now: Instant) {
        if self.live.take().is_some() {
            for door in self.sides.iter().flat_map(Opening::doors) {
                self.around.shared.family.lost(door, now);
            }
        }
    }

    /// A neighbour within the process was gone and is back: libzmq does not
    /// connect again there, so both sides are opened anew.
    fn rejoin(&mut self) {
        let rebound = self.around.shared.take_rebound();
        let is_cut_off = |plan: &Plan| rebound.iter().any(|(at, gone)| plan.is_cut_off(at, *gone));
        if self.sides.iter().flat_map(|side| &side.endpoints).any(is_cut_off) {
            self.rejoins = true;
            if let Some(live) = &mut self.live {
                let _ = live.say("TERMINATE");
            }
        }
    }

    /// The end. A thread that still runs is listened to until its own: it waits
    /// for whoever does not.
    fn close(&mut self) {
        if self.state() == SocketState::Closed {
            return;
        }
        let confirmed = self.live.is_none() || self.ended;
        if confirmed {
            self.leave(Instant::now());
        }
        self.context = None;
        for side in &mut self.sides {
            side.context = None;
        }
        self.reopen_at = None;
        self.around.events.emit(EventKind::Closed);
        self.around.events.finish();
        self.around.shared.closed(self.around.shared.report_now(0, confirmed));
    }

    fn turn(&mut self, ctx: &mut Context<Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.around.shared.register(cx.waker());
        let now = Instant::now();
        if self.reopen_at.is_some_and(|at| at <= now) && self.state() == SocketState::Down {
            self.open();
        }
        if !ctx.connected() && self.around.shared.close_deadline().is_none() {
            drop(self.around.shared.order_close(after(now, self.sides[0].linger), None));
        }
        if self.state() != SocketState::Closed
            && let Some(deadline) = self.around.shared.close_deadline()
        {
            self.end(now >= deadline);
        }
        self.rejoin();
        if let Err(errno) = self.listen(cx) {
            self.ended = true;
            match errno {
                _ if self.state() == SocketState::Closed => self.leave(now),
                None if std::mem::take(&mut self.rejoins) => {
                    let error = Error::new(ErrorKind::Restarting);
                    self.fail(error.detail("a neighbour within this process was opened again"));
                }
                None | Some(Errno::TERM) => self.close(),
                Some(_) if self.state() == SocketState::Closing => self.close(),
                Some(errno) => self.fail(Error::from_errno(errno)),
            }
        }
        self.around.report_losses();
        self.around.events.poll(cx);
        if self.state() == SocketState::Closed {
            return if self.live.is_none() { Poll::Ready(()) } else { Poll::Pending };
        }
        let due = [self.reopen_at, self.around.shared.close_deadline()];
        self.alarm.set(due.into_iter().flatten().min(), ctx, &self.around.shared);
        Poll::Pending
    }

    /// Has the thread end, and does not wait for it beyond the deadline.
    fn end(&mut self, due: bool) {
        self.answer_opener(Err(Error::new(ErrorKind::Closed)));
        if self.live.is_some() {
            self.around.shared.set_state(SocketState::Closing);
        }
        if let Some(live) = &mut self.live
            && !std::mem::replace(&mut live.told_to_end, true)
        {
            // The last figures come before the end. What fails here, the thread
            // has found out as well.
            let _ = live.steer(None, Asked::Nobody).and_then(|()| live.say("TERMINATE"));
        }
        if due || self.live.is_none() {
            self.close();
        }
    }

    /// Takes what the thread says. An error is its end, with the reason if there is one.
    fn listen(&mut self, cx: &mut TaskContext<'_>) -> std::result::Result<(), Option<Errno>> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let Live { control, asked, counted, captured, outcome, told_to_end } = live;
        let around = &mut self.around;
        let shared = Arc::clone(&around.shared);
        // First, so that what was said before the end is heard before it.
        let outcome = outcome.try_recv();
        let mut hear = |frames: Multipart| {
            let statistics = parse(&frames);
            count(&shared, counted, &statistics);
            // Nobody minds if the asker is gone.
            match asked.pop_front() {
                Some(Asked::Statistics(asker)) => drop(asker.send(Ok(statistics))),
                Some(Asked::Done(asker)) => drop(asker.send(Ok(()))),
                Some(Asked::Nobody) | None => {}
            }
        };
        control.drain(cx, &mut hear).map_err(Some)?;
        if let Ok(Some(_)) = outcome {
            // The thread is faster than the news that its answer is there.
            while let Some(frames) = control.receive().map_err(Some)? {
                hear(frames);
            }
        }
        if let (Some(captured), Some(receiver)) = (captured, &mut self.capture) {
            // Once it is to end, whoever is slow must not hold it up.
            while *told_to_end || around.room(receiver, &mut self.gone, cx) > 0 {
                match captured.poll_receive(cx).map_err(Some)? {
                    Poll::Ready(frames) if *told_to_end => {
                        drop(frames);
                        around.count(Counter::Undelivered);
                    }
                    Poll::Ready(frames) => {
                        around.shielded(|around| {
                            around.delivered(receiver.deliver(Captured(frames)));
                        });
                        // The receiver may be broken; the proxy is not.
                        around.failure = None;
                    }
                    Poll::Pending => break,
                }
            }
            receiver.flush();
        }
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some((Ok(()), _))) | Err(_) => Err(None),
            Ok(Some((Err(errno), _))) => Err(Some(errno)),
        }
    }

    /// Steers the thread.
    fn steer<T: Send + 'static>(
        &mut self,
        command: Option<&'static str>,
        asked: fn(oneshot::Sender<Result<T>>) -> Asked,
    ) -> ResponseFuture<Result<T>> {
        let (tell, told) = oneshot::channel();
        let closing = matches!(self.state(), SocketState::Closing | SocketState::Closed);
        let steered = match &mut self.live {
            _ if closing => Err(Error::new(ErrorKind::Closed)),
            None => Err(Error::new(ErrorKind::Restarting)),
            Some(live) => live.steer(command, asked(tell)).map_err(Error::from_errno),
        };
        Box::pin(async move {
            steered?;
            told.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed)))
        })
    }
}

impl Actor for Proxy {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.open();
        ctx.spawn(Driver);
    }
}

/// How many captured messages wait, on either side, before the proxy does.
const CAPTURED: i32 = 500;

/// Polls the proxy's turn as long as the actor lives.
struct Driver;

impl fut::ActorFuture<Proxy> for Driver {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        proxy: &mut Proxy,
        ctx: &mut Context<Proxy>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        proxy.turn(ctx, task)
    }
}

impl Handler<Pause> for Proxy {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: Pause, _ctx: &mut Context<Self>) -> Self::Result {
        self.paused = true;
        self.steer(Some("PAUSE"), Asked::Done)
    }
}

impl Handler<Resume> for Proxy {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: Resume, _ctx: &mut Context<Self>) -> Self::Result {
        self.paused = false;
        self.steer(Some("RESUME"), Asked::Done)
    }
}

impl Handler<Statistics> for Proxy {
    type Result = ResponseFuture<Result<ProxyStatistics>>;

    fn handle(&mut self, _: Statistics, _ctx: &mut Context<Self>) -> Self::Result {
        self.steer(None, Asked::Statistics)
    }
}

impl Handler<Watch> for Proxy {
    type Result = ();

    fn handle(&mut self, Watch(recipient): Watch, _ctx: &mut Context<Self>) {
        self.around.events.watch(recipient);
    }
}

impl Handler<LastCall> for Proxy {
    type Result = ();

    fn handle(&mut self, _: LastCall, _ctx: &mut Context<Self>) {
        // What it moves is not in its mailbox.
    }
}

impl Handler<Close> for Proxy {
    type Result = ResponseFuture<Result<SocketReport>>;

    fn handle(&mut self, close: Close, _ctx: &mut Context<Self>) -> Self::Result {
        let linger = self.sides.iter().map(|side| side.linger).max().unwrap_or_default();
        let deadline = after(Instant::now(), close.within.unwrap_or(linger));
        let told = self.around.shared.order_close(deadline, None);
        Box::pin(async move { told.await.map_err(|_| Error::new(ErrorKind::Closed)) })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The arbiter ends first: the thread is told, and left to itself.
        if self.state() != SocketState::Closed {
            self.end(false);
            self.close();
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("id", &self.around.shared.id).finish_non_exhaustive()
    }
}
