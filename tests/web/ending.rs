//! The order of ending: requests are answered, then the sockets close, and the
//! process ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::web::{Bytes, Data, ServiceConfig, get};
use actix_web::{App, HttpResponse, HttpServer};
use actix_zmq::prelude::*;
use actix_zmq::web::{Ending, Health, HttpEnd, Reason, Serve, Served};
use futures::channel::mpsc;
use futures::future::join_all;
use futures::{StreamExt, stream};
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::deadline::{eventually, within};
use crate::http::{Server, answer};
use crate::process::{Process, role, tell};
use crate::service::{Held, Slow, calculator};
use crate::{finish, ms, open};

/// How many requests a handler has begun to handle.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

async fn slow(client: Data<Client>) -> Result<String, Error> {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    Ok(client.call(Slow(1)).await?.to_string())
}

async fn ping(client: Data<Client>) -> Result<&'static str, Error> {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    client.ping().await.map(|_| "pong")
}

/// Until somebody stops it.
async fn for_ever(stop: Data<Notify>) -> HttpResponse {
    let last = async move {
        stop.notified().await;
        Ok::<_, Error>(Bytes::from_static(b"the last word"))
    };
    HttpResponse::Ok().streaming(stream::once(last))
}

/// A server in front of a service, which ends when it is told.
struct Front {
    at: SocketAddr,
    run: JoinHandle<std::io::Result<Served>>,
}

async fn front(endpoint: &str, set: impl FnOnce(Serve, Data<Notify>) -> Serve) -> (Front, Ending) {
    let zmq = Factory::builder().start();
    let socket = open(&zmq, Client::socket(endpoint).name("service")).await;
    let client = Data::new(Client::new(socket));
    let stop = Data::new(Notify::new());
    let serve = set(Serve::new(zmq.clone()), stop.clone());
    let ending = serve.ending();
    let health = Health::of(zmq).until(ending.clone());
    let routes = move |config: &mut ServiceConfig| {
        config
            .app_data(client.clone())
            .app_data(stop.clone())
            .service(health.clone())
            .route("/slow", get().to(slow))
            .route("/ping", get().to(ping))
            .route("/for-ever", get().to(for_ever));
    };
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .workers(2)
        .bind(("127.0.0.1", 0))
        .unwrap();
    let at = server.addrs()[0];
    (Front { at, run: actix::spawn(serve.run(server)) }, ending)
}

/// A service here, and the calls that it is to answer.
struct Back {
    zmq: Addr<Factory>,
    endpoint: String,
    kept: mpsc::UnboundedReceiver<Held>,
}

impl Back {
    async fn new() -> Self {
        let zmq = Factory::builder().start();
        let (actor, kept) = calculator();
        let service = Service::new("slow").route(actor.recipient::<Slow>());
        open(&zmq, ReplySocket::bind("tcp://127.0.0.1:*").deliver_to(service)).await;
        let status = zmq.send(Status).await.unwrap();
        let endpoint = status[0].endpoints[0].endpoint().to_string();
        Self { zmq, endpoint, kept }
    }

    /// As many calls as are under way.
    async fn calls(&mut self, number: usize) -> Vec<Held> {
        self.kept.by_ref().take(number).collect().await
    }
}

/// A front in a process of its own.
async fn child(role: &str, back: &Back) -> (Process, Server) {
    let mut process = Process::child_of("ending::as_a_child", role, &back.endpoint, "");
    let at = process.line("ready ").await.parse().unwrap();
    (process, Server::at(at))
}

#[actix::test]
async fn with_a_signal_what_is_under_way_is_answered_before_the_sockets_close() {
    within(async {
        for signal in ["INT", "TERM"] {
            let mut back = Back::new().await;
            let (process, server) = child("front", &back).await;
            let asked = join_all((0..20).map(|_| server.ask("/slow"))).await;
            let held = back.calls(20).await;
            process.signal(signal);
            eventually("it takes no more", async || server.connect().await.is_err()).await;
            held.into_iter().for_each(|call| call.send(7).unwrap());
            for connection in asked {
                let response = answer(connection).await.expect("an answer");
                assert_eq!((response.status, &*response.body), (200, "7"));
            }
            let told = process.success().await;
            let is_told = |what: &str| told.iter().any(|line| line.contains(what));
            let beginning = format!("SIG{signal}: HTTP has ended, all requests answered");
            assert!(is_told(&beginning), "{told:#?}");
            assert!(is_told("context terminated"), "{told:#?}");
            assert!(is_told("clean: true"), "{told:#?}");
            finish(back.zmq).await;
        }
    })
    .await;
}

