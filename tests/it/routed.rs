//! DEALER, ROUTER and PAIR: raw frames, peers by name, and nobody lost silently.

use actix_zmq::prelude::*;

use crate::support::{
    ANY_PORT, Inbox, bound, count, events, eventually, finish, inbox, inproc, ipc, ms, open, raw,
    status, within,
};

/// A router that keeps what it receives.
async fn router(
    zmq: &Addr<Factory>,
    endpoint: &str,
    limits: QueueLimits,
) -> (Addr<RouterSocket>, Inbox<ReceivedFrom>) {
    let (fill, told) = inbox();
    let router = RouterSocket::bind(endpoint).name("router").hwm(1).queue(limits);
    (open(zmq, router.on_message(fill)).await, told)
}

#[actix::test]
async fn dealers_and_a_router_exchange_frames_on_every_transport() {
    for endpoint in [ANY_PORT.to_owned(), ipc(), inproc()] {
        within(async {
            let zmq = Factory::builder().start();
            let (router, mut told) = router(&zmq, &endpoint, QueueLimits::default()).await;
            let at = bound(&zmq, "router").await;
            let mut dealers = Vec::new();
            for id in ["one", "two"] {
                let (fill, answers) = inbox::<Received>();
                let dealer = DealerSocket::connect(&*at).routing_id(id).on_message(fill);
                dealers.push((id, open(&zmq, dealer).await, answers));
            }
            for (id, dealer, answers) in &mut dealers {
                for body in [Multipart::from([*id]), ["", "", "x"].into(), ["a", "b"].into()] {
                    dealer.send(SendMessage(body.clone())).await.unwrap().unwrap();
                    let received = told.next().await;
                    assert_eq!((&received.peer, &received.body), (&Frame::from(*id), &body));
                    let back = SendTo { peer: received.peer, body: received.body };
                    router.send(back).await.unwrap().unwrap();
                    assert_eq!(answers.next().await.0, body);
                }
            }
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn a_dealer_sends_to_its_peers_in_turn() {
    within(async {
        let zmq = Factory::builder().start();
        let (one, two) = (inproc(), inproc());
        let dealer = DealerSocket::bind(&*one).bind(&*two).on_message(|_: Received| {});
        let dealer = open(&zmq, dealer).await;
        let mut told = Vec::new();
        for endpoint in [&one, &two] {
            let (fill, inbox) = inbox::<ReceivedFrom>();
            open(&zmq, RouterSocket::connect(&**endpoint).on_message(fill)).await;
            told.push(inbox);
        }
        for number in 0..10_u8 {
            dealer.send(SendMessage(vec![number])).await.unwrap().unwrap();
        }
        for inbox in &mut told {
            assert_eq!(inbox.take(5).await.len(), 5);
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_message_for_a_peer_that_is_not_there_is_given_back() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        zmq.send(Watch(watcher)).await.unwrap();
        let (router, _told) = router(&zmq, ANY_PORT, QueueLimits::default()).await;
        let error = router.send(SendTo::new("nobody", "hello")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unroutable);
        assert_eq!(error.peer(), Some(&b"nobody"[..]));
        assert_eq!(error.into_message(), Some("hello".into()));
        // Where nobody awaits it, it is counted and told.
        router.do_send(SendTo::new("nobody", "hello"));
        let peer = events
            .event(|kind| match kind {
                EventKind::Unroutable { peer } => Some(peer),
                _ => None,
            })
            .await;
        assert_eq!(peer, "nobody".into());
        let router = status(&zmq, "router").await;
        assert_eq!((router.count(Counter::Unroutable), router.count(Counter::Lost)), (2, 1));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_has_no_peer_or_no_frames_is_refused() {
    within(async {
        let zmq = Factory::builder().start();
        let (router, _told) = router(&zmq, &inproc(), QueueLimits::default()).await;
        for message in
            [SendTo::new("", Multipart::from("x")), SendTo::new("peer", Multipart::new())]
        {
            let error = router.send(message.clone()).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidMessage);
            assert_eq!(error.into_message(), Some(message.body));
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_peer_that_reads_nothing_is_full_alone_and_holds_up_nobody_else() {
    within(async {
        let zmq = Factory::builder().start();
        let limits =
            QueueLimits { messages: 5, overflow: Overflow::Reject, ..QueueLimits::default() };
        let (router, mut told) = router(&zmq, ANY_PORT, limits).await;
        let endpoint = bound(&zmq, "router").await;
        let deaf = raw::socket(zmq::DEALER);
        deaf.set_identity(b"deaf").unwrap();
        deaf.set_rcvhwm(1).unwrap();
        deaf.set_linger(0).unwrap();
        deaf.connect(&endpoint).unwrap();
        raw::send(&deaf, [b"here"]);
        let (fill, mut heard) = inbox::<Received>();
        let quick = DealerSocket::connect(&*endpoint).routing_id("quick").on_message(fill);
        let quick = open(&zmq, quick).await;
        quick.send(SendMessage("here")).await.unwrap().unwrap();
        told.take(2).await;
        // Until libzmq and the kernel hold no more for it, and then the queue.
        let (outcomes, mut told) = inbox();
        let handled = async || {
            let now = status(&zmq, "router").await;
            now.count(Counter::Sent) + now.count(Counter::Rejected) + now.queued as u64
        };
        let error = loop {
            let before = handled().await;
            let sent = router.send(SendTo::new("deaf", vec![0_u8; 200_000]));
            let outcomes = outcomes.clone();
            actix::spawn(async move { outcomes(sent.await.unwrap()) });
            let is_handled = async || handled().await > before;
            eventually("it is sent, queued or refused", is_handled).await;
            if let Some(error) = told.drain().into_iter().find_map(Result::err) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::PeerFull, "{error}");
        assert_eq!((error.peer(), error.limit()), (Some(&b"deaf"[..]), Some(5)));
        assert_eq!(error.into_message().map(|frames| frames.byte_len()), Some(200_000));
        assert!(status(&zmq, "router").await.queued <= 5, "as many as may wait");
        // The bound is the socket's: what the others may have is what libzmq takes.
        for number in 0..100_u8 {
            let sent = router.send(SendTo::new("quick", vec![number])).await.unwrap();
            sent.unwrap();
            assert_eq!(heard.next().await.0[0], &[number]);
        }
        drop(deaf);
        zmq.send(Shutdown::within(ms(300))).await.unwrap();
    })
    .await;
}

#[actix::test]
async fn with_handover_a_peer_takes_its_routing_id_over() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<ReceivedFrom>();
        let router = RouterSocket::bind(ANY_PORT).name("router").handover(true);
        let router = open(&zmq, router.on_message(fill)).await;
        let endpoint = bound(&zmq, "router").await;
        let connect = || {
            let peer = raw::socket(zmq::DEALER);
            peer.set_identity(b"same").unwrap();
            peer.connect(&endpoint).unwrap();
            raw::send(&peer, [b"hello"]);
            peer
        };
        let first = connect();
        told.next().await;
        let second = connect();
        told.next().await;
        router.send(SendTo::new("same", "for the second")).await.unwrap().unwrap();
        let answer = raw::thread(move || {
            let answer = raw::receive(&second);
            (second, answer)
        });
        let (second, answer) = answer.await;
        assert_eq!(answer, [b"for the second"]);
        drop((first, second));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_probe_tells_a_router_of_a_peer_that_has_said_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let (router, mut told) = router(&zmq, ANY_PORT, QueueLimits::default()).await;
        let (fill, mut heard) = inbox::<Received>();
        let dealer = DealerSocket::connect(bound(&zmq, "router").await).routing_id("quiet");
        open(&zmq, dealer.probe(true).on_message(fill)).await;
        let probe = told.next().await;
        assert_eq!((&probe.peer, &probe.body), (&Frame::from("quiet"), &Frame::empty().into()));
        router.send(SendTo::new(probe.peer, "welcome")).await.unwrap().unwrap();
        assert_eq!(heard.next().await.0, "welcome".into());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_router_comes_back_after_a_restart_and_its_named_peers_with_it() {
    within(async {
        let zmq = Factory::builder().start();
        let (router, mut told) = router(&zmq, ANY_PORT, QueueLimits::default()).await;
        let (fill, mut heard) = inbox::<Received>();
        let dealer = DealerSocket::connect(bound(&zmq, "router").await).routing_id("named");
        let dealer = dealer.reconnect_interval(ms(5)).on_message(fill);
        let dealer = open(&zmq, dealer).await;
        dealer.send(SendMessage("before")).await.unwrap().unwrap();
        told.next().await;
        router.send(Restart).await.unwrap().unwrap();
        eventually("it is there again", async || {
            dealer.do_send(SendMessage("after"));
            !told.drain().is_empty()
        })
        .await;
        router.send(SendTo::new("named", "found")).await.unwrap().unwrap();
        assert_eq!(heard.next().await.0, "found".into());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_pair_talks_both_ways_and_a_third_is_left_out() {
    for endpoint in [ANY_PORT.to_owned(), ipc(), inproc()] {
        within(async {
            let zmq = Factory::builder().start();
            let (fill, mut left_told) = inbox::<Received>();
            let left = PairSocket::bind(&*endpoint).name("left").on_message(fill);
            let left = open(&zmq, left).await;
            let (fill, mut right_told) = inbox::<Received>();
            let right = PairSocket::connect(bound(&zmq, "left").await).on_message(fill);
            let right = open(&zmq, right).await;
            for number in 0..100_u8 {
                left.send(SendMessage([[number], [1]])).await.unwrap().unwrap();
                right.send(SendMessage([[number], [2]])).await.unwrap().unwrap();
                assert_eq!(right_told.next().await.0, [[number], [1]].into());
                assert_eq!(left_told.next().await.0, [[number], [2]].into());
            }
            let third = PairSocket::connect(bound(&zmq, "left").await).hwm(1);
            let third = third.overflow(Overflow::DropNewest, 1).on_message(|_: Received| {});
            let third = open(&zmq, third).await;
            third.do_send(SendMessage("third"));
            left.send(SendMessage("still ours")).await.unwrap().unwrap();
            assert_eq!(right_told.next().await.0, "still ours".into());
            assert!(left_told.drain().is_empty());
            zmq.send(Shutdown::within(ms(500))).await.unwrap();
        })
        .await;
    }
}

#[actix::test]
async fn values_cross_between_pairs_dealers_and_routers() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<ReceivedFrom<Json<u32>>>();
        let router = RouterSocket::bind("inproc://values").name("router").on_message(fill);
        let router = open(&zmq, router).await;
        let (fill, mut heard) = inbox::<Received<MessagePack<String>>>();
        let dealer = open(&zmq, DealerSocket::connect("inproc://values").on_message(fill)).await;
        dealer.send(SendMessage("no number")).await.unwrap().unwrap();
        dealer.send(SendMessage(Json(42_u32))).await.unwrap().unwrap();
        let received = told.next().await;
        assert_eq!(received.body, Json(42));
        let answer = SendTo { peer: received.peer, body: MessagePack("forty-two") };
        router.send(answer).await.unwrap().unwrap();
        assert_eq!(heard.next().await.0.0, "forty-two");
        assert_eq!(count(&zmq, "router", Counter::Undecodable).await, 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_router_that_names_its_peer_sends_first() {
    within(async {
        let zmq = Factory::builder().start();
        let (dealer, endpoint) = raw::bound(zmq::DEALER);
        let router = RouterSocket::new().connect_as(&*endpoint, "them").name("router");
        let policy = RestartPolicy::default().initial(ms(1));
        let (fill, mut told) = inbox();
        let router = open(&zmq, router.restart(policy).on_message(fill)).await;
        router.send(SendTo::new("them", "you first")).await.unwrap().unwrap();
        let answered = raw::thread(move || {
            assert_eq!(raw::receive(&dealer), [b"you first"]);
            raw::send(&dealer, [b"no, you"]);
            dealer
        });
        let dealer = answered.await;
        let ReceivedFrom { peer, body }: ReceivedFrom = told.next().await;
        assert_eq!((&peer[..], body), (&b"them"[..], "no, you".into()));
        // A restart gives the same name.
        router.send(Restart).await.unwrap().unwrap();
        eventually("it is back", async || status(&zmq, "router").await.restarts == 1).await;
        router.send(SendTo::new("them", "again")).await.unwrap().unwrap();
        drop(
            raw::thread(move || {
                assert_eq!(raw::receive(&dealer), [b"again"]);
                dealer
            })
            .await,
        );
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_routing_id_is_given_once_where_libzmq_would_abort() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox();
        let router = RouterSocket::bind(ANY_PORT).name("router").on_message(fill);
        let router = open(&zmq, router).await;
        let at = bound(&zmq, "router").await;
        // One that has chosen it for itself.
        let dealer = DealerSocket::connect(at).routing_id("taken");
        let (heard, mut probe) = inbox();
        let dealer =
            open(&zmq, dealer.on_message(move |Received(frames): Received| heard(frames))).await;
        dealer.send(SendMessage("here")).await.unwrap().unwrap();
        let ReceivedFrom { peer, .. }: ReceivedFrom = told.next().await;
        assert_eq!(&peer[..], b"taken");
        let (other, endpoint) = raw::bound(zmq::DEALER);
        let named = router.send(ConnectAs::new(&*endpoint, "taken")).await.unwrap();
        let error = named.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RoutingIdInUse);
        assert_eq!((error.peer(), error.is_retryable()), (Some(&b"taken"[..]), true));
        assert_eq!(probe.next().await, Multipart::from(""));
        // One that was given before. What others may have come to is opened again.
        router.send(ConnectAs::new(&*endpoint, "free")).await.unwrap().unwrap();
        eventually("it is back", async || status(&zmq, "router").await.restarts == 1).await;
        let named = router.send(ConnectAs::new(&*endpoint, "free")).await.unwrap();
        assert_eq!(named.unwrap_err().kind(), ErrorKind::RoutingIdInUse);
        for wrong in ["", "\0reserved"] {
            let named = router.send(ConnectAs::new(&*endpoint, wrong)).await.unwrap();
            assert_eq!(named.unwrap_err().kind(), ErrorKind::InvalidOption);
        }
        let twice = RouterSocket::new().connect_as(&*endpoint, "x").connect_as(&*endpoint, "x");
        let twice = zmq.send(Open(twice.on_message(|_: ReceivedFrom| {}))).await.unwrap();
        assert_eq!(twice.unwrap_err().kind(), ErrorKind::RoutingIdInUse);
        let never = RouterSocket::new().connect_as(&*endpoint, "x").immediate(true);
        let never = zmq.send(Open(never.on_message(|_: ReceivedFrom| {}))).await.unwrap();
        assert_eq!(never.unwrap_err().kind(), ErrorKind::InvalidOption);
        drop(other);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_stream_names_its_connections() {
    within(async {
        let zmq = Factory::builder().start();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let stream = StreamSocket::new().connect_as(&*endpoint, "line 1");
        let stream = open(&zmq, stream.on_message(|_: ReceivedFrom| {})).await;
        let named = stream.send(ConnectAs::new(&*endpoint, "line 1")).await.unwrap();
        assert_eq!(named.unwrap_err().kind(), ErrorKind::RoutingIdInUse);
        stream.send(WaitConnected::within(ms(10_000))).await.unwrap().unwrap();
        stream.send(SendTo::new("line 1", "hello")).await.unwrap().unwrap();
        let heard = raw::thread(move || {
            use std::io::Read;
            let (mut line, _) = listener.accept().unwrap();
            let mut bytes = [0; 5];
            line.read_exact(&mut bytes).unwrap();
            bytes
        });
        assert_eq!(&heard.await, b"hello");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_name_is_given_again_however_its_last_peer_went() {
    within(async {
        let zmq = Factory::builder().start();
        let policy = || RestartPolicy::default().initial(ms(1)).budget(1_000);
        // Left with messages under way.
        let (them, endpoint) = raw::bound(zmq::DEALER);
        let router = RouterSocket::new().connect_as(&*endpoint, "a").name("router");
        let router = router.restart(policy()).on_message(|_: ReceivedFrom| {});
        let router = open(&zmq, router).await;
        for round in 1..=20 {
            for _ in 0..10 {
                router.send(SendTo::new("a", vec![0; 10_000])).await.unwrap().unwrap();
            }
            router.send(Disconnect::new(&*endpoint)).await.unwrap().unwrap();
            router.send(ConnectAs::new(&*endpoint, "a")).await.unwrap().unwrap();
            eventually("it is back", async || status(&zmq, "router").await.restarts == round).await;
        }
        drop(them);
        // Gone with messages that nobody has read.
        let (gated, gate, mut arrived) = crate::support::gated::<ReceivedFrom>();
        let receiver = gated.recipient::<ReceivedFrom>();
        let receiver = actix_zmq::IntoReceiver::into_receiver(receiver).window(1);
        let router = RouterSocket::bind(ANY_PORT).name("slow").restart(policy());
        let router = open(&zmq, router.deliver_to(receiver)).await;
        let at = bound(&zmq, "slow").await;
        let peer = raw::socket(zmq::DEALER);
        peer.set_identity(b"b").unwrap();
        peer.connect(&at).unwrap();
        for _ in 0..10 {
            raw::send(&peer, [b"unread"]);
        }
        arrived.next().await;
        drop(peer);
        eventually("it is gone", async || status(&zmq, "slow").await.peers == Some(0)).await;
        let (them, endpoint) = raw::bound(zmq::DEALER);
        router.send(ConnectAs::new(&*endpoint, "b")).await.unwrap().unwrap();
        eventually("it is back", async || status(&zmq, "slow").await.restarts == 1).await;
        router.send(SendTo::new("b", "hello")).await.unwrap().unwrap();
        drop(
            raw::thread(move || {
                assert_eq!(raw::receive(&them), [b"hello"]);
                them
            })
            .await,
        );
        gate.open();
        // Named within the process, where the other end restarts.
        let inside = inproc();
        let dealer = DealerSocket::bind(&*inside).name("inside").restart(policy());
        let dealer = open(&zmq, dealer.on_message(|_: Received| {})).await;
        let router = RouterSocket::new().connect_as(&*inside, "c").name("named").restart(policy());
        open(&zmq, router.on_message(|_: ReceivedFrom| {})).await;
        for restarts in 1..=5 {
            dealer.send(SendMessage("unread")).await.unwrap().unwrap();
            dealer.send(Restart).await.unwrap().unwrap();
            eventually("both are back", async || {
                status(&zmq, "inside").await.restarts == restarts
                    && status(&zmq, "named").await.restarts == restarts
            })
            .await;
        }
        finish(zmq).await;
    })
    .await;
}
