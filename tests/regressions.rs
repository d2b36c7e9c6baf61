//! One test for each bug that was met, named after its symptom.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Endpoint, Restart, SocketState, SocketStatus};
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

/// Waits under a deadline: nothing here may hang.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("within the deadline")
}

async fn next<T>(stream: &mut UnboundedReceiver<T>) -> T {
    within(stream.next()).await.expect("another one")
}

async fn status(zmq: &Addr<Factory>, index: usize) -> SocketStatus {
    within(zmq.send(Status)).await.expect("the factory").swap_remove(index)
}

async fn endpoint_of(zmq: &Addr<Factory>, index: usize) -> Endpoint {
    status(zmq, index).await.endpoints[0].endpoint().clone()
}

/// Asks until the answer is yes.
async fn eventually<F: Future<Output = bool>>(mut question: impl FnMut() -> F) {
    within(async {
        while !question().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

async fn finish(zmq: Addr<Factory>) {
    let report = within(zmq.send(Shutdown::within(Duration::from_secs(5)))).await.expect("report");
    assert!(report.terminated, "{report}");
}

/// Passes everything on to a test.
struct Tell<T>(UnboundedSender<T>);

impl<T: Unpin + 'static> Actor for Tell<T> {
    type Context = Context<Self>;
}

impl<T: Message<Result = ()> + Unpin + 'static> Handler<T> for Tell<T> {
    type Result = ();

    fn handle(&mut self, message: T, _ctx: &mut Context<Self>) {
        let _ = self.0.unbounded_send(message);
    }
}

fn tell<T: Message<Result = ()> + Send + Unpin + 'static>() -> (Recipient<T>, UnboundedReceiver<T>)
{
    let (sender, receiver) = unbounded();
    (Tell(sender).start().recipient(), receiver)
}

async fn event(events: &mut UnboundedReceiver<SocketEvent>, wanted: fn(&EventKind) -> bool) {
    while !wanted(&next(events).await.kind) {}
}

#[actix::test]
async fn deliveries_in_a_mailbox_survive_the_socket_that_made_them() {
    /// Handles nothing until it is let.
    struct Gated(Option<tokio::sync::oneshot::Receiver<()>>, Arc<AtomicUsize>);

    impl Actor for Gated {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Context<Self>) {
            let gate = self.0.take().expect("the gate");
            ctx.wait(fut::wrap_future::<_, Self>(gate).map(|_, _, _| ()));
        }
    }

    impl Handler<Pulled> for Gated {
        type Result = ();

        fn handle(&mut self, _: Pulled, _ctx: &mut Context<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    let (open, gate) = tokio::sync::oneshot::channel();
    let handled = Arc::new(AtomicUsize::new(0));
    let gated = Gated(Some(gate), Arc::clone(&handled)).start();
    let zmq = Factory::builder().start();
    let receiver = actix_zmq::IntoReceiver::into_receiver(gated.clone().recipient::<Pulled>());
    let pull = PullSocket::bind("inproc://gated").deliver_to(receiver.window(16));
    within(zmq.send(Open(pull))).await.unwrap().unwrap();
    let push =
        within(zmq.send(Open(PushSocket::connect("inproc://gated")))).await.unwrap().unwrap();
    for number in 0..10_u8 {
        within(push.send(Push(vec![number]))).await.unwrap().unwrap();
    }
    eventually(|| async { status(&zmq, 0).await.count(Counter::Received) == 10 }).await;
    drop(push);
    finish(zmq).await;
    open.send(()).unwrap();
    eventually(|| async { handled.load(Ordering::SeqCst) == 10 }).await;
}

#[actix::test]
async fn a_dropped_factory_still_tells_that_its_sockets_closed() {
    let (watcher, mut events) = tell::<SocketEvent>();
    let zmq = Factory::builder().start();
    within(zmq.send(Watch(watcher))).await.unwrap();
    within(zmq.send(Open(PushSocket::bind("tcp://127.0.0.1:*")))).await.unwrap().unwrap();
    drop(zmq);
    event(&mut events, |kind| matches!(kind, EventKind::Closed)).await;
}

#[actix::test]
async fn replies_for_a_peer_that_reads_none_are_bounded() {
    let zmq = Factory::builder().start();
    let limits = QueueLimits { messages: 10, waiting: 10, ..QueueLimits::default() };
    let server = ReplySocket::bind("tcp://127.0.0.1:*").hwm(1).queue(limits).on_message(
        |request: IncomingRequest| {
            let _ = request.responder.reply(vec![0_u8; 100_000]);
        },
    );
    within(zmq.send(Open(server))).await.unwrap().unwrap();
    let endpoint = endpoint_of(&zmq, 0).await;
    let peer = std::thread::spawn(move || {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::DEALER).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_rcvhwm(1).unwrap();
        socket.set_sndtimeo(10_000).unwrap();
        socket.connect(endpoint.as_str()).unwrap();
        for number in 0..2_000_u32 {
            let id = number.to_be_bytes();
            socket.send_multipart([&id[..], b"", b"x"], 0).unwrap();
        }
        // Kept open, and never read, until the test has seen enough.
        (socket, context)
    });
    let mut worst = 0;
    eventually(|| async { status(&zmq, 0).await.count(Counter::Received) >= 1_500 }).await;
    for _ in 0..10 {
        worst = worst.max(status(&zmq, 0).await.queued);
        tokio::task::yield_now().await;
    }
    assert!(worst <= 20, "{worst} replies queued");
    assert!(status(&zmq, 0).await.count(Counter::Lost) > 0);
    drop(peer.join());
    finish(zmq).await;
}

#[actix::test]
async fn what_was_flushed_in_the_last_moment_has_the_linger_to_leave() {
    // The queue is never empty by the flush deadline, because one socket has
    // no peer; the other's messages must still get their linger.
    let zmq = Factory::builder().linger(Duration::from_secs(1)).start();
    let (pulled, mut told) = tell::<Pulled>();
    let push = within(zmq.send(Open(PushSocket::new()))).await.unwrap().unwrap();
    let port = within(push.send(Bind::new("tcp://127.0.0.1:*"))).await.unwrap().unwrap();
    let other = Factory::builder().start();
    let pull = PullSocket::connect(port).deliver_to(pulled);
    within(other.send(Open(pull))).await.unwrap().unwrap();
    within(push.send(Push("first"))).await.unwrap().unwrap();
    next(&mut told).await;
    for number in 0..50_u32 {
        within(push.send(Push(vec![0_u8; 200_000 + number as usize]))).await.unwrap().unwrap();
    }
    let lonely =
        within(zmq.send(Open(PushSocket::bind("inproc://lonely")))).await.unwrap().unwrap();
    let unsent = lonely.send(Push("never"));
    let report = within(zmq.send(Shutdown::within(Duration::from_secs(2)))).await.unwrap();
    assert!(report.terminated, "{report}");
    assert_eq!(within(unsent).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    for _ in 0..50 {
        next(&mut told).await;
    }
    finish(other).await;
}

#[actix::test]
async fn a_burst_that_libzmq_takes_is_not_refused() {
    let zmq = Factory::builder().start();
    let pull = PullSocket::bind("inproc://burst").hwm(0).on_message(|_: Pulled| {});
    within(zmq.send(Open(pull))).await.unwrap().unwrap();
    let push = PushSocket::connect("inproc://burst").hwm(0).overflow(Overflow::Reject, 0);
    let push = within(zmq.send(Open(push))).await.unwrap().unwrap();
    let frames: Multipart = (0..20).map(|_| "x").collect();
    let sends: Vec<_> = (0..1_000).map(|_| push.send(Push(frames.clone()))).collect();
    for sent in within(futures::future::join_all(sends)).await {
        sent.unwrap().unwrap();
    }
    finish(zmq).await;
}

#[actix::test]
async fn an_exact_topic_does_not_catch_longer_ones() {
    let zmq = Factory::builder().start();
    let publisher =
        within(zmq.send(Open(PubSocket::bind("inproc://exact")))).await.unwrap().unwrap();
    let (exact, mut exactly) = tell::<TopicMessage>();
    let (rest, mut others) = tell::<TopicMessage>();
    let subscriber = SubSocket::connect("inproc://exact")
        .topic_to(Topic::exact("news"), exact)
        .topic("newsl")
        .deliver_to(rest);
    within(zmq.send(Open(subscriber))).await.unwrap().unwrap();
    within(async {
        loop {
            for topic in ["news", "newsletter", "newspaper"] {
                publisher.send(Publish::new(topic, "x")).await.unwrap().unwrap();
            }
            tokio::task::yield_now().await;
            if let (Ok(one), Ok(other)) = (exactly.try_recv(), others.try_recv()) {
                assert_eq!(one.topic, "news");
                assert_eq!(other.topic, "newsletter");
                break;
            }
        }
    })
    .await;
    finish(zmq).await;
}

#[actix::test]
async fn a_prefix_that_ends_in_the_separator_selects_its_receiver() {
    let zmq = Factory::builder().start();
    let publisher = PubSocket::bind("inproc://txzmq-exact").framing(TopicFraming::tagged());
    let publisher = within(zmq.send(Open(publisher))).await.unwrap().unwrap();
    let (receiver, mut told) = tell::<TopicMessage>();
    let subscriber = SubSocket::connect("inproc://txzmq-exact").topic_to(b"news\0", receiver);
    within(zmq.send(Open(subscriber))).await.unwrap().unwrap();
    let message = within(async {
        loop {
            publisher.send(Publish::new("newsletter", "x")).await.unwrap().unwrap();
            publisher.send(Publish::new("news", "x")).await.unwrap().unwrap();
            tokio::task::yield_now().await;
            if let Ok(message) = told.try_recv() {
                break message;
            }
        }
    })
    .await;
    assert_eq!(message.topic, "news");
    finish(zmq).await;
}

#[actix::test]
async fn a_socket_for_a_stopped_arbiter_leaves_no_ghost() {
    let zmq = Factory::builder().start();
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    arbiter.stop();
    arbiter.join().unwrap();
    let opened = zmq.send(Open(PushSocket::bind("tcp://127.0.0.1:*").on(handle)));
    assert_eq!(within(opened).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(within(zmq.send(Status)).await.unwrap().is_empty());
    let report = within(zmq.send(Shutdown::within(Duration::from_secs(10)))).await.unwrap();
    assert!(report.sockets.is_empty() && report.terminated, "{report}");
    assert!(report.took < Duration::from_secs(5), "{report}");
}

#[actix::test]
async fn awaited_sends_push_no_unawaited_one_out_of_the_queue() {
    let zmq = Factory::builder().start();
    let push = PushSocket::bind("inproc://fair").overflow(Overflow::Wait, 10);
    let push = within(zmq.send(Open(push))).await.unwrap().unwrap();
    for number in 0..10_u8 {
        push.do_send(Push(vec![number]));
    }
    eventually(|| async { status(&zmq, 0).await.queued == 10 }).await;
    let waiting: Vec<_> = (10..15_u8).map(|number| push.send(Push(vec![number]))).collect();
    eventually(|| async { status(&zmq, 0).await.queued == 15 }).await;
    assert_eq!(status(&zmq, 0).await.count(Counter::Lost), 0);
    let (pulled, mut told) = tell::<Pulled>();
    within(zmq.send(Open(PullSocket::connect("inproc://fair").deliver_to(pulled))))
        .await
        .unwrap()
        .unwrap();
    for number in 0..15_u8 {
        assert_eq!(next(&mut told).await.0[0], &[number]);
    }
    for sent in waiting {
        within(sent).await.unwrap().unwrap();
    }
    finish(zmq).await;
}

#[actix::test]
async fn a_refusal_that_nobody_hears_is_counted() {
    let zmq = Factory::builder().start();
    let push = within(zmq.send(Open(PushSocket::bind("inproc://deaf")))).await.unwrap().unwrap();
    push.do_send(Push(Multipart::new()));
    eventually(|| async { status(&zmq, 0).await.count(Counter::Lost) == 1 }).await;
    finish(zmq).await;
}

#[actix::test]
async fn a_reply_that_has_come_before_a_restart_ends_its_request() {
    let zmq = Factory::builder().start();
    let context = zmq::Context::new();
    let server = context.socket(zmq::ROUTER).unwrap();
    server.set_linger(0).unwrap();
    server.set_rcvtimeo(10_000).unwrap();
    server.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = server.get_last_endpoint().unwrap().unwrap();
    let client = within(zmq.send(Open(RequestSocket::connect(endpoint)))).await.unwrap().unwrap();
    let asked = client.send(Request::new("question"));
    let frames = tokio::task::spawn_blocking(move || {
        let frames = server.recv_multipart(0).unwrap();
        server.send_multipart(&frames, 0).unwrap();
        (server, frames)
    });
    let (_server, frames) = within(frames).await.unwrap();
    assert_eq!(frames.len(), 4);
    // Whether the reply or the restart is first is open: either way it ends
    // once, and if the reply was there it is not lost.
    let restarted = within(client.send(Restart)).await.unwrap();
    assert!(restarted.is_ok());
    match within(asked).await.unwrap() {
        Ok(reply) => assert_eq!(reply[0], "question"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Restarted),
    }
    eventually(|| async { status(&zmq, 0).await.in_flight == 0 }).await;
    finish(zmq).await;
}

#[actix::test]
async fn neighbours_find_a_restarted_inproc_socket_again() {
    let zmq = Factory::builder().start();
    let (pulled, mut told) = tell::<Pulled>();
    let pull = PullSocket::bind("inproc://back").deliver_to(pulled);
    let pull = within(zmq.send(Open(pull))).await.unwrap().unwrap();
    let push = within(zmq.send(Open(PushSocket::connect("inproc://back")))).await.unwrap().unwrap();
    within(push.send(Push("before"))).await.unwrap().unwrap();
    assert_eq!(next(&mut told).await.0[0], "before");
    for _ in 0..5 {
        within(pull.send(Restart)).await.unwrap().unwrap();
        eventually(|| async { status(&zmq, 0).await.state == SocketState::Up }).await;
        // Sent until one arrives: what the dead connection held is lost.
        let sender = push.clone();
        within(async {
            loop {
                sender.do_send(Push("after"));
                tokio::task::yield_now().await;
                if told.try_recv().is_ok() {
                    break;
                }
            }
        })
        .await;
        while told.try_recv().is_ok() {}
    }
    finish(zmq).await;
}

#[actix::test]
async fn a_full_subscriber_loses_nothing_with_no_drop() {
    let zmq = Factory::builder().start();
    let publisher = PubSocket::bind("tcp://127.0.0.1:*").hwm(10).no_drop(true);
    let publisher = within(zmq.send(Open(publisher))).await.unwrap().unwrap();
    let (receiver, mut told) = tell::<TopicMessage>();
    let subscriber = SubSocket::connect(endpoint_of(&zmq, 0).await)
        .hwm(10)
        .topic(Topic::all())
        .deliver_to(receiver);
    within(zmq.send(Open(subscriber))).await.unwrap().unwrap();
    within(async {
        while told.try_recv().is_err() {
            publisher.send(Publish::new("hello", "x")).await.unwrap().unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    let total = 2_000_u32;
    let sends = (0..total).map(|number| {
        let publisher = publisher.clone();
        async move {
            let body = vec![number as u8; 10_000];
            publisher.send(Publish { topic: Frame::from(number.to_be_bytes()), body }).await
        }
    });
    let mut sends = futures::stream::iter(sends).buffered(64);
    let received = async {
        let mut expected = 0;
        while expected < total {
            let message = told.next().await.expect("a message");
            if message.topic == "hello" {
                continue;
            }
            assert_eq!(message.topic, &expected.to_be_bytes());
            expected += 1;
        }
    };
    let sent = async {
        while let Some(sent) = sends.next().await {
            sent.unwrap().unwrap();
        }
    };
    within(futures::future::join(sent, received)).await;
    finish(zmq).await;
}
