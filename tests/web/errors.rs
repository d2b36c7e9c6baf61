//! Each failure is the answer that the table promises, produced by real sockets.

use actix_web::error::ErrorServiceUnavailable;
use actix_web::web::{Data, Path, ServiceConfig, get, post};
use actix_zmq::prelude::*;
use futures::StreamExt;

use crate::deadline::{eventually, within};
use crate::http::{Response, serve};
use crate::service::{
    Add, Divide, Narrow, Slow, Stop, Unwritable, WantUnwritable, Wide, calculator, service,
};
use crate::{finish, inproc, ms, open, status};

/// Where calls go, well or not.
#[derive(Clone)]
struct Ways {
    calculator: Client,
    nowhere: Client,
    full: Client,
    dropping: Client,
    stranger: Client,
    closed: Client,
}

async fn call(what: Path<String>, ways: Data<Ways>) -> Result<String, Error> {
    let service = &ways.calculator;
    let told = match what.as_str() {
        "add" => service.call(Add(20, 22)).await?.to_string(),
        "wide" => service.call(Wide {}).await?,
        "slow" => service.call(Slow(1)).await?.to_string(),
        "slow-and-impatient" => service.clone().timeout(ms(50)).call(Slow(1)).await?.to_string(),
        "unknown" => service.send(Call::new(Add(1, 2)).name("Nobody")).await?.to_string(),
        "as-json" => service.clone().codec::<Json>().call(Add(1, 2)).await?.to_string(),
        "another-type" => service.send(Call::new(Slow(1)).name("Add")).await?.to_string(),
        "narrow" => service.call(Narrow {}).await?.to_string(),
        "unwritable" => format!("{:?}", service.call(Unwritable).await?),
        "want-unwritable" => format!("{:?}", service.call(WantUnwritable).await?),
        "long" => format!("{:?}", service.frames("Add", vec![0_u8; 101]).await?),
        "endless-name" => {
            service.send(Call::new(Add(1, 2)).name("x".repeat(256))).await?.to_string()
        }
        "nowhere" => ways.nowhere.call(Add(1, 2)).await?.to_string(),
        "full" => ways.full.call(Add(1, 2)).await?.to_string(),
        "dropping" => ways.dropping.call(Add(1, 2)).await?.to_string(),
        "stranger" => ways.stranger.call(Add(1, 2)).await?.to_string(),
        "closed" => ways.closed.call(Add(1, 2)).await?.to_string(),
        other => panic!("{other:?} is not known"),
    };
    Ok(told)
}

async fn divide(numbers: Path<(i64, i64)>, ways: Data<Ways>) -> actix_web::Result<String> {
    let (a, b) = numbers.into_inner();
    Ok(ways.calculator.call(Divide(a, b)).await??.to_string())
}

fn routes(ways: Ways) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let ways = Data::new(ways);
    move |config| {
        config
            .app_data(ways.clone())
            .route("/call/{what}", get().to(call))
            .route("/divide/{a}/{b}", get().to(divide));
    }
}

async fn ways(zmq: &Addr<Factory>, calculator: Client) -> Ways {
    let client = async |socket| Client::new(open(zmq, socket).await);
    let strange = inproc();
    let echo = ReplySocket::bind(&*strange).on_message(|request: IncomingRequest| {
        let _ = request.responder.reply("neither header nor body");
    });
    open(zmq, echo).await;
    let closed = client(RequestSocket::connect(inproc())).await;
    closed.addr().send(Close::within(ms(0))).await.unwrap().unwrap();
    Ways {
        calculator,
        nowhere: client(Client::socket(inproc()).unreachable_after(ms(50))).await,
        full: client(RequestSocket::bind(inproc()).overflow(Overflow::Reject, 0)).await,
        dropping: client(RequestSocket::bind(inproc()).overflow(Overflow::DropNewest, 0)).await,
        stranger: client(RequestSocket::connect(strange)).await,
        closed,
    }
}

