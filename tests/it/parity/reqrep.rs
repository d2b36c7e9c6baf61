//! Requests and replies: ids, answers, cancellation, timeouts.
//!
//! As in txZMQ's tests the client has the routing id `client`, and the two
//! talk over ipc.

use std::collections::HashSet;
use std::time::Duration;

use actix_zmq::prelude::*;
use futures::future::{join, join_all};

use crate::support::{Inbox, count, eventually, finish, inbox, ipc, ms, open, raw, status, within};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// A client, and a server that does as it is told.
async fn client_of(
    zmq: &Addr<Factory>,
    serve: impl FnMut(IncomingRequest) + Send + 'static,
) -> Addr<RequestSocket> {
    let endpoint = ipc();
    open(zmq, ReplySocket::bind(&*endpoint).name("server").on_message(serve)).await;
    let client = RequestSocket::connect(&*endpoint).name("client").routing_id(*b"client");
    open(zmq, client).await
}

/// A client, and a server that sends back what it gets.
async fn client_of_an_echo(zmq: &Addr<Factory>) -> Addr<RequestSocket> {
    client_of(zmq, |IncomingRequest { body, responder }| responder.reply(body).unwrap()).await
}

/// A client, and the requests that its server has received.
async fn client_of_a_hoarder(zmq: &Addr<Factory>) -> (Addr<RequestSocket>, Inbox<IncomingRequest>) {
    let (hoard, held) = inbox();
    (client_of(zmq, hoard).await, held)
}

/// Nothing is left of any request: in flight, in the queue, or to be answered.
async fn nothing_is_left(zmq: &Addr<Factory>) {
    eventually("nothing is left", async || {
        let (client, server) = (status(zmq, "client").await, status(zmq, "server").await);
        (client.in_flight, client.queued, server.in_flight, server.queued) == (0, 0, 0, 0)
    })
    .await;
}

