//! Real peers in Python: pyzmq, and txZMQ on Twisted, in both directions, and
//! with either side binding.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Pattern, Socket};
use serde::{Deserialize, Serialize};

use crate::support::python::{Binds, Peer, interpreter};
use crate::support::{ANY_PORT, bound, eventually, finish, inbox, open, within_time};

/// Twisted takes its time to start on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Frames that show every mistake in the handling of frames: empty ones, bytes
/// that are no text, the separator, more than libzmq keeps inline.
const ODD: [&[u8]; 5] = [b"", b"\x00", b"\xff\xfe\t\n", b"tag\0message", &[7; 300]];

/// A peer and one of our sockets, whichever of them binds.
async fn pair<K: Pattern>(
    zmq: &Addr<Factory>,
    (library, role): (&str, &str),
    binds: Binds,
    blueprint: Blueprint<K>,
) -> (Peer, Addr<Socket<K>>) {
    let blueprint = blueprint.name("ours");
    match binds {
        Binds::Python => {
            let mut peer = Peer::start(library, role, "bind", ANY_PORT, &[]);
            let endpoint = peer.ready().await;
            let socket = open(zmq, blueprint.connect(endpoint)).await;
            (peer, socket)
        }
        Binds::We => {
            let socket = open(zmq, blueprint.bind(ANY_PORT)).await;
            let endpoint = bound(zmq, "ours").await;
            (Peer::start(library, role, "connect", &endpoint, &[]), socket)
        }
    }
}

/// Runs a test for both sides that may bind, unless there is no Python and that is fine.
macro_rules! with_python {
    ($($name:ident: $test:ident($library:literal);)*) => {$(
        #[actix::test]
        async fn $name() {
            // Making the virtual environment does not count.
            if tokio::task::spawn_blocking(interpreter).await.unwrap().is_none() {
                return;
            }
            for binds in [Binds::Python, Binds::We] {
                within_time(DEADLINE, async {
                    let zmq = Factory::builder().linger(Duration::from_secs(2)).start();
                    $test(&zmq, $library, binds).await;
                    finish(zmq).await;
                })
                .await;
            }
        }
    )*};
}

with_python! {
    we_push_to_pyzmq: push("pyzmq");
    we_push_to_txzmq: push("txzmq");
    we_pull_from_pyzmq: pull("pyzmq");
    we_pull_from_txzmq: pull("txzmq");
    we_publish_frames_to_pyzmq: publish_frames("pyzmq");
    we_publish_frames_to_txzmq: publish_frames("txzmq");
    we_publish_tags_to_txzmq: publish_tags("txzmq");
    we_subscribe_to_pyzmq: subscribe_frames("pyzmq");
    we_subscribe_to_txzmqs_tags: subscribe_tags("txzmq");
    we_ask_a_rep_of_pyzmq: ask_rep("pyzmq");
    we_ask_a_router_of_pyzmq: ask_router("pyzmq");
    we_ask_a_rep_of_txzmq: ask_rep("txzmq");
    a_req_of_pyzmq_asks_us: answer_req("pyzmq");
    a_req_of_txzmq_asks_us: answer_req("txzmq");
    a_dealer_of_pyzmq_asks_us: answer_dealer("pyzmq");
    a_dealer_of_txzmq_asks_us: answer_dealer("txzmq");
    values_cross_as_json_and_back_from_pyzmq: values("pyzmq");
    our_dealer_talks_with_a_dealer_of_pyzmq: dealer_dealer("pyzmq");
    our_dealer_talks_with_a_router_of_pyzmq: dealer_router("pyzmq");
    our_dealer_talks_with_a_rep_of_pyzmq: dealer_rep("pyzmq");
    our_dealer_talks_with_a_router_of_txzmq: dealer_router("txzmq");
    our_router_talks_with_a_dealer_of_pyzmq: router_dealer("pyzmq");
    our_router_talks_with_a_dealer_of_txzmq: router_dealer("txzmq");
    our_router_talks_with_a_req_of_pyzmq: router_req("pyzmq");
    our_pair_talks_with_a_pair_of_pyzmq: pair_pair("pyzmq");
    our_xpub_hears_of_a_sub_of_pyzmq: xpub_sub("pyzmq");
    our_xpub_hears_of_a_sub_of_txzmq: xpub_sub("txzmq");
    our_xsub_subscribes_to_an_xpub_of_pyzmq: xsub_xpub("pyzmq");
}

async fn push(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (mut peer, push) = pair(zmq, (library, "pull"), binds, PushSocket::new()).await;
    push.send(Push("one frame")).await.unwrap().unwrap();
    push.send(Push(ODD.into_iter().collect::<Multipart>())).await.unwrap().unwrap();
    assert_eq!(peer.next("msg").await, [b"one frame"]);
    assert_eq!(peer.next("msg").await, ODD);
}

