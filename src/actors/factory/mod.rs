//! The factory: owns the context, opens sockets, knows them, and ends them.

mod builder;
mod registry;
mod shutdown;
mod signal;

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

#[cfg(feature = "metrics")]
use actix::Message;
use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, MessageResult, ResponseFuture, fut,
};
use actix_rt::{Arbiter, System};
use futures::channel::oneshot;

pub use builder::FactoryBuilder;
use registry::Registry;
pub(crate) use signal::Signals;

use super::open::{NamedArbiter, Origin};
use super::pattern::Pattern;
use super::proxy::{Proxy, ProxyBlueprint};
use super::shared::{Family, Shared};
use super::socket::Socket;
use crate::blueprint::Placement;
use crate::engine::deadlines::after;
use crate::error::{Error, ErrorKind, Result};
use crate::messages::{
    Ended, Open, OpenProxy, Shutdown, ShutdownReport, SocketStatus, Status, Watch,
};
use crate::options::{ContextOptions, SocketOption};
use crate::sys;

/// The actor that owns one ZeroMQ context and every socket on it.
///
/// Start one per process (sockets that talk over `inproc://` must share it):
///
/// ```
/// use std::time::Duration;
/// use actix_zmq::prelude::*;
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let zmq = Factory::builder().linger(Duration::from_secs(1)).start();
///     let push = zmq.send(Open(PushSocket::bind("tcp://127.0.0.1:*"))).await??;
///     let report = zmq.send(Shutdown::within(Duration::from_secs(1))).await?;
///     assert_eq!(report.sockets.len(), 1);
///     Ok(())
/// }
/// ```
///
/// It takes [`Open`], [`Status`], [`Watch`], [`Shutdown`] and [`Ended`].
///
/// Dropping its last address instead of a [`Shutdown`] lets go of its sockets:
/// each closes, with its linger and in the background, unless somebody holds
/// its own address. Nothing waits on an arbiter that runs. When the runtime
/// itself has ended, the end of the program waits for the linger at most.
pub struct Factory {
    options: ContextOptions,
    context: Option<sys::Context>,
    registry: Registry,
    arbiters: HashMap<String, Weak<NamedArbiter>>,
    family: Arc<Family>,
    ending: Ending,
    /// Who waits for the end, also before it begins.
    waiting: Vec<oneshot::Sender<ShutdownReport>>,
}

/// How far a shutdown is.
enum Ending {
    Not,
    UnderWay,
    Done(ShutdownReport),
}

impl Factory {
    /// Sets up a factory; every setting has a default.
    pub fn builder() -> FactoryBuilder {
        FactoryBuilder::default()
    }

    pub(super) fn new(options: ContextOptions) -> Self {
        Self {
            options,
            context: None,
            registry: Registry::default(),
            arbiters: HashMap::new(),
            family: Arc::default(),
            ending: Ending::Not,
            waiting: Vec::new(),
        }
    }

    /// The context, made when the first socket needs it.
    fn context(&mut self) -> Result<sys::Context> {
        if let Some(context) = &self.context {
            return Ok(context.clone());
        }
        let settings = self.options.checked()?;
        let farewell = sys::Farewell {
            may_wait: || tokio::runtime::Handle::try_current().is_err(),
            at_most: self.options.linger,
        };
        let context = sys::Context::new(&settings, farewell).map_err(|errno| {
            let kind = if errno == sys::Errno::INVAL {
                ErrorKind::InvalidOption
            } else {
                Error::from_errno(errno).kind()
            };
            Error::new(kind).detail("the ZeroMQ context cannot be made").caused_by(errno)
        })?;
        let (major, minor, patch) = sys::version();
        tracing::debug!(major, minor, patch, "ZeroMQ context made");
        Ok(self.context.insert(context).clone())
    }

    fn open<K: Pattern>(&mut self, Open(blueprint): Open<K>) -> Result<Pending<Socket<K>>> {
        let mut blueprint = blueprint;
        let mistake = blueprint.mistake.take().or_else(|| K::check(&blueprint.setup).err());
        let conflated = blueprint.options.iter().any(|one| *one == SocketOption::Conflate(true));
        let mixed_up = (conflated && !K::conflates(&blueprint.setup)).then(|| {
            let error = Error::new(ErrorKind::InvalidOption);
            error.detail("conflate takes messages of one frame: use another topic framing")
        });
        let mistake = mistake.or(mixed_up);
        let context = self.admit(mistake)?;
        let (placement, arbiter) = self.place(&blueprint.placement)?;
        let shared = Shared::new(
            self.registry.next_id(),
            blueprint.name.clone(),
            K::TYPE,
            blueprint.limits.clone(),
            blueprint.monitored,
            Arc::clone(&self.family),
        );
        #[cfg(feature = "metrics")]
        let shared = shared.serving(K::served(&blueprint.setup));
        let shared = Arc::new(shared);
        self.family.join(&shared);
        let (opener, opened) = oneshot::channel();
        let origin = Origin { context, linger: self.options.linger, arbiter };
        let of_actor = Arc::clone(&shared);
        let address = match placement {
            None => Socket::build(blueprint, origin, of_actor, opener).start(),
            Some(arbiter) => {
                let unborn = Unborn { shared: of_actor, born: false };
                Socket::start_in_arbiter(&arbiter, move |_| {
                    Socket::build(blueprint, origin, unborn.born(), opener)
                })
            }
        };
        self.registry.add(shared, address.clone().recipient());
        Ok((address, opened))
    }

