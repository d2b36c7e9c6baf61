//! One trace from a caller through a socket to a service, and its actors.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::indexing_slicing, reason = "a test that fails panics")]

#[path = "it/support/deadline.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod deadline;

use std::sync::LazyLock;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use actix_zmq::prelude::*;
use actix_zmq::{Pattern, Responder, Socket, Traced};
use futures::StreamExt;
use futures::channel::mpsc;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{
    SpanId, SpanKind, Status, TraceContextExt, TraceId, Tracer, TracerProvider,
};
use opentelemetry::{Context as OtelContext, KeyValue, Value};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::subscriber::NoSubscriber;
use tracing::{Instrument, Span, info_span};
use tracing_actix_web::TracingLogger;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::deadline::{eventually_some, within};

/// All spans of all tests, as a program would have them exported.
static EXPORTED: LazyLock<(InMemorySpanExporter, SdkTracerProvider)> = LazyLock::new(|| {
    let propagator = TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]);
    opentelemetry::global::set_text_map_propagator(propagator);
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    (exporter, provider)
});

/// The spans of one trace that have ended, when there are so many.
async fn spans(trace: TraceId, count: usize) -> Vec<SpanData> {
    eventually_some(&format!("{count} spans"), async || {
        let mut all = EXPORTED.0.get_finished_spans().unwrap();
        all.retain(|span| span.span_context.trace_id() == trace);
        assert!(all.len() <= count, "{all:#?}");
        (all.len() == count).then_some(all)
    })
    .await
}

/// The only span of this name.
#[track_caller]
fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no {name:?} in {spans:#?}"));
    assert!(found.next().is_none(), "two of {name:?}");
    span
}

/// Each is the parent of the next.
#[track_caller]
fn chain(spans: &[SpanData], names: &[&str]) {
    for pair in names.windows(2) {
        let (parent, child) = (named(spans, pair[0]), named(spans, pair[1]));
        assert_eq!(child.parent_span_id, parent.span_context.span_id(), "{pair:?}");
    }
}

fn field(span: &SpanData, key: &str) -> Option<Value> {
    span.attributes.iter().find(|one| one.key.as_str() == key).map(|one| one.value.clone())
}

