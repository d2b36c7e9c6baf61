//! Bodies and WebSocket messages into PUSH and PUB.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;

use super::door::{Door, Origins, bad_request, forbidden_topic};
use super::problem::Problem;
use super::{pour, websocket};
use crate::actors::{PubSocket, PushSocket};
use crate::error::{Error, ErrorKind};
use crate::messages::{Publish, Push};
use crate::multipart::Frame;
use crate::topic::Topic;

/// Takes what HTTP clients send, and sends it into a PUSH or PUB socket: give it
/// to an `App`'s or a scope's `service`.
///
/// | At its path | What is sent | What is told |
/// |---|---|---|
/// | `POST` | the body as it is, in one frame | 202 when the socket has accepted it, a [`Problem`](super::Problem) otherwise |
/// | a WebSocket | each text or binary message, in one frame | of each that is refused its number and the problem; with [`acks`](Self::acks) also of each that is accepted |
///
/// Accepted is what it is for [`Push`] and [`Publish`]: libzmq has the message.
/// Until then the client waits, up to [`within`](Self::within); when the
/// socket's queue is full, its policy says what happens. With
/// [`Overflow::Reject`](crate::Overflow::Reject) it is 503 at once. From a
/// WebSocket the next message is read when the one before was accepted or
/// refused, so that a socket without room slows the client down.
///
/// Messages on a WebSocket are counted from 0. The client is told with text:
///
/// ```json
/// {"message": 3, "problem": {"type": "urn:actix-zmq:queue-full", "status": 503, …}}
/// {"message": 4, "accepted": true}
/// ```
///
/// Pages of other origins are refused with 403, WebSocket or not: a browser
/// posts for any page to any server, with the cookies of that server.
///
/// Make it once, outside of the `HttpServer`'s closure: its clones share
/// [`max_clients`](Self::max_clients) and [`end`](Self::end).
///
/// # Examples
/// ```
/// use actix_web::App;
/// use actix_zmq::prelude::*;
/// use actix_zmq::web::Intake;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let zmq = Factory::builder().start();
/// let jobs = zmq.send(Open(PushSocket::bind("tcp://127.0.0.1:*"))).await??;
/// let news = zmq.send(Open(PubSocket::bind("tcp://127.0.0.1:*"))).await??;
///
/// let jobs = Intake::push("/jobs", jobs).limit(64 * 1024);
/// let news = Intake::publish("/news/{topic}", news).allow("news.");
/// let app = App::new().service(jobs.clone()).service(news.clone());
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it takes nothing until an app or a scope serves it"]
pub struct Intake {
    path: String,
    target: Target,
    allowed: Vec<Topic>,
    settings: Settings,
    origins: Origins,
    door: Arc<Door>,
}

/// What is to be known of an intake on a WebSocket.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) limit: usize,
    pub(super) within: Duration,
    pub(super) heartbeat: Duration,
    pub(super) acks: bool,
    max_clients: usize,
}

#[derive(Clone)]
enum Target {
    Push(Addr<PushSocket>),
    Publish(Addr<PubSocket>),
}

impl Intake {
    /// Sends into a PUSH socket what comes in at a path.
    pub fn push(path: impl Into<String>, socket: Addr<PushSocket>) -> Self {
        Self::to(path.into(), Target::Push(socket))
    }

    /// Publishes with a PUB socket what comes in at a path. The topic is what
    /// stands in the path for `{topic}`, or else in the query for `topic`, and
    /// must be [allowed](Self::allow).
    pub fn publish(path: impl Into<String>, socket: Addr<PubSocket>) -> Self {
        Self::to(path.into(), Target::Publish(socket))
    }

    fn to(path: String, target: Target) -> Self {
        Self {
            path,
            target,
            allowed: Vec::new(),
            settings: Settings {
                limit: 256 * 1024,
                within: Duration::from_secs(10),
                heartbeat: Duration::from_secs(15),
                acks: false,
                max_clients: 10_000,
            },
            origins: Origins::default(),
            door: Door::new(),
        }
    }

    /// Lets clients publish under this topic, or under all with this prefix. No
    /// effect with PUSH.
    ///
    /// # Default
    /// None: every publication is answered 403. The empty prefix allows everything.
    pub fn allow(mut self, topic: impl Into<Topic>) -> Self {
        self.allowed.push(topic.into());
        self
    }

