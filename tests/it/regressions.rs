//! One test for each bug that was met, named after its symptom.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{IntoReceiver, SocketState};

use crate::support::{
    bound, collector, count, events, eventually, finish, gated, inbox, ipc, open, raw, status,
    within,
};

#[actix::test]
async fn deliveries_in_a_mailbox_survive_the_socket_that_made_them() {
    within(async {
        let (address, gate, mut arrived) = gated::<Pulled>();
        let zmq = Factory::builder().start();
        let receiver = address.recipient::<Pulled>().into_receiver().window(16);
        let pull = PullSocket::bind("inproc://gated").name("pull").deliver_to(receiver);
        open(&zmq, pull).await;
        let push = open(&zmq, PushSocket::connect("inproc://gated")).await;
        for number in 0..10_u8 {
            push.send(Push(vec![number])).await.unwrap().unwrap();
        }
        eventually("all read", async || count(&zmq, "pull", Counter::Received).await == 10).await;
        drop(push);
        finish(zmq).await;
        gate.open();
        assert_eq!(arrived.take(10).await.len(), 10);
    })
    .await;
}

#[actix::test]
async fn a_dropped_factory_still_tells_that_its_sockets_closed() {
    within(async {
        let (watcher, mut events) = events();
        let zmq = Factory::builder().start();
        zmq.send(Watch(watcher)).await.unwrap();
        open(&zmq, PushSocket::bind("tcp://127.0.0.1:*")).await;
        drop(zmq);
        events.event(|kind| matches!(kind, EventKind::Closed).then_some(())).await;
    })
    .await;
}

#[actix::test]
async fn replies_for_a_peer_that_reads_none_are_bounded() {
    within(async {
        let zmq = Factory::builder().start();
        let limits = QueueLimits { messages: 10, waiting: 10, ..QueueLimits::default() };
        let server = ReplySocket::bind("tcp://127.0.0.1:*").name("server").hwm(1).queue(limits);
        let server = server.on_message(|request: IncomingRequest| {
            let _ = request.responder.reply(vec![0_u8; 100_000]);
        });
        open(&zmq, server).await;
        let endpoint = bound(&zmq, "server").await;
        let peer = raw::thread(move || {
            let socket = raw::socket(zmq::DEALER);
            socket.set_linger(0).unwrap();
            socket.set_rcvhwm(1).unwrap();
            socket.connect(&endpoint).unwrap();
            for number in 0..2_000_u32 {
                raw::send(&socket, [&number.to_be_bytes(), b"", b"x"]);
            }
            // Kept open, and never read, until the test has seen enough.
            socket
        });
        let read = async || count(&zmq, "server", Counter::Received).await >= 1_500;
        eventually("most requests read", read).await;
        let queued = status(&zmq, "server").await.queued;
        assert!(queued <= 20, "{queued} replies queued");
        assert!(count(&zmq, "server", Counter::Lost).await > 0);
        drop(peer.await);
        // The peer's last requests stay unread, so its replies wait out the flush.
        let report = zmq.send(Shutdown::within(Duration::from_secs(2))).await.unwrap();
        assert!(report.terminated, "{report}");
    })
    .await;
}

#[actix::test]
async fn a_shutdown_that_waits_out_its_flush_still_ends_the_context_in_time() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::connect("tcp://127.0.0.1:9").hwm(1)).await;
        for _ in 0..10 {
            push.do_send(Push("never"));
        }
        // What libzmq holds lingers to the last moment that the shutdown gives it.
        let report = zmq.send(Shutdown::within(Duration::from_millis(800))).await.unwrap();
        assert!(report.terminated, "{report}");
        assert!(!report.is_clean(), "{report}");
    })
    .await;
}

