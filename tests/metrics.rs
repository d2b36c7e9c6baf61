//! Metrics, as a recorder hears of them after real traffic.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::indexing_slicing, reason = "a test that fails panics")]

#[path = "it/support/deadline.rs"]
mod deadline;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_zmq::observability::Metrics;
use actix_zmq::prelude::*;
use actix_zmq::{Pattern, Responder, Socket};
use futures::channel::mpsc;
use futures::{FutureExt, StreamExt};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde::{Deserialize, Serialize};

use crate::deadline::{eventually, within};

/// A series: its metric and labels.
type Series = (String, BTreeMap<String, String>);

/// All that a recorder has heard.
struct Seen {
    snapshotter: Snapshotter,
    counters: BTreeMap<Series, u64>,
    gauges: BTreeMap<Series, f64>,
    times: BTreeMap<Series, Vec<f64>>,
    units: BTreeMap<String, &'static str>,
}

impl Seen {
    fn of(recorder: &DebuggingRecorder) -> Self {
        Self {
            snapshotter: recorder.snapshotter(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            times: BTreeMap::new(),
            units: BTreeMap::new(),
        }
    }

    async fn report(&mut self, metrics: &Metrics) -> &Self {
        metrics.report().await;
        // What a snapshot has told it does not tell again.
        for (key, unit, _, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            let labels = key.labels().map(|one| (one.key().to_owned(), one.value().to_owned()));
            let series = (key.name().to_owned(), labels.collect());
            let unit = unit.expect("it is described").as_canonical_label();
            self.units.insert(key.name().to_owned(), if unit.is_empty() { "1" } else { unit });
            match value {
                DebugValue::Counter(grown) => *self.counters.entry(series).or_default() += grown,
                DebugValue::Gauge(value) => drop(self.gauges.insert(series, value.0)),
                DebugValue::Histogram(times) => {
                    let times = times.into_iter().map(|time| time.0);
                    self.times.entry(series).or_default().extend(times);
                }
            }
        }
        self
    }

    /// The sum of a counter's series that have these labels.
    fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        having(&self.counters, name, labels).sum()
    }

    fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        having(&self.gauges, name, labels).sum()
    }

    fn times(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        having(&self.times, name, labels).flatten().collect()
    }
}

fn having<T: Clone>(
    all: &BTreeMap<Series, T>,
    name: &str,
    labels: &[(&str, &str)],
) -> impl Iterator<Item = T> {
    all.iter().filter_map(move |((metric, have), value)| {
        let has = |(key, value): &(&str, &str)| have.get(*key).is_some_and(|found| found == value);
        (metric == name && labels.iter().all(has)).then(|| value.clone())
    })
}

async fn open<K: Pattern>(
    zmq: &Addr<Factory>,
    blueprint: actix_zmq::Blueprint<K>,
) -> Addr<Socket<K>> {
    zmq.send(Open(blueprint)).await.expect("the factory runs").expect("it opens")
}

async fn finish(zmq: Addr<Factory>) {
    let report = zmq.send(Shutdown::within(Duration::from_secs(10))).await.expect("a factory");
    assert!(report.terminated, "not terminated:\n{report}");
}

fn inproc() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("inproc://metrics-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[derive(Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Add(i64, i64);

/// Is never answered.
#[derive(Message, Serialize, Deserialize)]
#[rtype(result = "()")]
struct Hang {}

/// Handles nothing to its end.
struct Hanging;

impl Actor for Hanging {
    type Context = Context<Self>;
}

impl Handler<Hang> for Hanging {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Hang, _: &mut Context<Self>) -> Self::Result {
        Box::pin(pending())
    }
}

impl Handler<SocketEvent> for Hanging {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: SocketEvent, _: &mut Context<Self>) -> Self::Result {
        Box::pin(pending())
    }
}

