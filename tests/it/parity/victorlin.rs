//! What victorlin's fork tests beyond txZMQ.
//!
//! Its filter of publications is in `pubsub`; its timeouts and its clean-up
//! of requests, routes and timers are in `reqrep`.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, IntoReceiver, Receiver, kinds};
use futures::future::join;

use super::puller;
use crate::support::{
    ANY_PORT, bound, collector, eventually, finish, gated, inbox, inproc, ipc, open, raw, status,
    within,
};

/// How many messages are "a lot".
const LOT: u32 = 1_000;

/// `test_pair.test_send_lot`, in both directions at once.
#[actix::test]
async fn a_lot_of_messages_cross_a_pair_both_ways_at_once() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = ipc();
        let (fill, mut left_told) = inbox::<Received>();
        let left = open(&zmq, PairSocket::bind(&*endpoint).on_message(fill)).await;
        let (fill, mut right_told) = inbox::<Received>();
        let right = open(&zmq, PairSocket::connect(&*endpoint).on_message(fill)).await;
        for number in 0..LOT {
            let (one, two) = join(
                left.send(SendMessage(number.to_be_bytes().to_vec())),
                right.send(SendMessage((LOT + number).to_be_bytes().to_vec())),
            )
            .await;
            one.unwrap().unwrap();
            two.unwrap().unwrap();
        }
        for number in 0..LOT {
            assert_eq!(right_told.next().await, Received(number.to_be_bytes().to_vec().into()));
            let back = (LOT + number).to_be_bytes().to_vec();
            assert_eq!(left_told.next().await, Received(back.into()));
        }
        finish(zmq).await;
    })
    .await;
}

/// `test_push_pull.test_send_to_multiple_nodes`: six messages, two for each of
/// the three nodes.
#[actix::test]
async fn what_is_pushed_to_several_nodes_is_shared_evenly() {
    within(async {
        let zmq = Factory::builder().start();
        let mut push = PushSocket::new();
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let endpoint = inproc();
            push = push.connect(&*endpoint);
            nodes.push(puller(&zmq, PullSocket::bind(&*endpoint)).await);
        }
        let push = open(&zmq, push).await;
        for number in 1..=6 {
            push.send(Push(format!("msg{number}"))).await.unwrap().unwrap();
        }
        let mut pulled = Vec::new();
        for (_, told) in &mut nodes {
            pulled.extend(told.take(2).await.into_iter().map(|Pulled(frames)| frames));
        }
        pulled.sort_unstable_by(|a, b| a[0].cmp(&b[0]));
        assert_eq!(pulled, (1..=6).map(|n| format!("msg{n}").into()).collect::<Vec<_>>());
        finish(zmq).await;
        assert!(nodes.iter_mut().all(|(_, told)| told.drain().is_empty()));
    })
    .await;
}

/// `test_reqrep.test_read_signal_up_when_send_bug`: libzmq tells only once that
/// there is something to read, and a send takes that signal away. What came
/// meanwhile must be read all the same.
///
/// There with one request that meets a reply; here each message meets another
/// on its way, a lot of times, and nothing comes later that could mend it.
#[actix::test]
async fn a_message_that_comes_while_another_is_sent_is_read() {
    within(async {
        let zmq = Factory::builder().start();
        let (peer, endpoint) = raw::bound(zmq::PAIR);
        let (fill, mut told) = inbox::<Received>();
        let pair = open(&zmq, PairSocket::connect(endpoint).on_message(fill)).await;
        let peer = raw::thread(move || {
            for number in 0..LOT {
                raw::send(&peer, [&number.to_be_bytes()]);
                assert_eq!(raw::receive(&peer), [number.to_be_bytes()]);
            }
            peer
        });
        for number in 0..LOT {
            pair.send(SendMessage(number.to_be_bytes().to_vec())).await.unwrap().unwrap();
            assert_eq!(told.next().await, Received(number.to_be_bytes().to_vec().into()));
        }
        drop(peer.await);
        finish(zmq).await;
    })
    .await;
}

