//! A page on which people see the sockets live.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use actix::{Actor, Addr, Context, Handler};
use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::health::{Health, read_only, response};
use crate::actors::Factory;
use crate::messages::{ConnectionChange, EventKind, SocketEvent, Watch};

/// How many events are kept for whoever opens the page: of connections, of which
/// there may be many, and as many of all else.
const KEPT: usize = 128;

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A page that shows every socket of a factory live: its state, endpoints and
/// peers, messages per second in and out, the queue against its bound, the
/// latency of requests, and what happened last. Give it to an `App`'s or a
/// scope's `service`; it is a cheap clone for all workers.
///
/// | Path | |
/// |---|---|
/// | `/zmq` | the page: HTML, CSS and JavaScript of this crate, which ask nobody else |
/// | `/zmq/live` | what it shows, as JSON: that of `/zmq/status` ([`Health`]), and the events since the number `after` |
///
/// The page asks once a second, while somebody looks at it; nothing is counted
/// or kept for it but the last 256 events, half of them of connections.
///
/// It shows names, endpoints and addresses of peers. Keep it off the public
/// network, as the status.
///
/// # Examples
/// ```
/// use actix_web::App;
/// use actix_zmq::prelude::*;
/// use actix_zmq::web::Dashboard;
///
/// # #[actix::main]
/// # async fn main() {
/// let zmq = Factory::builder().start();
/// let dashboard = Dashboard::start(zmq.clone());
/// let app = App::new().service(dashboard);
/// # drop(app);
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it shows nothing until an app or a scope serves it"]
pub struct Dashboard {
    health: Health,
    log: Arc<Mutex<Log>>,
    title: Arc<str>,
}

impl Dashboard {
    /// Watches this factory's events from now on, and shows its sockets.
    ///
    /// # Panics
    /// Outside an actix `System` or a tokio `LocalSet`, as every `Actor::start`.
    pub fn start(factory: Addr<Factory>) -> Self {
        let log = Arc::default();
        let watcher = Watcher { log: Arc::clone(&log) }.start();
        factory.do_send(Watch(watcher.recipient()));
        Self { health: Health::of(factory), log, title: "actix-zmq".into() }
    }

    /// What the page is called, such as the program's name.
    ///
    /// # Default
    /// `actix-zmq`
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.into();
        self
    }

    async fn live(self, after: u64) -> HttpResponse {
        let status = self.health.status().await;
        response(status.map(|mut live| {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(members) = live.as_object_mut() {
                members.insert("title".to_owned(), self.title.as_ref().into());
                members.insert("now_ms".to_owned(), milliseconds(SystemTime::now()).into());
                members.insert("last_event".to_owned(), log.last.into());
                members.insert("events".to_owned(), log.since(after));
            }
            live
        }))
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

impl HttpServiceFactory for Dashboard {
    fn register(self, config: &mut AppService) {
        let files = [
            ("/zmq", "text/html; charset=utf-8", HTML),
            ("/zmq/page.css", "text/css; charset=utf-8", CSS),
            ("/zmq/page.js", "text/javascript; charset=utf-8", SCRIPT),
        ];
        for (path, content_type, text) in files {
            read_only(path, move || async move { file(content_type, text) }).register(config);
        }
        let live = move |query: web::Query<After>| self.clone().live(query.after);
        read_only("/zmq/live", live).register(config);
    }
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dashboard").field("title", &self.title).finish_non_exhaustive()
    }
}

fn file(content_type: &'static str, text: &'static str) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, content_type),
        // A new version of the program has another page.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'self'",
        ),
    ];
    for (name, value) in headers {
        response.insert_header((name, HeaderValue::from_static(value)));
    }
    response.body(text)
}

/// The last events, with their numbers.
#[derive(Debug, Default)]
struct Log {
    last: u64,
    connections: VecDeque<Value>,
    others: VecDeque<Value>,
}

impl Log {
    fn add(&mut self, event: &SocketEvent) {
        let events = match event.kind {
            EventKind::Connection(_) => &mut self.connections,
            _ => &mut self.others,
        };
        if events.len() >= KEPT {
            events.pop_front();
        }
        self.last += 1;
        events.push_back(json!({
            "number": self.last,
            "at_ms": milliseconds(SystemTime::now()),
            "socket": event.socket.0,
            "type": event.socket_type.to_string(),
            "tone": tone(&event.kind),
            "text": event.kind.to_string(),
        }));
    }

    /// Those after a number, or all when it is another process's.
    fn since(&self, number: u64) -> Value {
        let number = if number > self.last { 0 } else { number };
        let of = |event: &Value| event["number"].as_u64().unwrap_or(0);
        let all = self.connections.iter().chain(&self.others);
        let mut new: Vec<&Value> = all.filter(|event| of(event) > number).collect();
        new.sort_by_key(|event| of(event));
        new.into_iter().cloned().collect()
    }
}

/// How people should take it.
const fn tone(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Up { .. } => "good",
        EventKind::Connection(connection) => match connection.change {
            ConnectionChange::HandshakeSucceeded => "good",
            ConnectionChange::BindFailed { .. }
            | ConnectionChange::AcceptFailed { .. }
            | ConnectionChange::CloseFailed { .. }
            | ConnectionChange::HandshakeFailed { .. } => "bad",
            ConnectionChange::Disconnected => "warn",
            _ => "plain",
        },
        EventKind::Down { .. } | EventKind::GaveUp { .. } | EventKind::Lost { .. } => "bad",
        EventKind::Closed => "plain",
        EventKind::Restarting { .. }
        | EventKind::Undecodable { .. }
        | EventKind::ReceiverGone { .. }
        | EventKind::Unroutable { .. }
        | EventKind::Missed { .. } => "warn",
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Keeps what it is told.
struct Watcher {
    log: Arc<Mutex<Log>>,
}

impl Actor for Watcher {
    type Context = Context<Self>;
}

impl Handler<SocketEvent> for Watcher {
    type Result = ();

    fn handle(&mut self, event: SocketEvent, _: &mut Context<Self>) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).add(&event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::SocketType;
    use crate::messages::{ConnectionEvent, SocketId};

    fn event(kind: EventKind) -> SocketEvent {
        SocketEvent { socket: SocketId(1), socket_type: SocketType::Push, kind }
    }

    #[test]
    fn a_flood_of_connections_leaves_what_else_has_happened_and_all_is_in_order() {
        let mut log = Log::default();
        log.add(&event(EventKind::Closed));
        for _ in 0..10 * KEPT {
            log.add(&event(EventKind::Connection(ConnectionEvent {
                change: ConnectionChange::Disconnected,
                endpoint: String::new(),
                peer: None,
                times: 1,
            })));
        }
        log.add(&event(EventKind::Closed));
        let told = log.since(0);
        let numbers: Vec<u64> = told
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|event| event["number"].as_u64())
            .collect();
        assert_eq!(numbers.len(), KEPT + 2);
        assert!(numbers.is_sorted());
        assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&log.last)));
    }
}
