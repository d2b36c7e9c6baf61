//! The readiness pump against real libzmq, where a lost edge is a hang: with a
//! high-water mark of 1 every message needs an edge, and nothing else wakes
//! the socket. And fairness beside a flood.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Pattern};
use futures::StreamExt;
use futures::future::join_all;

use crate::support::{
    ANY_PORT, bound, count, eventually, finish, inbox, inproc, ipc, open, raw, within_time,
};

/// How many messages each way of each test.
const MESSAGES: u32 = 100_000;
/// How many sends are in flight at once.
const IN_FLIGHT: usize = 16;
/// How many requests are.
const BURST: usize = 3;
/// What a slow machine may need for them.
const DEADLINE: Duration = Duration::from_secs(240);

#[derive(Clone, Copy)]
enum Arbiters {
    Same,
    Different,
}

impl Arbiters {
    fn far<K: Pattern>(self, blueprint: Blueprint<K>) -> Blueprint<K> {
        match self {
            Self::Same => blueprint,
            Self::Different => blueprint.arbiter("far"),
        }
    }
}

/// PUSH to PULL, in order.
async fn pipeline(endpoint: String, arbiters: Arbiters) {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (done, mut told) = inbox();
        let mut expected = 0_u32;
        let pull =
            PullSocket::bind(endpoint).name("pull").hwm(1).on_message(move |pulled: Pulled| {
                assert_eq!(pulled.0[0], &expected.to_be_bytes());
                expected += 1;
                if expected == MESSAGES {
                    done(());
                }
            });
        open(&zmq, arbiters.far(pull)).await;
        let push = PushSocket::connect(bound(&zmq, "pull").await).hwm(1);
        let push = open(&zmq, push).await;
        let sends = (0..MESSAGES).map(|number| push.send(Push(number.to_be_bytes().to_vec())));
        let mut sends = futures::stream::iter(sends).buffered(IN_FLIGHT);
        while let Some(sent) = sends.next().await {
            sent.unwrap().unwrap();
        }
        told.next().await;
        finish(zmq).await;
    })
    .await;
}

/// REQUEST to REPLY and back: both directions on one socket.
async fn requests(endpoint: String, arbiters: Arbiters) {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let reply = ReplySocket::bind(endpoint).name("reply").hwm(1).on_message(
            |request: IncomingRequest| {
                let IncomingRequest { body, responder } = request;
                responder.reply(body).unwrap();
            },
        );
        open(&zmq, arbiters.far(reply)).await;
        let request = RequestSocket::connect(bound(&zmq, "reply").await).hwm(1);
        let request = open(&zmq, request).await;
        let mut numbers = 0..MESSAGES;
        while !numbers.is_empty() {
            // All of a burst before the next one: nothing else wakes either side
            // when an edge is lost.
            let burst: Vec<_> = numbers.by_ref().take(BURST).collect();
            let asked = burst
                .iter()
                .map(|number| request.send(Request::new(number.to_be_bytes().to_vec())));
            for (number, reply) in burst.iter().zip(join_all(asked).await) {
                assert_eq!(reply.unwrap().unwrap()[0], &number.to_be_bytes());
            }
        }
        finish(zmq).await;
    })
    .await;
}

macro_rules! never_stalls {
    ($($name:ident: $what:ident, $endpoint:expr, $arbiters:ident;)*) => {$(
        #[actix::test]
        async fn $name() {
            $what($endpoint, Arbiters::$arbiters).await;
        }
    )*};
}

never_stalls! {
    messages_over_tcp_on_one_arbiter_never_stall: pipeline, ANY_PORT.into(), Same;
    messages_over_tcp_between_arbiters_never_stall: pipeline, ANY_PORT.into(), Different;
    messages_over_ipc_on_one_arbiter_never_stall: pipeline, ipc(), Same;
    messages_over_ipc_between_arbiters_never_stall: pipeline, ipc(), Different;
    messages_over_inproc_on_one_arbiter_never_stall: pipeline, inproc(), Same;
    messages_over_inproc_between_arbiters_never_stall: pipeline, inproc(), Different;
    requests_over_tcp_on_one_arbiter_never_stall: requests, ANY_PORT.into(), Same;
    requests_over_tcp_between_arbiters_never_stall: requests, ANY_PORT.into(), Different;
    requests_over_ipc_on_one_arbiter_never_stall: requests, ipc(), Same;
    requests_over_ipc_between_arbiters_never_stall: requests, ipc(), Different;
    requests_over_inproc_on_one_arbiter_never_stall: requests, inproc(), Same;
    requests_over_inproc_between_arbiters_never_stall: requests, inproc(), Different;
}

