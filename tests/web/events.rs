//! A subscription as server-sent events.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::web::{Broadcast, Event, Intake, Slow};
use serde_json::{Value, json};

use crate::browser::{EventSource, Socket};
use crate::deadline::within;
use crate::finish;
use crate::inproc;
use crate::ms;
use crate::stage::{Stage, texts};

#[actix::test]
async fn browsers_get_what_is_published_over_one_subscription() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("prices.").retry(ms(1_500))).await;
        let mut browsers = Vec::new();
        for _ in 0..20 {
            let mut browser = EventSource::open(stage.server.at, "/feed").await;
            browser.until_there().await;
            browsers.push(browser);
        }
        assert_eq!(stage.broadcast.stats().clients, 20);
        assert_eq!(stage.subscribed("prices.EUR").await, 1);
        stage.publish("prices.EUR", "101.5").await;
        stage.publish("other", "not for browsers").await;
        stage.publish("prices.USD", "99").await;
        let mut ids = Vec::new();
        for browser in &mut browsers {
            assert_eq!(browser.status, 200);
            assert_eq!(browser.header("content-type"), Some("text/event-stream"));
            assert_eq!(browser.header("cache-control"), Some("no-cache"));
            assert_eq!(browser.header("x-accel-buffering"), Some("no"));
            assert_eq!(browser.retry, Some(1_500));
            let events = browser.take(2).await;
            assert_eq!(events[0].name, "message");
            assert_eq!(events[0].json(), json!({ "topic": "prices.EUR", "body": "101.5" }));
            assert_eq!(events[1].json(), json!({ "topic": "prices.USD", "body": "99" }));
            ids.push((events[0].id.clone(), events[1].id.clone()));
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "all have the same ids");
        let subscription = Subscription::Subscribed("prices.".into());
        assert_eq!(*stage.told.lock().unwrap(), [subscription]);
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn topics_are_chosen_among_those_that_are_allowed() {
    within(async {
        let stage =
            Stage::new(|feed| feed.allow("prices.").allow(Topic::exact("news")).max_topics(2))
                .await;
        let at = stage.server.at;
        stage.subscribed("prices.").await;
        stage.subscribed("news").await;
        let mut all = EventSource::open(at, "/feed").await;
        let mut two = EventSource::open(at, "/feed?topic=prices.EUR&topic=news").await;
        let mut escaped = EventSource::open(at, "/feed?topic=prices.%c3%a4%20b").await;
        for browser in [&mut all, &mut two, &mut escaped] {
            browser.until_there().await;
        }
        for topic in ["prices.EUR", "prices.USD", "news", "newsletter", "prices.ä b", "prices.EUR"]
        {
            stage.publish(topic, topic).await;
        }
        let everything = ["prices.EUR", "prices.USD", "news", "prices.ä b", "prices.EUR"];
        assert_eq!(all.bodies(5).await, everything);
        assert_eq!(two.bodies(3).await, ["prices.EUR", "news", "prices.EUR"]);
        assert_eq!(escaped.bodies(1).await, ["prices.ä b"]);

        for (query, status) in [
            ("?topic=secret", 403),
            ("?topic=", 403),
            ("?topic=price", 403),
            ("?topic=newsletter", 403),
            ("?topic=prices.EUR&topic=secret", 403),
            ("?topic=news&topic=news&topic=news", 400),
        ] {
            let refused = EventSource::open(at, &format!("/feed{query}")).await;
            assert_eq!(refused.status, status, "{query}");
            assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        }
        stage.finish().await;
    })
    .await;
}

#[test]
fn a_handle_fits_into_the_data_of_all_workers() {
    fn fits<T: Clone + Send + Sync + 'static>() {}
    fits::<Broadcast>();
    fits::<Intake>();
}

