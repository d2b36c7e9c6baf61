//! Publications: framings, topics, their receivers, and typed bodies.

use actix_zmq::Receiver;
use actix_zmq::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::{
    ANY_PORT, Inbox, bound, count, events, eventually, finish, inbox, inproc, ipc, ms, open, raw,
    status, within,
};

/// A publisher at an inproc endpoint, and a plain subscriber to everything.
fn plain_subscriber(endpoint: &str) -> zmq::Socket {
    let subscriber = raw::socket(zmq::SUB);
    subscriber.set_subscribe(b"").unwrap();
    subscriber.connect(endpoint).unwrap();
    subscriber
}

/// Publishes `hello` until the subscription has arrived, on both sides of a slow join.
async fn joined(publisher: &Addr<PubSocket>, mut heard: impl FnMut() -> bool) {
    eventually("the subscription has arrived", async || {
        publisher.send(Publish::new("hello", "x")).await.unwrap().unwrap();
        heard()
    })
    .await;
}

/// Receives the first that is not `hello`.
fn next_plain(subscriber: &zmq::Socket) -> Vec<Vec<u8>> {
    loop {
        let frames = raw::receive(subscriber);
        if !frames[0].starts_with(b"hello") {
            return frames;
        }
    }
}

#[actix::test]
async fn publications_look_on_the_wire_as_their_framing_says() {
    let tagged = TopicFraming::tagged();
    let piped = TopicFraming::Tagged { separator: "|".into() };
    let cases: [(TopicFraming, Multipart, Vec<&[u8]>); 5] = [
        (TopicFraming::Frames, ["a", "b"].into(), vec![b"news", b"a", b"b"]),
        (TopicFraming::Frames, Multipart::new(), vec![b"news", b""]),
        (tagged, "a\0b".into(), vec![b"news\0a\0b"]),
        (piped, "a".into(), vec![b"news|a"]),
        (TopicFraming::Whole, ["newsletter", "x"].into(), vec![b"newsletter", b"x"]),
    ];
    for (framing, body, expected) in cases {
        within(async {
            let zmq = Factory::builder().start();
            let publisher = PubSocket::bind(ANY_PORT).name("pub").framing(framing.clone());
            let publisher = open(&zmq, publisher).await;
            let subscriber = plain_subscriber(&bound(&zmq, "pub").await);
            let hello = || Publish::new("hello", "hello");
            eventually("joined", async || {
                publisher.send(hello()).await.unwrap().unwrap();
                subscriber.poll(zmq::POLLIN, 0).unwrap() == 1
            })
            .await;
            let news = Publish { topic: "news".into(), body };
            publisher.send(news).await.unwrap().unwrap();
            assert_eq!(next_plain(&subscriber), expected, "{framing:?}");
            drop(subscriber);
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn what_a_framing_cannot_carry_is_refused_and_given_back() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = PubSocket::bind("inproc://tagged").framing(TopicFraming::tagged());
        let publisher = open(&zmq, publisher).await;
        let two = Publish::new("news", Multipart::from(["a", "b"]));
        let error = publisher.send(two).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert_eq!(error.into_message(), Some(["a", "b"].into()));
        let error = publisher.send(Publish::new("ne\0ws", "a")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert_eq!(error.into_message(), Some("a".into()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn both_framings_are_received_by_txzmqs_rules() {
    within(async {
        let zmq = Factory::builder().start();
        let (publisher, endpoint) = raw::bound(zmq::XPUB);
        let (fill, mut told) = inbox::<TopicMessage>();
        let subscriber = SubSocket::connect(endpoint).name("sub").topic(Topic::all());
        open(&zmq, subscriber.on_message(fill)).await;
        let publisher = raw::thread(move || {
            assert_eq!(raw::receive(&publisher), [b"\x01"], "the subscription");
            let messages: [&[&[u8]]; 6] = [
                &[b"tag\0message"],
                &[b"tag", b"message"],
                &[b"tag\0mess\0age"],
                // What txZMQ raises on.
                &[b"no separator"],
                &[b"tag", b"one", b"two"],
                &[b"tag\0one", b"two", b"three"],
            ];
            for message in messages {
                publisher.send_multipart(message, 0).unwrap();
            }
            publisher
        })
        .await;
        let expected: [(&str, Multipart); 5] = [
            ("tag", "message".into()),
            ("tag", "message".into()),
            ("tag", "mess\0age".into()),
            ("tag", ["one", "two"].into()),
            // Somebody's binary topic, not a tag.
            ("tag\0one", ["two", "three"].into()),
        ];
        for (topic, body) in expected {
            let message = told.next().await;
            assert_eq!((message.topic, message.body), (topic.into(), body));
        }
        assert_eq!(count(&zmq, "sub", Counter::Undecodable).await, 1);
        drop(publisher);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn the_longest_matching_prefix_decides_who_gets_a_message() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = open(&zmq, PubSocket::bind("inproc://prefixes")).await;
        let receivers: Vec<(_, Inbox<TopicMessage>)> =
            ["", "news", "news.sport", "weather"].map(|_| inbox()).into();
        let [
            (all, mut all_told),
            (news, mut news_told),
            (sport, mut sport_told),
            (weather, mut weather_told),
        ] = <[_; 4]>::try_from(receivers).ok().unwrap();
        let subscriber = SubSocket::connect("inproc://prefixes")
            .topic(Topic::all())
            .deliver_to(Receiver::inline(all))
            .topic_to("news", Receiver::inline(news))
            .topic_to("news.sport", Receiver::inline(sport))
            .topic_to("weather", Receiver::inline(weather));
        open(&zmq, subscriber).await;
        joined(&publisher, || !all_told.drain().is_empty()).await;
        for topic in ["news.sport.chess", "news.politics", "new", "weather", "wea", ""] {
            publisher.send(Publish::new(topic, topic)).await.unwrap().unwrap();
        }
        assert_eq!(sport_told.next().await.topic, "news.sport.chess");
        assert_eq!(news_told.next().await.topic, "news.politics");
        assert_eq!(weather_told.next().await.topic, "weather");
        for topic in ["new", "wea", ""] {
            let next = all_told.find(|message| (message.topic != "hello").then_some(message)).await;
            assert_eq!(next.topic, topic);
        }
        assert!(sport_told.drain().is_empty() && news_told.drain().is_empty());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn subscriptions_are_counted_and_the_last_one_takes_the_receiver_along() {
    within(async {
        let zmq = Factory::builder().start();
        let (publisher, endpoint) = raw::bound(zmq::XPUB);
        let subscriber = open(&zmq, SubSocket::connect(endpoint).name("sub")).await;
        let (fill, mut told) = inbox::<TopicMessage>();
        let first = Subscribe::new("a").deliver_to(Receiver::inline(fill));
        subscriber.send(first).await.unwrap().unwrap();
        subscriber.send(Subscribe::new("a")).await.unwrap().unwrap();
        let publisher = raw::thread(move || {
            assert_eq!(raw::receive(&publisher), [b"\x01a"]);
            raw::send(&publisher, [b"a", b"two subscriptions"]);
            publisher
        })
        .await;
        assert_eq!(told.next().await.body, "two subscriptions".into());
        subscriber.send(Unsubscribe::new("a")).await.unwrap().unwrap();
        raw::send(&publisher, [b"a", b"one subscription"]);
        assert_eq!(told.next().await.body, "one subscription".into());
        subscriber.send(Unsubscribe::new("a")).await.unwrap().unwrap();
        let publisher = raw::thread(move || {
            assert_eq!(raw::receive(&publisher), [b"\x00a"], "only now the publisher hears of it");
            publisher
        })
        .await;
        let error = subscriber.send(Unsubscribe::new("a")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        drop(publisher);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_exact_topic_filters_and_counts_what_the_prefix_let_through() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = open(&zmq, PubSocket::bind("inproc://filtered")).await;
        let (fill, mut told) = inbox::<TopicMessage>();
        let subscriber = SubSocket::connect("inproc://filtered").name("sub");
        let subscriber = subscriber.topic(Topic::exact("hello")).topic(Topic::exact("news"));
        open(&zmq, subscriber.on_message(fill)).await;
        joined(&publisher, || !told.drain().is_empty()).await;
        for topic in ["newsletter", "news", "new"] {
            publisher.send(Publish::new(topic, "x")).await.unwrap().unwrap();
        }
        let news = told.find(|message| (message.topic != "hello").then_some(message)).await;
        assert_eq!(news.topic, "news");
        assert_eq!(count(&zmq, "sub", Counter::Filtered).await, 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_no_receiver_takes_is_counted() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = open(&zmq, PubSocket::bind("inproc://unheard")).await;
        let (fill, mut told) = inbox::<TopicMessage>();
        let subscriber = SubSocket::connect("inproc://unheard").name("sub");
        let subscriber = subscriber.topic("unheard").topic_to("hello", Receiver::inline(fill));
        open(&zmq, subscriber).await;
        joined(&publisher, || !told.drain().is_empty()).await;
        publisher.send(Publish::new("unheard", "x")).await.unwrap().unwrap();
        let counted = async || count(&zmq, "sub", Counter::Undelivered).await == 1;
        eventually("counted", counted).await;
        finish(zmq).await;
    })
    .await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Message)]
#[rtype(result = "()")]
struct Price {
    symbol: String,
    cents: u64,
}

/// Takes prices, and what goes with them.
struct Ticker(futures::channel::mpsc::UnboundedSender<Price>);

impl Actor for Ticker {
    type Context = Context<Self>;
}

impl Handler<Price> for Ticker {
    type Result = ();

    fn handle(&mut self, price: Price, _ctx: &mut Context<Self>) {
        self.0.unbounded_send(price).unwrap();
    }
}

impl Handler<TopicMessage<MessagePack<Price>>> for Ticker {
    type Result = ();

    fn handle(&mut self, message: TopicMessage<MessagePack<Price>>, _ctx: &mut Context<Self>) {
        self.0.unbounded_send(message.body.0).unwrap();
    }
}

impl Handler<Batch<Price>> for Ticker {
    type Result = ();

    fn handle(&mut self, batch: Batch<Price>, _ctx: &mut Context<Self>) {
        for price in batch {
            self.0.unbounded_send(price).unwrap();
        }
    }
}

fn price(cents: u64) -> Price {
    Price { symbol: "EUR".into(), cents }
}

#[actix::test]
async fn typed_values_reach_actors_singly_in_batches_and_with_their_topic() {
    use futures::StreamExt;

    within(async {
        let zmq = Factory::builder().start();
        let publisher = open(&zmq, PubSocket::bind("inproc://typed").name("pub")).await;
        let (sender, mut prices) = futures::channel::mpsc::unbounded();
        let ticker = Ticker(sender).start();
        let subscriber = SubSocket::connect("inproc://typed")
            .topic_to("one", Json::<Price>::recipient(&ticker))
            .topic_to("batch", Json::<Price>::batches(&ticker))
            .topic_to("topic", ticker.recipient::<TopicMessage<MessagePack<Price>>>());
        open(&zmq, subscriber).await;
        eventually("joined", async || {
            publisher.send(Publish::new("one", Json(price(0)))).await.unwrap().unwrap();
            prices.try_recv().is_ok()
        })
        .await;
        publisher.send(Publish::new("one", Json(price(1)))).await.unwrap().unwrap();
        publisher.send(Publish::new("batch", Json(price(2)))).await.unwrap().unwrap();
        publisher.send(Publish::new("topic", MessagePack(price(3)))).await.unwrap().unwrap();
        let mut missing = vec![1, 2, 3];
        while !missing.is_empty() {
            let next = prices.next().await.unwrap();
            assert_eq!(next.symbol, "EUR");
            missing.retain(|cents| *cents != next.cents);
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_cannot_be_decoded_is_an_event_with_its_frames_and_stops_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let (pusher, endpoint) = raw::bound(zmq::PUSH);
        let (fill, mut told) = inbox::<Pulled<Json<u32>>>();
        let pull = PullSocket::connect(endpoint).name("pull").watch(watcher).on_message(fill);
        open(&zmq, pull).await;
        let pusher = raw::thread(move || {
            raw::send(&pusher, [b"1"]);
            raw::send(&pusher, [b"one", b"or two"]);
            raw::send(&pusher, [b"2"]);
            pusher
        })
        .await;
        assert_eq!(told.next().await.0, Json(1));
        assert_eq!(told.next().await.0, Json(2));
        let (frames, reason) = events
            .event(|kind| match kind {
                EventKind::Undecodable { frames, reason } => Some((frames, reason)),
                _ => None,
            })
            .await;
        assert_eq!(frames, ["one", "or two"].into());
        assert!(!reason.is_empty());
        assert_eq!(count(&zmq, "pull", Counter::Undecodable).await, 1);
        assert_eq!(status(&zmq, "pull").await.restarts, 0);
        drop(pusher);
        finish(zmq).await;
    })
    .await;
}

/// A publisher that hears of its subscribers, and what it hears.
async fn hearing(
    zmq: &Addr<Factory>,
    setting: impl FnOnce(
        actix_zmq::Blueprint<actix_zmq::kinds::XPub>,
    ) -> actix_zmq::Blueprint<actix_zmq::kinds::XPub>,
) -> (Addr<XPubSocket>, Inbox<Subscription>, String) {
    let (fill, told) = inbox();
    let publisher = setting(XPubSocket::bind(ANY_PORT).name("xpub")).on_message(fill);
    let publisher = open(zmq, publisher).await;
    (publisher, told, bound(zmq, "xpub").await)
}

#[actix::test]
async fn an_xpub_hears_of_each_topic_once_and_publishes_without_a_slow_joiner() {
    within(async {
        let zmq = Factory::builder().start();
        let (publisher, mut heard, endpoint) = hearing(&zmq, |blueprint| blueprint).await;
        let (fill, mut told) = inbox::<TopicMessage>();
        let first = SubSocket::connect(&*endpoint).topic("news").on_message(fill);
        let first = open(&zmq, first).await;
        assert_eq!(heard.next().await, Subscription::Subscribed("news".into()));
        // Nobody has to wait and see any more.
        publisher.send(Publish::new("news", "at once")).await.unwrap().unwrap();
        assert_eq!(told.next().await.body, "at once".into());
        let second = SubSocket::connect(&*endpoint).topic("news").topic("weather");
        let second = open(&zmq, second.on_message(|_: TopicMessage| {})).await;
        // The second one for the same topic is no news.
        assert_eq!(heard.next().await, Subscription::Subscribed("weather".into()));
        second.send(Close::new()).await.unwrap().unwrap();
        assert_eq!(heard.next().await, Subscription::Unsubscribed("weather".into()));
        first.send(Unsubscribe::new("news")).await.unwrap().unwrap();
        assert_eq!(heard.next().await, Subscription::Unsubscribed("news".into()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_verbose_xpub_hears_of_every_subscription_and_a_verboser_one_of_every_end() {
    for verboser in [false, true] {
        within(async {
            let zmq = Factory::builder().start();
            let (_publisher, mut heard, endpoint) = hearing(&zmq, |blueprint| {
                if verboser { blueprint.verboser(true) } else { blueprint.verbose(true) }
            })
            .await;
            let mut subscribers = Vec::new();
            for _ in 0..2 {
                let subscriber = SubSocket::connect(&*endpoint).topic("news");
                let subscriber = subscriber.on_message(|_: TopicMessage| {});
                subscribers.push(open(&zmq, subscriber).await);
                assert_eq!(heard.next().await, Subscription::Subscribed("news".into()));
            }
            let ends = if verboser { 2 } else { 1 };
            for subscriber in subscribers {
                subscriber.send(Unsubscribe::new("news")).await.unwrap().unwrap();
            }
            for _ in 0..ends {
                assert_eq!(heard.next().await, Subscription::Unsubscribed("news".into()));
            }
            finish(zmq).await;
            assert!(heard.drain().is_empty());
        })
        .await;
    }
}

#[actix::test]
async fn an_xpub_welcomes_and_hears_messages_from_upstream() {
    within(async {
        let zmq = Factory::builder().start();
        let (_publisher, mut heard, endpoint) =
            hearing(&zmq, |blueprint| blueprint.welcome("hello there")).await;
        let upstream = raw::connected(zmq::XSUB, &endpoint);
        let upstream = raw::thread(move || {
            raw::send(&upstream, [b"\x01hello"]);
            assert_eq!(raw::receive(&upstream), [b"hello there"]);
            raw::send(&upstream, [&b"up"[..], b"stream"]);
            raw::send(&upstream, [b"\x00hello"]);
            upstream
        })
        .await;
        assert_eq!(heard.next().await, Subscription::Subscribed("hello".into()));
        assert_eq!(heard.next().await, Subscription::Message(["up", "stream"].into()));
        assert_eq!(heard.next().await, Subscription::Unsubscribed("hello".into()));
        drop(upstream);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_xsub_subscribes_receives_and_sends_upstream_also_after_a_restart() {
    within(async {
        let zmq = Factory::builder().start();
        let (publisher, mut heard, endpoint) = hearing(&zmq, |blueprint| blueprint).await;
        let (fill, mut told) = inbox::<TopicMessage>();
        let subscriber = XSubSocket::connect(&*endpoint).name("xsub").topic("news");
        let subscriber = open(&zmq, subscriber.on_message(fill)).await;
        assert_eq!(heard.next().await, Subscription::Subscribed("news".into()));
        subscriber.send(Subscribe::new("weather")).await.unwrap().unwrap();
        assert_eq!(heard.next().await, Subscription::Subscribed("weather".into()));
        for topic in ["news", "sport", "weather"] {
            publisher.send(Publish::new(topic, "x")).await.unwrap().unwrap();
        }
        assert_eq!(told.next().await.topic, "news");
        assert_eq!(told.next().await.topic, "weather");
        subscriber.send(SendMessage(["up", "stream"])).await.unwrap().unwrap();
        assert_eq!(heard.next().await, Subscription::Message(["up", "stream"].into()));
        let refused = subscriber.send(SendMessage(["fine", "\x01not"])).await.unwrap();
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert_eq!(error.into_message(), Some(["fine", "\x01not"].into()));
        subscriber.send(Unsubscribe::new("weather")).await.unwrap().unwrap();
        assert_eq!(heard.next().await, Subscription::Unsubscribed("weather".into()));
        subscriber.send(Restart).await.unwrap().unwrap();
        assert_eq!(heard.next().await, Subscription::Unsubscribed("news".into()));
        assert_eq!(heard.next().await, Subscription::Subscribed("news".into()));
        publisher.send(Publish::new("news", "again")).await.unwrap().unwrap();
        assert_eq!(told.next().await.body, "again".into());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_publisher_waits_for_its_subscribers_instead_of_sleeping() {
    for endpoint in [ANY_PORT.to_owned(), ipc(), inproc()] {
        within(async {
            let zmq = Factory::builder().start();
            let publisher = open(&zmq, PubSocket::bind(&*endpoint).name("pub")).await;
            let at = bound(&zmq, "pub").await;
            let wait = |topic: &'static str, count, deadline| {
                publisher.send(WaitSubscribers {
                    topic: topic.into(),
                    count,
                    deadline: ms(deadline),
                })
            };
            let nobody = wait("news.de", 1, 10).await.unwrap().unwrap_err();
            assert_eq!(nobody.kind(), ErrorKind::TimedOut);
            assert!(nobody.to_string().contains("0 of 1"), "{nobody}");
            let two = actix::spawn(wait("news.de", 2, 10_000));
            let (fill, mut told) = inbox::<TopicMessage>();
            let mut subscribers = Vec::new();
            for topic in ["news.", "news.de", "sport"] {
                let subscriber = SubSocket::connect(&*at).topic(topic).topic(topic);
                subscribers.push(open(&zmq, subscriber.on_message(fill.clone())).await);
            }
            assert_eq!(two.await.unwrap().unwrap().unwrap(), 2, "at {at}");
            publisher.send(Publish::new("news.de", "to both")).await.unwrap().unwrap();
            told.take(2).await;
            // Who goes does not count any more.
            subscribers.remove(0).send(Close::new()).await.unwrap().unwrap();
            eventually("one is left", async || {
                let there = wait("news.de", 0, 1_000).await.unwrap().unwrap();
                there == 1
            })
            .await;
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn subscribers_are_not_counted_where_nobody_wants_it() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = PubSocket::bind(&*inproc()).count_subscribers(false).monitor(false);
        let publisher = open(&zmq, publisher.name("pub")).await;
        let wait = WaitSubscribers { topic: "".into(), count: 1, deadline: ms(10_000) };
        let error = publisher.send(wait.clone()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let error = publisher.send(WaitConnected::within(ms(10_000))).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(status(&zmq, "pub").await.peers, None);
        let publisher = open(&zmq, PubSocket::bind(&*inproc())).await;
        let waiting = actix::spawn(publisher.send(wait));
        publisher.send(Close::new()).await.unwrap().unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().unwrap_err().kind(), ErrorKind::Closed);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_manual_xpub_decides_who_gets_what() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut heard) = inbox();
        let publisher = XPubSocket::bind(ANY_PORT).name("xpub").manual(|asked| match asked {
            Subscription::Subscribed(topic) if topic.starts_with(b"secret.") => Admission::Refuse,
            Subscription::Subscribed(topic) | Subscription::Unsubscribed(topic)
                if topic.is_empty() =>
            {
                Admission::Instead(vec!["public.".into()])
            }
            _ => Admission::Admit,
        });
        let publisher = open(&zmq, publisher.on_message(fill)).await;
        let at = bound(&zmq, "xpub").await;
        let peer = raw::connected(zmq::SUB, &at);
        for topic in ["secret.", "open.", ""] {
            peer.set_subscribe(topic.as_bytes()).unwrap();
        }
        let asked: Vec<Subscription> = heard.take(3).await;
        assert_eq!(asked[0], Subscription::Subscribed("secret.".into()));
        assert_eq!(asked[2], Subscription::Subscribed("".into()));
        for (topic, subscribers) in [("secret.x", 0), ("open.x", 1), ("public.x", 1)] {
            let wait = WaitSubscribers { topic: topic.into(), count: 0, deadline: ms(1_000) };
            assert_eq!(publisher.send(wait).await.unwrap().unwrap(), subscribers, "{topic}");
            publisher.send(Publish::new(topic, "body")).await.unwrap().unwrap();
        }
        let peer = raw::thread(move || {
            assert_eq!(raw::receive(&peer)[0], b"open.x");
            assert_eq!(raw::receive(&peer)[0], b"public.x");
            peer.set_unsubscribe(b"").unwrap();
            peer
        })
        .await;
        assert_eq!(heard.next().await, Subscription::Unsubscribed("".into()));
        publisher.send(Publish::new("public.y", "no more")).await.unwrap().unwrap();
        publisher.send(Publish::new("open.y", "body")).await.unwrap().unwrap();
        let peer = raw::thread(move || {
            assert_eq!(raw::receive(&peer)[0], b"open.y");
            peer
        });
        drop(peer.await);
        finish(zmq).await;
    })
    .await;
}
