//! The order in which HTTP and ZeroMQ end.

use std::fmt;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::Addr;
use actix_http::Request;
use actix_service::{IntoServiceFactory, Service as HttpService, ServiceFactory};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Response, Server};
use actix_web::{Error as WebError, HttpServer};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::actors::{Factory, Signals};
use crate::messages::{Shutdown, ShutdownReport};

/// Runs an HTTP server in front of a factory's sockets, and ends both in order.
///
/// It ends with SIGINT or SIGTERM, with [`Ending::begin`], or when the server
/// ends by itself:
///
/// 1. [`Health`](super::Health) says that the program is not ready, for as long
///    as [`notice`](Self::notice) says, while everything is served as before.
/// 2. The server takes no more connections; what [`ends`](Self::ends) names is
///    ended; requests under way are answered, within [`http`](Self::http).
/// 3. The factory [shuts down](Shutdown), within [`zmq`](Self::zmq): what is
///    queued leaves, open requests are answered, the context terminates.
///
/// A further signal cuts short what is under way: the notice and the requests,
/// or the flushing of the sockets. What was lost by that is in the report.
///
/// HTTP's workers have arbiters of their own, and the factory's sockets are
/// where they were opened. Leave the factory's
/// [`shutdown_on_signal`](crate::FactoryBuilder::shutdown_on_signal) off, or the
/// sockets end while requests need them.
///
/// # Examples
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use actix_zmq::prelude::*;
/// use actix_zmq::web::Serve;
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let zmq = Factory::builder().start();
///     // Sockets, clients, health …
///     let server = HttpServer::new(|| App::new().route("/", web::get().to(|| async { "hello" })));
///     let report = Serve::new(zmq).run(server.bind("127.0.0.1:8080")?).await?;
///     println!("{report}");
///     Ok(())
/// }
/// ```
#[must_use = "nothing is served until `run`"]
pub struct Serve {
    factory: Addr<Factory>,
    ending: Ending,
    ends: Vec<Box<dyn FnOnce()>>,
    notice: Duration,
    http: Duration,
    zmq: Duration,
    half_closed: bool,
}

impl Serve {
    /// Ends this factory after HTTP.
    pub fn new(factory: Addr<Factory>) -> Self {
        Self {
            factory,
            ending: Ending::default(),
            ends: Vec::new(),
            notice: Duration::ZERO,
            http: Duration::from_secs(30),
            zmq: Duration::from_secs(5),
            half_closed: false,
        }
    }

    /// What begins the end from within the program, and knows when it has begun.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Is called when the server is told to take no more connections. Responses that
    /// would never end, such as streams, are to end here, or else they are cut
    /// off when [`http`](Self::http) is over.
    pub fn ends(mut self, what: impl FnOnce() + 'static) -> Self {
        self.ends.push(Box::new(what));
        self
    }

    /// How long the program goes on serving after it said that it is not ready,
    /// so that load balancers can look elsewhere before connections are refused.
    ///
    /// # Default
    /// Not at all
    pub const fn notice(mut self, time: Duration) -> Self {
        self.notice = time;
        self
    }

    /// How long requests under way may take to be answered, in whole seconds
    /// (actix-web knows no others), rounded up.
    ///
    /// # Default
    /// 30 s, as actix-web
    pub const fn http(mut self, within: Duration) -> Self {
        self.http = within;
        self
    }

    /// How long the sockets may take to flush and close: see [`Shutdown::within`].
    ///
    /// # Default
    /// 5 s
    pub const fn zmq(mut self, within: Duration) -> Self {
        self.zmq = within;
        self
    }

    /// Whether a client that closes its sending direction still gets its response.
    /// Then a handler runs on, and so does its call, when a client closes its
    /// connection: both look alike. It is the server's `h1_allow_half_closed`.
    ///
    /// # Default
    /// No: a client that goes takes its calls along
    pub const fn half_closed(mut self, allowed: bool) -> Self {
        self.half_closed = allowed;
        self
    }

    /// Serves until the end, and returns when all of it is done.
    ///
    /// The server's own handling of signals and its `shutdown_timeout` are
    /// replaced; workers, limits and addresses are as the server has them.
    ///
    /// # Errors
    /// The server's own, such as that its workers cannot be started. The factory
    /// has been shut down then, too.
    ///
    /// # Cancel safety
    /// Dropping it cuts off the requests under way, and leaves the factory as it is.
    pub async fn run<F, I, S, B>(self, server: HttpServer<F, I, S, B>) -> io::Result<Served>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<WebError> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as HttpService<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let seconds = self.http.as_millis().div_ceil(1_000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let half_closed = self.half_closed;
        let server = server
            .disable_signals()
            .shutdown_timeout(seconds)
            .h1_allow_half_closed(half_closed)
            .run();
        self.until_the_end(server).await
    }

