//! Every bound filled, and what happens there.

use actix_zmq::prelude::*;
use actix_zmq::{IntoReceiver, SocketState};
use futures::future::join_all;

use crate::support::{
    ANY_PORT, Inbox, bound, collector, count, events, eventually, finish, gated, inbox, inproc, ms,
    open, raw, resolved, status, within,
};

/// A PUSH socket without a peer: libzmq takes nothing, so its queue fills.
async fn lonely(zmq: &Addr<Factory>, limits: QueueLimits) -> (Addr<PushSocket>, String) {
    let endpoint = inproc();
    let push = PushSocket::bind(&*endpoint).name("push").queue(limits);
    (open(zmq, push).await, endpoint)
}

fn limits(overflow: Overflow, messages: usize) -> QueueLimits {
    QueueLimits { messages, overflow, ..QueueLimits::default() }
}

fn numbered(number: u8) -> Push<Vec<u8>> {
    Push(vec![number])
}

/// What comes out when there is a peer at last.
async fn drained(zmq: &Addr<Factory>, endpoint: &str, count: usize) -> Vec<u8> {
    let (pulled, mut told) = inbox::<Pulled>();
    open(zmq, PullSocket::connect(endpoint).on_message(pulled)).await;
    told.take(count).await.into_iter().map(|Pulled(frames)| frames[0][0]).collect()
}

/// Fills the queue with two, and tries a third.
async fn third(overflow: Overflow) -> (Addr<Factory>, String, Vec<Result<(), ErrorKind>>) {
    let zmq = Factory::builder().start();
    let (push, endpoint) = lonely(&zmq, limits(overflow, 2)).await;
    let sent = [0, 1].map(|number| push.send(numbered(number)));
    let queued = actix::spawn(join_all(sent));
    eventually("two wait", async || status(&zmq, "push").await.queued == 2).await;
    let third = push.send(numbered(2)).await.unwrap();
    let mut ends = vec![third.map_err(|error| {
        assert_eq!(error.limit(), Some(2));
        assert_eq!(error.message().map(|frames| frames[0][0]), Some(2));
        error.kind()
    })];
    let drained = drained(&zmq, &endpoint, 2).await;
    assert_eq!(drained, [0, 1]);
    ends.extend(queued.await.unwrap().into_iter().map(|sent| {
        let sent: Result<_, Error> = sent.unwrap();
        sent.map_err(|error| error.kind())
    }));
    (zmq, endpoint, ends)
}

