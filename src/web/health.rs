//! How the sockets are, for probes and for people.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use actix::Addr;
use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, ResponseError, guard, web,
};
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::serve::Ending;
use crate::actors::Factory;
use crate::messages::{EndpointStatus, SocketState, SocketStatus, Status};
use crate::options::Overflow;

/// How long the factory may take to answer, by default: less than the second
/// that Kubernetes gives a probe.
const WITHIN: Duration = Duration::from_millis(500);

/// Tells over HTTP how a factory's sockets are: give it to an `App`'s or a
/// scope's `service`.
///
/// | Path | 200 when | Otherwise 503 with |
/// |---|---|---|
/// | `/healthz` | the process is alive and the factory answers in time | the reason |
/// | `/readyz` | besides, a socket is open, each one that is not closed is up, and what is [needed](Self::needs) is there | all reasons |
/// | `/zmq/status` | the factory answers in time; the body is every socket's state | the reason |
///
/// A socket that is opened again counts as not ready until it is up, and so
/// does one that closes: from the beginning of a
/// [`Shutdown`](crate::Shutdown) on, the process is not ready. One that has
/// closed, or was given up, is in no status any more: say by its name that it
/// is [needed](Self::needs).
///
/// `/zmq/status` shows names and endpoints. Keep it, and best all three, off
/// the public network.
///
/// It holds an address of the factory, which therefore goes on until it is shut
/// down or the server is gone.
///
/// # Examples
/// ```
/// use actix_web::App;
/// use actix_zmq::prelude::*;
/// use actix_zmq::web::Health;
///
/// # #[actix::main]
/// # async fn main() {
/// let zmq = Factory::builder().start();
/// let health = Health::of(zmq.clone()).needs("jobs").needs_peers("adder");
/// let app = App::new().service(health);
/// # drop(app);
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it tells nothing until an app or a scope serves it"]
pub struct Health {
    factory: Addr<Factory>,
    within: Duration,
    needed: Vec<Needed>,
    ending: Option<Ending>,
}

/// What has to be there.
#[derive(Clone, Debug)]
struct Needed {
    socket: Cow<'static, str>,
    peers: bool,
}

impl Health {
    /// The health of this factory's sockets.
    pub const fn of(factory: Addr<Factory>) -> Self {
        Self { factory, within: WITHIN, needed: Vec::new(), ending: None }
    }

    /// Is not ready without a socket of this [name](crate::Blueprint::name)
    /// that is up.
    pub fn needs(mut self, socket: impl Into<Cow<'static, str>>) -> Self {
        self.needed.push(Needed { socket: socket.into(), peers: false });
        self
    }

    /// Is not ready without a socket of this [name](crate::Blueprint::name)
    /// that is up and has a peer. It has none, as far as anybody knows, without
    /// [`monitor`](crate::Blueprint::monitor).
    pub fn needs_peers(mut self, socket: impl Into<Cow<'static, str>>) -> Self {
        self.needed.push(Needed { socket: socket.into(), peers: true });
        self
    }

    /// How long the factory may take to answer. It takes longer when something
    /// blocks its arbiter.
    ///
    /// # Default
    /// 500 ms
    pub const fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Is not ready from the moment at which this end begins, so that load
    /// balancers look elsewhere while what is under way is still served.
    pub fn until(mut self, ending: Ending) -> Self {
        self.ending = Some(ending);
        self
    }

    async fn sockets(&self) -> Result<Vec<SocketStatus>, Problem> {
        let unwell = |why: String| unavailable(vec![why]);
        match actix_rt::time::timeout(self.within, self.factory.send(Status)).await {
            Ok(Ok(sockets)) => Ok(sockets),
            Ok(Err(_)) => Err(unwell("the factory has ended".to_owned())),
            Err(_) => Err(unwell(format!("the factory did not answer within {:?}", self.within))),
        }
    }

    async fn alive(self) -> Result<Value, Problem> {
        self.sockets().await.map(|_| json!({ "status": "alive" }))
    }

    async fn ready(self) -> Result<Value, Problem> {
        let mut reasons = reasons(&self.sockets().await?, &self.needed);
        if self.ending.as_ref().is_some_and(Ending::has_begun) {
            reasons.push("the server is about to end".to_owned());
        }
        if reasons.is_empty() {
            Ok(json!({ "status": "ready" }))
        } else {
            Err(unavailable(reasons))
        }
    }