    async fn until_the_end(self, server: Server) -> io::Result<Served> {
        let mut signals = Signals::watch();
        let handle = server.handle();
        let mut server = Box::pin(server);
        let (reason, ended) = tokio::select! {
            ended = &mut server => (Reason::Server, Some(ended)),
            name = next(&mut signals) => (Reason::Signal(name), None),
            () = self.ending.begun() => (Reason::Asked, None),
        };
        self.ending.begin();
        tracing::info!(%reason, notice = ?self.notice, "the end of HTTP begins");
        let hurried = ended.is_none()
            && self.notice > Duration::ZERO
            && tokio::select! {
                () = sleep(self.notice) => false,
                _ = next(&mut signals) => true,
            };
        // The order goes its way; the server itself is awaited below.
        drop(handle.stop(true));
        self.ends.into_iter().for_each(|end| end());
        let began = Instant::now();
        let http = match &ended {
            Some(_) => HttpEnd::Finished,
            None if hurried => HttpEnd::CutOff,
            None => tokio::select! {
                // It cuts off what is left when its own time is over.
                _ = &mut server => {
                    let in_time = began.elapsed() < self.http;
                    if in_time { HttpEnd::Finished } else { HttpEnd::TimedOut }
                }
                _ = next(&mut signals) => HttpEnd::CutOff,
            },
        };
        drop(server);
        tracing::info!(%http, "HTTP has ended");
        let done = self.factory.send(Shutdown::within(self.zmq));
        let zmq = tokio::select! {
            report = done => report.ok(),
            _ = next(&mut signals) => self.factory.send(Shutdown::within(Duration::ZERO)).await.ok(),
        };
        ended.transpose()?;
        Ok(Served { reason, http, zmq })
    }
}

/// The next signal, if any can be watched.
async fn next(signals: &mut Option<Signals>) -> &'static str {
    match signals {
        Some(signals) => signals.next().await,
        None => pending().await,
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("ending", &self.ending)
            .field("notice", &self.notice)
            .field("http", &self.http)
            .field("zmq", &self.zmq)
            .field("half_closed", &self.half_closed)
            .finish_non_exhaustive()
    }
}

/// The end of a [`Serve`], from anywhere in the program: a cheap clone for any thread.
#[derive(Clone, Default)]
pub struct Ending(Arc<State>);

#[derive(Default)]
struct State {
    begun: AtomicBool,
    tell: Notify,
}

impl Ending {
    /// Begins the end, as a signal does. Once is enough.
    pub fn begin(&self) {
        self.0.begun.store(true, Ordering::Release);
        self.0.tell.notify_waiters();
    }

    /// Whether the end has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Resolves when the end has begun: for responses that would never end.
    ///
    /// # Cancel safety
    /// It may be dropped and asked for again.
    pub async fn begun(&self) {
        let told = self.0.tell.notified();
        if !self.has_begun() {
            told.await;
        }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("begun", &self.has_begun()).finish()
    }
}

/// Why a [`Serve`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The process was sent this signal.
    Signal(&'static str),
    /// By [`Ending::begin`].
    Asked,
    /// The server ended by itself, or something else stopped it.
    Server,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Signal(name) => name,
            Self::Asked => "asked to",
            Self::Server => "the server stopped",
        })
    }
}

/// How HTTP has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpEnd {
    /// All requests under way were answered.
    Finished,
    /// Some were not when the time was over, and were cut off, or answered 503 when
    /// the sockets closed.
    TimedOut,
    /// A further signal came before all were. They are told that the sockets have
    /// closed, or cut off when the process ends.
    CutOff,
}

impl fmt::Display for HttpEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Finished => "all requests answered",
            Self::TimedOut => "requests cut off when the time was over",
            Self::CutOff => "requests cut off by a further signal",
        })
    }
}

/// What [`Serve::run`] has to tell at the end. `Display` writes it for people,
/// in several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Why it ended.
    pub reason: Reason,
    /// How HTTP ended.
    pub http: HttpEnd,
    /// How the sockets ended; nothing when the factory was gone before.
    pub zmq: Option<ShutdownReport>,
}

impl Served {
    /// Whether every request was answered, and the sockets' report is
    /// [clean](ShutdownReport::is_clean).
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.http == HttpEnd::Finished && self.zmq.as_ref().is_some_and(ShutdownReport::is_clean)
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: HTTP has ended, {}", self.reason, self.http)?;
        match &self.zmq {
            Some(report) => report.fmt(f),
            None => writeln!(f, "the factory was gone before"),
        }
    }
}