/// `txZMQ test_reqrep.test_getNextId`, also claws and oub: an id is bytes, and
/// 1,000 of them are unique.
///
/// There is no pool of ids here, and so none to fill.
#[actix::test]
async fn a_thousand_requests_have_a_thousand_ids() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let client = open(&zmq, RequestSocket::connect(endpoint).name("client")).await;
        let asked = (0..1_000).map(|_| client.send(Request::new("what is my number?")));
        let asked = actix::spawn(join_all(asked.collect::<Vec<_>>()));
        let (server, ids) = raw::thread(move || {
            let mut ids = HashSet::new();
            for _ in 0..1_000 {
                let request = raw::receive(&server);
                ids.insert(request[1].clone());
                server.send_multipart(&request, 0).unwrap();
            }
            (server, ids)
        })
        .await;
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 16), "raw UUIDs, as txZMQ since 0.7.1");
        assert!(asked.await.unwrap().into_iter().all(|reply| reply.unwrap().is_ok()));
        assert_eq!(status(&zmq, "client").await.in_flight, 0);
        drop(server);
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_reqrep.test_releaseId`, also claws and oub.
///
/// There an answered id goes back to the pool; a reply that comes twice puts it
/// there twice, and two requests share it. Here it is never used again.
#[actix::test]
async fn an_answered_id_is_not_used_again_even_if_the_answer_comes_twice() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let client = open(&zmq, RequestSocket::connect(endpoint).name("client")).await;
        let served = raw::thread(move || {
            let mut ids = HashSet::new();
            for _ in 0..20 {
                let request = raw::receive(&server);
                assert!(ids.insert(request[1].clone()), "an id comes again");
                server.send_multipart(&request, 0).unwrap();
                server.send_multipart(&request, 0).unwrap();
            }
            server
        });
        // Two at a time, so that a shared id would hand one the other's answer.
        for number in 0..10_u8 {
            let (one, two) = join(
                client.send(Request::new([[number], [1]])),
                client.send(Request::new([[number], [2]])),
            )
            .await;
            assert_eq!(one.unwrap().unwrap(), [[number], [1]].into());
            assert_eq!(two.unwrap().unwrap(), [[number], [2]].into());
        }
        let server = served.await;
        let late = async || count(&zmq, "client", Counter::LateReplies).await == 20;
        eventually("the second answers are counted", late).await;
        drop(server);
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_reqrep.test_send_recv`; in claws with a list and with a single
/// message, as here.
///
/// A caller cannot choose the ids here, so the test is of the bodies.
#[actix::test]
async fn requests_of_two_frames_and_of_one_arrive_in_order() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut held) = client_of_a_hoarder(&zmq).await;
        let asked = [
            client.send(Request::new(Multipart::from(["aaa", "aab"]))),
            client.send(Request::new(Multipart::from("bbb"))),
        ];
        let requests = held.take(2).await;
        assert_eq!(requests[0].body, ["aaa", "aab"].into());
        assert_eq!(requests[1].body, "bbb".into());
        for request in requests {
            request.reply("done").unwrap();
        }
        for reply in asked {
            assert_eq!(reply.await.unwrap().unwrap(), "done".into());
        }
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_reqrep.test_send_recv_reply`, also claws and oub.
#[actix::test]
async fn a_request_resolves_with_its_reply() {
    within(async {
        let zmq = Factory::builder().start();
        let client = client_of_an_echo(&zmq).await;
        assert_eq!(client.send(Request::new("aaa")).await.unwrap().unwrap(), "aaa".into());
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_reqrep.test_lot_send_recv_reply`, also claws and oub.
#[actix::test]
async fn ten_requests_at_once_are_all_answered() {
    within(async {
        let zmq = Factory::builder().start();
        let client = client_of_an_echo(&zmq).await;
        let asked = (0..10).map(|number| client.send(Request::new(format!("msg_id_{number}"))));
        let asked: Vec<_> = asked.collect();
        for (number, reply) in asked.into_iter().enumerate() {
            assert_eq!(reply.await.unwrap().unwrap(), format!("msg_id_{number}").into());
        }
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_reqrep.test_cleanup_requests`, also claws and oub (disabled
/// there); victorlin's `test_requests_clean_up` and `test_routing_info_clean_up`.
#[actix::test]
async fn nothing_is_left_of_an_answered_request_on_either_side() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut held) = client_of_a_hoarder(&zmq).await;
        let asked = client.send(Request::new("aaa"));
        let request = held.next().await;
        assert_eq!(status(&zmq, "client").await.in_flight, 1);
        assert_eq!(status(&zmq, "server").await.in_flight, 1);
        request.reply("bbb").unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "bbb".into());
        nothing_is_left(&zmq).await;
        assert!(finish(zmq).await.is_clean());
    })
    .await;
}

/// Drops a request that the server has, and has it answered afterwards.
async fn cancelled(request: Request<&'static str>) {
    let zmq = Factory::builder().start();
    let (client, mut held) = client_of_a_hoarder(&zmq).await;
    let asked = client.send(request);
    let request = held.next().await;
    drop(asked);
    eventually("cancelled", async || status(&zmq, "client").await.in_flight == 0).await;
    assert_eq!(count(&zmq, "client", Counter::Cancelled).await, 1);
    request.reply("too late").unwrap();
    let late = async || count(&zmq, "client", Counter::LateReplies).await == 1;
    eventually("the late reply is counted", late).await;
    // The next request gets its own answer.
    let asked = client.send(Request::new("next"));
    held.next().await.reply("in time").unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), "in time".into());
    nothing_is_left(&zmq).await;
    assert_eq!(count(&zmq, "client", Counter::TimedOut).await, 0);
    assert!(finish(zmq).await.is_clean());
}

/// `txZMQ test_reqrep.test_cancel`.
///
/// There the caller gets a `CancelledError`; here dropping the future is the
/// cancellation, and nobody is left to be told.
#[actix::test]
async fn a_cancelled_request_leaves_nothing_and_its_late_reply_harms_nobody() {
    within(cancelled(Request::new("aaa"))).await;
}

/// `txZMQ test_reqrep.test_cancel_with_timeout`: no timer is left to go off,
/// nor one that holds up the end.
#[actix::test]
async fn a_cancelled_request_takes_its_timeout_along() {
    within(cancelled(Request::new("aaa").timeout(LONG))).await;
}

/// `txZMQ test_reqrep.test_send_timeout_ok`; victorlin's
/// `test_request_with_timeout_not_trigged` and `test_timeout_clalls_clean_up`.
///
/// The timeout is longer than txZMQ's 0.1 s, so that no slow machine decides. A
/// second request, which times out later, shows that the first one's did not go
/// off.
#[actix::test]
async fn a_reply_in_time_ends_the_timeout() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut held) = client_of_a_hoarder(&zmq).await;
        let asked = client.send(Request::new("aaa").timeout(ms(1_000)));
        held.next().await.reply("bbb").unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "bbb".into());
        nothing_is_left(&zmq).await;
        let later = client.send(Request::new("ccc").timeout(ms(1_050))).await.unwrap();
        assert_eq!(later.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(count(&zmq, "client", Counter::TimedOut).await, 1);
        held.next().await.reply("ddd").unwrap();
        assert!(finish(zmq).await.is_clean());
    })
    .await;
}

/// `txZMQ test_reqrep.test_send_timeout_fail`; victorlin's
/// `test_request_with_timeout`.
#[actix::test]
async fn a_reply_that_is_too_late_is_a_timeout_and_harms_nobody() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut held) = client_of_a_hoarder(&zmq).await;
        let asked = client.send(Request::new("aaa").timeout(ms(50)));
        let request = held.next().await;
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.into_message().is_none(), "the server may have served it");
        assert_eq!(count(&zmq, "client", Counter::TimedOut).await, 1);
        request.reply("too late").unwrap();
        let late = async || count(&zmq, "client", Counter::LateReplies).await == 1;
        eventually("the late reply is counted", late).await;
        nothing_is_left(&zmq).await;
        finish(zmq).await;
    })
    .await;
}