async fn messages(zmq: &Addr<Factory>, metrics: &Metrics, seen: &mut Seen) {
    let (told, mut pulled) = mpsc::unbounded();
    let pull = PullSocket::new().name("pull").on_message(move |Pulled(body): Pulled| {
        told.unbounded_send(body).unwrap();
    });
    let pull = open(zmq, pull).await;
    let at = pull.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap();
    let push = open(zmq, PushSocket::connect(at).name("push")).await;
    for _ in 0..3 {
        push.send(Push("0123456789")).await.unwrap().unwrap();
    }
    for _ in 0..3 {
        pulled.next().await.unwrap();
    }
    let (of_push, of_pull) = (&[("socket", "push"), ("type", "PUSH")], &[("socket", "pull")]);
    eventually("all is counted", async || {
        let seen = seen.report(metrics).await;
        seen.counter("messaging.client.consumed.messages", of_pull) == 3
            && seen.counter("messaging.client.sent.messages", of_push) == 3
    })
    .await;
    assert_eq!(seen.counter("zmq.socket.sent.bytes", of_push), 30);
    assert_eq!(seen.counter("zmq.socket.received.bytes", of_pull), 30);
    assert_eq!(seen.gauge("zmq.socket.peers", of_push), 1.0);
    assert_eq!(seen.gauge("zmq.socket.state", &[("socket", "push"), ("state", "up")]), 1.0);
    assert_eq!(seen.gauge("zmq.socket.queue.limit.messages", of_push), 1_000.0);
    assert_eq!(seen.gauge("zmq.socket.queue.limit.bytes", of_push), 67_108_864.0);

    // Nobody pulls: two wait, one comes back, one is lost.
    let lonely = PushSocket::bind(inproc()).name("lonely").overflow(Overflow::Reject, 2);
    let lonely = open(zmq, lonely).await;
    let mine = &[("socket", "lonely")];
    for _ in 0..2 {
        lonely.do_send(Push("12345"));
    }
    eventually("they wait", async || {
        seen.report(metrics).await.gauge("zmq.socket.queue.messages", mine) == 2.0
    })
    .await;
    assert_eq!(seen.gauge("zmq.socket.queue.bytes", mine), 10.0);
    assert_eq!(lonely.send(Push("x")).await.unwrap().unwrap_err().kind(), ErrorKind::Full);
    lonely.do_send(Push("y"));
    let rejected = &[("socket", "lonely"), ("reason", "rejected")];
    eventually("the loss is told", async || {
        let seen = seen.report(metrics).await;
        seen.counter("zmq.socket.dropped.messages", rejected) == 2
            && seen.counter("zmq.socket.lost.messages", mine) == 1
    })
    .await;
}

async fn requests(zmq: &Addr<Factory>, metrics: &Metrics, seen: &mut Seen) {
    // Answers what says so, and keeps the others.
    let (keep, _kept) = mpsc::unbounded::<Responder>();
    let server = ReplySocket::new().name("server").on_message(move |request: IncomingRequest| {
        let IncomingRequest { body, responder } = request;
        if body[0] == b"answer" {
            responder.reply("done").unwrap();
        } else {
            keep.unbounded_send(responder).unwrap();
        }
    });
    let server = open(zmq, server).await;
    let at = server.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap();
    let client = open(zmq, RequestSocket::connect(at).name("asker")).await;
    for _ in 0..2 {
        client.send(Request::new("answer")).await.unwrap().unwrap();
    }
    let late = client.send(Request::new("keep").timeout(ms(20))).await.unwrap().unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    let mine = &[("socket", "asker"), ("type", "REQUEST")];
    let mut given_up = Box::pin(client.send(Request::new("keep")));
    assert!(given_up.as_mut().now_or_never().is_none());
    eventually("one is in flight", async || {
        seen.report(metrics).await.gauge("zmq.socket.requests.in_flight", mine) == 1.0
    })
    .await;
    drop(given_up);
    let ended = |seen: &Seen, socket: &str, outcome: &str| {
        seen.counter("zmq.socket.requests.ended", &[("socket", socket), ("outcome", outcome)])
    };
    eventually("it has ended", async || {
        let seen = seen.report(metrics).await;
        ended(seen, "asker", "cancelled") == 1
            && seen.gauge("zmq.socket.requests.in_flight", mine) == 0.0
    })
    .await;
    assert_eq!((ended(seen, "asker", "answered"), ended(seen, "asker", "timed_out")), (2, 1));
    let times = seen.times("messaging.client.operation.duration", mine);
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|time| *time > 0.0 && *time < 20.0), "{times:?} s");

    // What has not left is taken back, or nobody is there to take it.
    let alone = open(zmq, RequestSocket::bind(inproc()).name("alone")).await;
    alone.send(Request::new("x").timeout(ms(1))).await.unwrap().unwrap_err();
    let fast = RequestSocket::bind(inproc()).name("fast").unreachable_after(ms(1));
    let fast = open(zmq, fast).await;
    fast.send(Request::new("x")).await.unwrap().unwrap_err();
    eventually("both are told", async || {
        let seen = seen.report(metrics).await;
        seen.counter("zmq.socket.requests.withdrawn", &[("socket", "alone")]) == 1
            && ended(seen, "fast", "unreachable") == 1
    })
    .await;
    server.send(Close::within(ms(0))).await.unwrap().unwrap();
}

