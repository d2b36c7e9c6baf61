//! One subscription, shared by any number of browsers.

mod event;
mod log;
mod reader;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::Addr;
use actix_web::{HttpRequest, HttpResponse, Resource, web};

pub use event::Event;
use event::{Entry, Epoch};
use log::{Bounds, Log};
pub(super) use reader::{Reader, Said};

use super::door::{Door, Origins};
use super::problem::Problem;
use super::{feed, sse, websocket};
use crate::actors::{Factory, SubSocket};
use crate::blueprint::Blueprint;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::Sub;
use crate::messages::{Open, TopicMessage};
use crate::topic::Topic;

/// What a SUB socket receives, for browsers: as server-sent events and over
/// WebSockets.
///
/// A handle that is cheap to clone, for any thread. All clones, and all browsers,
/// share one socket and one upstream subscription for each allowed topic, made
/// once and kept whether anybody listens or not. Each message is written as text
/// once. The last ones are kept, for browsers that come back and say which one
/// they had last.
///
/// Browsers choose topics in the query, as prefixes:
/// `?topic=prices.EUR&topic=prices.USD`. Each must begin with an allowed one.
/// Without any, they get all that is allowed.
///
/// A browser that does not read fast enough is behind, up to the bounds; then it
/// is told what it misses, or its stream ends ([`Slow`]). It slows down neither
/// the others nor the socket.
///
/// The streams end with [`end`](Self::end), when the socket closes or is given
/// up, and when the last handle is dropped. A restart of the socket ends none.
/// Of what publishers send meanwhile, or what ZeroMQ drops on the way, nobody is
/// told: no number is skipped.
///
/// # Examples
/// ```
/// use actix_web::App;
/// use actix_zmq::prelude::*;
/// use actix_zmq::web::Broadcast;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let zmq = Factory::builder().start();
/// let prices = Broadcast::of(SubSocket::connect("tcp://127.0.0.1:5556"))
///     .allow("prices.")
///     .open(&zmq)
///     .await?;
/// // Once, before the `HttpServer`; then, in its closure:
/// let app = App::new().service(prices.at("/prices"));
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Broadcast {
    shared: Arc<Shared>,
    /// Keeps the socket open.
    socket: Addr<SubSocket>,
}

/// What becomes of a browser that is too slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slow {
    /// It goes on with what comes next, and is told how many messages it missed.
    #[default]
    Skip,
    /// Its stream ends. When it comes back with the id of what it had last, it goes on
    /// from there, and is told if that is no longer all there.
    Drop,
}

/// How a [`Broadcast`] is going, told by [`Broadcast::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BroadcastStats {
    /// How many browsers are connected.
    pub clients: usize,
    /// How many messages were received and broadcast.
    pub messages: u64,
    /// How many messages browsers missed, at most, summed over all of them: as
    /// they were told, but for those that were told that nobody knows.
    pub missed: u64,
    /// How many streams ended because their browsers were too slow.
    pub dropped: u64,
}

impl Broadcast {
    /// Describes one, on a socket that is opened for it: endpoints, options,
    /// name and policies are the blueprint's. Its receiver, if it has one,
    /// is replaced; topics are subscribed to as they are [allowed](BroadcastBuilder::allow).
    pub fn of(socket: Blueprint<Sub>) -> BroadcastBuilder {
        BroadcastBuilder {
            socket,
            settings: Settings {
                allowed: Vec::new(),
                slow: Slow::default(),
                heartbeat: Duration::from_secs(15),
                retry: Duration::from_secs(3),
                max_topics: 16,
                max_clients: 10_000,
                origins: Origins::default(),
            },
            bounds: Bounds { replay: 1_024, queue: 256, bytes: 64 * 1024 * 1024 },
            render: None,
        }
    }

    /// Serves it at a path: to a WebSocket as [`websocket`](Self::websocket)
    /// does, to all others as [`events`](Self::events).
    ///
    /// A guard or middleware may be put around it, such as one that knows who may listen.
    #[must_use]
    pub fn at(&self, path: &str) -> Resource {
        let broadcast = self.clone();
        web::resource(path).get(move |request: HttpRequest, payload: web::Payload| {
            let broadcast = broadcast.clone();
            async move {
                if sse::wants_websocket(&request) {
                    broadcast.websocket(&request, payload)
                } else {
                    broadcast.events(&request)
                }
            }
        })
    }