#[actix::test]
async fn reject_gives_the_newest_back() {
    within(async {
        let (zmq, _, ends) = third(Overflow::Reject).await;
        assert_eq!(ends, [Err(ErrorKind::Full), Ok(()), Ok(())]);
        assert_eq!(count(&zmq, "push", Counter::Rejected).await, 1);
        assert_eq!(count(&zmq, "push", Counter::Lost).await, 0, "it was given back");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn drop_newest_drops_the_newest_and_tells_whoever_awaits_it() {
    within(async {
        let (zmq, _, ends) = third(Overflow::DropNewest).await;
        assert_eq!(ends, [Err(ErrorKind::Dropped), Ok(()), Ok(())]);
        assert_eq!(count(&zmq, "push", Counter::Dropped).await, 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn drop_oldest_drops_the_oldest_and_tells_whoever_awaits_it() {
    within(async {
        let zmq = Factory::builder().start();
        let (push, endpoint) = lonely(&zmq, limits(Overflow::DropOldest, 2)).await;
        let sent = actix::spawn(join_all([0, 1, 2, 3].map(|number| push.send(numbered(number)))));
        let dropped = async || count(&zmq, "push", Counter::Dropped).await == 2;
        eventually("two are dropped", dropped).await;
        assert_eq!(drained(&zmq, &endpoint, 2).await, [2, 3]);
        for (number, sent) in sent.await.unwrap().into_iter().enumerate() {
            let sent: Result<_, Error> = sent.unwrap();
            if number < 2 {
                let error = sent.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Dropped);
                assert_eq!(error.message().map(|frames| usize::from(frames[0][0])), Some(number));
            } else {
                sent.unwrap();
            }
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn wait_holds_up_whoever_awaits_and_refuses_beyond_the_limit_of_waiting_sends() {
    within(async {
        let zmq = Factory::builder().start();
        let limits = QueueLimits { waiting: 3, ..limits(Overflow::Wait, 2) };
        let (push, endpoint) = lonely(&zmq, limits).await;
        let sends = (0..6).map(|number| push.send(numbered(number)));
        let sent = actix::spawn(join_all(sends));
        let refused = async || count(&zmq, "push", Counter::Rejected).await == 1;
        eventually("the sixth is refused", refused).await;
        assert_eq!(status(&zmq, "push").await.queued, 5);
        assert!(!sent.is_finished(), "five wait");
        assert_eq!(drained(&zmq, &endpoint, 5).await, [0, 1, 2, 3, 4]);
        let ends: Vec<_> =
            sent.await.unwrap().into_iter().map(|sent| sent.unwrap().is_ok()).collect();
        assert_eq!(ends, [true, true, true, true, true, false]);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_nobody_awaits_is_refused_counted_and_announced() {
    for (overflow, counter, reason, kept) in [
        (Overflow::Wait, Counter::Rejected, ErrorKind::Full, [0, 1]),
        (Overflow::Reject, Counter::Rejected, ErrorKind::Full, [0, 1]),
        (Overflow::DropNewest, Counter::Dropped, ErrorKind::Dropped, [0, 1]),
        (Overflow::DropOldest, Counter::Dropped, ErrorKind::Dropped, [3, 4]),
    ] {
        within(async {
            let zmq = Factory::builder().start();
            let (watcher, mut events) = events();
            zmq.send(Watch(watcher)).await.unwrap();
            let (push, endpoint) = lonely(&zmq, limits(overflow, 2)).await;
            for number in 0..5 {
                push.do_send(numbered(number));
            }
            let mut lost = 0;
            while lost < 3 {
                lost += events
                    .event(|kind| match kind {
                        EventKind::Lost { reason: told, messages } if told == reason => {
                            Some(messages)
                        }
                        _ => None,
                    })
                    .await;
            }
            assert_eq!(lost, 3, "{overflow:?}");
            assert_eq!(count(&zmq, "push", counter).await, 3, "{overflow:?}");
            assert_eq!(count(&zmq, "push", Counter::Lost).await, 3, "{overflow:?}");
            assert_eq!(drained(&zmq, &endpoint, 2).await, kept, "{overflow:?}");
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn the_queue_is_bounded_in_bytes_as_well() {
    within(async {
        let zmq = Factory::builder().start();
        let limits =
            QueueLimits { bytes: 1_000, overflow: Overflow::Reject, ..QueueLimits::default() };
        let (push, _) = lonely(&zmq, limits).await;
        let fits = push.send(Push(vec![0; 600]));
        eventually("it waits", async || status(&zmq, "push").await.queued_bytes == 600).await;
        let error = push.send(Push(vec![1; 600])).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.limit()), (ErrorKind::Full, Some(1_000)));
        assert!(error.to_string().contains("bytes"), "{error}");
        assert_eq!(error.into_message().map(|frames| frames.byte_len()), Some(600));
        assert_eq!(status(&zmq, "push").await.queued_bytes, 600);
        // What waits has nowhere to go: a flush would wait for nothing.
        zmq.send(Shutdown::within(ms(200))).await.unwrap();
        assert_eq!(fits.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    })
    .await;
}

#[actix::test]
async fn txzmqs_again_is_a_bound_of_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let (push, endpoint) = lonely(&zmq, limits(Overflow::Reject, 0)).await;
        let error = push.send(numbered(1)).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.limit()), (ErrorKind::Full, Some(0)));
        let (pulled, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::connect(&*endpoint).on_message(pulled)).await;
        push.send(numbered(2)).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], &[2]);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn too_many_requests_in_flight_are_refused_and_given_back() {
    within(async {
        let zmq = Factory::builder().start();
        let client = RequestSocket::bind("inproc://few").name("client").max_in_flight(2);
        let client = open(&zmq, client).await;
        let pending = [0, 1].map(|number: u8| client.send(Request::new([[number]])));
        eventually("two", async || status(&zmq, "client").await.in_flight == 2).await;
        let error = client.send(Request::new("third")).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.limit()), (ErrorKind::Full, Some(2)));
        assert_eq!(error.into_message(), Some("third".into()));
        finish(zmq).await;
        for ended in join_all(pending).await {
            assert_eq!(ended.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        }
    })
    .await;
}

#[actix::test]
async fn a_server_reads_no_more_than_it_may_leave_unanswered() {
    within(async {
        let zmq = Factory::builder().start();
        let (hoard, mut held) = inbox::<IncomingRequest>();
        let server = ReplySocket::bind("inproc://hoarder").name("server").max_unanswered(3);
        open(&zmq, server.on_message(hoard)).await;
        let client = open(&zmq, RequestSocket::connect("inproc://hoarder")).await;
        let asked: Vec<_> =
            (0..10_u8).map(|number| client.send(Request::new([[number]]))).collect();
        let mut answered = 0;
        let mut now: Vec<IncomingRequest> = held.take(3).await;
        while answered < 10 {
            // It had all the time that the others' answers took to read a fourth.
            assert!(held.drain().is_empty());
            assert!(status(&zmq, "server").await.in_flight <= 3);
            let IncomingRequest { body, responder } = now.remove(0);
            responder.reply(body).unwrap();
            answered += 1;
            if answered <= 7 {
                now.push(held.next().await);
            }
        }
        for (number, reply) in asked.into_iter().enumerate() {
            assert_eq!(usize::from(reply.await.unwrap().unwrap()[0][0]), number);
        }
        finish(zmq).await;
    })
    .await;
}

/// Sends from a plain peer until libzmq takes no more: how many it took.
fn stuff(endpoint: String) -> impl Future<Output = (zmq::Socket, u32)> {
    raw::thread(move || {
        let peer = raw::socket(zmq::PUSH);
        peer.set_sndhwm(10).unwrap();
        peer.set_sndtimeo(200).unwrap();
        peer.set_linger(0).unwrap();
        peer.connect(&endpoint).unwrap();
        let mut taken = 0;
        // Big, so that the kernel's buffers do not hold many.
        while peer.send(vec![0_u8; 500_000], 0).is_ok() {
            taken += 1;
        }
        (peer, taken)
    })
}

#[actix::test]
async fn a_slow_actor_stops_the_reading_at_its_window() {
    within(async {
        let zmq = Factory::builder().start();
        let (worker, gate, mut arrived) = gated::<Pulled>();
        let receiver = worker.recipient::<Pulled>().into_receiver().window(8);
        let pull = PullSocket::bind(ANY_PORT).name("pull").hwm(10).deliver_to(receiver);
        open(&zmq, pull).await;
        let (peer, taken) = stuff(bound(&zmq, "pull").await).await;
        assert_eq!(count(&zmq, "pull", Counter::Received).await, 8, "the window");
        assert!(taken > 8, "the rest waits in libzmq: {taken}");
        gate.open();
        assert_eq!(arrived.take(taken as usize).await.len(), taken as usize);
        drop(peer);
        finish(zmq).await;
    })
    .await;
}

/// Keeps the batches it gets until they are asked for.
struct Keeper(futures::channel::mpsc::UnboundedSender<Batch<Pulled>>);

impl Actor for Keeper {
    type Context = Context<Self>;
}

impl Handler<Batch<Pulled>> for Keeper {
    type Result = ();

    fn handle(&mut self, batch: Batch<Pulled>, _ctx: &mut Context<Self>) {
        self.0.unbounded_send(batch).unwrap();
    }
}

#[actix::test]
async fn batches_that_are_kept_stop_the_reading_at_the_window() {
    use futures::StreamExt;

    within(async {
        let zmq = Factory::builder().start();
        let (sender, mut batches) = futures::channel::mpsc::unbounded();
        let keeper = Keeper(sender).start().recipient::<Batch<Pulled>>();
        let receiver = keeper.into_receiver().window(8);
        let pull = PullSocket::bind(ANY_PORT).name("pull").hwm(10).deliver_to(receiver);
        open(&zmq, pull).await;
        let (peer, taken) = stuff(bound(&zmq, "pull").await).await;
        assert_eq!(count(&zmq, "pull", Counter::Received).await, 8, "the window");
        let mut handled = 0;
        while handled < taken as usize {
            let batch = batches.next().await.unwrap();
            assert!(!batch.is_empty() && batch.len() <= 8);
            handled += batch.len();
        }
        assert_eq!(handled, taken as usize);
        drop(peer);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_slow_subscriber_loses_for_itself_alone() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = PubSocket::bind(ANY_PORT).name("pub").hwm(10);
        let publisher = open(&zmq, publisher).await;
        let endpoint = bound(&zmq, "pub").await;
        let slow = raw::socket(zmq::SUB);
        slow.set_rcvhwm(10).unwrap();
        slow.set_linger(0).unwrap();
        slow.set_subscribe(b"").unwrap();
        slow.connect(&endpoint).unwrap();
        let (fill, mut quick) = inbox::<TopicMessage>();
        let subscriber = SubSocket::connect(&*endpoint).hwm(0).topic(Topic::all()).on_message(fill);
        open(&zmq, subscriber).await;
        // Both are there when both have heard something.
        let heard = async || {
            publisher.send(Publish::new("hello", "x")).await.unwrap().unwrap();
            slow.poll(zmq::POLLIN, 0).unwrap() == 1 && !quick.drain().is_empty()
        };
        eventually("both have subscribed", heard).await;
        for number in 0..2_000_u32 {
            let body = vec![0_u8; 20_000];
            let topic = Frame::from(number.to_be_bytes());
            publisher.send(Publish { topic, body }).await.unwrap().unwrap();
            // At the pace of the quick one.
            quick.find(|message| (message.topic == &number.to_be_bytes()).then_some(())).await;
        }
        drop(slow);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_watcher_that_is_too_slow_is_told_how_much_it_missed() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, gate, mut arrived) = gated::<SocketEvent>();
        let policy = RestartPolicy::default().initial(ms(0)).max(ms(0)).budget(10_000);
        let push = PushSocket::new().name("push").restart(policy);
        let push = open(&zmq, push.watch(watcher.recipient())).await;
        for round in 1..=150 {
            push.send(Restart).await.unwrap().unwrap();
            let again = async || status(&zmq, "push").await.restarts == round;
            eventually("opened again", again).await;
        }
        // Down, Restarting, Up: 450 events and the first Up, of which one is
        // with the watcher and 256 wait.
        let missed = count(&zmq, "push", Counter::MissedEvents).await;
        assert_eq!(missed, 1 + 450 - 1 - 256);
        gate.open();
        let mut told = 0;
        let mut seen = 0;
        while seen + told < 451 {
            match arrived.next().await.kind {
                EventKind::Missed { events } => told += events,
                _ => seen += 1,
            }
        }
        assert_eq!(told, missed);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_rescue_at_a_restart_takes_no_more_than_its_bound() {
    within(async {
        let zmq = Factory::builder().start();
        let (worker, gate, mut arrived) = gated::<Pulled>();
        let receiver = worker.recipient::<Pulled>().into_receiver().window(1);
        let pull = PullSocket::bind("inproc://rescue").name("pull").hwm(0).deliver_to(receiver);
        let pull = open(&zmq, pull).await;
        let push = PushSocket::connect("inproc://rescue").hwm(0);
        let push = open(&zmq, push).await;
        let total = 12_000_u32;
        let sends = (0..total).map(|number| push.send(Push(number.to_be_bytes().to_vec())));
        for sent in tokio::task::unconstrained(join_all(sends)).await {
            sent.unwrap().unwrap();
        }
        pull.send(Restart).await.unwrap().unwrap();
        eventually("up", async || {
            let status = status(&zmq, "pull").await;
            status.restarts == 1 && status.state == SocketState::Up
        })
        .await;
        gate.open();
        // One was with the actor, 10,000 were rescued.
        for number in 0..10_001_u32 {
            assert_eq!(arrived.next().await.0[0], &number.to_be_bytes());
        }
        push.send(Push("marker")).await.unwrap().unwrap();
        assert_eq!(arrived.next().await.0[0], "marker", "the rest is gone with the old socket");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_mailbox_that_is_full_holds_up_whoever_awaits_it_and_loses_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told): (_, Inbox<Pulled>) = inbox();
        open(&zmq, PullSocket::bind(ANY_PORT).on_message(fill).arbiter("far")).await;
        let push = open(&zmq, PushSocket::connect(resolved(&zmq).await)).await;
        let sends = (0..5_000_u32).map(|number| push.send(Push(number.to_be_bytes().to_vec())));
        for sent in tokio::task::unconstrained(join_all(sends)).await {
            sent.unwrap().unwrap();
        }
        for number in 0..5_000_u32 {
            assert_eq!(told.next().await.0[0], &number.to_be_bytes());
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_message_beyond_the_size_limit_cuts_its_sender_off_and_no_other() {
    within(async {
        let zmq = Factory::builder().start();
        let (pulled, mut told) = collector::<Pulled>();
        let pull = PullSocket::bind(ANY_PORT).name("pull").max_message_size(1_000);
        open(&zmq, pull.deliver_to(pulled.recipient::<Pulled>())).await;
        let endpoint = bound(&zmq, "pull").await;
        let rude = raw::connected(zmq::PUSH, &endpoint);
        rude.set_linger(0).unwrap();
        raw::send(&rude, [&[0; 1_001]]);
        let polite = raw::connected(zmq::PUSH, &endpoint);
        raw::send(&polite, [b"fits"]);
        assert_eq!(told.next().await.0[0], "fits");
        drop((rude, polite));
        finish(zmq).await;
    })
    .await;
}