#[track_caller]
fn is_problem(response: &Response, (status, name, again): (u16, &str, Again)) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let told = response.json();
    assert_eq!(told["type"], format!("urn:actix-zmq:{name}"));
    assert_eq!(told["status"], status);
    assert!(!told["title"].as_str().unwrap().is_empty());
    assert!(!told["detail"].as_str().unwrap().is_empty());
    assert_eq!(told["retryable"], again != Again::Never, "{told}");
    let later = (again == Again::Later).then_some("1");
    assert_eq!(response.header("retry-after"), later, "{told}");
    assert!(!response.body.contains("secret") && !response.body.contains("inproc"), "{told}");
}

#[derive(Clone, Copy, PartialEq)]
enum Again {
    Never,
    Perhaps,
    Later,
}

#[actix::test]
async fn every_failure_of_a_call_is_the_answer_of_the_table() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, mut kept) = calculator();
        let endpoint = inproc();
        open(&zmq, ReplySocket::bind(&*endpoint).deliver_to(service(&actor))).await;
        let socket = open(&zmq, Client::socket(&*endpoint).timeout(ms(10_000))).await;
        let ways = ways(&zmq, Client::new(socket)).await;
        let server = serve(routes(ways));

        let well = server.get("/call/add").await;
        assert_eq!((well.status, &*well.body), (200, "42"));
        assert_eq!(server.get("/call/wide").await.body, "wide");

        for (what, expected) in [
            ("slow-and-impatient", (504, "timed-out", Again::Perhaps)),
            ("nowhere", (503, "unreachable", Again::Later)),
            ("full", (503, "queue-full", Again::Later)),
            ("dropping", (503, "dropped", Again::Later)),
            ("closed", (503, "closed", Again::Never)),
            ("unknown", (502, "unknown-message", Again::Never)),
            ("as-json", (502, "wrong-codec", Again::Never)),
            ("stranger", (502, "incompatible", Again::Never)),
            ("narrow", (502, "decode", Again::Never)),
            ("another-type", (502, "remote-decode", Again::Never)),
            ("want-unwritable", (502, "remote-encode", Again::Never)),
            ("long", (413, "too-large", Again::Never)),
            ("unwritable", (500, "encode", Again::Never)),
            ("endless-name", (500, "invalid-message", Again::Never)),
        ] {
            is_problem(&server.get(&format!("/call/{what}")).await, expected);
        }

        // The one that was given up is still with its actor, until that notices.
        drop(kept.next().await);
        let held = server.ask("/call/slow").await;
        let answer = kept.next().await.unwrap();
        let refused = server.get("/call/slow").await;
        is_problem(&refused, (503, "overloaded", Again::Later));
        answer.send(7).unwrap();
        assert_eq!(crate::http::answer(held).await.unwrap().body, "7");

        actor.send(Stop).await.unwrap();
        is_problem(&server.get("/call/add").await, (503, "stopped", Again::Later));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn the_handlers_own_error_is_mapped_by_the_application() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, _kept) = calculator();
        let endpoint = inproc();
        open(&zmq, ReplySocket::bind(&*endpoint).deliver_to(service(&actor))).await;
        let socket = open(&zmq, Client::socket(&*endpoint)).await;
        let server = serve(routes(ways(&zmq, Client::new(socket)).await));
        assert_eq!(server.get("/divide/7/2").await.body, "3");
        let refused = server.get("/divide/7/0").await;
        assert_eq!(refused.status, 422);
        let told = refused.json();
        assert_eq!((&told["type"], &told["detail"]), (&"about:blank".into(), &"by zero".into()));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_service_that_goes_with_the_call_and_a_socket_that_is_opened_again_are_told() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, mut kept) = calculator();
        let endpoint = inproc();
        let serving = || ReplySocket::bind(&*endpoint).linger(ms(0)).deliver_to(service(&actor));
        let first = open(&zmq, serving()).await;
        let socket = Client::socket(&*endpoint).name("client").unreachable_after(ms(10_000));
        let socket = open(&zmq, socket.restart(RestartPolicy::default().initial(ms(10)))).await;
        let server = serve(routes(ways(&zmq, Client::new(socket.clone())).await));

        let asked = server.ask("/call/slow").await;
        let held = kept.next().await.unwrap();
        first.send(Close::within(ms(0))).await.unwrap().unwrap();
        drop(held);
        let lost = crate::http::answer(asked).await.unwrap();
        is_problem(&lost, (503, "peer-lost", Again::Later));

        open(&zmq, serving()).await;
        assert_eq!(server.get("/call/add").await.body, "42", "there is another one");
        let asked = server.ask("/call/slow").await;
        let held = kept.next().await.unwrap();
        socket.send(Restart).await.unwrap().unwrap();
        let restarted = crate::http::answer(asked).await.unwrap();
        is_problem(&restarted, (503, "restarted", Again::Later));
        drop(held);
        eventually("it is up again", async || {
            status(&zmq, "client").await.state == actix_zmq::SocketState::Up
        })
        .await;
        assert_eq!(server.get("/call/add").await.body, "42");
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

