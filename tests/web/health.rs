//! What probes are told, as sockets come and go.

use actix_web::web::ServiceConfig;
use actix_web::{http::Method, web};
use actix_zmq::prelude::*;
use actix_zmq::web::Health;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::deadline::{eventually, within};
use crate::http::{Response, Server, answer, serve};
use crate::service::{calculator, service};
use crate::{finish, inproc, ms, open};

fn serve_health(health: &Health) -> Server {
    let health = health.clone();
    serve(move |config: &mut ServiceConfig| {
        config.service(health.clone()).service(web::scope("/internal").service(health.clone()));
    })
}

/// A probe's answer when all is well.
#[track_caller]
fn is_well(response: &Response, word: &str) {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.json()["status"], word);
}

/// Why a probe says no.
#[track_caller]
fn reasons(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 503, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    serde_json::from_value(response.json()["reasons"].clone()).unwrap()
}

#[actix::test]
async fn readiness_follows_the_sockets_down_and_up_again() {
    within(async {
        let zmq = Factory::builder().start();
        let server = serve_health(&Health::of(zmq.clone()).needs("jobs"));
        is_well(&server.get("/healthz").await, "alive");
        let nothing = ["no socket is open", "no socket with the name \"jobs\" is open"];
        assert_eq!(reasons(&server.get("/readyz").await), nothing);

        let slowly = RestartPolicy::default().initial(ms(300)).jitter(0.0);
        let jobs = PushSocket::bind(inproc()).name("jobs").restart(slowly);
        let jobs = open(&zmq, jobs).await;
        is_well(&server.get("/readyz").await, "ready");
        is_well(&server.get("/internal/readyz").await, "ready");

        jobs.send(Restart).await.unwrap().unwrap();
        assert_eq!(reasons(&server.get("/readyz").await), ["socket #1 \"jobs\" (PUSH) is down"]);
        is_well(&server.get("/healthz").await, "alive");
        eventually("it is ready again", async || server.get("/readyz").await.status == 200).await;

        // Another one, without a name, is none of those that are needed.
        let other = open(&zmq, PushSocket::bind(inproc())).await;
        jobs.send(Close::within(ms(0))).await.unwrap().unwrap();
        assert_eq!(reasons(&server.get("/readyz").await), nothing[1..]);
        drop(other);

        // It is not ready, but alive, to the end of a shutdown and beyond.
        finish(zmq).await;
        assert_eq!(reasons(&server.get("/readyz").await), nothing);
        is_well(&server.get("/healthz").await, "alive");
        server.stop().await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_needs_peers_is_ready_with_the_first() {
    within(async {
        let zmq = Factory::builder().start();
        let health = Health::of(zmq.clone()).needs_peers("adder");
        let server = serve_health(&health.needs_peers("uncounted"));
        let adder = PushSocket::new().name("adder");
        let adder = open(&zmq, adder).await;
        let port = adder.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap();
        let uncounted = PushSocket::bind(inproc()).name("uncounted").monitor(false);
        open(&zmq, uncounted).await;
        let alone = [
            "socket #1 \"adder\" (PUSH) has no peer",
            "socket #2 \"uncounted\" (PUSH) does not count its peers",
        ];
        assert_eq!(reasons(&server.get("/readyz").await), alone);
        let pull = PullSocket::connect(port).on_message(|_: Pulled| {});
        let pull = open(&zmq, pull).await;
        eventually("the peer counts", async || reasons(&server.get("/readyz").await) == alone[1..])
            .await;
        pull.send(Close::within(ms(0))).await.unwrap().unwrap();
        eventually("and counts no more", async || reasons(&server.get("/readyz").await) == alone)
            .await;
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_shutdown_under_way_is_not_ready() {
    within(async {
        let zmq = Factory::builder().start();
        let server = serve_health(&Health::of(zmq.clone()));
        // What waits for a peer that never comes keeps it closing.
        let jobs = open(&zmq, PushSocket::bind(inproc()).name("jobs")).await;
        jobs.do_send(Push("nobody pulls"));
        is_well(&server.get("/readyz").await, "ready");
        let ending = actix::spawn(zmq.send(Shutdown::within(ms(1_000))));
        eventually("it is closing", async || {
            let answer = server.get("/readyz").await;
            answer.status == 503 && reasons(&answer) == ["socket #1 \"jobs\" (PUSH) is closing"]
        })
        .await;
        is_well(&server.get("/healthz").await, "alive");
        ending.await.unwrap().unwrap();
        server.stop().await;
    })
    .await;
}

#[actix::test]
async fn the_status_has_every_socket_and_its_figures() {
    within(async {
        let zmq = Factory::builder().start();
        let server = serve_health(&Health::of(zmq.clone()));
        let (actor, _kept) = calculator();
        let endpoint = inproc();
        open(&zmq, ReplySocket::bind(&*endpoint).name("server").deliver_to(service(&actor))).await;
        let socket = Client::socket(&*endpoint).overflow(Overflow::Reject, 5);
        let client = Client::new(open(&zmq, socket).await);
        client.ping().await.unwrap();
        let told = server.get("/zmq/status").await;
        assert_eq!(told.header("content-type"), Some("application/json"));
        let told = told.json();
        let (major, minor, patch) = actix_zmq::libzmq_version();
        assert_eq!(told["libzmq"], format!("{major}.{minor}.{patch}"));
        let first = &told["sockets"][0];
        for (key, value) in [
            ("id", Value::from(1)),
            ("name", "server".into()),
            ("type", "REPLY".into()),
            ("state", "up".into()),
            ("restarts", 0.into()),
            ("queued", 0.into()),
            ("queued_bytes", 0.into()),
            ("in_flight", 0.into()),
            ("peers", 1.into()),
        ] {
            assert_eq!(first[key], value, "{key} of {first}");
        }
        assert_eq!(first["endpoints"][0]["bound"], *endpoint);
        assert_eq!(first["counters"]["received"], 1, "{first}");
        let second = &told["sockets"][1];
        assert_eq!(second["name"], Value::Null);
        assert_eq!(second["endpoints"][0]["connected"], *endpoint);
        assert_eq!(second["limits"]["messages"], 5);
        assert_eq!(second["limits"]["overflow"], "reject");
        assert_eq!(second["counters"]["sent"], 1, "{second}");
        assert_eq!(first["latency"], Value::Null);
        let latency = &second["latency"];
        assert_eq!(latency["count"], 1, "{second}");
        for key in ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"] {
            assert!(latency[key].as_u64().unwrap() > 0, "{key} of {second}");
        }
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_factory_whose_arbiter_is_blocked_is_not_alive() {
    within(async {
        let arbiter = Arbiter::new();
        let (tell, told) = futures::channel::oneshot::channel();
        arbiter.spawn(async move {
            let _ = tell.send(Factory::builder().start());
        });
        let zmq = told.await.unwrap();
        let server = serve_health(&Health::of(zmq.clone()).within(ms(50)));
        is_well(&server.get("/healthz").await, "alive");
        let (go_on, until) = std::sync::mpsc::channel::<()>();
        arbiter.spawn(async move {
            let _ = until.recv();
        });
        for path in ["/healthz", "/readyz", "/zmq/status"] {
            eventually("nobody answers", async || server.get(path).await.status == 503).await;
            let blocked = reasons(&server.get(path).await);
            assert_eq!(blocked, ["the factory did not answer within 50ms"]);
        }
        go_on.send(()).unwrap();
        eventually("it is alive", async || server.get("/healthz").await.status == 200).await;
        // Its arbiter has gone, and it with that.
        arbiter.stop();
        arbiter.join().unwrap();
        assert_eq!(reasons(&server.get("/healthz").await), ["the factory has ended"]);
        server.stop().await;
    })
    .await;
}

#[actix::test]
async fn probes_may_ask_for_the_head_alone_and_nothing_else() {
    within(async {
        let zmq = Factory::builder().start();
        let server = serve_health(&Health::of(zmq.clone()));
        for (method, status) in [(Method::HEAD, 200), (Method::POST, 405), (Method::GET, 200)] {
            let mut connection = tokio::net::TcpStream::connect(server.at).await.unwrap();
            let request =
                format!("{method} /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
            connection.write_all(request.as_bytes()).await.unwrap();
            let answer = answer(connection).await.unwrap();
            assert_eq!(answer.status, status, "{method}");
            assert_eq!(answer.body.is_empty(), method != Method::GET, "{method}");
        }
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}