/// The same while reading is held up, so that there is something to read at
/// every send.
#[actix::test]
async fn a_send_while_something_waits_to_be_read_loses_no_wakeup() {
    within(async {
        let zmq = Factory::builder().start();
        let (peer, endpoint) = raw::bound(zmq::PAIR);
        // One delivery at a time, so that the rest waits in libzmq.
        let (worker, gate, mut arrived) = gated::<Received>();
        let receiver: Receiver<Received> = worker.recipient::<Received>().into_receiver();
        let pair = PairSocket::connect(endpoint).deliver_to(receiver.window(1));
        let pair = open(&zmq, pair).await;
        let peer = raw::thread(move || {
            (0..LOT).for_each(|number| raw::send(&peer, [&number.to_be_bytes()]));
            peer
        })
        .await;
        for number in 0..LOT {
            let got = arrived.next().await;
            assert_eq!(got, Received(number.to_be_bytes().to_vec().into()));
            pair.send(SendMessage(number.to_be_bytes().to_vec())).await.unwrap().unwrap();
            gate.permit(1);
        }
        let peer = raw::thread(move || {
            (0..LOT).for_each(|number| assert_eq!(raw::receive(&peer), [number.to_be_bytes()]));
            raw::send(&peer, [b"and later"]);
            peer
        })
        .await;
        assert_eq!(arrived.next().await, Received("and later".into()));
        gate.open();
        drop(peer);
        finish(zmq).await;
    })
    .await;
}

/// What `test_reqrep.test_routing_info_clean_up` leaves out: a request that is
/// never answered. There its route stays for ever, here it goes with the request.
#[actix::test]
async fn the_route_of_a_request_that_nobody_answers_goes_with_it() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (hoard, mut held) = inbox::<IncomingRequest>();
        open(&zmq, ReplySocket::bind(&*endpoint).name("server").on_message(hoard)).await;
        let client = open(&zmq, RequestSocket::connect(&*endpoint)).await;
        let asked = client.send(Request::new("anybody?"));
        let request = held.next().await;
        assert_eq!(status(&zmq, "server").await.in_flight, 1);
        drop(request);
        eventually("the route is gone", async || status(&zmq, "server").await.in_flight == 0).await;
        drop(asked);
        finish(zmq).await;
    })
    .await;
}

/// `test_reqrep.test_deprecated_class_name`, of `ZmqXREQConnection` and
/// `ZmqXREPConnection`.
///
/// There are no deprecated names here. What these two were, a DEALER that
/// correlates and a ROUTER that keeps routes, speaks with plain DEALERs and
/// ROUTERs, which libzmq once called XREQ and XREP.
#[actix::test]
async fn what_was_xreq_and_xrep_speaks_with_plain_dealers_and_routers() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<ReceivedFrom>();
        let router = RouterSocket::bind(ANY_PORT).name("xrep").on_message(fill);
        let router = open(&zmq, router).await;
        let client = open(&zmq, RequestSocket::connect(bound(&zmq, "xrep").await)).await;
        let asked = client.send(Request::new("ping"));
        let ReceivedFrom { peer, body } = told.next().await;
        let [id, empty, ping] = &body[..] else { panic!("{body:?}") };
        assert!(empty.is_empty() && ping == &"ping");
        let reply = [id.clone(), Frame::empty(), "pong".into()];
        router.send(SendTo::new(peer, reply)).await.unwrap().unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "pong".into());

        let server = ReplySocket::bind(ANY_PORT).name("rep").on_message(
            |IncomingRequest { body, responder }: IncomingRequest| responder.reply(body).unwrap(),
        );
        open(&zmq, server).await;
        let (pulled, mut told) = collector::<Received>();
        let dealer = DealerSocket::connect(bound(&zmq, "rep").await);
        let dealer = open(&zmq, dealer.deliver_to(pulled.recipient::<Received>())).await;
        dealer.send(SendMessage(["msg_id_1", "", "ping"])).await.unwrap().unwrap();
        assert_eq!(told.next().await, Received(["msg_id_1", "", "ping"].into()));
        finish(zmq).await;
    })
    .await;
}

/// The time that a factory takes to end while libzmq holds a message for nobody.
async fn end_of(
    zmq: Addr<Factory>,
    setting: impl FnOnce(Blueprint<kinds::Push>) -> Blueprint<kinds::Push>,
) -> Duration {
    // The discard port, where nobody listens.
    let push = open(&zmq, setting(PushSocket::connect("tcp://127.0.0.1:9"))).await;
    push.send(Push("accepted, and never delivered")).await.unwrap().unwrap();
    finish(zmq).await.took
}

/// `test_factory.test_socket_linger`, of 100 ms; per socket as well, as the
/// README of that fork wishes.
#[actix::test]
async fn the_linger_of_the_factory_holds_unless_a_socket_has_its_own() {
    within(async {
        let default = end_of(Factory::builder().start(), |push| push).await;
        assert!(default >= Duration::from_millis(95), "{default:?}");
        let long = Duration::from_millis(500);
        let own = end_of(Factory::builder().start(), |push| push.linger(long)).await;
        assert!(own >= Duration::from_millis(495), "{own:?}");
        // A minute at the factory, nothing at the socket: or the end would be overdue.
        let minute = Factory::builder().linger(Duration::from_secs(60)).start();
        end_of(minute, |push| push.linger(Duration::ZERO)).await;
    })
    .await;
}
