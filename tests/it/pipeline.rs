//! PUSH and PULL, and what every socket can do at runtime: endpoints, names, status.

use actix_zmq::prelude::*;
use actix_zmq::{EndpointStatus, SocketState, SocketType};

use crate::support::{
    ANY_PORT, bound, bound_endpoints, collector, eventually, finish, inbox, inproc, ipc, ms, open,
    raw, status, within,
};

#[actix::test]
async fn messages_of_one_frame_and_of_many_cross_unchanged_on_every_transport() {
    for endpoint in [
        ANY_PORT.to_owned(),
        "tcp://[::1]:*".into(),
        "ws://127.0.0.1:*/path".into(),
        ipc(),
        inproc(),
    ] {
        within(async {
            let zmq = Factory::builder().start();
            let (fill, mut told) = inbox::<Pulled>();
            let pull = PullSocket::bind(&*endpoint).name("pull").ipv6(true).on_message(fill);
            open(&zmq, pull).await;
            let push = PushSocket::connect(bound(&zmq, "pull").await).ipv6(true);
            let push = open(&zmq, push).await;
            let messages: [Multipart; 6] = [
                "one".into(),
                Multipart::from(Frame::empty()),
                ["", "between", ""].into(),
                vec![Frame::from(vec![0_u8; 29]), Frame::from(vec![1_u8; 34])].into(),
                vec![0xff_u8; 1_000_000].into(),
                (0..300).map(|number: u16| number.to_be_bytes()).collect(),
            ];
            for message in messages {
                push.send(Push(message.clone())).await.unwrap().unwrap();
                assert_eq!(told.next().await.0, message);
            }
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn a_message_without_frames_is_refused() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(&*inproc())).await;
        let error = push.send(Push(Multipart::new())).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn workers_share_the_work() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(ANY_PORT).name("push")).await;
        let endpoint = bound(&zmq, "push").await;
        let mut inboxes = Vec::new();
        for name in ["one", "two"] {
            let (fill, told) = inbox::<Pulled>();
            open(&zmq, PullSocket::connect(&*endpoint).name(name).on_message(fill)).await;
            inboxes.push(told);
        }
        // Both are connected once both have had something.
        for told in &mut inboxes {
            eventually("connected", async || {
                push.send(Push("hello")).await.unwrap().unwrap();
                !told.drain().is_empty()
            })
            .await;
        }
        for number in 0..10_u8 {
            push.send(Push(vec![number])).await.unwrap().unwrap();
        }
        for told in &mut inboxes {
            for _ in 0..5 {
                told.find(|Pulled::<Multipart>(frames)| (frames[0] != "hello").then_some(())).await;
            }
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_socket_takes_any_number_of_endpoints_and_reports_them_as_resolved() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        let (ipc, inproc) = (ipc(), inproc());
        let pull = PullSocket::bind(ANY_PORT).bind(ANY_PORT).bind(&*ipc).bind(&*inproc);
        let pull = open(&zmq, pull.name("pull").on_message(fill)).await;
        let fifth = pull.send(Bind::new(ANY_PORT)).await.unwrap().unwrap();
        let endpoints = bound_endpoints(&status(&zmq, "pull").await);
        assert_eq!(endpoints.len(), 5);
        assert_eq!(endpoints[2..4], [ipc, inproc]);
        assert_eq!(endpoints[4], fifth.to_string());
        assert!(endpoints.iter().all(|endpoint| !endpoint.contains('*')), "{endpoints:?}");
        assert_ne!(endpoints[0], endpoints[1]);
        for endpoint in endpoints {
            let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
            push.send(Push(endpoint.clone())).await.unwrap().unwrap();
            assert_eq!(told.next().await.0[0], &*endpoint);
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn endpoints_come_and_go_at_runtime() {
    within(async {
        let zmq = Factory::builder().start();
        let (one, mut told_one) = inbox::<Pulled>();
        let (two, mut told_two) = inbox::<Pulled>();
        let first = PullSocket::bind(ANY_PORT).name("one").on_message(one);
        let first = open(&zmq, first).await;
        open(&zmq, PullSocket::bind(ANY_PORT).name("two").on_message(two)).await;
        let (at_one, at_two) = (bound(&zmq, "one").await, bound(&zmq, "two").await);

        let push = open(&zmq, PushSocket::new().name("push")).await;
        push.send(Connect::new(&*at_one)).await.unwrap().unwrap();
        push.send(Push("to one")).await.unwrap().unwrap();
        assert_eq!(told_one.next().await.0[0], "to one");
        push.send(Disconnect::new(&*at_one)).await.unwrap().unwrap();
        push.send(Connect::new(&*at_two)).await.unwrap().unwrap();
        let connected = status(&zmq, "push").await.endpoints;
        assert!(matches!(&connected[..], [EndpointStatus::Connected(at)] if at.as_str() == at_two));
        for _ in 0..10 {
            push.send(Push("to two")).await.unwrap().unwrap();
            assert_eq!(told_two.next().await.0[0], "to two");
        }
        assert!(told_one.drain().is_empty());

        // A port that nobody is bound to any more may be bound again.
        first.send(Unbind::new(&*at_one)).await.unwrap().unwrap();
        assert!(status(&zmq, "one").await.endpoints.is_empty());
        eventually("the port is free", async || {
            first.send(Bind::new(&*at_one)).await.unwrap().is_ok()
        })
        .await;
        for missing in [Unbind::new(&*at_two), Unbind::new("tcp://127.0.0.1:1")] {
            let error = first.send(missing).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.endpoint().is_some());
        }
        let error = push.send(Disconnect::new(&*at_one)).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.endpoint()), (ErrorKind::NotFound, Some(&*at_one)));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn one_may_connect_long_before_the_other_binds() {
    within(async {
        let zmq = Factory::builder().start();
        let (free, endpoint) = raw::bound(zmq::PULL);
        drop(free);
        let push = PushSocket::connect(&*endpoint).reconnect_interval(ms(5));
        let push = open(&zmq, push).await;
        push.send(Push("early")).await.unwrap().unwrap();
        let (pulled, mut told) = collector::<Pulled>();
        let pull = PullSocket::bind(&*endpoint).deliver_to(pulled.recipient::<Pulled>());
        open(&zmq, pull.open_with_retry()).await;
        assert_eq!(told.next().await.0[0], "early");
        let inproc = inproc();
        let push = open(&zmq, PushSocket::connect(&*inproc)).await;
        push.send(Push("earlier")).await.unwrap().unwrap();
        let (pulled, mut told) = collector::<Pulled>();
        open(&zmq, PullSocket::bind(&*inproc).deliver_to(pulled.recipient::<Pulled>())).await;
        assert_eq!(told.next().await.0[0], "earlier");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn status_tells_of_every_socket() {
    within(async {
        let zmq = Factory::builder().start();
        let push = PushSocket::bind(ANY_PORT).name("lonely").overflow(Overflow::Wait, 7);
        let push = open(&zmq, push).await;
        let sends = [push.send(Push("12345")), push.send(Push("678"))];
        eventually("queued", async || status(&zmq, "lonely").await.queued == 2).await;
        let lonely = status(&zmq, "lonely").await;
        assert_eq!(lonely.socket_type, SocketType::Push);
        assert_eq!(lonely.state, SocketState::Up);
        assert_eq!((lonely.queued, lonely.queued_bytes), (2, 8));
        assert_eq!((lonely.limits.messages, lonely.limits.waiting), (7, 10_000));
        assert_eq!((lonely.restarts, lonely.in_flight), (0, 0));
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::connect(bound(&zmq, "lonely").await).name("pull");
        open(&zmq, pull.on_message(fill)).await;
        told.take(2).await;
        for sent in sends {
            sent.await.unwrap().unwrap();
        }
        let lonely = status(&zmq, "lonely").await;
        assert_eq!((lonely.count(Counter::Sent), lonely.count(Counter::SentBytes)), (2, 8));
        let pull = status(&zmq, "pull").await;
        assert_eq!((pull.count(Counter::Received), pull.count(Counter::ReceivedBytes)), (2, 8));
        assert_eq!(zmq.send(Status).await.unwrap().len(), 2);
        push.send(Close::new()).await.unwrap().unwrap();
        assert_eq!(zmq.send(Status).await.unwrap().len(), 1, "the closed one is not listed");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn sockets_on_named_arbiters_share_them_and_live_on_their_threads() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let mut threads = Vec::new();
        let mut pushes = Vec::new();
        for (name, arbiter) in
            [("one", Some("a")), ("two", Some("a")), ("three", Some("b")), ("four", None)]
        {
            let endpoint = format!("{endpoint}-{name}");
            let (fill, told) = inbox();
            let mut pull = PullSocket::bind(&*endpoint).name(name).on_message(move |_: Pulled| {
                fill(std::thread::current().id());
            });
            if let Some(arbiter) = arbiter {
                pull = pull.arbiter(arbiter);
            }
            open(&zmq, pull).await;
            let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
            push.send(Push("where?")).await.unwrap().unwrap();
            pushes.push(push);
            threads.push(told);
        }
        let mut ids = Vec::new();
        for told in &mut threads {
            ids.push(told.next().await);
        }
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
        assert_eq!(ids[3], std::thread::current().id());
        assert!(!ids[..3].contains(&ids[3]));
        finish(zmq).await;
    })
    .await;
}