#[actix::test]
async fn sending_to_a_plain_libzmq_peer_never_stalls() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (peer, endpoint) = raw::bound(zmq::PULL);
        peer.set_rcvhwm(1).unwrap();
        let received = raw::thread(move || {
            for number in 0..MESSAGES {
                assert_eq!(raw::receive(&peer), [number.to_be_bytes()]);
            }
        });
        let push = open(&zmq, PushSocket::connect(endpoint).hwm(1)).await;
        let sends = (0..MESSAGES).map(|number| push.send(Push(number.to_be_bytes().to_vec())));
        let mut sends = futures::stream::iter(sends).buffered(IN_FLIGHT);
        while let Some(sent) = sends.next().await {
            sent.unwrap().unwrap();
        }
        received.await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn receiving_from_a_plain_libzmq_peer_never_stalls() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (filled, mut told) = inbox();
        let pull = PullSocket::bind(ANY_PORT).name("pull").hwm(1).on_message(filled);
        open(&zmq, pull).await;
        let endpoint = bound(&zmq, "pull").await;
        let sent = raw::thread(move || {
            let peer = raw::socket(zmq::PUSH);
            peer.set_sndhwm(1).unwrap();
            peer.connect(&endpoint).unwrap();
            for number in 0..MESSAGES {
                raw::send(&peer, [&number.to_be_bytes()]);
            }
            peer
        });
        for number in 0..MESSAGES {
            let Pulled::<Multipart>(frames) = told.next().await;
            assert_eq!(frames[0], &number.to_be_bytes());
        }
        drop(sent.await);
        finish(zmq).await;
    })
    .await;
}

/// Round trips on one arbiter until there were enough, beside whatever goes on there.
async fn round_trips(zmq: &Addr<Factory>, trips: u32) {
    let endpoint = inproc();
    let echo = ReplySocket::bind(&*endpoint).on_message(|request: IncomingRequest| {
        let IncomingRequest { body, responder } = request;
        responder.reply(body).unwrap();
    });
    open(zmq, echo).await;
    let client = open(zmq, RequestSocket::connect(&*endpoint)).await;
    for number in 0..trips {
        let reply = client.send(Request::new(number.to_be_bytes().to_vec())).await;
        assert_eq!(reply.unwrap().unwrap()[0], &number.to_be_bytes());
        // A timer of the arbiter is one of the neighbours under test.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Stops a flood also when the test fails.
struct Flood(Arc<AtomicBool>);

impl Flood {
    fn start() -> (Self, Arc<AtomicBool>) {
        let on = Arc::new(AtomicBool::new(true));
        (Self(Arc::clone(&on)), on)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[actix::test]
async fn a_flooded_socket_leaves_its_neighbours_and_the_timers_their_turn() {
    within_time(Duration::from_secs(60), async {
        let zmq = Factory::builder().start();
        // Slower than what comes in, so that there is always something to read.
        let pull = PullSocket::bind(ANY_PORT).name("flooded").on_message(|_: Pulled| {
            std::hint::black_box((0..500).fold(0_u32, |sum, number| sum ^ number));
        });
        open(&zmq, pull).await;
        let endpoint = bound(&zmq, "flooded").await;
        let (flood, on) = Flood::start();
        let flooding = raw::thread(move || {
            let peer = raw::connected(zmq::PUSH, &endpoint);
            peer.set_linger(0).unwrap();
            while on.load(Ordering::SeqCst) {
                raw::send(&peer, [b"flood"]);
            }
        });
        let flooded = async || count(&zmq, "flooded", Counter::Received).await > 10_000;
        eventually("flooded", flooded).await;
        let before = count(&zmq, "flooded", Counter::Received).await;
        round_trips(&zmq, 100).await;
        assert!(count(&zmq, "flooded", Counter::Received).await > before + 10_000);
        drop(flood);
        flooding.await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_flooded_mailbox_leaves_the_socket_its_neighbours_and_the_timers_their_turn() {
    within_time(Duration::from_secs(60), async {
        let zmq = Factory::builder().start();
        let received = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&received);
        let pull = PullSocket::bind(ANY_PORT).name("pull").on_message(move |_: Pulled| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        open(&zmq, pull.arbiter("far")).await;
        let push = PushSocket::connect(bound(&zmq, "pull").await).name("flooded");
        let push = open(&zmq, push).await;
        let (flood, on) = Flood::start();
        let flooding: Vec<_> = (0..2)
            .map(|_| {
                let (push, on) = (push.clone(), Arc::clone(&on));
                raw::thread(move || {
                    while on.load(Ordering::SeqCst) {
                        // A mailbox that is full is what this is about.
                        let _ = push.try_send(Push("flood"));
                    }
                })
            })
            .collect();
        // What floods in also goes out.
        eventually("flooded", async || received.load(Ordering::SeqCst) > 10_000).await;
        let before = received.load(Ordering::SeqCst);
        round_trips(&zmq, 100).await;
        eventually("it goes on", async || received.load(Ordering::SeqCst) > before).await;
        drop(flood);
        join_all(flooding).await;
        zmq.send(Shutdown::within(Duration::from_secs(10))).await.unwrap();
    })
    .await;
}