async fn bind(endpoint: String, router: Data<Addr<RouterSocket>>) -> actix_web::Result<String> {
    let bound = router.send(Bind::new(endpoint)).await.map_err(ErrorServiceUnavailable)??;
    Ok(bound.to_string())
}

async fn send_to(peer: String, router: Data<Addr<RouterSocket>>) -> actix_web::Result<String> {
    let sent = router.send(SendTo::new(peer, "hello")).await;
    sent.map_err(ErrorServiceUnavailable)??;
    Ok(String::new())
}

#[actix::test]
async fn failures_of_other_messages_are_answered_by_the_same_table() {
    within(async {
        let zmq = Factory::builder().start();
        let slowly = RestartPolicy::default().initial(ms(5_000)).jitter(0.0);
        let router = RouterSocket::bind("tcp://127.0.0.1:*").name("router").restart(slowly);
        let router = open(&zmq, router.on_message(|_: ReceivedFrom| {})).await;
        let taken = status(&zmq, "router").await.endpoints[0].endpoint().to_string();
        let shared = Data::new(router.clone());
        let server = serve(move |config| {
            config
                .app_data(shared.clone())
                .route("/bind", post().to(bind))
                .route("/send", post().to(send_to));
        });
        for (path, body, expected) in [
            ("/send", "nobody", (503, "unroutable", Again::Later)),
            ("/bind", "tcp://secret:99999", (500, "invalid-endpoint", Again::Never)),
            ("/bind", &*taken, (500, "address-in-use", Again::Never)),
            ("/bind", "tcp://192.0.2.1:1", (500, "address-unavailable", Again::Never)),
        ] {
            is_problem(&server.post(path, body).await, expected);
        }
        router.send(Restart).await.unwrap().unwrap();
        let restarting = server.post("/bind", "tcp://127.0.0.1:*").await;
        is_problem(&restarting, (503, "restarting", Again::Later));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_was_given_up_is_no_reason_to_come_back() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let once = RestartPolicy::default().initial(ms(50)).budget(0);
        let socket = open(&zmq, RequestSocket::bind(&*endpoint).restart(once)).await;
        socket.send(Restart).await.unwrap().unwrap();
        // While it is down, somebody takes its endpoint.
        open(&zmq, PushSocket::bind(&*endpoint)).await;
        eventually("it is given up", async || {
            let again = socket.send(Restart).await.unwrap();
            again.is_err_and(|error| error.kind() == ErrorKind::GaveUp)
        })
        .await;
        let server = serve(routes(ways(&zmq, Client::new(socket)).await));
        is_problem(&server.get("/call/add").await, (503, "gave-up", Again::Never));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}
