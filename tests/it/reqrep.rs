//! Requests and replies: each request ends exactly once, whatever happens.

use std::collections::HashMap;
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Responder, SocketState};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};

use crate::support::{
    ANY_PORT, bound, count, eventually, eventually_some, finish, inbox, inproc, ms, open, raw,
    status, within, within_time,
};

/// So many requests at once.
const MANY: usize = 100_000;
/// What a slow machine may need for them.
const DEADLINE: Duration = Duration::from_secs(120);

/// A queue for all of them.
fn room() -> QueueLimits {
    QueueLimits { messages: MANY, bytes: usize::MAX, waiting: MANY, ..QueueLimits::default() }
}

/// A client whose server keeps every request: none is ever answered, until
/// whoever holds the responders does.
async fn client_of_a_hoarder(zmq: &Addr<Factory>) -> (Addr<RequestSocket>, Hoard) {
    let (hoard, requests) = inbox();
    let server = ReplySocket::bind(ANY_PORT).name("server").queue(room()).max_unanswered(2 * MANY);
    open(zmq, server.on_message(hoard)).await;
    let client = RequestSocket::connect(bound(zmq, "server").await).name("client").queue(room());
    (open(zmq, client).await, requests)
}

type Hoard = crate::support::Inbox<IncomingRequest>;
type Asked = actix::prelude::Request<RequestSocket, Request<Vec<u8>>>;

/// Sends so many requests at once.
fn ask_many(client: &Addr<RequestSocket>, request: impl Fn(u32) -> Request<Vec<u8>>) -> Vec<Asked> {
    let numbers = 0..u32::try_from(MANY).unwrap();
    numbers.map(|number| client.send(request(number))).collect()
}

fn plain(number: u32) -> Request<Vec<u8>> {
    Request::new(number.to_be_bytes().to_vec())
}

/// Drives them all. Without tokio's budget, beyond which each future asks to
/// be polled again, and `join_all` polls all that ask.
fn all(asked: Vec<Asked>) -> impl Future<Output = Vec<<Asked as Future>::Output>> {
    tokio::task::unconstrained(join_all(asked))
}

/// How the requests ended, each once by the nature of a future: how many in each way.
async fn endings(asked: Vec<Asked>) -> HashMap<ErrorKind, usize> {
    let mut endings = HashMap::new();
    for ended in all(asked).await {
        *endings.entry(ended.unwrap().unwrap_err().kind()).or_default() += 1;
    }
    endings
}

#[actix::test]
async fn a_hundred_thousand_in_flight_all_get_their_own_reply_in_reverse_order() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let replies = actix::spawn(all(ask_many(&client, plain)));
        let held = hoard.take(MANY).await;
        assert_eq!(status(&zmq, "client").await.in_flight, MANY);
        assert_eq!(status(&zmq, "server").await.in_flight, MANY);
        for request in held.into_iter().rev() {
            let IncomingRequest { body, responder } = request;
            responder.reply(body).unwrap();
        }
        for (number, reply) in replies.await.unwrap().into_iter().enumerate() {
            assert_eq!(reply.unwrap().unwrap()[0], &u32::try_from(number).unwrap().to_be_bytes());
        }
        assert_eq!(count(&zmq, "client", Counter::LateReplies).await, 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_hundred_thousand_in_flight_all_time_out_once() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (client, hoard) = client_of_a_hoarder(&zmq).await;
        let asked = ask_many(&client, |number| plain(number).timeout(ms(500)));
        assert_eq!(endings(asked).await, HashMap::from([(ErrorKind::TimedOut, MANY)]));
        let status = status(&zmq, "client").await;
        assert_eq!((status.in_flight, status.queued), (0, 0));
        assert_eq!(status.count(Counter::TimedOut), MANY as u64);
        // The server is done with them, so that the shutdown need not wait.
        drop(hoard);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_hundred_thousand_cancelled_at_once_free_their_entries_and_their_late_replies_harm_nobody()
 {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let asked = actix::spawn(all(ask_many(&client, plain)));
        let held = hoard.take(MANY).await;
        asked.abort();
        eventually("all freed", async || status(&zmq, "client").await.in_flight == 0).await;
        assert_eq!(count(&zmq, "client", Counter::Cancelled).await, MANY as u64);
        for request in held {
            request.reply("late").unwrap();
        }
        let late = async || count(&zmq, "client", Counter::LateReplies).await == MANY as u64;
        eventually("all replies are late", late).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_hundred_thousand_in_flight_all_end_with_restarted_at_a_restart() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let ended = actix::spawn(endings(ask_many(&client, plain)));
        hoard.take(MANY).await;
        client.send(Restart).await.unwrap().unwrap();
        assert_eq!(ended.await.unwrap(), HashMap::from([(ErrorKind::Restarted, MANY)]));
        assert_eq!(status(&zmq, "client").await.in_flight, 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_hundred_thousand_in_flight_all_end_with_closed_at_a_shutdown() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let ended = actix::spawn(endings(ask_many(&client, plain)));
        let held = hoard.take(MANY).await;
        // The server is done with them, so that the shutdown need not wait.
        drop(held);
        let report = finish(zmq).await;
        assert_eq!(ended.await.unwrap(), HashMap::from([(ErrorKind::Closed, MANY)]));
        let client = &report.sockets[1];
        assert_eq!((client.sent, client.returned), (MANY as u64, MANY as u64), "{report}");
        assert_eq!(report.sockets[0].unanswered, MANY as u64, "{report}");
    })
    .await;
}