/// A span that begins a trace, and the trace.
fn root() -> (Span, TraceId) {
    LazyLock::force(&EXPORTED);
    let root = info_span!(parent: None, "root");
    let trace = root.context().span().span_context().trace_id();
    (root, trace)
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Add(i64, i64);

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Double(i64);

/// Calls on: doubles by adding.
struct Doubler(Client);

impl Actor for Doubler {
    type Context = Context<Self>;
}

impl Handler<Traced<Double>> for Doubler {
    type Result = ResponseFuture<i64>;

    fn handle(&mut self, traced: Traced<Double>, _: &mut Context<Self>) -> Self::Result {
        let Traced { message: Double(number), span } = traced;
        let adder = self.0.clone();
        Box::pin(async move { adder.call(Add(number, number)).await.unwrap() }.instrument(span))
    }
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

async fn client(zmq: &Addr<Factory>, endpoint: &str) -> Client {
    Client::new(open(zmq, Client::socket(endpoint).name("client")).await)
}

/// Serves, on an arbiter of its own, and tells where.
async fn serve(zmq: &Addr<Factory>, service: Service) -> String {
    let server = open(zmq, ReplySocket::new().arbiter("services").deliver_to(service)).await;
    server.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap().to_string()
}

async fn serve_add(zmq: &Addr<Factory>) -> String {
    let add = Route::inline(|Add(a, b): Add| info_span!("adding").in_scope(|| a + b));
    serve(zmq, Service::new("adder").route(add)).await
}

#[actix::test]
async fn one_trace_from_the_caller_to_the_closure() {
    within(async {
        let (root, trace) = root();
        let zmq = Factory::builder().start();
        let adder = client(&zmq, &serve_add(&zmq).await).await;
        assert_eq!(adder.call(Add(1, 2)).instrument(root.clone()).await.unwrap(), 3);
        drop(root);
        let spans = spans(trace, 4).await;
        chain(&spans, &["root", "call Add", "serve Add", "adding"]);
        let (call, serve) = (named(&spans, "call Add"), named(&spans, "serve Add"));
        assert_eq!((&call.span_kind, &serve.span_kind), (&SpanKind::Client, &SpanKind::Server));
        assert!(serve.parent_span_is_remote && !call.parent_span_is_remote);
        for (span, key, value) in [
            (call, "messaging.system", "zeromq"),
            (call, "messaging.operation.name", "call"),
            (call, "messaging.operation.type", "send"),
            (call, "messaging.client.id", "client"),
            (call, "rpc.method", "Add"),
            (serve, "messaging.system", "zeromq"),
            (serve, "messaging.operation.name", "serve"),
            (serve, "messaging.operation.type", "process"),
            (serve, "messaging.destination.name", "adder"),
            (serve, "rpc.method", "Add"),
        ] {
            assert_eq!(field(span, key), Some(value.into()), "{key}");
        }
        assert_eq!(field(serve, "messaging.message.body.size"), Some(3.into()));
        assert!(field(call, "error.type").is_none() && field(serve, "error.type").is_none());
        assert_eq!((&call.status, &serve.status), (&Status::Unset, &Status::Unset));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_actor_that_is_traced_goes_on_with_the_trace() {
    within(async {
        let (root, trace) = root();
        let zmq = Factory::builder().start();
        let adder = client(&zmq, &serve_add(&zmq).await).await;
        let doubler = Doubler(adder).start();
        let route = Route::traced(doubler.recipient());
        let doubler = client(&zmq, &serve(&zmq, Service::new("doubler").route(route)).await).await;
        // Whichever way it is called.
        let recipient = doubler.recipient::<Double>();
        assert_eq!(recipient.send(Double(4)).instrument(root.clone()).await.unwrap(), 8);
        drop(root);
        let spans = spans(trace, 6).await;
        let all = ["root", "call Double", "serve Double", "call Add", "serve Add", "adding"];
        chain(&spans, &all);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn each_attempt_of_a_call_is_a_span_and_has_what_it_led_to() {
    within(async {
        let (root, trace) = root();
        let zmq = Factory::builder().start();
        let mut first = true;
        let fails_once = Route::inline(move |Add(a, b): Add| {
            assert!(!std::mem::take(&mut first), "the first time");
            a + b
        });
        let at = serve(&zmq, Service::new("adder").route(fails_once)).await;
        let adder = client(&zmq, &at).await;
        let retry = Retry::attempts(3).first(Duration::from_millis(1));
        let call = root.in_scope(|| Call::new(Add(1, 2)).idempotent().retry(retry));
        assert_eq!(adder.addr().send(call).await.unwrap().unwrap(), 3);
        drop(root);
        let spans = spans(trace, 6).await;
        chain(&spans, &["root", "call Add"]);
        let call = named(&spans, "call Add");
        assert_eq!((&call.span_kind, &call.status), (&SpanKind::Internal, &Status::Unset));
        let mut attempts: Vec<_> = spans.iter().filter(|span| span.name == "attempt").collect();
        attempts.sort_by_key(|span| span.start_time);
        let before = |span: &SpanData| field(span, "rpc.resend_count");
        assert_eq!(
            attempts.iter().map(|one| before(one)).collect::<Vec<_>>(),
            [Some(Value::I64(0)), Some(Value::I64(1)),]
        );
        for (attempt, error, served) in
            [(attempts[0], Some("Stopped"), Some("stopped")), (attempts[1], None, None)]
        {
            assert_eq!(attempt.parent_span_id, call.span_context.span_id());
            assert_eq!(attempt.span_kind, SpanKind::Client);
            assert_eq!(field(attempt, "error.type"), error.map(Into::into));
            let is_its = |span: &&SpanData| span.parent_span_id == attempt.span_context.span_id();
            let serve: Vec<_> = spans.iter().filter(is_its).collect();
            assert_eq!((serve.len(), &*serve[0].name), (1, "serve Add"));
            assert_eq!(field(serve[0], "error.type"), served.map(Into::into));
            assert_eq!(matches!(serve[0].status, Status::Error { .. }), served.is_some());
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_call_that_fails_says_why() {
    within(async {
        let zmq = Factory::builder().start();
        let adder = client(&zmq, &serve_add(&zmq).await).await;
        let (span, trace) = root();
        adder.call(Double(1)).instrument(span).await.unwrap_err();
        // What strangers may call it is in no span of the service.
        let told = spans(trace, 2).await;
        let call = named(&told, "call Double");
        assert_eq!(field(call, "error.type"), Some("UnknownMessage".into()));
        assert!(matches!(call.status, Status::Error { .. }));

        // Nobody waits any more.
        let (keep, mut kept) = mpsc::unbounded::<Responder>();
        let silent = ReplySocket::new().on_message(move |request: IncomingRequest| {
            keep.unbounded_send(request.responder).unwrap();
        });
        let silent = open(&zmq, silent).await;
        let at = silent.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap();
        let silent = client(&zmq, at.as_ref()).await;
        let (span, trace) = root();
        let (calling, gone) = (silent.clone(), span.clone());
        let call = actix::spawn(async move { calling.call(Add(1, 2)).await }.instrument(gone));
        let held = kept.next().await.unwrap();
        call.abort();
        drop(span);
        let told = spans(trace, 2).await;
        assert_eq!(field(named(&told, "call Add"), "error.type"), Some("cancelled".into()));
        drop(held);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_context_without_a_tracing_span_goes_along_with_its_baggage() {
    within(async {
        LazyLock::force(&EXPORTED);
        let zmq = Factory::builder().start();
        let (told, mut heard) = mpsc::unbounded();
        let tells = Route::inline(move |Add(a, b): Add| {
            let user = OtelContext::current().baggage().get("user").map(ToString::to_string);
            told.unbounded_send(user).unwrap();
            a + b
        });
        let adder = client(&zmq, &serve(&zmq, Service::new("adder").route(tells)).await).await;
        let span = EXPORTED.1.tracer("other").start("root");
        let context = OtelContext::new().with_baggage([KeyValue::new("user", "alice")]);
        let context = context.with_span(span);
        let trace = context.span().span_context().trace_id();
        let call = {
            let _current = context.attach();
            Call::new(Add(1, 2))
        };
        assert_eq!(adder.send(call).await.unwrap(), 3);
        assert_eq!(heard.next().await.unwrap(), Some("alice".to_owned()));
        chain(&spans(trace, 3).await, &["root", "call Add", "serve Add"]);
        finish(zmq).await;
    })
    .await;
}

/// The header of one call, as it is on the wire.
async fn header_of(traced: bool) -> Frame {
    let zmq = Factory::builder().start();
    let (told, mut heard) = mpsc::unbounded();
    let server = ReplySocket::new().on_message(move |request: IncomingRequest| {
        let header = request.body[0].clone();
        request.responder.reply(request.body).unwrap();
        told.unbounded_send(header).unwrap();
    });
    let server = open(&zmq, server).await;
    let at = server.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap();
    let caller = client(&zmq, at.as_ref()).await;
    let call = caller.call(Add(1, 2));
    let answer = if traced { call.instrument(root().0).await } else { call.await };
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Incompatible);
    finish(zmq).await;
    heard.next().await.unwrap()
}

#[actix::test]
async fn a_call_is_longer_by_the_context_of_its_trace_and_by_nothing_without_one() {
    within(async {
        LazyLock::force(&EXPORTED);
        let plain = 28 + "msgpack".len() + "Add".len();
        let header = header_of(true).await;
        let text = String::from_utf8_lossy(&header[plain..]).into_owned();
        let (key, value) = (&text[1..12], &text[14..69]);
        assert_eq!((key, &value[..3]), ("traceparent", "00-"), "{text:?}");

        let _nobody = tracing::subscriber::set_default(NoSubscriber::new());
        assert_eq!(header_of(false).await.len(), plain);
    })
    .await;
}

#[actix::test]
async fn one_trace_from_http_to_the_remote_actor() {
    within(async {
        LazyLock::force(&EXPORTED);
        let zmq = Factory::builder().start();
        let adder = web::Data::new(client(&zmq, &serve_add(&zmq).await).await);
        async fn add(adder: web::Data<Client>) -> Result<String, Error> {
            Ok(adder.call(Add(1, 2)).await?.to_string())
        }
        let server = HttpServer::new(move || {
            let app = App::new().wrap(TracingLogger::default());
            app.app_data(adder.clone()).route("/add", web::get().to(add))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let at = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix::spawn(server);

        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let mut connection = tokio::net::TcpStream::connect(at).await.unwrap();
        let request = format!(
            "GET /add HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             traceparent: 00-{trace}-{parent}-01\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n3"), "{answer}");

        let spans = spans(TraceId::from_hex(trace).unwrap(), 4).await;
        chain(&spans, &["GET /add", "call Add", "serve Add", "adding"]);
        let http = named(&spans, "GET /add");
        assert_eq!(http.parent_span_id, SpanId::from_hex(parent).unwrap());
        handle.stop(false).await;
        finish(zmq).await;
    })
    .await;
}
