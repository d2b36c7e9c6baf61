//! A thousand browsers and a slow one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_zmq::web::Slow;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::browser::EventSource;
use crate::deadline::within_time;
use crate::ms;
use crate::stage::Stage;

const BROWSERS: usize = 1_000;
const MESSAGES: usize = 96;
/// How many messages are under way at a time: fewer than a browser may be behind.
const BURST: usize = 8;
const QUEUE: usize = 16;

/// Both ends of every connection are in this process.
fn make_room_for_descriptors() {
    let needed = 3 * BROWSERS as u64;
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if now < needed {
        setrlimit(Resource::RLIMIT_NOFILE, needed.min(most), most).unwrap();
    }
    assert!(most >= needed, "{needed} descriptors are needed, and {most} may be had");
}

fn body(number: usize) -> String {
    format!("{number} {}", "x".repeat(1_500))
}

/// What a page gets for each message, which is compared a hundred thousand times.
fn expected() -> Vec<String> {
    let data = |number| json!({ "topic": "a", "body": body(number) }).to_string();
    (0..MESSAGES).map(data).collect()
}

#[actix::test]
async fn a_thousand_browsers_get_everything_while_one_does_not_read() {
    make_room_for_descriptors();
    within_time(ms(100_000), async {
        let stage = Stage::narrow(|feed| {
            feed.allow("a").queue(QUEUE).replay(0).slow(Slow::Skip).max_clients(BROWSERS + 1)
        })
        .await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        let mut slow = EventSource::open_narrowly(at, "/feed").await;
        slow.until_there().await;

        let expected = Arc::new(expected());
        let there = Arc::new(Semaphore::new(0));
        let read = Arc::new(AtomicUsize::new(0));
        let progress = Arc::new(Notify::new());
        // What may connect at once: the backlog of a listener is shorter than this crowd.
        let connecting = Arc::new(Semaphore::new(64));
        let crowd: Vec<_> = (0..BROWSERS)
            .map(|_| {
                let (there, read) = (Arc::clone(&there), Arc::clone(&read));
                let expected = Arc::clone(&expected);
                let (progress, connecting) = (Arc::clone(&progress), Arc::clone(&connecting));
                actix::spawn(async move {
                    let turn = connecting.acquire().await.unwrap();
                    let mut browser = EventSource::open(at, "/feed").await;
                    browser.until_there().await;
                    drop(turn);
                    there.add_permits(1);
                    for data in &*expected {
                        let event = browser.next().await.expect("the stream goes on");
                        assert_eq!(event.data, *data);
                        if (read.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(BROWSERS) {
                            progress.notify_one();
                        }
                    }
                    assert_eq!(browser.next().await, None, "that was all");
                })
            })
            .collect();
        there.acquire_many(crowd.len().try_into().unwrap()).await.unwrap().forget();
        assert_eq!(stage.broadcast.stats().clients, BROWSERS + 1);
        assert_eq!(stage.subscribed("a").await, 1);

        for number in 0..MESSAGES {
            stage.publish("a", body(number)).await;
            let due = (number + 1) * BROWSERS;
            while (number + 1).is_multiple_of(BURST) && read.load(Ordering::Relaxed) < due {
                progress.notified().await;
            }
        }

        // The slow one begins to read: what was on the way, what it missed, what is new.
        let (mut had, mut missed) = (0, 0);
        while had + missed < MESSAGES {
            let event = slow.next().await.expect("the stream goes on");
            if event.name == "missed" {
                missed += usize::try_from(event.json()["missed"].as_u64().unwrap()).unwrap();
            } else {
                assert_eq!(event.body(), body(had + missed));
                had += 1;
            }
        }
        assert_eq!(had + missed, MESSAGES);
        assert!(missed > QUEUE, "it missed {missed}");
        let stats = stage.broadcast.stats();
        assert_eq!((stats.missed, stats.dropped), (missed as u64, 0));
        assert_eq!(stats.messages, MESSAGES as u64);

        stage.broadcast.end();
        for browser in crowd {
            browser.await.unwrap();
        }
        stage.finish().await;
    })
    .await;
}