async fn restarts(zmq: &Addr<Factory>, metrics: &Metrics, seen: &mut Seen) {
    let (keep, mut kept) = mpsc::unbounded::<Responder>();
    let endpoint = inproc();
    let server = ReplySocket::bind(&*endpoint).on_message(move |request: IncomingRequest| {
        keep.unbounded_send(request.responder).unwrap();
    });
    let _server = open(zmq, server).await;
    let policy = || RestartPolicy::default().initial(ms(0)).max(ms(0)).budget(10_000);
    let client = RequestSocket::connect(&*endpoint).name("again").restart(policy());
    let client = open(zmq, client).await;
    let reply = actix::spawn(client.send(Request::new("x").idempotent()));
    let _first = kept.next().await.unwrap();
    client.send(Restart).await.unwrap().unwrap();
    kept.next().await.unwrap().reply("served").unwrap();
    assert_eq!(reply.await.unwrap().unwrap().unwrap(), Multipart::from("served"));
    let mine = &[("socket", "again")];
    eventually("it is counted", async || {
        let seen = seen.report(metrics).await;
        seen.counter("zmq.socket.requests.resent", mine) == 1
            && seen.times("messaging.client.operation.duration", mine).len() == 1
    })
    .await;
    assert_eq!(seen.counter("zmq.socket.restarts", mine), 1);
    // The counters are of its whole life.
    assert_eq!(seen.counter("messaging.client.sent.messages", mine), 2);

    let push = PushSocket::new().name("watched").restart(policy());
    let push = open(zmq, push.watch(Hanging.start().recipient())).await;
    for _ in 0..100 {
        push.send(Restart).await.unwrap().unwrap();
        eventually("it is up", async || {
            let all = zmq.send(Status).await.unwrap();
            all.iter().any(|one| {
                one.name.as_deref() == Some("watched") && one.state == actix_zmq::SocketState::Up
            })
        })
        .await;
    }
    eventually("events were missed", async || {
        seen.report(metrics).await.counter("zmq.socket.missed.events", &[("socket", "watched")]) > 0
    })
    .await;
    assert_eq!(seen.counter("zmq.socket.restarts", &[("socket", "watched")]), 100);
}

async fn calls(zmq: &Addr<Factory>, metrics: &Metrics, seen: &mut Seen) {
    let endpoint = inproc();
    let service = Service::new("calculator")
        .route(Route::inline(|Add(a, b): Add| a + b))
        .route(Route::to(Hanging.start().recipient::<Hang>()).limit(1));
    let server = open(zmq, ReplySocket::bind(&*endpoint).deliver_to(service)).await;
    let client = Client::new(open(zmq, Client::socket(&*endpoint).name("caller")).await);
    for _ in 0..2 {
        assert_eq!(client.call(Add(1, 2)).await.unwrap(), 3);
    }
    let hanging = client.clone();
    let hanging = actix::spawn(async move { hanging.call(Hang {}).await });
    let route = |route| [("service", "calculator"), ("route", route)];
    eventually("one is under way", async || {
        seen.report(metrics).await.gauge("zmq.service.calls.in_flight", &route("Hang")) == 1.0
    })
    .await;
    assert_eq!(client.call(Hang {}).await.unwrap_err().kind(), ErrorKind::Overloaded);
    let unknown = client.send(Call::new(Add(1, 2)).name("Sub")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownMessage);
    let ended = |seen: &Seen, name: &'static str, outcome: &'static str| {
        let [service, route] = route(name);
        seen.counter("zmq.service.calls.ended", &[service, route, ("outcome", outcome)])
    };
    seen.report(metrics).await;
    assert_eq!(ended(seen, "Add", "answered"), 2);
    assert_eq!(ended(seen, "Hang", "overloaded"), 1);
    assert_eq!(ended(seen, "", "unknown"), 1);
    let times = seen.times("messaging.process.duration", &route("Add"));
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|time| *time > 0.0 && *time < 20.0), "{times:?} s");
    hanging.abort();
    server.send(Close::within(ms(0))).await.unwrap().unwrap();
}

/// Runs one of these with a recorder of its own.
macro_rules! heard {
    ($($name:ident: $($scene:ident),+;)+) => {$(
        #[actix::test]
        async fn $name() {
            let recorder = DebuggingRecorder::new();
            let _local = metrics::set_default_local_recorder(&recorder);
            let mut seen = Seen::of(&recorder);
            within(async {
                let zmq = Factory::builder().start();
                let metrics = Metrics::of(&zmq);
                $($scene(&zmq, &metrics, &mut seen).await;)+
                finish(zmq).await;
            })
            .await;
        }
    )+};
}