    /// Answers a request with an event stream (`text/event-stream`).
    ///
    /// What the client had last is told by the header `Last-Event-ID`, as browsers
    /// do by themselves when they connect again, or by `?last_event_id=`. See
    /// [this module](super#what-the-browser-gets) for what is in the stream.
    ///
    /// # Errors
    /// A problem to be answered: 403 for a topic that is not allowed, 400 for too
    /// many, 503 with `Retry-After` when as many are connected as may be and
    /// after the [end](Self::end).
    pub fn events(&self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        let reader = Reader::enter(&self.shared, request)?;
        Ok(sse::response(reader, self.shared.settings.retry))
    }

    /// Answers a request with a WebSocket, one text message of JSON for each
    /// message. What the client had last is told by `?last_event_id=`. See
    /// [this module](super#what-the-browser-gets).
    ///
    /// A page of another origin is refused unless it is
    /// [allowed](BroadcastBuilder::allow_origin), because browsers let any page
    /// open a WebSocket to any server, with the cookies of that server.
    ///
    /// # Errors
    /// As [`events`](Self::events); 403 for a page of another origin, 400 for a
    /// request that opens no WebSocket.
    pub fn websocket(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Problem> {
        self.shared.settings.origins.check(request)?;
        let reader = Reader::enter(&self.shared, request)?;
        feed::response(request, payload, reader, self.shared.settings.heartbeat)
    }

    /// Ends all streams at once, and refuses new ones: the first thing to do at
    /// the end of a program, because an HTTP server that stops in order waits for
    /// its responses, and these have no end. What a browser had not read by then
    /// it does not get. A WebSocket is closed with 1001.
    ///
    /// A connection whose other side does not read at all ends when the HTTP
    /// server gives it up.
    pub fn end(&self) {
        self.shared.door.end();
    }

    /// The socket, for whatever else it takes, such as [`Restart`](crate::Restart).
    #[must_use]
    pub const fn socket(&self) -> &Addr<SubSocket> {
        &self.socket
    }

    /// How it is going.
    #[must_use]
    pub fn stats(&self) -> BroadcastStats {
        self.shared.stats()
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

type Render = Box<dyn FnMut(&TopicMessage) -> Option<Event> + Send>;

/// Sets up a [`Broadcast`]; made by [`Broadcast::of`].
#[must_use = "nothing is broadcast until it is opened"]
pub struct BroadcastBuilder {
    socket: Blueprint<Sub>,
    settings: Settings,
    bounds: Bounds,
    render: Option<Render>,
}

impl BroadcastBuilder {
    /// Subscribes to a prefix or an exact topic, and lets browsers have it.
    ///
    /// # Default
    /// None, with which it does not open. The empty prefix allows everything.
    pub fn allow(mut self, topic: impl Into<Topic>) -> Self {
        self.settings.allowed.push(topic.into());
        self
    }

    /// How many of the last messages a browser that comes back may be given.
    ///
    /// # Default
    /// 1,024
    pub const fn replay(mut self, messages: usize) -> Self {
        self.bounds.replay = messages;
        self
    }

    /// How many messages of its topics a browser may be behind before it counts as too slow.
    /// At least 1. So many more than for [`replay`](Self::replay) are kept.
    ///
    /// That is beyond what lies on the way to it: what the kernel holds, what
    /// actix-web holds (32 KiB and a message, if nothing else is configured), and,
    /// of a WebSocket, 32 messages.
    ///
    /// # Default
    /// 256
    pub fn queue(mut self, messages: usize) -> Self {
        self.bounds.queue = messages.max(1);
        self
    }

    /// How many bytes the messages that are kept may have together, as
    /// they are written for browsers, in both forms. When they have more, fewer are kept
    /// than [`replay`](Self::replay) and [`queue`](Self::queue) say. The last
    /// one is kept in any case.
    ///
    /// # Default
    /// 64 MiB
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// What becomes of a browser that is too slow.
    ///
    /// # Default
    /// [`Slow::Skip`]
    pub const fn slow(mut self, policy: Slow) -> Self {
        self.settings.slow = policy;
        self
    }

    /// How many browsers may be connected at a time; others are answered 503
    /// with `Retry-After`.
    ///
    /// # Default
    /// 10,000
    pub const fn max_clients(mut self, clients: usize) -> Self {
        self.settings.max_clients = clients;
        self
    }

    /// How many topics a browser may choose; more are answered 400.
    ///
    /// # Default
    /// 16
    pub const fn max_topics(mut self, topics: usize) -> Self {
        self.settings.max_topics = topics;
        self
    }

    /// How often something is sent, so that nothing on the way takes the
    /// connection for dead, and a browser that is gone is found out. A WebSocket
    /// that answers nothing for two heartbeats is dropped. From 10 ms to a day.
    ///
    /// # Default
    /// 15 s
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.settings.heartbeat = websocket::heartbeat(interval);
        self
    }

    /// After what time a browser is to connect again when its event stream has ended.
    ///
    /// # Default
    /// 3 s
    pub const fn retry(mut self, after: Duration) -> Self {
        self.settings.retry = after;
        self
    }

    /// Lets pages of this origin, such as `https://shop.example`, open
    /// WebSockets. (Whether they may read an event stream is told by CORS
    /// headers, which middleware sets.)
    ///
    /// # Default
    /// Only pages of the host that the request is for, over any scheme
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.origins.allow(origin.into());
        self
    }

    /// Lets any page open WebSockets: only where nothing is told that a cookie or
    /// the network keeps from strangers.
    pub const fn allow_any_origin(mut self) -> Self {
        self.settings.origins.allow_all();
        self
    }

    /// Says what browsers get for a message, or that they get nothing for it.
    ///
    /// In an event stream, the event's name is in `event`, its text in `data`. A
    /// WebSocket has the name as the member `event`, and the text as `body`.
    ///
    /// The closure runs on the socket's own task and must not take long. If it
    /// panics, the message is lost, and the socket is opened again.
    ///
    /// # Default
    /// Events without a name whose text is
    /// `{"topic": "prices.EUR", "body": "101.5"}`. What is not UTF-8 is
    /// `{"base64": "…"}` in place of the text. A body of several frames is a list.
    pub fn render<F>(mut self, render: F) -> Self
    where
        F: FnMut(&TopicMessage) -> Option<Event> + Send + 'static,
    {
        self.render = Some(Box::new(render));
        self
    }

    /// Opens the socket and begins to keep what comes.
    ///
    /// # Errors
    /// As [`Open`]; [`InvalidOption`](ErrorKind::InvalidOption) when no topic is
    /// [allowed](Self::allow).
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket if it was opened.
    pub async fn open(self, factory: &Addr<Factory>) -> Result<Broadcast> {
        let Self { mut socket, settings, bounds, render } = self;
        if settings.allowed.is_empty() {
            let error = Error::new(ErrorKind::InvalidOption);
            return Err(error.detail("a broadcast that allows no topic"));
        }
        for topic in &settings.allowed {
            socket = socket.topic(topic.clone());
        }
        let shared = Arc::new(Shared {
            log: Mutex::new(Log::new(bounds)),
            door: Door::new(),
            epoch: Epoch::random(),
            missed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            settings,
        });
        let mut source = Source { shared: Arc::clone(&shared), render };
        let socket = socket.on_message(move |message| source.broadcast(message));
        let opened = factory.send(Open(socket)).await;
        let gone = |_| Error::new(ErrorKind::Closed).detail("the factory has ended");
        Ok(Broadcast { shared, socket: opened.map_err(gone)?? })
    }
}

impl fmt::Debug for BroadcastBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastBuilder")
            .field("socket", &self.socket)
            .field("settings", &self.settings)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Settings {
    allowed: Vec<Topic>,
    slow: Slow,
    heartbeat: Duration,
    retry: Duration,
    max_topics: usize,
    max_clients: usize,
    origins: Origins,
}

/// What the socket, the handles and the browsers share.
struct Shared {
    log: Mutex<Log>,
    door: Arc<Door>,
    epoch: Epoch,
    missed: AtomicU64,
    dropped: AtomicU64,
    settings: Settings,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> BroadcastStats {
        BroadcastStats {
            clients: self.door.taken(),
            messages: self.log().next() - 1,
            missed: self.missed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// The socket's end of a broadcast, dropped with the socket.
struct Source {
    shared: Arc<Shared>,
    render: Option<Render>,
}

impl Source {
    fn broadcast(&mut self, message: TopicMessage) {
        // The blueprint may have had topics of its own.
        if !self.shared.settings.allowed.iter().any(|topic| topic.matches(&message.topic)) {
            return;
        }
        let event = match &mut self.render {
            None => None,
            Some(render) => match render(&message) {
                None => return,
                some => some,
            },
        };
        // Nobody else adds to the log: the number stays free while the lock is not held.
        let number = self.shared.log().next();
        let entry = Entry::new(number, self.shared.epoch, message, event);
        self.shared.log().push(entry);
        self.shared.door.ring();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.shared.door.end();
    }
}