#[actix::test]
async fn every_request_ends_once_amid_timeouts_cancellations_restarts_and_the_end() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        // It answers every other request, and some twice as late as their timeout.
        let mut turn = 0_u32;
        let server = ReplySocket::bind(ANY_PORT).name("server").on_message(
            move |request: IncomingRequest| {
                turn += 1;
                let IncomingRequest { body, responder } = request;
                match turn % 4 {
                    0 | 1 => responder.reply(body).unwrap(),
                    2 => drop(responder),
                    _ => {
                        actix::spawn(async move {
                            // The clock is the point: later than the timeout of 10 ms.
                            tokio::time::sleep(ms(20)).await;
                            // Too late for a reply once the end has come.
                            let _ = responder.reply(body);
                        });
                    }
                }
            },
        );
        open(&zmq, server).await;
        let policy = RestartPolicy::default().initial(ms(1)).max(ms(1)).budget(1_000);
        let client = RequestSocket::connect(bound(&zmq, "server").await).name("client");
        let client = open(&zmq, client.queue(room()).restart(policy)).await;
        let mut ended = 0;
        let mut open_requests = FuturesUnordered::new();
        let mut cancelled = 0;
        for round in 0..40_u32 {
            for number in 0..100_u32 {
                let asked = client.send(plain(number).timeout(ms(10)));
                if number % 10 == 0 {
                    // The message is in the mailbox by now or never.
                    drop(asked);
                    cancelled += 1;
                } else {
                    open_requests.push(asked);
                }
            }
            if round % 4 == 3 {
                client.send(Restart).await.unwrap().unwrap();
            }
            while let Some(Some(reply)) = futures::FutureExt::now_or_never(open_requests.next()) {
                let _: Result<_, _> = reply.unwrap();
                ended += 1;
            }
            // The clock is the point: timeouts fall due in between.
            tokio::time::sleep(ms(3)).await;
        }
        // Some without a timeout, that only the end can end.
        let hanging: Vec<_> = (0..100).map(|number| client.send(plain(number))).collect();
        let report = finish(zmq).await;
        for asked in hanging {
            if let Err(error) = asked.await.unwrap() {
                assert_eq!(error.kind(), ErrorKind::Closed, "{report}");
            }
        }
        while let Some(reply) = open_requests.next().await {
            let _: Result<_, _> = reply.unwrap();
            ended += 1;
        }
        assert_eq!(ended + cancelled, 4_000);
    })
    .await;
}

