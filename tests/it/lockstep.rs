//! REQ and REP: one request at a time, and never a reply for the wrong one.

use actix_zmq::SocketState;
use actix_zmq::prelude::*;

use crate::support::{
    ANY_PORT, bound, count, events, eventually, finish, inbox, inproc, ipc, ms, open, raw, status,
    within,
};

/// A server that can do everything wrong: a plain ROUTER.
async fn client_of_a_router(
    zmq: &Addr<Factory>,
    blueprint: impl FnOnce(&str) -> actix_zmq::Blueprint<actix_zmq::kinds::Req>,
) -> (Addr<ReqSocket>, zmq::Socket) {
    let (router, endpoint) = raw::bound(zmq::ROUTER);
    let policy = RestartPolicy::default().initial(ms(1));
    (open(zmq, blueprint(&endpoint).name("client").restart(policy)).await, router)
}

/// What the router receives next, on a thread.
async fn received(router: zmq::Socket) -> (Vec<Vec<u8>>, zmq::Socket) {
    raw::thread(move || (raw::receive(&router), router)).await
}

fn body(frames: &[Vec<u8>]) -> &[u8] {
    frames.last().unwrap()
}

#[actix::test]
async fn the_next_request_leaves_when_the_last_is_answered() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, router) = client_of_a_router(&zmq, |at| ReqSocket::connect(at)).await;
        let asked: Vec<_> = ["a", "b", "c"]
            .map(|body| actix::spawn(client.send(Request::new(body))))
            .into_iter()
            .collect();
        let (mut router, mut seen) = (router, Vec::new());
        for left in [2, 1, 0] {
            let (frames, back) = received(router).await;
            router = back;
            // The wire of a plain REQ.
            assert_eq!(frames.len(), 3);
            assert!(frames[1].is_empty());
            let client = status(&zmq, "client").await;
            assert_eq!((client.queued, client.in_flight), (left, left + 1));
            assert!(router.recv_msg(zmq::DONTWAIT).is_err(), "two at a time");
            router.send_multipart([&frames[0][..], b"", &frames[2]], 0).unwrap();
            seen.push(frames[2].clone());
            let answered = 3 - left;
            eventually("it is answered", async || {
                status(&zmq, "client").await.in_flight == 3 - answered
            })
            .await;
        }
        assert_eq!(seen, [b"a", b"b", b"c"]);
        for (asked, body) in asked.into_iter().zip(["a", "b", "c"]) {
            assert_eq!(asked.await.unwrap().unwrap().unwrap(), body.into());
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_late_reply_is_never_taken_for_the_next_ones() {
    for correlate in [false, true] {
        within(async {
            let zmq = Factory::builder().start();
            let (client, router) =
                client_of_a_router(&zmq, |at| ReqSocket::connect(at).correlate(correlate)).await;
            let first = client.send(Request::new("first").timeout(ms(50))).await.unwrap();
            assert_eq!(first.unwrap_err().kind(), ErrorKind::TimedOut);
            let (first, router) = received(router).await;
            assert_eq!(first.len(), if correlate { 4 } else { 3 });
            let second = actix::spawn(client.send(Request::new("second")));
            let (second_frames, router) = received(router).await;
            assert_eq!(body(&second_frames), b"second");
            // With its connection gone, the first reply finds nobody.
            for request in [first, second_frames] {
                router.send_multipart(request, 0).unwrap();
            }
            assert_eq!(second.await.unwrap().unwrap().unwrap(), "second".into());
            let client = status(&zmq, "client").await;
            assert_eq!(client.restarts, u64::from(!correlate));
            assert_eq!((client.in_flight, client.state), (0, SocketState::Up));
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn a_late_reply_before_the_next_request_is_counted_and_dropped() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, router) =
            client_of_a_router(&zmq, |at| ReqSocket::connect(at).correlate(true)).await;
        let first = client.send(Request::new("first").timeout(ms(50))).await.unwrap();
        assert_eq!(first.unwrap_err().kind(), ErrorKind::TimedOut);
        let (first, router) = received(router).await;
        router.send_multipart(first, 0).unwrap();
        eventually("it is late", async || count(&zmq, "client", Counter::LateReplies).await == 1)
            .await;
        let second = actix::spawn(client.send(Request::new("second")));
        let (frames, router) = received(router).await;
        router.send_multipart(frames, 0).unwrap();
        assert_eq!(second.await.unwrap().unwrap().unwrap(), "second".into());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_cancelled_request_makes_way_and_one_that_waits_is_withdrawn() {
    for correlate in [false, true] {
        within(async {
            let zmq = Factory::builder().start();
            let (client, router) =
                client_of_a_router(&zmq, |at| ReqSocket::connect(at).correlate(correlate)).await;
            let first = actix::spawn(client.send(Request::new("first")));
            let (_, router) = received(router).await;
            let second = actix::spawn(client.send(Request::new("second")));
            let third = actix::spawn(client.send(Request::new("third")));
            eventually("both wait", async || status(&zmq, "client").await.queued == 2).await;
            second.abort();
            eventually("one is withdrawn", async || {
                count(&zmq, "client", Counter::Withdrawn).await == 1
            })
            .await;
            first.abort();
            let (frames, router) = received(router).await;
            assert_eq!(body(&frames), b"third");
            router.send_multipart(frames, 0).unwrap();
            assert_eq!(third.await.unwrap().unwrap().unwrap(), "third".into());
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn requests_that_nobody_awaits_keep_the_step() {
    within(async {
        let zmq = Factory::builder().start();
        let server = RepSocket::bind(ANY_PORT).name("server");
        let answer = |request: IncomingRequest| {
            let IncomingRequest { body, responder } = request;
            responder.reply(body).unwrap();
        };
        open(&zmq, server.on_message(answer)).await;
        let endpoint = bound(&zmq, "server").await;
        let client = open(&zmq, ReqSocket::connect(endpoint).name("client")).await;
        for number in 0..100_u32 {
            client.do_send(Request::<_, Multipart>::new(number.to_be_bytes().to_vec()));
        }
        let last = client.send(Request::new("last")).await.unwrap().unwrap();
        assert_eq!(last, "last".into());
        assert_eq!(count(&zmq, "client", Counter::LateReplies).await, 100);
        assert_eq!(status(&zmq, "client").await.restarts, 0);
        let report = finish(zmq).await;
        assert!(report.is_clean(), "{report}");
    })
    .await;
}

#[actix::test]
async fn a_restart_ends_the_request_on_its_way_and_keeps_those_that_wait() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, router) = client_of_a_router(&zmq, |at| ReqSocket::connect(at)).await;
        let first = actix::spawn(client.send(Request::new("first")));
        let (_, router) = received(router).await;
        let second = actix::spawn(client.send(Request::new("second").idempotent()));
        eventually("it waits", async || status(&zmq, "client").await.queued == 1).await;
        client.send(Restart).await.unwrap().unwrap();
        assert_eq!(first.await.unwrap().unwrap().unwrap_err().kind(), ErrorKind::Restarted);
        let (frames, router) = received(router).await;
        assert_eq!(body(&frames), b"second");
        // An idempotent request that has left goes out again.
        client.send(Restart).await.unwrap().unwrap();
        let (frames, router) = received(router).await;
        assert_eq!(body(&frames), b"second");
        router.send_multipart(frames, 0).unwrap();
        assert_eq!(second.await.unwrap().unwrap().unwrap(), "second".into());
        assert_eq!(count(&zmq, "client", Counter::Resent).await, 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_req_without_frames_is_refused() {
    within(async {
        let zmq = Factory::builder().start();
        let client = open(&zmq, ReqSocket::connect("tcp://127.0.0.1:1")).await;
        let refused = client.send(Request::<_, Multipart>::new(Multipart::new())).await.unwrap();
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidMessage);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn the_next_request_is_read_when_the_last_is_done_with() {
    within(async {
        let zmq = Factory::builder().start();
        let (hold, mut requests) = inbox();
        let (watcher, _events) = events();
        let server = RepSocket::bind(ANY_PORT).name("server").watch(watcher);
        open(&zmq, server.answer_within(ms(100)).on_message(hold)).await;
        let endpoint = bound(&zmq, "server").await;
        let asked: Vec<_> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|body| {
                let peer = raw::connected(zmq::REQ, &endpoint);
                peer.send(body, 0).unwrap();
                peer
            })
            .collect();
        // Dropped, aged and answered ones all make way.
        drop::<IncomingRequest>(requests.next().await);
        let aged: IncomingRequest = requests.next().await;
        assert_eq!(status(&zmq, "server").await.in_flight, 1);
        assert!(requests.drain().is_empty(), "two at a time");
        for _ in 0..2 {
            let IncomingRequest { body, responder } = requests.next().await;
            responder.reply(body).unwrap();
        }
        drop(aged);
        assert_eq!(count(&zmq, "server", Counter::Unanswered).await, 1);
        assert_eq!(count(&zmq, "server", Counter::Reaped).await, 1);
        let answered = raw::thread(move || {
            let ready = |peer: &&zmq::Socket| peer.poll(zmq::POLLIN, 500).unwrap() > 0;
            asked.iter().filter(ready).count()
        });
        assert_eq!(answered.await, 2);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn lock_step_works_with_plain_peers_on_every_transport() {
    for endpoint in [ANY_PORT.to_owned(), ipc(), inproc()] {
        within(async {
            let zmq = Factory::builder().start();
            let server = RepSocket::bind(&*endpoint).name("server");
            let answer = |request: IncomingRequest| {
                let IncomingRequest { body, responder } = request;
                responder.reply(body).unwrap();
            };
            open(&zmq, server.on_message(answer)).await;
            let at = bound(&zmq, "server").await;
            let client = open(&zmq, ReqSocket::connect(&*at)).await;
            for number in 0..1_000_u32 {
                let bytes = number.to_be_bytes().to_vec();
                let reply = client.send(Request::new(bytes.clone())).await.unwrap().unwrap();
                assert_eq!(reply, Multipart::from(bytes));
            }
            if !at.starts_with("inproc") {
                let plain = raw::connected(zmq::REQ, &at);
                let echoed = raw::thread(move || {
                    raw::send(&plain, [b"one", b"", b"two"]);
                    raw::receive(&plain)
                });
                assert_eq!(echoed.await, [&b"one"[..], b"", b"two"]);
                let (plain, at) = raw::bound(zmq::REP);
                let served = raw::thread(move || {
                    let request = raw::receive(&plain);
                    plain.send_multipart(request, 0).unwrap();
                    plain
                });
                let client = open(&zmq, ReqSocket::connect(at)).await;
                let reply = client.send(Request::new(["one", "", "two"])).await.unwrap().unwrap();
                assert_eq!(reply, ["one", "", "two"].into());
                drop(served.await);
            }
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn a_request_that_could_not_be_withdrawn_takes_nobodys_reply() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = ipc();
        let client = ReqSocket::connect(&*endpoint).name("client");
        let client = client.correlate(true).withdraw_unsent(false).immediate(true);
        let client = open(&zmq, client).await;
        let first = client.send(Request::new("first").timeout(ms(10))).await.unwrap();
        assert_eq!(first.unwrap_err().kind(), ErrorKind::TimedOut);
        let second = actix::spawn(client.send(Request::new("second")));
        eventually("both wait", async || status(&zmq, "client").await.queued == 2).await;
        let server = RepSocket::bind(&*endpoint).on_message(|request: IncomingRequest| {
            let IncomingRequest { body, responder } = request;
            responder.reply(body).unwrap();
        });
        open(&zmq, server).await;
        assert_eq!(second.await.unwrap().unwrap().unwrap(), "second".into());
        finish(zmq).await;
    })
    .await;
}