    /// How many bytes a body or message may have. More is answered 413, and
    /// closes a WebSocket with 1009 as soon as it is declared.
    ///
    /// # Default
    /// 256 KiB
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.settings.limit = bytes;
        self
    }

    /// How long a message may wait to be accepted. After that it is answered 504,
    /// and may still be sent.
    ///
    /// # Default
    /// 10 s
    pub const fn within(mut self, time: Duration) -> Self {
        self.settings.within = time;
        self
    }

    /// Tells on a WebSocket also what was accepted.
    ///
    /// # Default
    /// Off: only what was refused
    pub const fn acks(mut self, on: bool) -> Self {
        self.settings.acks = on;
        self
    }

    /// How many WebSockets may be open at a time; others are answered 503 with
    /// `Retry-After`.
    ///
    /// # Default
    /// 10,000
    pub const fn max_clients(mut self, clients: usize) -> Self {
        self.settings.max_clients = clients;
        self
    }

    /// How often a WebSocket is pinged. One that answers nothing for two
    /// heartbeats and [`within`](Self::within) is dropped. From 10 ms to a day.
    ///
    /// # Default
    /// 15 s
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.settings.heartbeat = websocket::heartbeat(interval);
        self
    }

    /// Lets pages of this origin, such as `https://shop.example`, send.
    ///
    /// # Default
    /// Only pages of the host that the request is for, over any scheme
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.allow(origin.into());
        self
    }

    /// Lets any page send: only where no cookie and no network gives its reader
    /// a right that a stranger does not have.
    pub const fn allow_any_origin(mut self) -> Self {
        self.origins.allow_all();
        self
    }

    /// Closes all WebSockets with 1001 and refuses everything from now on, at the end of a
    /// program: an HTTP server that stops in order would wait for them. A message that waits
    /// to be accepted may still be sent.
    pub fn end(&self) {
        self.door.end();
    }

    async fn post(self, request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Problem> {
        self.origins.check(&request)?;
        self.door.check_open()?;
        let outlet = self.outlet(&request)?;
        let limit = self.settings.limit;
        let declared = request.headers().get(CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let body = body.to_bytes_limited(limit).await.map_err(|_| too_large(limit))?;
        let body = body.map_err(|_| bad_request("The body ends too early."))?;
        outlet.send(body, self.settings.within).await?;
        Ok(HttpResponse::Accepted().finish())
    }

    fn websocket(
        &self,
        request: &HttpRequest,
        body: web::Payload,
    ) -> Result<HttpResponse, Problem> {
        self.origins.check(request)?;
        let outlet = self.outlet(request)?;
        let seat = self.door.enter(self.settings.max_clients)?;
        pour::response(request, body, seat, outlet, self.settings.clone())
    }

    /// Where what comes with this request is sent.
    fn outlet(&self, request: &HttpRequest) -> Result<Outlet, Problem> {
        match &self.target {
            Target::Push(socket) => Ok(Outlet::Push(socket.clone())),
            Target::Publish(socket) => {
                let topic = topic(request).ok_or_else(|| bad_request("There is no topic."))?;
                if !self.allowed.iter().any(|allowed| allowed.matches(topic.as_bytes())) {
                    return Err(forbidden_topic(&topic));
                }
                Ok(Outlet::Publish(socket.clone(), topic.into()))
            }
        }
    }
}

impl HttpServiceFactory for Intake {
    fn register(self, config: &mut AppService) {
        let (posted, opened) = (self.clone(), self.clone());
        web::resource(self.path)
            .post(move |request: HttpRequest, body: web::Payload| {
                posted.clone().post(request, body)
            })
            .get(move |request: HttpRequest, body: web::Payload| {
                let opened = opened.websocket(&request, body);
                async move { opened }
            })
            .register(config);
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("path", &self.path)
            .field("allowed", &self.allowed)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Where the messages of one client go.
pub(super) enum Outlet {
    Push(Addr<PushSocket>),
    Publish(Addr<PubSocket>, Frame),
}

impl Outlet {
    /// Sends one frame, and waits until it is accepted.
    pub(super) async fn send(&self, body: Bytes, within: Duration) -> Result<(), Problem> {
        let sent = async {
            match self {
                Self::Push(socket) => socket.send(Push(body)).await,
                Self::Publish(socket, topic) => {
                    socket.send(Publish::new(topic.clone(), body)).await
                }
            }
        };
        let error = match actix_rt::time::timeout(within, sent).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => Error::new(ErrorKind::Closed).detail("the socket has ended"),
            Err(_) => {
                let late = Problem::of(&Error::new(ErrorKind::TimedOut));
                return Err(late.detail("It was not accepted in time, and may be sent later."));
            }
        };
        tracing::debug!(%error, "what an HTTP client sent was not accepted");
        Err(Problem::of(&error))
    }
}

#[derive(Deserialize)]
struct Named<'a> {
    topic: Cow<'a, str>,
}

fn topic(request: &HttpRequest) -> Option<String> {
    let in_path = web::Path::<Named<'static>>::extract(request).into_inner().ok();
    let named = match in_path {
        Some(path) => path.into_inner(),
        None => web::Query::<Named<'static>>::from_query(request.query_string()).ok()?.into_inner(),
    };
    Some(named.topic.into_owned())
}

fn too_large(limit: usize) -> Problem {
    Problem::of(&Error::new(ErrorKind::TooLarge))
        .detail("The message is longer than this server takes.")
        .member("limit", limit)
}