#[actix::test]
async fn replies_come_in_any_order_and_each_to_its_own_caller() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let first = client.send(Request::new("first"));
        let second = client.send(Request::new("second"));
        let held = hoard.take(2).await;
        for (request, answer) in held.into_iter().rev().zip(["to the second", "to the first"]) {
            request.reply(answer).unwrap();
        }
        assert_eq!(second.await.unwrap().unwrap(), "to the second".into());
        assert_eq!(first.await.unwrap().unwrap(), "to the first".into());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn the_timeout_of_the_socket_holds_unless_the_request_has_its_own() {
    within(async {
        let zmq = Factory::builder().start();
        let (hoard, mut held) = inbox::<IncomingRequest>();
        open(&zmq, ReplySocket::bind("inproc://timeouts").on_message(hoard)).await;
        let client = RequestSocket::connect("inproc://timeouts").timeout(ms(30));
        let client = open(&zmq, client).await;
        let socket = client.send(Request::new("by the socket"));
        let own = client.send(Request::new("by its own").timeout(ms(5)));
        let none = client.send(Request::new("for ever").no_timeout());
        let zero = client.send(Request::new("not at all").timeout(Duration::ZERO));
        assert_eq!(zero.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(own.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(socket.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        let mut answered = false;
        while !answered {
            let IncomingRequest { body, responder } = held.next().await;
            answered = body == "for ever".into();
            responder.reply("late").unwrap();
        }
        assert_eq!(none.await.unwrap().unwrap(), "late".into());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn late_duplicate_unknown_and_garbled_replies_are_counted_and_dropped() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let client = open(&zmq, RequestSocket::connect(endpoint).name("client")).await;
        let timed_out = client.send(Request::new("a").timeout(ms(20)));
        let (server, late) = raw::thread(move || {
            let request = raw::receive(&server);
            (server, request)
        })
        .await;
        assert_eq!(timed_out.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        // Late.
        server.send_multipart(&late, 0).unwrap();
        let asked = client.send(Request::new("b"));
        let server = raw::thread(move || {
            let request = raw::receive(&server);
            let route = &request[0][..];
            // Unknown, though it could be an id; then the right one, twice.
            raw::send(&server, [route, &[7; 16], b"", b"unknown"]);
            server.send_multipart(&request, 0).unwrap();
            server.send_multipart(&request, 0).unwrap();
            // What cannot be a reply at all.
            raw::send(&server, [route, b"short", b"", b"no id"]);
            raw::send(&server, [route, b"x"]);
            server
        })
        .await;
        assert_eq!(asked.await.unwrap().unwrap(), "b".into());
        let all = async || {
            let status = status(&zmq, "client").await;
            status.count(Counter::LateReplies) + status.count(Counter::Undecodable) == 5
        };
        eventually("five odd replies are counted", all).await;
        assert!(count(&zmq, "client", Counter::LateReplies).await >= 3);
        drop(server);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_request_looks_on_the_wire_as_txzmq_has_it() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let client = open(&zmq, RequestSocket::connect(endpoint).routing_id(*b"me")).await;
        let asked = client.send(Request::new(["one", "", "three"]));
        let served = raw::thread(move || {
            let frames = raw::receive(&server);
            let [route, id, rest @ ..] = &frames[..] else { panic!("{frames:?}") };
            raw::send(&server, [route, id, b"", b"answer", b"in two"]);
            assert_eq!(route, b"me");
            assert_eq!(id.len(), 16, "a UUID");
            assert_eq!(rest, [&b""[..], b"one", b"", b"three"]);
            server
        });
        assert_eq!(asked.await.unwrap().unwrap(), ["answer", "in two"].into());
        drop(served.await);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_withdrawn_request_never_reaches_the_server_that_returns() {
    within(async {
        let zmq = Factory::builder().start();
        // Nobody listens there yet; `immediate` keeps requests in our queue.
        let (reserve, endpoint) = raw::bound(zmq::ROUTER);
        reserve.unbind(&endpoint).unwrap();
        let client = RequestSocket::connect(endpoint.as_str()).name("client").immediate(true);
        let client = open(&zmq, client.reconnect_interval(ms(5))).await;
        for _ in 0..100 {
            let error = client.send(Request::new("stale").timeout(ms(1))).await.unwrap();
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(error.into_message(), Some("stale".into()));
        }
        assert_eq!(count(&zmq, "client", Counter::Withdrawn).await, 100);
        let cancelled = client.send(Request::new("cancelled"));
        eventually("queued", async || status(&zmq, "client").await.queued == 1).await;
        drop(cancelled);
        eventually("withdrawn", async || status(&zmq, "client").await.queued == 0).await;
        let fresh = client.send(Request::new("fresh"));
        let first = raw::thread(move || {
            let server = raw::socket(zmq::ROUTER);
            server.bind(&endpoint).unwrap();
            let request = raw::receive(&server);
            server.send_multipart(&request, 0).unwrap();
            let reply = request.last().cloned();
            (server, reply)
        });
        assert_eq!(fresh.await.unwrap().unwrap(), "fresh".into());
        let (server, body) = first.await;
        assert_eq!(body.as_deref(), Some(&b"fresh"[..]), "a stale request came first");
        drop(server);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn unsent_requests_go_out_late_where_withdrawal_is_off() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let client = RequestSocket::bind(&*endpoint).name("client").withdraw_unsent(false);
        let client = open(&zmq, client).await;
        let error = client.send(Request::new("late").timeout(ms(1))).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.message(), None, "it still goes out, so it is not given back");
        let (served, mut requests) = inbox::<IncomingRequest>();
        open(&zmq, ReplySocket::connect(&*endpoint).on_message(served)).await;
        let request = requests.next().await;
        assert_eq!(request.body, "late".into());
        request.reply("never mind").unwrap();
        let late = async || count(&zmq, "client", Counter::LateReplies).await == 1;
        eventually("its reply is late", late).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn two_clients_with_one_id_do_not_collide() {
    within(async {
        let zmq = Factory::builder().start();
        let (hoard, mut held) = inbox::<IncomingRequest>();
        let server = ReplySocket::bind(ANY_PORT).name("server").on_message(hoard);
        open(&zmq, server).await;
        let endpoint = bound(&zmq, "server").await;
        let clients: Vec<_> = ["one", "two"]
            .map(|name| {
                let client = raw::connected(zmq::DEALER, &endpoint);
                raw::thread(move || {
                    raw::send(&client, [b"same id", b"", name.as_bytes()]);
                    raw::send(&client, [b"same id", b"", name.as_bytes()]);
                    let replies = [raw::receive(&client), raw::receive(&client)];
                    (name, replies)
                })
            })
            .into_iter()
            .collect();
        let requests = held.take(4).await;
        for request in requests {
            let IncomingRequest { body, responder } = request;
            responder.reply(body).unwrap();
        }
        for (name, replies) in join_all(clients).await {
            for reply in replies {
                assert_eq!(reply, [b"same id", &b""[..], name.as_bytes()]);
            }
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn answers_may_come_later_from_another_thread_in_any_order() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let asked: Vec<_> =
            (0..10_u8).map(|number| client.send(Request::new(vec![number]))).collect();
        let mut held = hoard.take(10).await;
        raw::thread(move || {
            held.reverse();
            held.rotate_left(3);
            for request in held {
                let IncomingRequest { body, responder } = request;
                responder.reply(body).unwrap();
            }
        })
        .await;
        for (number, reply) in asked.into_iter().enumerate() {
            assert_eq!(reply.await.unwrap().unwrap()[0], &[u8::try_from(number).unwrap()]);
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_confirmed_reply_tells_what_became_of_it() {
    within(async {
        let zmq = Factory::builder().start();
        let (hoard, mut held) = inbox::<IncomingRequest>();
        let server = ReplySocket::bind(ANY_PORT).name("server");
        open(&zmq, server.on_message(hoard)).await;
        let peer = raw::connected(zmq::DEALER, &bound(&zmq, "server").await);
        raw::send(&peer, [b"id", b"", b"one"]);
        held.next().await.responder.reply_confirmed("accepted").await.unwrap();
        let peer = raw::thread(move || {
            assert_eq!(raw::receive(&peer), [&b"id"[..], b"", b"accepted"]);
            (0..900).for_each(|_| raw::send(&peer, [b"id", b"", b"more"]));
            peer
        })
        .await;
        let mut requests = held.take(900).await;
        drop(peer);
        // libzmq hears of the end by itself, at some moment: each asks once.
        let error = eventually_some("the peer is gone", async || {
            let request = requests.pop().unwrap();
            request.responder.reply_confirmed("gone").await.err()
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::Unroutable);
        assert!(error.peer().is_some_and(|peer| !peer.is_empty()));
        assert_eq!(error.into_message(), Some("gone".into()));
        drop(requests);
        let (hoard, mut held) = inbox::<IncomingRequest>();
        let strict = ReplySocket::bind(ANY_PORT).name("strict").answer_within(ms(20));
        open(&zmq, strict.on_message(hoard)).await;
        let peer = raw::connected(zmq::REQ, &bound(&zmq, "strict").await);
        raw::send(&peer, [b"two"]);
        let request = held.next().await;
        let reaped = async || count(&zmq, "strict", Counter::Reaped).await == 1;
        eventually("reaped", reaped).await;
        let error = request.responder.reply_confirmed("too late").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(peer);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_request_that_is_dropped_unanswered_frees_its_route_and_is_counted() {
    within(async {
        let zmq = Factory::builder().start();
        let server = ReplySocket::bind("inproc://deaf").name("server");
        open(&zmq, server.on_message(|request: IncomingRequest| drop(request))).await;
        let client = open(&zmq, RequestSocket::connect("inproc://deaf")).await;
        let error = client.send(Request::new("anybody?").timeout(ms(50))).await.unwrap();
        assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(count(&zmq, "server", Counter::Unanswered).await, 1);
        assert_eq!(status(&zmq, "server").await.in_flight, 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn plain_req_and_rep_sockets_work_with_both_ends() {
    within(async {
        let zmq = Factory::builder().start();
        let server =
            ReplySocket::bind(ANY_PORT).name("server").on_message(|request: IncomingRequest| {
                let IncomingRequest { mut body, responder } = request;
                body.push("and back");
                responder.reply(body).unwrap();
            });
        open(&zmq, server).await;
        let endpoint = bound(&zmq, "server").await;
        let reply = raw::thread(move || {
            let peer = raw::connected(zmq::REQ, &endpoint);
            raw::send(&peer, [b"there", b""]);
            raw::receive(&peer)
        });
        assert_eq!(reply.await, [&b"there"[..], b"", b"and back"]);

        let (peer, endpoint) = raw::bound(zmq::REP);
        let served = raw::thread(move || {
            for _ in 0..3 {
                let request = raw::receive(&peer);
                peer.send_multipart(&request, 0).unwrap();
            }
            peer
        });
        let client = open(&zmq, RequestSocket::connect(endpoint)).await;
        let asked: Vec<_> = (0..3_u8).map(|number| client.send(Request::new([[number]]))).collect();
        for (number, reply) in asked.into_iter().enumerate() {
            assert_eq!(reply.await.unwrap().unwrap()[0], &[u8::try_from(number).unwrap()]);
        }
        drop(served.await);
        finish(zmq).await;
    })
    .await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Add {
    left: i32,
    right: i32,
}

#[actix::test]
async fn typed_requests_and_replies_cross_as_json_and_as_messagepack() {
    within(async {
        let zmq = Factory::builder().start();
        let server = ReplySocket::bind("inproc://json").name("json").on_message(
            |request: IncomingRequest<Json<Add>>| {
                let Json(Add { left, right }) = request.body;
                request.responder.reply(Json(left + right)).unwrap();
            },
        );
        open(&zmq, server).await;
        let server = ReplySocket::bind("inproc://msgpack").on_message(
            |request: IncomingRequest<MessagePack<Add>>| {
                let MessagePack(Add { left, right }) = request.body;
                request.responder.reply(MessagePack(left - right)).unwrap();
            },
        );
        open(&zmq, server).await;
        let json = open(&zmq, RequestSocket::connect("inproc://json")).await;
        let msgpack = open(&zmq, RequestSocket::connect("inproc://msgpack")).await;
        let add = Request::new(Json(Add { left: 40, right: 2 })).expect::<Json<i32>>();
        assert_eq!(json.send(add).await.unwrap().unwrap().0, 42);
        let subtract =
            Request::new(MessagePack(Add { left: 40, right: 2 })).expect::<MessagePack<i32>>();
        assert_eq!(msgpack.send(subtract).await.unwrap().unwrap().0, 38);
        // The right reply for somebody else: the frames come with the error.
        let add = Request::new(Json(Add { left: 1, right: 1 })).expect::<Json<String>>();
        let error = json.send(add).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.into_message(), Some("2".into()));
        // A request that is none gets no answer, and stops nothing.
        let garbage = json.send(Request::new("garbage").timeout(ms(50))).await.unwrap();
        assert_eq!(garbage.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(count(&zmq, "json", Counter::Undecodable).await, 1);
        let add = Request::new(Json(Add { left: 2, right: 2 })).expect::<Json<i32>>();
        assert_eq!(json.send(add).await.unwrap().unwrap().0, 4);
        finish(zmq).await;
    })
    .await;
}

/// An actor that answers what it is asked.
struct Doubler;

impl Actor for Doubler {
    type Context = Context<Self>;
}

impl Handler<IncomingRequest<Json<i32>>> for Doubler {
    type Result = ();

    fn handle(&mut self, request: IncomingRequest<Json<i32>>, ctx: &mut Context<Self>) {
        let Json(number) = request.body;
        let responder: Responder = request.responder;
        ctx.run_later(ms(1), move |_, _| responder.reply(Json(2 * number)).unwrap());
    }
}

#[actix::test]
async fn an_actor_serves_and_answers_later() {
    within(async {
        let zmq = Factory::builder().start();
        let doubler = Doubler.start().recipient::<IncomingRequest<Json<i32>>>();
        open(&zmq, ReplySocket::bind("inproc://doubler").deliver_to(doubler)).await;
        let client = open(&zmq, RequestSocket::connect("inproc://doubler")).await;
        let asked: Vec<_> = (0..100)
            .map(|number| client.send(Request::new(Json(number)).expect::<Json<i32>>()))
            .collect();
        for (number, reply) in (0..100).zip(asked) {
            assert_eq!(reply.await.unwrap().unwrap().0, 2 * number);
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_idempotent_request_is_sent_again_after_a_restart_and_ends_once() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let asked = client.send(Request::new("twice is fine").idempotent());
        let lost = hoard.next().await;
        client.send(Restart).await.unwrap().unwrap();
        let again = hoard.next().await;
        assert_eq!(again.body, "twice is fine".into());
        assert_eq!(count(&zmq, "client", Counter::Resent).await, 1);
        again.reply("here").unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "here".into());
        // The old connection is gone, and its route with it.
        lost.reply("nobody").unwrap();
        let gone = async || count(&zmq, "server", Counter::Unroutable).await == 1;
        eventually("unroutable", gone).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_request_whose_server_dies_ends_by_its_timeout_and_the_next_finds_the_new_server() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let client = RequestSocket::connect(endpoint.as_str()).reconnect_interval(ms(5));
        let client = open(&zmq, client).await;
        let lost = client.send(Request::new("lost").timeout(ms(300)));
        raw::thread(move || drop(raw::receive(&server))).await;
        assert_eq!(lost.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        let server = eventually_some("the port is free", async || {
            let server = raw::socket(zmq::ROUTER);
            server.bind(&endpoint).ok().map(|()| server)
        })
        .await;
        let served = raw::thread(move || {
            let request = raw::receive(&server);
            server.send_multipart(&request, 0).unwrap();
            server
        });
        assert_eq!(client.send(Request::new("found")).await.unwrap().unwrap(), "found".into());
        drop(served.await);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn requests_wait_in_the_queue_while_the_socket_is_down() {
    within(async {
        let zmq = Factory::builder().start();
        let (client, mut hoard) = client_of_a_hoarder(&zmq).await;
        let policy = RestartPolicy::default().initial(ms(100));
        drop(client);
        let client = RequestSocket::connect(bound(&zmq, "server").await).name("slow");
        let client = open(&zmq, client.restart(policy)).await;
        client.send(Restart).await.unwrap().unwrap();
        assert_eq!(status(&zmq, "slow").await.state, SocketState::Down);
        let asked = client.send(Request::new("patient"));
        hoard.next().await.reply("welcome").unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "welcome".into());
        finish(zmq).await;
    })
    .await;
}