    pub(super) async fn status(self) -> Result<Value, Problem> {
        let sockets: Vec<Value> = self.sockets().await?.iter().map(shown).collect();
        let (major, minor, patch) = crate::libzmq_version();
        Ok(json!({ "libzmq": format!("{major}.{minor}.{patch}"), "sockets": sockets }))
    }

    fn resource<F>(&self, path: &str, tell: fn(Self) -> F) -> Resource
    where
        F: Future<Output = Result<Value, Problem>> + 'static,
    {
        let health = self.clone();
        read_only(path, move || {
            let told = tell(health.clone());
            async move { response(told.await) }
        })
    }
}

/// What is at a path for whoever reads; other methods are answered 405.
pub(super) fn read_only<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let asked = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path).route(web::route().guard(asked).to(handler))
}

impl HttpServiceFactory for Health {
    fn register(self, config: &mut AppService) {
        self.resource("/healthz", Self::alive).register(config);
        self.resource("/readyz", Self::ready).register(config);
        self.resource("/zmq/status", Self::status).register(config);
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("within", &self.within)
            .field("needed", &self.needed)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

fn unavailable(reasons: Vec<String>) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail(reasons.join("; "))
        .member("reasons", reasons)
}

pub(super) fn response(told: Result<Value, Problem>) -> HttpResponse {
    let mut response = match told {
        Ok(body) => HttpResponse::Ok().json(body),
        Err(problem) => problem.error_response(),
    };
    // Nobody is to be told tomorrow how it was today.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why it is not ready; nothing when it is.
fn reasons(sockets: &[SocketStatus], needed: &[Needed]) -> Vec<String> {
    let mut reasons = Vec::new();
    let open = || sockets.iter().filter(|socket| socket.state != SocketState::Closed);
    if open().next().is_none() {
        reasons.push("no socket is open".to_owned());
    }
    for socket in open().filter(|socket| socket.state != SocketState::Up) {
        reasons.push(format!("{} is {}", named(socket), socket.state));
    }
    for Needed { socket: name, peers } in needed {
        let mut those = open().filter(|socket| socket.name.as_deref() == Some(name)).peekable();
        if those.peek().is_none() {
            reasons.push(format!("no socket with the name {name:?} is open"));
        }
        for socket in those.filter(|_| *peers) {
            match socket.peers {
                Some(0) => reasons.push(format!("{} has no peer", named(socket))),
                Some(_) => {}
                None => reasons.push(format!("{} does not count its peers", named(socket))),
            }
        }
    }
    reasons
}

fn named(socket: &SocketStatus) -> String {
    let SocketStatus { id, socket_type, .. } = socket;
    match &socket.name {
        Some(name) => format!("socket {id} {name:?} ({socket_type})"),
        None => format!("socket {id} ({socket_type})"),
    }
}

/// A socket's state as JSON.
fn shown(socket: &SocketStatus) -> Value {
    let endpoints: Vec<Value> = socket
        .endpoints
        .iter()
        .map(|endpoint| match endpoint {
            EndpointStatus::Bound(endpoint) => json!({ "bound": endpoint.to_string() }),
            EndpointStatus::Connected(endpoint) => json!({ "connected": endpoint.to_string() }),
        })
        .collect();
    let counters: Map<String, Value> = socket
        .counts()
        .iter()
        .map(|(counter, value)| (counter.name().to_owned(), value.into()))
        .collect();
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let latency = socket.latency.map(|latency| {
        json!({
            "count": latency.count,
            "p50_us": us(latency.p50),
            "p90_us": us(latency.p90),
            "p99_us": us(latency.p99),
            "p999_us": us(latency.p999),
            "max_us": us(latency.max),
        })
    });
    json!({
        "id": socket.id.0,
        "name": socket.name,
        "type": socket.socket_type.to_string(),
        "state": socket.state.to_string(),
        "endpoints": endpoints,
        "restarts": socket.restarts,
        "queued": socket.queued,
        "queued_bytes": socket.queued_bytes,
        "limits": {
            "messages": socket.limits.messages,
            "bytes": socket.limits.bytes,
            "waiting": socket.limits.waiting,
            "overflow": match socket.limits.overflow {
                Overflow::Wait => "wait",
                Overflow::Reject => "reject",
                Overflow::DropNewest => "drop_newest",
                Overflow::DropOldest => "drop_oldest",
            },
        },
        "in_flight": socket.in_flight,
        "peers": socket.peers,
        "latency": latency,
        "counters": counters,
    })
}