async fn pull(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<Pulled>();
    let pull = PullSocket::new().on_message(fill);
    let (mut peer, _pull) = pair(zmq, (library, "push"), binds, pull).await;
    peer.send(["one frame"]);
    peer.send(ODD);
    assert_eq!(told.next().await.0, "one frame".into());
    assert_eq!(told.next().await.0, ODD.into_iter().collect::<Multipart>());
}

/// Publishes until the subscriber has heard something.
async fn joined(publisher: &Addr<PubSocket>, peer: &mut Peer) {
    let heard = peer.next("msg");
    let hello = async {
        loop {
            publisher.send(Publish::new("hello", "x")).await.unwrap().unwrap();
            // Only the pace; what ends it is that the subscriber hears.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    futures::future::select(Box::pin(heard), Box::pin(hello)).await;
}

/// The next message of a Python subscriber that is not the greeting.
async fn next_news(peer: &mut Peer) -> Vec<Vec<u8>> {
    loop {
        let frames = peer.next("msg").await;
        if frames[0] != b"hello" {
            return frames;
        }
    }
}

async fn publish_frames(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (mut peer, publisher) = pair(zmq, (library, "sub"), binds, PubSocket::new()).await;
    joined(&publisher, &mut peer).await;
    publisher.send(Publish::new("news", "hot")).await.unwrap().unwrap();
    assert_eq!(next_news(&mut peer).await, [&b"news"[..], b"hot"]);
    if library == "pyzmq" {
        let body: Multipart = ODD.into_iter().collect();
        publisher.send(Publish { topic: "odd".into(), body }).await.unwrap().unwrap();
        let frames = next_news(&mut peer).await;
        assert_eq!((&frames[0][..], &frames[1..]), (&b"odd"[..], &ODD.map(<[u8]>::to_vec)[..]));
    }
}

async fn publish_tags(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let publisher = PubSocket::new().framing(TopicFraming::tagged());
    let (mut peer, publisher) = pair(zmq, (library, "sub"), binds, publisher).await;
    joined(&publisher, &mut peer).await;
    for body in ["hot", "", "with\0a separator"] {
        publisher.send(Publish::new("news", body)).await.unwrap().unwrap();
        assert_eq!(next_news(&mut peer).await, [&b"news"[..], body.as_bytes()]);
    }
}

/// A subscriber to everything, with what a Python publisher says until it hears it.
async fn subscribe(
    zmq: &Addr<Factory>,
    library: &str,
    binds: Binds,
) -> (Peer, crate::support::Inbox<TopicMessage>) {
    let (fill, mut told) = inbox::<TopicMessage>();
    let subscriber = SubSocket::new().topic("hello").topic("news").on_message(fill);
    let (mut peer, _subscriber) = pair(zmq, (library, "pub"), binds, subscriber).await;
    eventually("joined", async || {
        peer.send(["hello", "x"]);
        !told.drain().is_empty()
    })
    .await;
    (peer, told)
}

async fn subscribe_frames(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (mut peer, mut told) = subscribe(zmq, library, binds).await;
    peer.send(["unwanted", "x"]);
    peer.send(["news", "one", "two"]);
    let news = told.find(|message| (message.topic != "hello").then_some(message)).await;
    assert_eq!((news.topic, news.body), ("news".into(), ["one", "two"].into()));
}

async fn subscribe_tags(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (mut peer, mut told) = subscribe(zmq, library, binds).await;
    peer.send(["unwanted", "x"]);
    peer.send(["newsletter", "with\0a separator"]);
    let news = told.find(|message| (message.topic != "hello").then_some(message)).await;
    assert_eq!((news.topic, news.body), ("newsletter".into(), "with\0a separator".into()));
}

async fn ask_rep(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (_peer, client) = pair(zmq, (library, "rep"), binds, RequestSocket::new()).await;
    echoed(&client).await;
}

async fn ask_router(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (_peer, client) = pair(zmq, (library, "router-echo"), binds, RequestSocket::new()).await;
    echoed(&client).await;
}

/// Many in flight, each with its own reply.
async fn echoed(client: &Addr<RequestSocket>) {
    let asked: Vec<_> = (0..10_u8).map(|number| client.send(Request::new([[number]]))).collect();
    for (number, reply) in (0..10_u8).zip(asked) {
        assert_eq!(reply.await.unwrap().unwrap(), [[number]].into());
    }
    let odd: Multipart = ODD.into_iter().collect();
    assert_eq!(client.send(Request::new(odd.clone())).await.unwrap().unwrap(), odd);
}

/// Echoes what it is asked.
fn echo() -> Blueprint<actix_zmq::kinds::Reply> {
    ReplySocket::new().on_message(|request: IncomingRequest| {
        let IncomingRequest { body, responder } = request;
        responder.reply(body).unwrap();
    })
}

async fn answer_req(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (mut peer, _server) = pair(zmq, (library, "req"), binds, echo()).await;
    peer.send(["one"]);
    assert_eq!(peer.next("reply").await, [b"one"]);
    peer.send(ODD);
    assert_eq!(peer.next("reply").await, ODD);
}

async fn answer_dealer(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (mut peer, _server) = pair(zmq, (library, "dealer"), binds, echo()).await;
    // Two at once, under one id: the routes are kept apart.
    for body in ["one", "two"] {
        peer.send(["id", "", body]);
    }
    for body in ["one", "two"] {
        assert_eq!(peer.next("msg").await, [&b"id"[..], b"", body.as_bytes()]);
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    celsius: f64,
}

async fn values(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (_peer, client) = pair(zmq, (library, "rep"), binds, RequestSocket::new()).await;
    let reading = || Reading { sensor: "kitchen".into(), celsius: 21.5 };
    let json = Request::new(Json(reading())).expect::<Json<Reading>>();
    assert_eq!(client.send(json).await.unwrap().unwrap().0, reading());
    let packed = Request::new(MessagePack(reading())).expect::<MessagePack<Reading>>();
    assert_eq!(client.send(packed).await.unwrap().unwrap().0, reading());
}

async fn dealer_dealer(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<Received>();
    let dealer = DealerSocket::new().on_message(fill);
    let (mut peer, dealer) = pair(zmq, (library, "dealer"), binds, dealer).await;
    exchange(&dealer, &mut peer, &mut told).await;
}

async fn pair_pair(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<Received>();
    let ours = PairSocket::new().on_message(fill);
    let (mut peer, ours) = pair(zmq, (library, "pair"), binds, ours).await;
    exchange(&ours, &mut peer, &mut told).await;
}

/// Frames in both directions, unchanged.
async fn exchange<K: actix_zmq::kinds::Exchanges + Pattern>(
    socket: &Addr<Socket<K>>,
    peer: &mut Peer,
    told: &mut crate::support::Inbox<Received>,
) {
    let odd: Multipart = ODD.into_iter().collect();
    socket.send(SendMessage(odd.clone())).await.unwrap().unwrap();
    assert_eq!(peer.next("msg").await, ODD);
    peer.send(ODD);
    assert_eq!(told.next().await.0, odd);
}

async fn dealer_router(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<Received>();
    let dealer = DealerSocket::new().routing_id("ours").on_message(fill);
    let (mut peer, dealer) = pair(zmq, (library, "router"), binds, dealer).await;
    dealer.send(SendMessage(["", "question"])).await.unwrap().unwrap();
    assert_eq!(peer.next("msg").await, [&b"ours"[..], b"", b"question"]);
    peer.send(["ours", "", "answer"]);
    assert_eq!(told.next().await.0, ["", "answer"].into());
}

async fn dealer_rep(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<Received>();
    let dealer = DealerSocket::new().on_message(fill);
    let (_peer, dealer) = pair(zmq, (library, "rep"), binds, dealer).await;
    dealer.send(SendMessage(["", "question"])).await.unwrap().unwrap();
    assert_eq!(told.next().await.0, ["", "question"].into());
}

async fn router_dealer(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<ReceivedFrom>();
    let router = RouterSocket::new().on_message(fill);
    let (mut peer, router) = pair(zmq, (library, "dealer"), binds, router).await;
    let odd: Multipart = ODD.into_iter().collect();
    peer.send(ODD);
    let received = told.next().await;
    assert_eq!(received.body, odd);
    router.send(SendTo { peer: received.peer, body: odd }).await.unwrap().unwrap();
    assert_eq!(peer.next("msg").await, ODD);
}

async fn router_req(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<ReceivedFrom>();
    let router = RouterSocket::new().on_message(fill);
    let (mut peer, router) = pair(zmq, (library, "req"), binds, router).await;
    peer.send(["question"]);
    let received = told.next().await;
    assert_eq!(received.body, ["", "question"].into());
    let answer = SendTo { peer: received.peer, body: ["", "answer"] };
    router.send(answer).await.unwrap().unwrap();
    assert_eq!(peer.next("reply").await, [b"answer"]);
}

async fn xpub_sub(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut heard) = inbox::<Subscription>();
    let publisher = XPubSocket::new().on_message(fill);
    let (mut peer, publisher) = pair(zmq, (library, "sub"), binds, publisher).await;
    assert_eq!(heard.next().await, Subscription::Subscribed(Frame::empty()));
    // It is there: nothing is lost.
    publisher.send(Publish::new("news", "hot")).await.unwrap().unwrap();
    assert_eq!(peer.next("msg").await, [&b"news"[..], b"hot"]);
}

async fn xsub_xpub(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (fill, mut told) = inbox::<TopicMessage>();
    let subscriber = XSubSocket::new().topic("news").on_message(fill);
    let (mut peer, subscriber) = pair(zmq, (library, "xpub"), binds, subscriber).await;
    assert_eq!(peer.next("sub").await, [b"\x01news"]);
    peer.send(["sport", "unwanted"]);
    peer.send(["news", "hot"]);
    let news = told.next().await;
    assert_eq!((news.topic, news.body), ("news".into(), "hot".into()));
    subscriber.send(SendMessage(["up", "stream"])).await.unwrap().unwrap();
    assert_eq!(peer.next("sub").await, [&b"up"[..], b"stream"]);
}