#[actix::test]
async fn what_was_flushed_in_the_last_moment_has_the_linger_to_leave() {
    within(async {
        // The queue is never empty by the flush deadline, because one socket
        // has no peer; the other's messages must still get their linger.
        let zmq = Factory::builder().linger(Duration::from_secs(1)).start();
        let (pulled, mut told) = collector::<Pulled>();
        let push = open(&zmq, PushSocket::new()).await;
        let port = push.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap();
        let other = Factory::builder().start();
        open(&other, PullSocket::connect(port).deliver_to(pulled.recipient::<Pulled>())).await;
        push.send(Push("first")).await.unwrap().unwrap();
        told.next().await;
        for number in 0..50_usize {
            push.send(Push(vec![0_u8; 200_000 + number])).await.unwrap().unwrap();
        }
        let lonely = open(&zmq, PushSocket::bind("inproc://lonely")).await;
        let unsent = lonely.send(Push("never"));
        let report = zmq.send(Shutdown::within(Duration::from_secs(2))).await.unwrap();
        assert!(report.terminated, "{report}");
        assert_eq!(unsent.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        told.take(50).await;
        finish(other).await;
    })
    .await;
}

#[actix::test]
async fn a_burst_that_libzmq_takes_is_not_refused() {
    within(async {
        let zmq = Factory::builder().start();
        open(&zmq, PullSocket::bind("inproc://burst").hwm(0).on_message(|_: Pulled| {})).await;
        let push = PushSocket::connect("inproc://burst").hwm(0).overflow(Overflow::Reject, 0);
        let push = open(&zmq, push).await;
        let frames: Multipart = (0..20).map(|_| "x").collect();
        let sends: Vec<_> = (0..1_000).map(|_| push.send(Push(frames.clone()))).collect();
        for sent in futures::future::join_all(sends).await {
            sent.unwrap().unwrap();
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_exact_topic_does_not_catch_longer_ones() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = open(&zmq, PubSocket::bind("inproc://exact")).await;
        let (exact, mut exactly) = collector::<TopicMessage>();
        let (rest, mut others) = collector::<TopicMessage>();
        let subscriber = SubSocket::connect("inproc://exact")
            .topic_to(Topic::exact("news"), exact.recipient::<TopicMessage>())
            .topic("newsl")
            .deliver_to(rest.recipient::<TopicMessage>());
        open(&zmq, subscriber).await;
        let (one, other) = loop {
            for topic in ["news", "newsletter", "newspaper"] {
                publisher.send(Publish::new(topic, "x")).await.unwrap().unwrap();
            }
            tokio::task::yield_now().await;
            if let (Some(one), Some(other)) = (exactly.drain().pop(), others.drain().pop()) {
                break (one, other);
            }
        };
        assert_eq!(one.topic, "news");
        assert_eq!(other.topic, "newsletter");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_prefix_that_ends_in_the_separator_selects_its_receiver() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = PubSocket::bind("inproc://txzmq-exact").framing(TopicFraming::tagged());
        let publisher = open(&zmq, publisher).await;
        let (receiver, mut told) = collector::<TopicMessage>();
        let subscriber = SubSocket::connect("inproc://txzmq-exact")
            .topic_to(b"news\0", receiver.recipient::<TopicMessage>());
        open(&zmq, subscriber).await;
        let message = loop {
            publisher.send(Publish::new("newsletter", "x")).await.unwrap().unwrap();
            publisher.send(Publish::new("news", "x")).await.unwrap().unwrap();
            tokio::task::yield_now().await;
            if let Some(message) = told.drain().pop() {
                break message;
            }
        };
        assert_eq!(message.topic, "news");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_socket_for_a_stopped_arbiter_leaves_no_ghost() {
    within(async {
        let zmq = Factory::builder().start();
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        arbiter.stop();
        arbiter.join().unwrap();
        let opened = zmq.send(Open(PushSocket::bind("tcp://127.0.0.1:*").on(handle)));
        assert_eq!(opened.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        assert!(zmq.send(Status).await.unwrap().is_empty());
        let report = finish(zmq).await;
        assert!(report.sockets.is_empty(), "{report}");
    })
    .await;
}

#[actix::test]
async fn awaited_sends_push_no_unawaited_one_out_of_the_queue() {
    within(async {
        let zmq = Factory::builder().start();
        let push = PushSocket::bind("inproc://fair").name("push").overflow(Overflow::Wait, 10);
        let push = open(&zmq, push).await;
        for number in 0..10_u8 {
            push.do_send(Push(vec![number]));
        }
        eventually("ten wait", async || status(&zmq, "push").await.queued == 10).await;
        let waiting: Vec<_> = (10..15_u8).map(|number| push.send(Push(vec![number]))).collect();
        eventually("all wait", async || status(&zmq, "push").await.queued == 15).await;
        assert_eq!(count(&zmq, "push", Counter::Lost).await, 0);
        let (pulled, mut told) = collector::<Pulled>();
        let pull = PullSocket::connect("inproc://fair");
        open(&zmq, pull.deliver_to(pulled.recipient::<Pulled>())).await;
        for number in 0..15_u8 {
            assert_eq!(told.next().await.0[0], &[number]);
        }
        for sent in waiting {
            sent.await.unwrap().unwrap();
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_refusal_that_nobody_hears_is_counted() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind("inproc://deaf").name("push")).await;
        push.do_send(Push(Multipart::new()));
        eventually("counted", async || count(&zmq, "push", Counter::Lost).await == 1).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_reply_that_has_come_before_a_restart_ends_its_request() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let client = open(&zmq, RequestSocket::connect(endpoint).name("client")).await;
        let asked = client.send(Request::new("question"));
        let answered = raw::thread(move || {
            let frames = raw::receive(&server);
            server.send_multipart(&frames, 0).unwrap();
            (server, frames)
        });
        let (_server, frames) = answered.await;
        assert_eq!(frames.len(), 4);
        // Whether the reply or the restart is first is open: either way it ends
        // once, and if the reply was there it is not lost.
        client.send(Restart).await.unwrap().unwrap();
        match asked.await.unwrap() {
            Ok(reply) => assert_eq!(reply[0], "question"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Restarted),
        }
        eventually("none is open", async || status(&zmq, "client").await.in_flight == 0).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn neighbours_find_a_restarted_inproc_socket_again() {
    within(async {
        let zmq = Factory::builder().start();
        let (pulled, mut told) = collector::<Pulled>();
        let pull = PullSocket::bind("inproc://back").name("pull");
        let pull = open(&zmq, pull.deliver_to(pulled.recipient::<Pulled>())).await;
        let push = open(&zmq, PushSocket::connect("inproc://back")).await;
        push.send(Push("before")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "before");
        for _ in 0..5 {
            pull.send(Restart).await.unwrap().unwrap();
            eventually("up", async || status(&zmq, "pull").await.state == SocketState::Up).await;
            // Sent until one arrives: what the dead connection held is lost.
            let arrives = async || {
                push.do_send(Push("after"));
                !told.drain().is_empty()
            };
            eventually("one arrives", arrives).await;
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_full_subscriber_loses_nothing_with_no_drop() {
    use futures::StreamExt;

    within(async {
        let zmq = Factory::builder().start();
        let publisher = PubSocket::bind("tcp://127.0.0.1:*").name("pub").hwm(10).no_drop(true);
        let publisher = open(&zmq, publisher).await;
        let (receiver, mut told) = collector::<TopicMessage>();
        let subscriber = SubSocket::connect(bound(&zmq, "pub").await)
            .hwm(10)
            .topic(Topic::all())
            .deliver_to(receiver.recipient::<TopicMessage>());
        open(&zmq, subscriber).await;
        while told.drain().is_empty() {
            publisher.send(Publish::new("hello", "x")).await.unwrap().unwrap();
            tokio::task::yield_now().await;
        }
        let total = 2_000_u32;
        let sends = (0..total).map(|number| {
            let body = vec![0_u8; 10_000];
            publisher.send(Publish { topic: Frame::from(number.to_be_bytes()), body })
        });
        let mut sends = futures::stream::iter(sends).buffered(64);
        let received = async {
            let mut expected = 0;
            while expected < total {
                let message = told.next().await;
                if message.topic != "hello" {
                    assert_eq!(message.topic, &expected.to_be_bytes());
                    expected += 1;
                }
            }
        };
        let sent = async {
            while let Some(sent) = sends.next().await {
                sent.unwrap().unwrap();
            }
        };
        futures::future::join(sent, received).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_close_without_end_waits_for_its_messages() {
    within(async {
        let zmq = Factory::builder().start();
        let push = PushSocket::bind("inproc://patient").name("push").linger(Duration::MAX);
        let push = open(&zmq, push).await;
        push.do_send(Push("patience"));
        let closing = actix::spawn(push.send(Close::within(Duration::MAX)));
        let state = async || status(&zmq, "push").await.state == SocketState::Closing;
        eventually("it closes", state).await;
        let (pulled, mut told) = collector::<Pulled>();
        let pull = PullSocket::connect("inproc://patient");
        open(&zmq, pull.deliver_to(pulled.recipient::<Pulled>())).await;
        assert_eq!(told.next().await.0[0], "patience");
        assert_eq!(closing.await.unwrap().unwrap().unwrap().still_queued, 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn requests_that_are_sent_again_are_not_refused_by_the_bound() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let client = RequestSocket::connect(&*endpoint).name("client").immediate(true);
        let client =
            client.overflow(Overflow::Reject, 0).reconnect_interval(Duration::from_millis(5));
        let client = open(&zmq, client).await;
        // Accepted once there is a connection.
        eventually("connected", async || {
            client.do_send(Request::new("hello"));
            count(&zmq, "client", Counter::Sent).await > 0
        })
        .await;
        let asked: Vec<_> =
            (0..10_u8).map(|number| client.send(Request::new([[number]]).idempotent())).collect();
        let server = raw::thread(move || {
            let mut seen = 0;
            while seen < 10 {
                seen += u32::from(raw::receive(&server)[3] != b"hello");
            }
            // Gone before they are sent again: nobody takes them at once.
            server.unbind(&endpoint).unwrap();
            (server, endpoint)
        });
        let (server, endpoint) = server.await;
        drop(server);
        client.send(Restart).await.unwrap().unwrap();
        eventually("queued", async || status(&zmq, "client").await.queued == 10).await;
        let served = raw::thread(move || {
            let server = raw::socket(zmq::ROUTER);
            while server.bind(&endpoint).is_err() {
                std::thread::yield_now();
            }
            for _ in 0..10 {
                let request = raw::receive(&server);
                server.send_multipart(&request, 0).unwrap();
            }
            server
        });
        for (number, reply) in (0..10_u8).zip(asked) {
            assert_eq!(reply.await.unwrap().unwrap()[0], &[number]);
        }
        drop(served.await);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_binary_topic_and_several_frames_come_back_as_they_were_sent() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = open(&zmq, PubSocket::bind("inproc://binary")).await;
        let (receiver, mut told) = collector::<TopicMessage>();
        let subscriber = SubSocket::connect("inproc://binary").topic(Topic::all());
        open(&zmq, subscriber.deliver_to(receiver.recipient::<TopicMessage>())).await;
        let body = || Multipart::from(["one", "two"]);
        eventually("it arrives", async || {
            let message = Publish { topic: Frame::from([0, 0, 1, 0]), body: body() };
            publisher.send(message).await.unwrap().unwrap();
            told.drain().pop().is_some_and(|message| {
                assert_eq!((message.topic, message.body), (Frame::from([0, 0, 1, 0]), body()));
                true
            })
        })
        .await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_factory_for_one_socket_opens_one_socket() {
    within(async {
        for _ in 0..20 {
            let zmq = Factory::builder().max_sockets(1).start();
            open(&zmq, PushSocket::bind("inproc://only")).await;
            let second = zmq.send(Open(PushSocket::new())).await.unwrap();
            assert_eq!(second.map(|_| ()).unwrap_err().kind(), ErrorKind::TooManySockets);
            finish(zmq).await;
        }
    })
    .await;
}

#[actix::test]
async fn neighbours_find_the_successor_of_a_closed_inproc_socket() {
    within(async {
        let zmq = Factory::builder().start();
        let (pulled, mut told) = collector::<Pulled>();
        let pull = || {
            let receiver = pulled.clone().recipient::<Pulled>();
            PullSocket::bind("inproc://successor").deliver_to(receiver)
        };
        let first = open(&zmq, pull()).await;
        let push = open(&zmq, PushSocket::connect("inproc://successor")).await;
        push.send(Push("first")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "first");
        for _ in 0..3 {
            first.send(Close::new()).await.unwrap().unwrap();
            let second = open(&zmq, pull()).await;
            eventually("one arrives", async || {
                push.do_send(Push("next"));
                !told.drain().is_empty()
            })
            .await;
            second.send(Close::new()).await.unwrap().unwrap();
            // By `Bind` on a socket that is open already.
            let receiver = pulled.clone().recipient::<Pulled>();
            let third = open(&zmq, PullSocket::new().deliver_to(receiver)).await;
            third.send(Bind::new("inproc://successor")).await.unwrap().unwrap();
            eventually("one arrives", async || {
                push.do_send(Push("next"));
                !told.drain().is_empty()
            })
            .await;
            third.send(Close::new()).await.unwrap().unwrap();
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_ipc_path_is_not_taken_away_from_the_server_that_listens_there() {
    within(async {
        let zmq = Factory::builder().start();
        let path = ipc();
        let (pulled, mut told) = collector::<Pulled>();
        let pull = PullSocket::bind(&*path).name("pull");
        let pull = open(&zmq, pull.deliver_to(pulled.recipient::<Pulled>())).await;
        let other = Factory::builder().start();
        let thief = PushSocket::bind(&*path);
        let error = other.send(Open(thief)).await.unwrap().map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.endpoint()), (ErrorKind::AddressInUse, Some(&*path)));
        let push = open(&other, PushSocket::connect(&*path)).await;
        push.send(Push("mine")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "mine");
        // What a dead server left behind is nobody's.
        pull.send(Close::new()).await.unwrap().unwrap();
        push.send(Close::new()).await.unwrap().unwrap();
        eventually("the path is free", async || {
            other.send(Open(PushSocket::bind(&*path))).await.unwrap().is_ok()
        })
        .await;
        finish(other).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_panic_in_the_encoder_of_an_answer_is_an_error_and_restarts_nothing() {
    /// Refuses to be encoded, loudly.
    struct Explosive;

    impl serde::Serialize for Explosive {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("boom")
        }
    }

    within(async {
        let zmq = Factory::builder().start();
        let (told, mut outcomes) = inbox::<Result<(), Error>>();
        let server = ReplySocket::bind("inproc://explosive").name("server").on_message(
            move |request: IncomingRequest| told(request.responder.reply(Json(Explosive))),
        );
        open(&zmq, server).await;
        let client = open(&zmq, RequestSocket::connect("inproc://explosive")).await;
        client.do_send(Request::new("x"));
        let error = outcomes.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert!(error.to_string().contains("boom"), "{error}");
        assert_eq!(status(&zmq, "server").await.restarts, 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_ipv6_address_without_ipv6_is_told_and_not_tried_in_vain() {
    within(async {
        let zmq = Factory::builder().start();
        for blueprint in [
            PushSocket::bind("tcp://[::1]:*"),
            PushSocket::connect("tcp://[::1]:5555"),
            PushSocket::connect("tcp://[::1]:0;127.0.0.1:5555"),
        ] {
            let error = zmq.send(Open(blueprint)).await.unwrap().map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
            assert!(error.endpoint().is_some());
        }
        open(&zmq, PushSocket::connect("tcp://[::1]:5555").ipv6(true)).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_is_not_open_yet_shows_where_it_will_be() {
    within(async {
        let zmq = Factory::builder().start();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", taken.local_addr().unwrap());
        open(&zmq, PushSocket::bind(&*endpoint).name("push").open_with_retry()).await;
        assert_eq!(bound(&zmq, "push").await, endpoint);
        assert_ne!(status(&zmq, "push").await.state, SocketState::Up);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_closed_socket_on_a_named_arbiter_still_gives_messages_back() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind("inproc://named").arbiter("far")).await;
        finish(zmq).await;
        let error = push.send(Push("late")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.into_message(), Some("late".into()));
    })
    .await;
}

#[actix::test]
async fn more_sockets_than_libzmq_can_have_are_an_error_and_no_abort() {
    within(async {
        for most in [0, 65_535, 2_147_483_000, u32::MAX] {
            let zmq = Factory::builder().max_sockets(most).start();
            let error = zmq.send(Open(PushSocket::new())).await.unwrap().map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidOption, "{most}: {error}");
        }
    })
    .await;
}

#[actix::test]
async fn a_name_and_a_place_are_free_as_soon_as_a_socket_is_closed() {
    within(async {
        let zmq = Factory::builder().max_sockets(2).start();
        for _ in 0..50 {
            let push = open(&zmq, PushSocket::bind("inproc://again")).await;
            push.send(Close::new()).await.unwrap().unwrap();
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn requests_that_are_sent_again_push_nobody_out_and_are_not_dropped() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut held) = inbox::<IncomingRequest>();
        let client = RequestSocket::bind("inproc://dropped").name("client");
        let client = open(&zmq, client.overflow(Overflow::DropOldest, 10)).await;
        let server = ReplySocket::connect("inproc://dropped").on_message(fill);
        let server = open(&zmq, server).await;
        let asked: Vec<_> =
            (0..10_u8).map(|number| client.send(Request::new([[number]]).idempotent())).collect();
        let more: Vec<_> =
            (10..14_u8).map(|number| client.send(Request::new([[number]]).idempotent())).collect();
        drop(held.take(14).await);
        server.send(Close::new()).await.unwrap().unwrap();
        client.send(Restart).await.unwrap().unwrap();
        eventually("they wait again", async || status(&zmq, "client").await.queued == 14).await;
        let server = ReplySocket::connect("inproc://dropped");
        let echo = |request: IncomingRequest| {
            let IncomingRequest { body, responder } = request;
            responder.reply(body).unwrap();
        };
        open(&zmq, server.on_message(echo)).await;
        for (number, reply) in (0..14_u8).zip(asked.into_iter().chain(more)) {
            assert_eq!(reply.await.unwrap().unwrap()[0], &[number]);
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_separator_that_begins_in_the_topic_or_is_none_is_refused() {
    within(async {
        let zmq = Factory::builder().start();
        let framing = TopicFraming::Tagged { separator: ";;".into() };
        let publisher = open(&zmq, PubSocket::bind("inproc://overlap").framing(framing)).await;
        let error = publisher.send(Publish::new("x;", "body")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert_eq!(error.into_message(), Some("body".into()));
        let framing = TopicFraming::Tagged { separator: "".into() };
        let publisher = PubSocket::bind("inproc://empty").framing(framing);
        let error = zmq.send(Open(publisher)).await.unwrap().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn bytes_that_others_hold_stay_as_they_are_when_they_are_sent_over_ws() {
    static FIXED: [u8; 5_000] = [7; 5_000];

    within(async {
        let zmq = Factory::builder().start();
        let (pulled, mut told) = collector::<Pulled>();
        let pull = PullSocket::bind("ws://127.0.0.1:*/x").name("pull");
        open(&zmq, pull.deliver_to(pulled.recipient::<Pulled>())).await;
        let push = open(&zmq, PushSocket::connect(bound(&zmq, "pull").await)).await;
        for frame in [Frame::from_static(&FIXED), Frame::from(vec![7_u8; 5_000])] {
            let kept = frame.clone();
            push.send(Push(frame)).await.unwrap().unwrap();
            assert_eq!(told.next().await.0[0], &FIXED);
            assert_eq!(kept, &FIXED);
        }
        finish(zmq).await;
    })
    .await;
}