#[actix::test]
async fn the_longest_times_are_no_panic() {
    within(async {
        let stage =
            Stage::new(|feed| feed.allow("a").heartbeat(Duration::MAX).retry(Duration::MAX)).await;
        let mut browser = EventSource::open(stage.server.at, "/feed").await;
        let mut socket = Socket::open(stage.server.at, "/feed").await;
        browser.until_there().await;
        socket.until_there().await;
        assert_eq!(socket.close().await, 1000);
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn without_an_allowed_topic_nothing_opens() {
    within(async {
        let zmq = Factory::builder().start();
        let opened = Broadcast::of(SubSocket::connect(inproc())).open(&zmq).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidOption);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn whoever_comes_back_goes_on_without_gap_or_duplicate() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").allow("b").replay(10)).await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        stage.subscribed("b").await;
        let mut browser = EventSource::open(at, "/feed").await;
        browser.until_there().await;
        stage.publish_numbers("a", 0..5).await;
        let read = browser.take(3).await;
        drop(browser);
        stage.publish_numbers("a", 5..8).await;
        let last = &read[2].id;
        let mut back = EventSource::open_after(at, "/feed", Some(last)).await;
        let mut by_query = EventSource::open(at, &format!("/feed?last_event_id={last}")).await;
        // The header is newer than the address, where a browser has both.
        let both = format!("/feed?last_event_id={}", read[0].id);
        let mut both = EventSource::open_after(at, &both, Some(last)).await;
        let mut filtered = EventSource::open_after(at, "/feed?topic=b", Some(last)).await;
        assert_eq!(back.bodies(5).await, texts(3..8));
        stage.publish_numbers("a", 8..10).await;
        stage.publish_numbers("b", 10..11).await;
        assert_eq!(back.bodies(3).await, texts(8..11));
        assert_eq!(by_query.bodies(8).await, texts(3..11));
        assert_eq!(both.bodies(8).await, texts(3..11));
        assert_eq!(filtered.bodies(1).await, texts(10..11));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn many_come_back_while_it_goes_on_and_nobody_has_a_gap() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("").replay(1_000).queue(1_000)).await;
        let at = stage.server.at;
        stage.subscribed("").await;
        let mut first = EventSource::open(at, "/feed").await;
        first.until_there().await;
        let beginning = first.last_id.clone();
        let come_and_go = async || {
            let mut had = Vec::new();
            let mut last = beginning.clone();
            while had.len() < 300 {
                let mut browser = EventSource::open_after(at, "/feed", Some(&last)).await;
                for event in browser.take(30).await {
                    had.push(event.body());
                    last = event.id;
                }
            }
            had
        };
        let publish = async {
            for number in 0..300 {
                stage.publish("a", number.to_string()).await;
            }
        };
        let visits = futures::future::join_all((0..4).map(|_| come_and_go()));
        let (visits, ()) = tokio::join!(visits, publish);
        for had in visits {
            assert_eq!(had, texts(0..300));
        }
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn whoever_comes_back_too_late_is_told_what_is_missing() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").replay(4)).await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        let mut browser = EventSource::open(at, "/feed").await;
        browser.until_there().await;
        stage.publish_numbers("a", 0..10).await;
        let read = browser.take(10).await;

        let mut late = EventSource::open_after(at, "/feed", Some(&read[1].id)).await;
        let missed = late.next().await.unwrap();
        assert_eq!((missed.name.as_str(), missed.json()), ("missed", json!({ "missed": 4 })));
        assert_eq!(missed.id, read[5].id, "whoever breaks off here goes on from there");
        assert_eq!(late.take(4).await, read[6..]);
        let mut just = EventSource::open_after(at, "/feed", Some(&read[5].id)).await;
        assert_eq!(just.take(4).await, read[6..]);

        // Of another broadcast, before or elsewhere.
        let mut elsewhere = EventSource::open_after(at, "/feed", Some("00000000deadbeef-3")).await;
        let missed = elsewhere.next().await.unwrap();
        assert_eq!(
            (missed.name.as_str(), missed.json()),
            ("missed", json!({ "missed": Value::Null }))
        );
        assert_eq!(elsewhere.take(4).await, read[6..]);

        // What makes no sense is no id.
        let future = format!("{}0000", read[9].id);
        for garbage in ["", "1", "x-1", "é", "00000000deadbeef-x", &future, &"9".repeat(2_000)] {
            let mut browser = EventSource::open_after(at, "/feed", Some(garbage)).await;
            browser.until_there().await;
            assert_eq!(browser.last_id, read[9].id, "{garbage}");
        }
        assert_eq!(stage.broadcast.stats().missed, 4);
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn nothing_that_is_published_can_pass_for_another_event() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("")).await;
        stage.subscribed("").await;
        let mut browser = EventSource::open(stage.server.at, "/feed").await;
        browser.until_there().await;
        let evil = "x\n\nevent: evil\r\ndata: y\r\rid: 0\n\n";
        stage.publish(evil, evil).await;
        stage.publish("a\0b", "\u{feff}\u{2028}\0").await;
        let binary = Publish::new(&b"\xff\n\nid: 1"[..], Multipart::from([&b"\xfe"[..], b"text"]));
        stage.publisher.send(binary).await.unwrap().unwrap();
        stage.publish("", "").await;
        let events = browser.take(4).await;
        assert!(events.iter().all(|event| event.name == "message"), "{events:?}");
        assert_eq!(events[0].json(), json!({ "topic": evil, "body": evil }));
        assert_eq!(events[1].json(), json!({ "topic": "a\0b", "body": "\u{feff}\u{2028}\0" }));
        let bytes = json!({ "topic": { "base64": "/woKaWQ6IDE=" }, "body": [{ "base64": "/g==" }, "text"] });
        assert_eq!(events[2].json(), bytes);
        assert_eq!(events[3].json(), json!({ "topic": "", "body": "" }));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn the_application_says_what_browsers_get() {
    within(async {
        let stage = Stage::new(|feed| {
            feed.allow("").render(|message| {
                let topic = message.topic.as_str()?;
                let event = Event::new(message.body.first()?.as_str()?);
                (topic != "private").then(|| event.named(topic))
            })
        })
        .await;
        stage.subscribed("").await;
        let mut browser = EventSource::open(stage.server.at, "/feed").await;
        browser.until_there().await;
        stage.publish("private", "1").await;
        stage.publish("price", "1\r2\n3").await;
        stage.publish("evil\nid: 7", "x\n\ndata: y").await;
        let events = browser.take(2).await;
        assert_eq!((events[0].name.as_str(), events[0].data.as_str()), ("price", "1\n2\n3"));
        assert_eq!(
            (events[1].name.as_str(), events[1].data.as_str()),
            ("evilid: 7", "x\n\ndata: y")
        );
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_heartbeat_is_no_event_and_says_where_one_is() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").heartbeat(ms(10))).await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        let mut browser = EventSource::open(at, "/feed?topic=a.b").await;
        browser.until_there().await;
        let before = browser.last_id.clone();
        // Nothing of it is for this browser, but it need not be told that it missed anything.
        stage.publish_numbers("a", 0..3).await;
        while browser.last_id == before {
            browser.line_of_position().await;
        }
        stage.publish_numbers("a.b", 3..4).await;
        assert_eq!(browser.bodies(1).await, texts(3..4));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_restart_of_the_socket_ends_no_stream() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        stage.subscribed("a").await;
        let mut browser = EventSource::open(stage.server.at, "/feed").await;
        browser.until_there().await;
        stage.publish_numbers("a", 0..3).await;
        stage.broadcast.socket().send(Restart).await.unwrap().unwrap();
        stage.subscribed_again("a").await;
        stage.publish_numbers("a", 3..6).await;
        assert_eq!(browser.bodies(6).await, texts(0..6));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_closure_that_panics_ends_no_stream() {
    within(async {
        let stage = Stage::new(|feed| {
            feed.allow("a").render(|message| {
                let text = message.body.first()?.as_str()?;
                assert_ne!(text, "panic", "as it should");
                Some(Event::new(text))
            })
        })
        .await;
        stage.subscribed("a").await;
        let mut browser = EventSource::open(stage.server.at, "/feed").await;
        browser.until_there().await;
        stage.publish("a", "before").await;
        stage.publish("a", "panic").await;
        stage.subscribed_again("a").await;
        stage.publish("a", "after").await;
        let events = browser.take(2).await;
        assert_eq!((&*events[0].data, &*events[1].data), ("before", "after"));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn all_streams_end_at_once_and_new_ones_are_refused() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        let at = stage.server.at;
        let mut browsers = Vec::new();
        for _ in 0..3 {
            let mut browser = EventSource::open(at, "/feed").await;
            browser.until_there().await;
            browsers.push(browser);
        }
        stage.broadcast.end();
        for browser in &mut browsers {
            assert_eq!(browser.next().await, None);
        }
        stage.clients(0).await;
        let refused = EventSource::open(at, "/feed").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn the_end_of_the_factory_is_the_end_of_the_streams() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        let mut browser = EventSource::open(stage.server.at, "/feed").await;
        browser.until_there().await;
        finish(stage.zmq).await;
        assert_eq!(browser.next().await, None);
        let refused = EventSource::open(stage.server.at, "/feed").await;
        assert_eq!(refused.status, 503);
        stage.server.stop().await;
    })
    .await;
}

#[actix::test]
async fn more_than_may_be_are_told_to_come_back() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").max_clients(2).heartbeat(ms(20))).await;
        let at = stage.server.at;
        let mut first = EventSource::open(at, "/feed").await;
        let mut second = EventSource::open(at, "/feed").await;
        first.until_there().await;
        second.until_there().await;
        let refused = EventSource::open(at, "/feed").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        // The heartbeat finds out that one is gone.
        drop(first);
        stage.clients(1).await;
        assert_eq!(EventSource::open(at, "/feed").await.status, 200);
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn one_that_does_not_read_is_dropped_and_goes_on_where_it_was() {
    within(async {
        let stage =
            Stage::narrow(|feed| feed.allow("a").slow(Slow::Drop).queue(8).replay(1_000)).await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        let mut slow = EventSource::open_narrowly(at, "/feed").await;
        slow.until_there().await;
        let long = |number: usize| format!("{number} {}", "x".repeat(1_000));
        for number in 0..300 {
            stage.publish("a", long(number)).await;
        }
        stage.received(300).await;
        // It begins to read, and is told what was on the way.
        let mut had = Vec::new();
        while let Some(event) = slow.next().await {
            had.push(event.body());
        }
        assert!(had.len() < 300, "the kernel has room for all of it");
        let mut back = EventSource::open_after(at, "/feed", Some(&slow.last_id)).await;
        had.extend(back.bodies(300 - had.len()).await);
        assert_eq!(had, (0..300).map(long).collect::<Vec<_>>());
        let stats = stage.broadcast.stats();
        assert_eq!((stats.dropped, stats.missed), (1, 0));
        stage.finish().await;
    })
    .await;
}