#[actix::test]
async fn under_load_whatever_a_handler_has_begun_is_answered() {
    within(async {
        let back = Back::new().await;
        let (process, server) = child("front", &back).await;
        let (answered, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let clients = (0..16).map(|_| {
            let (server, answered) = (server.clone(), Arc::clone(&answered));
            let ended = Arc::clone(&ended);
            actix::spawn(async move {
                while let Ok(response) = server.try_get("/ping").await {
                    // One that the server let go before a handler began has no answer.
                    let Some(response) = response else { continue };
                    assert_eq!(response.status, 200, "{response:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                assert!(ended.load(Ordering::SeqCst), "refused before the end");
            })
        });
        let clients: Vec<_> = clients.collect();
        eventually("it is under load", async || answered.load(Ordering::SeqCst) > 500).await;
        ended.store(true, Ordering::SeqCst);
        process.signal("TERM");
        for client in clients {
            client.await.unwrap();
        }
        let told = process.success().await;
        let begun = format!("begun: {}", answered.load(Ordering::SeqCst));
        assert!(told.contains(&begun), "not {begun:?}: {told:#?}");
        assert!(told.iter().any(|line| line == "clean: true"), "{told:#?}");
        finish(back.zmq).await;
    })
    .await;
}

#[actix::test]
async fn with_notice_it_is_not_ready_and_serves_until_a_further_signal_hurries_it() {
    within(async {
        let mut back = Back::new().await;
        let (process, server) = child("notice", &back).await;
        let ready = async || server.get("/readyz").await.status;
        assert_eq!(ready().await, 200);
        process.signal("TERM");
        eventually("it is not ready", async || ready().await == 503).await;
        let told = server.get("/readyz").await.json()["reasons"].clone();
        assert_eq!(told, serde_json::json!(["the server is about to end"]));
        assert_eq!(server.get("/healthz").await.status, 200);
        assert_eq!(server.get("/ping").await.status, 200);
        let asked = server.ask("/slow").await;
        let held = back.calls(1).await;
        process.signal("TERM");
        let told = answer(asked).await;
        assert!(told.as_ref().is_none_or(|response| response.status == 503), "{told:?}");
        let told = process.success().await;
        let cut_off = "SIGTERM: HTTP has ended, requests cut off by a further signal";
        assert!(told.iter().any(|line| line == cut_off), "{told:#?}");
        drop(held);
        finish(back.zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_stream_that_nobody_ends_and_a_request_that_takes_too_long_are_cut_off() {
    within(async {
        let mut back = Back::new().await;
        let (Front { at, run }, ending) =
            front(&back.endpoint, |serve, _| serve.http(ms(900))).await;
        let mut stream = Server::at(at).ask("/for-ever").await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        let slow = Server::at(at).ask("/slow").await;
        let held = back.calls(1).await;
        assert!(!ending.has_begun());
        ending.begin();
        ending.begin();
        ending.begun().await;
        let served = run.await.unwrap().unwrap();
        assert_eq!((served.reason, served.http), (Reason::Asked, HttpEnd::TimedOut));
        assert!(!served.is_clean());
        // The sockets are closed next, which fails the call: if the worker of HTTP is
        // still there for it, that is told.
        let told = answer(slow).await.map(|told| told.status);
        assert!(matches!(told, None | Some(503)), "it is cut off: {told:?}");
        drop(held);
        finish(back.zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_stream_that_is_named_ends_and_holds_nobody() {
    within(async {
        let back = Back::new().await;
        let ends = |serve: Serve, stop: Data<Notify>| serve.ends(move || stop.notify_one());
        let (Front { at, run }, ending) = front(&back.endpoint, ends).await;
        let mut stream = Server::at(at).ask("/for-ever").await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        ending.begin();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("the last word"), "{rest}");
        let served = run.await.unwrap().unwrap();
        assert_eq!((served.reason, served.http), (Reason::Asked, HttpEnd::Finished));
        assert!(served.is_clean(), "{served}");
        finish(back.zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_client_that_goes_takes_its_call_along() {
    within(async {
        let mut back = Back::new().await;
        let (Front { at, run }, ending) = front(&back.endpoint, |serve, _| serve).await;
        let server = Server::at(at);
        let asked = server.ask("/slow").await;
        let held = back.calls(1).await;
        drop(asked);
        eventually("the call is given up", async || {
            let status = server.get("/zmq/status").await.json();
            let socket = &status["sockets"][0];
            socket["in_flight"] == 0 && socket["counters"]["cancelled"] == 1
        })
        .await;
        ending.begin();
        assert!(run.await.unwrap().unwrap().is_clean());
        drop(held);
        finish(back.zmq).await;
    })
    .await;
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn as_a_child() {
    let Some((role, endpoint)) = role() else { return };
    System::new().block_on(async {
        let notice = if role == "notice" { ms(60_000) } else { ms(0) };
        let (Front { at, run }, _) = front(&endpoint, |serve, _| serve.notice(notice)).await;
        tell(format!("ready {at}"));
        let served = run.await.unwrap().unwrap();
        tell(&served);
        tell(format!("begun: {}", BEGUN.load(Ordering::SeqCst)));
        tell(format!("clean: {}", served.is_clean()));
    });
}