heard! {
    messages_bytes_queues_peers_and_losses: messages;
    requests_by_their_outcome_with_their_latency: requests;
    restarts_resent_requests_and_missed_events: restarts;
    calls_by_route_and_outcome: calls;
    every_row_of_the_document: messages, requests, restarts, calls, every_row;
}

/// What the table in the document says is what was heard, and no more.
async fn every_row(_: &Addr<Factory>, _: &Metrics, seen: &mut Seen) {
    let of = |series: &Series| {
        let labels: BTreeSet<String> = series.1.keys().cloned().collect();
        (series.0.clone(), labels)
    };
    let mut heard = BTreeSet::new();
    for (kind, all) in [
        ("counter", seen.counters.keys().map(of).collect::<BTreeSet<_>>()),
        ("gauge", seen.gauges.keys().map(of).collect()),
        ("histogram", seen.times.keys().map(of).collect()),
    ] {
        for (name, labels) in all {
            let unit = match seen.units[&name] {
                "B" => "By",
                unit => unit,
            };
            heard.insert((name, kind.to_owned(), unit.to_owned(), labels));
        }
    }
    let document = include_str!("../docs/observability.md");
    let rows = document.lines().skip_while(|line| !line.starts_with("| Metric "));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let written: BTreeSet<_> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let bare = |text: &str| text.trim_matches('`').to_owned();
            let labels = cells[4].split(", ").map(bare).collect();
            (bare(cells[1]), cells[2].to_owned(), cells[3].to_owned(), labels)
        })
        .collect();
    assert_eq!(heard, written);
}

#[actix::test]
async fn sockets_of_one_name_are_summed_and_closed_ones_leave_no_gauge_behind() {
    let recorder = DebuggingRecorder::new();
    let _local = metrics::set_default_local_recorder(&recorder);
    let mut seen = Seen::of(&recorder);
    within(async {
        let zmq = Factory::builder().start();
        let metrics = Metrics::of(&zmq).label("factory", "test");
        let (told, mut pulled) = mpsc::unbounded();
        let endpoint = inproc();
        let pull = PullSocket::bind(&*endpoint).on_message(move |_: Pulled| {
            told.unbounded_send(()).unwrap();
        });
        open(&zmq, pull).await;
        let twin = async || open(&zmq, PushSocket::connect(&*endpoint).name("twin")).await;
        let twins = [twin().await, twin().await];
        for twin in &twins {
            twin.send(Push("x")).await.unwrap().unwrap();
            pulled.next().await.unwrap();
        }
        let mine = &[("socket", "twin"), ("factory", "test")];
        let sent = "messaging.client.sent.messages";
        eventually("both are counted", async || {
            let seen = seen.report(&metrics).await;
            seen.counter(sent, mine) == 2 && seen.gauge("zmq.socket.peers", mine) == 2.0
        })
        .await;
        assert_eq!(seen.gauge("zmq.socket.state", mine), 2.0);

        let [first, second] = twins;
        first.send(Close::within(ms(0))).await.unwrap().unwrap();
        // What it sent since the last report counts, though it is gone.
        second.send(Push("y")).await.unwrap().unwrap();
        second.send(Close::within(ms(1_000))).await.unwrap().unwrap();
        let third = twin().await;
        third.send(Push("z")).await.unwrap().unwrap();
        eventually("its successor goes on", async || {
            seen.report(&metrics).await.counter(sent, mine) == 4
        })
        .await;
        assert_eq!(seen.gauge("zmq.socket.state", mine), 1.0);

        // A snapshot would forget a gauge: this report has the recorder keep it.
        metrics.report().await;
        third.send(Close::within(ms(0))).await.unwrap().unwrap();
        seen.report(&metrics).await;
        assert_eq!(seen.gauge("zmq.socket.state", mine), 0.0);
        assert_eq!(seen.gauge("zmq.socket.queue.limit.messages", mine), 0.0);
        assert_eq!(seen.counter(sent, mine), 4);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn reports_come_by_themselves_until_the_factory_ends() {
    let recorder = DebuggingRecorder::new();
    let _local = metrics::set_default_local_recorder(&recorder);
    within(async {
        let zmq = Factory::builder().start();
        open(&zmq, PushSocket::bind(inproc()).name("push")).await;
        Metrics::of(&zmq).report_every(ms(1));
        let snapshotter = recorder.snapshotter();
        eventually("it is told", async || !snapshotter.snapshot().into_vec().is_empty()).await;
        let ended = zmq.downgrade();
        finish(zmq).await;
        eventually("the factory has gone", async || ended.upgrade().is_none()).await;
    })
    .await;
}