    fn open_proxy(&mut self, blueprint: ProxyBlueprint) -> Result<Pending<Proxy>> {
        let mut blueprint = blueprint;
        let context = self.admit(blueprint.mistake.take())?;
        let name = blueprint.name.clone();
        let shared = Proxy::shared(self.registry.next_id(), name, Arc::clone(&self.family));
        let shared = Arc::new(shared);
        self.family.join(&shared);
        let (opener, opened) = oneshot::channel();
        let of_actor = Arc::clone(&shared);
        let linger = self.options.linger;
        let address = Proxy::build(blueprint, &context, linger, of_actor, opener).start();
        self.registry.add(shared, address.clone().recipient());
        Ok((address, opened))
    }

    /// The context for one socket more, if there may be one.
    fn admit(&mut self, mistake: Option<Error>) -> Result<sys::Context> {
        if !matches!(self.ending, Ending::Not) {
            return Err(Error::new(ErrorKind::Closed).detail("the factory is shut down"));
        }
        mistake.map_or(Ok(()), Err)?;
        let context = self.context()?;
        let most = usize::try_from(self.options.max_sockets).unwrap_or(usize::MAX);
        if self.registry.shared().len() >= most {
            let error = Error::new(ErrorKind::TooManySockets).with_limit(most);
            return Err(error.detail("sockets of this factory"));
        }
        Ok(context)
    }

    /// The arbiter that a blueprint asks for.
    fn place(
        &mut self,
        placement: &Placement,
    ) -> Result<(Option<actix_rt::ArbiterHandle>, Option<Arc<NamedArbiter>>)> {
        match placement {
            Placement::Factory => Ok((None, None)),
            Placement::On(arbiter) => Ok((Some(arbiter.clone()), None)),
            Placement::Named(name) => {
                if let Some(arbiter) = self.arbiters.get(name).and_then(Weak::upgrade) {
                    return Ok((Some(arbiter.0.handle()), Some(arbiter)));
                }
                if System::try_current().is_none() {
                    let error = Error::new(ErrorKind::Unsupported);
                    return Err(error.detail("a named arbiter needs a running actix System"));
                }
                let arbiter = Arc::new(NamedArbiter(Arbiter::new()));
                self.arbiters.insert(name.clone(), Arc::downgrade(&arbiter));
                Ok((Some(arbiter.0.handle()), Some(arbiter)))
            }
        }
    }

    /// Begins the shutdown, or joins the one under way.
    fn shut_down(
        &mut self,
        within: Duration,
        ctx: &mut Context<Self>,
    ) -> ResponseFuture<ShutdownReport> {
        let began = Instant::now();
        let deadline = after(began, within);
        let sockets = self.registry.shared();
        match &self.ending {
            Ending::Done(report) => return Box::pin(ready(report.clone())),
            Ending::UnderWay => {}
            Ending::Not => {
                tracing::info!(sockets = sockets.len(), ?within, "ZeroMQ shutdown begins");
                self.ending = Ending::UnderWay;
                self.registry.last_call();
                let plan = shutdown::Plan {
                    sockets: sockets.clone(),
                    context: self.context.take(),
                    began,
                    deadline,
                    linger: self.options.linger,
                };
                let run = fut::wrap_future::<_, Self>(plan.run());
                ctx.spawn(run.map(|report, factory, _| factory.ended(report)));
            }
        }
        let told = self.tell_at_the_end();
        Box::pin(async move {
            let joined = tokio::time::timeout_at(deadline.into(), told).await;
            match joined {
                Ok(Ok(report)) => report,
                // A later call with a shorter deadline has what is known by then.
                Ok(Err(_)) | Err(_) => shutdown::report(&sockets, false, began),
            }
        })
    }

    fn tell_at_the_end(&mut self) -> oneshot::Receiver<ShutdownReport> {
        let (tell, told) = oneshot::channel();
        self.waiting.retain(|asker| !asker.is_canceled());
        self.waiting.push(tell);
        told
    }

