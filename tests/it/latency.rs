//! How long requests took, as the status tells it.

use std::time::{Duration, Instant};

use actix_zmq::prelude::*;
use actix_zmq::{Latency, Pattern, Responder, Socket};
use futures::FutureExt;

use crate::support::{eventually, finish, inbox, inproc, ms, open, status, within};

async fn latency(zmq: &Addr<Factory>, socket: &str) -> Latency {
    status(zmq, socket).await.latency.expect("it makes requests")
}

/// An answer is awaited between two looks at the clock, and kept back between two others.
async fn between_the_clocks<K>(zmq: Addr<Factory>, client: Addr<Socket<K>>, mut hoard: Hoard)
where
    K: Pattern,
    Socket<K>: Handler<Request<&'static str>>,
    <Socket<K> as Actor>::Context: dev::ToEnvelope<Socket<K>, Request<&'static str>>,
{
    assert_eq!(latency(&zmq, "client").await, Latency::default());
    let began = Instant::now();
    let mut asked = Box::pin(client.send(Request::new("x")));
    assert!((&mut asked).now_or_never().is_none());
    let responder: Responder = hoard.next().await.responder;
    let held = Instant::now();
    // The clock is the point: it has been in flight for as long as this at least.
    actix::clock::sleep(ms(20)).await;
    let least = held.elapsed();
    responder.reply("y").unwrap();
    asked.await.unwrap().unwrap();
    let most = began.elapsed();
    eventually("it is told", async || latency(&zmq, "client").await.count == 1).await;
    let told = latency(&zmq, "client").await;
    // To 1 in 100, both ways.
    assert!(told.max >= least - least / 100 && told.p50 >= least - least / 100, "{told:?}");
    assert!(told.max <= most + most / 50 + Duration::from_micros(1), "{told:?}, {most:?}");
    finish(zmq).await;
}

type Hoard = crate::support::Inbox<IncomingRequest>;

#[actix::test]
async fn a_requests_latency_is_the_time_that_its_answer_takes() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (keep, hoard) = inbox();
        open(&zmq, ReplySocket::bind(&*endpoint).on_message(keep)).await;
        let client = open(&zmq, RequestSocket::connect(&*endpoint).name("client")).await;
        between_the_clocks(zmq, client, hoard).await;
    })
    .await;
}

#[actix::test]
async fn and_so_is_that_of_a_request_in_step() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (keep, hoard) = inbox();
        open(&zmq, RepSocket::bind(&*endpoint).on_message(keep)).await;
        let client = open(&zmq, ReqSocket::connect(&*endpoint).name("client")).await;
        between_the_clocks(zmq, client, hoard).await;
    })
    .await;
}

#[actix::test]
async fn only_what_is_answered_has_a_latency_and_only_who_asks() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (keep, mut hoard) = inbox::<IncomingRequest>();
        open(&zmq, ReplySocket::bind(&*endpoint).name("server").on_message(keep)).await;
        let client = open(&zmq, RequestSocket::connect(&*endpoint).name("client")).await;
        let late = client.send(Request::new("late").timeout(ms(5))).await.unwrap().unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        // Its answer comes when nobody waits any more.
        hoard.next().await.responder.reply("late").unwrap();
        for _ in 0..3 {
            let asked = client.send(Request::new("x"));
            let answering = async { hoard.next().await.responder.reply("y").unwrap() };
            let (answer, ()) = futures::future::join(asked, answering).await;
            answer.unwrap().unwrap();
        }
        eventually("they are told", async || latency(&zmq, "client").await.count >= 3).await;
        assert_eq!(latency(&zmq, "client").await.count, 3);
        assert_eq!(status(&zmq, "client").await.count(Counter::LateReplies), 1);
        assert_eq!(status(&zmq, "server").await.latency, None);
        finish(zmq).await;
    })
    .await;
}
