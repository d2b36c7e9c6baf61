//! Many messages at once, and streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as TaskContext, Poll};

use actix_zmq::prelude::*;
use futures::channel::mpsc;
use futures::{Stream, StreamExt, stream};

use crate::support::{
    ANY_PORT, bound, count, eventually, finish, inbox, inproc, ms, open, raw, within,
};

fn numbered(range: std::ops::Range<u32>) -> impl Iterator<Item = Push<Vec<u8>>> + Send {
    range.map(|number| Push(number.to_be_bytes().to_vec()))
}

fn number(Pulled(frames): Pulled) -> u32 {
    u32::from_be_bytes(frames[0][..].try_into().unwrap())
}

#[actix::test]
async fn many_arrive_in_order_among_those_that_are_sent_alone() {
    for endpoint in [ANY_PORT.to_owned(), inproc()] {
        within(async {
            let zmq = Factory::builder().start();
            let (fill, mut told) = inbox::<Pulled>();
            open(&zmq, PullSocket::bind(&*endpoint).name("pull").on_message(fill)).await;
            // So little that most of it has to wait in our queue.
            let push = PushSocket::connect(bound(&zmq, "pull").await).name("push").send_hwm(10);
            let push = open(&zmq, push).await;
            push.do_send(Push(0_u32.to_be_bytes().to_vec()));
            let many = push.send(Many::from_iter(numbered(1..500)));
            let between = push.send(Push(500_u32.to_be_bytes().to_vec()));
            let more = push.send(Many::from_iter(numbered(501..900)));
            let (many, between, more) = futures::future::join3(many, between, more).await;
            many.unwrap().unwrap();
            between.unwrap().unwrap();
            more.unwrap().unwrap();
            let got: Vec<_> = told.take(900).await.into_iter().map(number).collect();
            assert_eq!(got, (0..900).collect::<Vec<_>>());
            assert_eq!(count(&zmq, "push", Counter::Sent).await, 900);
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn of_many_each_is_for_itself() {
    within(async {
        let zmq = Factory::builder().start();
        let push = PushSocket::bind(ANY_PORT).name("push").overflow(Overflow::Reject, 2);
        let push = open(&zmq, push).await;
        // Nobody is there to take them: two wait, one is none, and two are too many.
        let messages = [vec!["a"], vec![], vec!["b"], vec!["c"], vec!["d"]];
        let many: Many<_> = messages
            .into_iter()
            .map(|frames| Push(frames.into_iter().collect::<Multipart>()))
            .collect();
        let waiting = push.send(many);
        eventually("refused", async || count(&zmq, "push", Counter::Rejected).await == 2).await;
        let pull = raw::socket(zmq::PULL);
        pull.connect(&bound(&zmq, "push").await).unwrap();
        let unsent = waiting.await.unwrap().unwrap_err();
        let kinds: Vec<_> = unsent.errors().iter().map(Error::kind).collect();
        assert_eq!(kinds, [ErrorKind::InvalidMessage, ErrorKind::Full, ErrorKind::Full]);
        let bodies = unsent.into_errors().into_iter().map(Error::into_message);
        let bodies: Vec<_> = bodies.map(Option::unwrap).collect();
        assert_eq!(bodies, [Multipart::new(), "c".into(), "d".into()]);
        assert_eq!(count(&zmq, "push", Counter::Lost).await, 0, "all were told of");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn of_many_that_nobody_awaits_the_refused_are_counted_as_lost() {
    within(async {
        let zmq = Factory::builder().start();
        let push = PushSocket::bind(ANY_PORT).name("push").overflow(Overflow::DropNewest, 1);
        let push = open(&zmq, push).await;
        push.do_send(Many(vec![Push("a"), Push("b"), Push("c")]));
        eventually("lost", async || count(&zmq, "push", Counter::Lost).await == 2).await;
        push.do_send(Many(vec![Push(Multipart::new())]));
        eventually("lost", async || count(&zmq, "push", Counter::Lost).await == 3).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn many_that_wait_are_given_back_when_the_socket_closes() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(ANY_PORT)).await;
        let waiting = push.send(Many(vec![Push("a"), Push("b")]));
        push.send(Close::within(ms(0))).await.unwrap().unwrap();
        let unsent = waiting.await.unwrap().unwrap_err();
        assert!(unsent.errors().iter().all(|error| error.kind() == ErrorKind::Closed));
        assert_eq!(unsent.errors().len(), 2);
        let closed = push.send(Many(vec![Push("c")])).await.unwrap().unwrap_err();
        assert_eq!(closed.errors()[0].message(), Some(&"c".into()));
        finish(zmq).await;
    })
    .await;
}

/// Counts how many of its messages were taken.
struct Counted<S>(S, Arc<AtomicU32>);

impl<S: Stream + Unpin> Stream for Counted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<S::Item>> {
        let next = self.0.poll_next_unpin(cx);
        if let Poll::Ready(Some(_)) = next {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
        next
    }
}

#[actix::test]
async fn a_feed_goes_no_faster_than_its_peer_and_loses_nothing() {
    for endpoint in [ANY_PORT.to_owned(), inproc()] {
        within(async {
            let zmq = Factory::builder().start();
            let push = PushSocket::bind(&*endpoint).name("push").send_hwm(10);
            let push = open(&zmq, push).await;
            let taken = Arc::new(AtomicU32::new(0));
            let messages = Counted(stream::iter(numbered(0..50_000)), Arc::clone(&taken));
            let feed = push.send(Feed::new(messages));
            // Others go between, whatever the feed waits for.
            let other = push.send(Push(50_000_u32.to_be_bytes().to_vec()));
            let (fill, mut told) = inbox::<Pulled>();
            // A turn for each: nobody is there yet, so nothing is asked for.
            for _ in 0..3 {
                push.send(GetOption(OptionName::SendHwm)).await.unwrap().unwrap();
            }
            assert_eq!(taken.load(Ordering::SeqCst), 0);
            let pull = PullSocket::connect(bound(&zmq, "push").await).receive_hwm(10);
            open(&zmq, pull.on_message(fill)).await;
            assert_eq!(feed.await.unwrap().unwrap(), 50_000);
            other.await.unwrap().unwrap();
            let mut got: Vec<_> = told.take(50_001).await.into_iter().map(number).collect();
            let at = got.iter().position(|number| *number == 50_000).unwrap();
            got.remove(at);
            assert!(got.into_iter().eq(0..50_000));
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn feeds_take_turns_and_wait_for_their_streams() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind("inproc://turns").on_message(fill)).await;
        let push = open(&zmq, PushSocket::connect("inproc://turns")).await;
        let (slow, messages) = mpsc::unbounded();
        let slowly = push.send(Feed::new(messages));
        let quickly = push.send(Feed::new(stream::iter(numbered(0..1_000))));
        assert_eq!(quickly.await.unwrap().unwrap(), 1_000, "an idle stream is in nobody's way");
        drop(told.take(1_000).await);
        let other = PushSocket::connect("inproc://turns");
        let other = open(&zmq, other).await;
        let endless = other.send(Feed::new(stream::repeat(Push("again"))));
        let ends = other.send(Feed::new(stream::iter(numbered(0..1_000))));
        assert_eq!(ends.await.unwrap().unwrap(), 1_000, "a busy stream lets others go between");
        other.send(Close::within(ms(0))).await.unwrap().unwrap();
        assert_eq!(endless.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        for message in 1_000..1_003_u32 {
            let message = message.to_be_bytes();
            slow.unbounded_send(Push(message.to_vec())).unwrap();
            // What the others have sent may still be under way.
            while *told.next().await.0[0] != message {}
        }
        drop(slow);
        assert_eq!(slowly.await.unwrap().unwrap(), 3);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_feed_ends_with_what_it_cannot_send() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind("inproc://ends").on_message(fill)).await;
        let push = open(&zmq, PushSocket::connect("inproc://ends")).await;
        let messages = [Multipart::from("a"), Multipart::new(), "b".into()].map(Push);
        let error = push.send(Feed::new(stream::iter(messages))).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert_eq!(told.next().await.0, "a".into());
        let panics = stream::iter(0..2).map(|number| {
            assert!(number == 0, "as asked");
            Push("c")
        });
        let error = push.send(Feed::new(panics)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert_eq!(told.next().await.0, "c".into());
        // The socket is as well as before.
        push.send(Push("d")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0, "d".into());

        let router = RouterSocket::bind("inproc://nobody").on_message(|_: ReceivedFrom| {});
        let router = open(&zmq, router).await;
        let lost = stream::iter([SendTo::new("nobody", "e")]);
        let error = router.send(Feed::new(lost)).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.peer()), (ErrorKind::Unroutable, Some(&b"nobody"[..])));
        assert_eq!(error.into_message(), Some("e".into()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_feed_outlives_a_restart_and_ends_with_the_socket() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(fill)).await;
        let push = open(&zmq, PushSocket::connect(bound(&zmq, "pull").await).name("push")).await;
        let (give, messages) = mpsc::unbounded();
        let feed = push.send(Feed::new(messages));
        give.unbounded_send(Push("before")).unwrap();
        assert_eq!(told.next().await.0, "before".into());
        push.send(Restart).await.unwrap().unwrap();
        give.unbounded_send(Push("after")).unwrap();
        assert_eq!(told.next().await.0, "after".into());
        push.send(Close::new()).await.unwrap().unwrap();
        assert_eq!(feed.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        assert!(give.is_closed(), "the rest of the stream is dropped");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn publications_are_fed_and_batched_with_their_topics() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<TopicMessage>();
        let publisher = open(&zmq, PubSocket::bind("inproc://fed").no_drop(true)).await;
        open(&zmq, SubSocket::connect("inproc://fed").topic("a").on_message(fill)).await;
        let wanted = WaitSubscribers { topic: "a1".into(), count: 1, deadline: ms(20_000) };
        publisher.send(wanted).await.unwrap().unwrap();
        let messages = ["a1", "b1", "a2"].map(|topic| Publish::new(topic, "body"));
        publisher.send(Many(messages.to_vec())).await.unwrap().unwrap();
        let fed = publisher.send(Feed::new(stream::iter(messages))).await.unwrap();
        assert_eq!(fed.unwrap(), 3);
        let topics: Vec<_> = told.take(4).await.into_iter().map(|got| got.topic).collect();
        assert_eq!(topics, ["a1", "a2", "a1", "a2"].map(Frame::from));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_feed_that_waits_for_a_full_peer_lets_the_others_go_on() {
    within(async {
        let zmq = Factory::builder().start();
        let router = RouterSocket::bind(ANY_PORT).name("router").send_hwm(1);
        let router = open(&zmq, router.on_message(|_: ReceivedFrom| {})).await;
        let endpoint = bound(&zmq, "router").await;
        let [_full, other] = ["full", "other"].map(|id| {
            let dealer = raw::socket(zmq::DEALER);
            dealer.set_identity(id.as_bytes()).unwrap();
            dealer.set_rcvhwm(1).unwrap();
            dealer.connect(&endpoint).unwrap();
            dealer
        });
        router.send(WaitConnected { peers: 2, deadline: ms(20_000) }).await.unwrap().unwrap();
        let large = Frame::from_static(&[0; 1_000_000]);
        let taken = Arc::new(AtomicU32::new(0));
        let endless = stream::repeat_with(move || SendTo::new("full", large.clone()));
        let waits = router.send(Feed::new(Counted(endless, Arc::clone(&taken))));
        eventually("it waits", async || {
            let before = taken.load(Ordering::SeqCst);
            tokio::time::sleep(ms(50)).await; // the absence of progress is what is waited for
            before > 1 && taken.load(Ordering::SeqCst) == before
        })
        .await;
        let got = raw::thread(move || (0..10).map(|_| raw::receive(&other).len()).sum::<usize>());
        let little = stream::iter((0..10).map(|_| SendTo::new("other", "little")));
        assert_eq!(router.send(Feed::new(little)).await.unwrap().unwrap(), 10);
        assert_eq!(got.await, 10);
        router.send(Close::within(ms(0))).await.unwrap().unwrap();
        let error = waits.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.into_message().map(|body| body.byte_len()), Some(1_000_000));
        finish(zmq).await;
    })
    .await;
}