    fn ended(&mut self, report: ShutdownReport) {
        tracing::info!(took = ?report.took, terminated = report.terminated, "ZeroMQ shutdown ends");
        self.registry.clear();
        for asker in self.waiting.drain(..) {
            // Nobody minds if the asker is gone.
            let _ = asker.send(report.clone());
        }
        self.ending = Ending::Done(report);
    }
}

/// Asks for what is known of every socket that is not closed.
#[cfg(feature = "metrics")]
#[derive(Debug)]
pub(crate) struct Sockets;

#[cfg(feature = "metrics")]
impl Message for Sockets {
    type Result = Vec<Arc<Shared>>;
}

#[cfg(feature = "metrics")]
impl Handler<Sockets> for Factory {
    type Result = MessageResult<Sockets>;

    fn handle(&mut self, _: Sockets, _ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.registry.shared())
    }
}

/// An actor's address, and the word that it is open.
type Pending<A> = (Addr<A>, oneshot::Receiver<Result<()>>);

/// A socket that is not made yet. An arbiter that has stopped drops it, and it
/// counts as closed.
struct Unborn {
    shared: Arc<Shared>,
    born: bool,
}

impl Unborn {
    fn born(mut self) -> Arc<Shared> {
        self.born = true;
        Arc::clone(&self.shared)
    }
}

impl Drop for Unborn {
    fn drop(&mut self) {
        if !self.born {
            self.shared.closed(self.shared.report_now(0, true));
        }
    }
}

impl Actor for Factory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(within) = self.options.shutdown_on_signal else { return };
        let participant = signal::Participant::join();
        let Some(mut signals) = Signals::watch() else { return };
        let signal = fut::wrap_future::<_, Self>(async move { signals.next().await });
        ctx.spawn(signal.map(move |name, factory, ctx| {
            tracing::info!(signal = name, "shutting down on a signal");
            let done = fut::wrap_future::<_, Self>(factory.shut_down(within, ctx));
            ctx.spawn(done.map(move |_, _, _| participant.ended()));
        }));
    }
}

impl<K: Pattern> Handler<Open<K>> for Factory {
    type Result = ResponseFuture<Result<Addr<Socket<K>>>>;

    fn handle(&mut self, open: Open<K>, _ctx: &mut Context<Self>) -> Self::Result {
        once_open(self.open(open))
    }
}

impl Handler<OpenProxy> for Factory {
    type Result = ResponseFuture<Result<Addr<Proxy>>>;

    fn handle(&mut self, OpenProxy(proxy): OpenProxy, _ctx: &mut Context<Self>) -> Self::Result {
        once_open(self.open_proxy(proxy))
    }
}

/// The address, when the actor has said that it is open.
fn once_open<A: Actor>(pending: Result<Pending<A>>) -> ResponseFuture<Result<Addr<A>>> {
    let (address, opened) = match pending {
        Ok(pending) => pending,
        Err(error) => return Box::pin(ready(Err(error))),
    };
    Box::pin(async move {
        match opened.await {
            Ok(Ok(())) => Ok(address),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::Closed).detail("the socket's arbiter has stopped")),
        }
    })
}

impl Handler<Status> for Factory {
    type Result = MessageResult<Status>;

    fn handle(&mut self, _: Status, _ctx: &mut Context<Self>) -> Self::Result {
        let status: Vec<SocketStatus> =
            self.registry.shared().iter().map(|socket| socket.status()).collect();
        MessageResult(status)
    }
}

impl Handler<Watch> for Factory {
    type Result = ();

    fn handle(&mut self, Watch(recipient): Watch, _ctx: &mut Context<Self>) {
        self.family.watch(recipient);
    }
}

impl Handler<Shutdown> for Factory {
    type Result = ResponseFuture<ShutdownReport>;

    fn handle(&mut self, shutdown: Shutdown, ctx: &mut Context<Self>) -> Self::Result {
        self.shut_down(shutdown.within, ctx)
    }
}

impl Handler<Ended> for Factory {
    type Result = ResponseFuture<ShutdownReport>;

    fn handle(&mut self, _: Ended, _ctx: &mut Context<Self>) -> Self::Result {
        if let Ending::Done(report) = &self.ending {
            return Box::pin(ready(report.clone()));
        }
        let began = Instant::now();
        let told = self.tell_at_the_end();
        Box::pin(async move {
            // The factory itself is gone: nothing was reported.
            told.await.unwrap_or_else(|_| shutdown::report(&[], false, began))
        })
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("options", &self.options)
            .field("linger", &self.options.linger)
            .finish_non_exhaustive()
    }
}
