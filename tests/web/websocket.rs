//! A subscription over WebSockets.

use actix_zmq::prelude::*;
use actix_zmq::web::{Event, Slow};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::browser::{EventSource, Socket};
use crate::deadline::within;
use crate::finish;
use crate::ms;
use crate::stage::{Stage, texts};

#[actix::test]
async fn a_message_is_a_text_with_its_id_topic_and_body() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        let mut socket = Socket::open(at, "/feed").await;
        let mut filtered = Socket::open(at, "/feed?topic=a.b").await;
        let mut events = EventSource::open(at, "/feed").await;
        let position = socket.until_there().await;
        assert_eq!(filtered.until_there().await, position);
        events.until_there().await;
        stage.publish("a", "line\nline").await;
        stage
            .publisher
            .send(Publish::new("a.b", Multipart::from(&b"\xff"[..])))
            .await
            .unwrap()
            .unwrap();
        let ids: Vec<_> = events.take(2).await.into_iter().map(|event| event.id).collect();
        let first = json!({ "id": ids[0], "topic": "a", "body": "line\nline" });
        let second = json!({ "id": ids[1], "topic": "a.b", "body": { "base64": "/w==" } });
        assert_eq!(socket.take(2).await, [first, second.clone()]);
        assert_eq!(filtered.take(1).await, [second]);
        for (path, status) in [("/feed?topic=b", 403), ("/feed?topic=a&topic=b", 403)] {
            assert_eq!(Socket::open_from(at, path, None).await.err(), Some(status), "{path}");
        }
        assert_eq!(socket.close().await, 1000);
        stage.clients(2).await;
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn the_application_says_what_a_socket_gets() {
    within(async {
        let stage = Stage::new(|feed| {
            feed.allow("").render(|message| {
                let event = Event::new(message.body.first()?.as_str()?);
                Some(if message.topic.is_empty() { event } else { event.named("price") })
            })
        })
        .await;
        stage.subscribed("").await;
        let mut socket = Socket::open(stage.server.at, "/feed").await;
        socket.until_there().await;
        stage.publish("a", "1").await;
        stage.publish("", "2").await;
        let messages = socket.take(2).await;
        assert_eq!((&messages[0]["event"], &messages[0]["body"]), (&json!("price"), &json!("1")));
        assert_eq!((messages[1].get("event"), &messages[1]["body"]), (None, &json!("2")));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_comes_back_goes_on_where_it_was() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").replay(4)).await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        let mut socket = Socket::open(at, "/feed").await;
        socket.until_there().await;
        stage.publish_numbers("a", 0..10).await;
        let had = socket.take(10).await;
        let id = |number: usize| had[number]["id"].as_str().unwrap();
        let after = |id: &str| format!("/feed?last_event_id={id}");
        let mut back = Socket::open(at, &after(id(6))).await;
        assert_eq!(back.bodies(3).await, texts(7..10));
        let mut late = Socket::open(at, &after(id(2))).await;
        assert_eq!(late.take(5).await[0], json!({ "id": id(5), "missed": 3 }));
        let mut elsewhere = Socket::open(at, &after("0123456789abcdef-7")).await;
        let missed = json!({ "id": id(5), "missed": Value::Null });
        assert_eq!(elsewhere.take(5).await[0], missed);
        let mut garbage = Socket::open(at, &after("garbage")).await;
        assert_eq!(garbage.until_there().await, id(9));
        stage.publish_numbers("a", 10..11).await;
        for socket in [&mut back, &mut late, &mut elsewhere, &mut garbage] {
            assert_eq!(socket.bodies(1).await, texts(10..11));
            assert_eq!(socket.close().await, 1000);
        }
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn pages_of_other_origins_open_no_socket() {
    within(async {
        let shop = "https://shop.example";
        let stage = Stage::new(|feed| feed.allow("a").allow_origin(shop)).await;
        let at = stage.server.at;
        let own = format!("http://{at}");
        for (origin, refused) in [
            (None, None),
            (Some(&*own), None),
            (Some(shop), None),
            (Some("https://evil.example"), Some(403)),
            (Some("null"), Some(403)),
        ] {
            let opened = Socket::open_from(at, "/feed", origin).await;
            assert_eq!(opened.err(), refused, "{origin:?}");
        }
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn what_is_no_handshake_is_a_problem() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        let mut connection = tokio::net::TcpStream::connect(stage.server.at).await.unwrap();
        let request = "GET /feed HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
                       Connection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).await.unwrap();
        let answer = crate::http::answer(connection).await.unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        stage.clients(0).await;
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_socket_is_told_why_it_is_closed() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        let at = stage.server.at;
        for (message, code) in [("text".into(), 1008), ("x".repeat(10_000), 1009)] {
            let mut socket = Socket::open(at, "/feed").await;
            socket.until_there().await;
            socket.send(message).await;
            assert_eq!(socket.closed().await, code);
        }
        let mut socket = Socket::open(at, "/feed").await;
        socket.until_there().await;
        stage.broadcast.end();
        assert_eq!(socket.closed().await, 1001);
        stage.clients(0).await;
        assert_eq!(Socket::open_from(at, "/feed", None).await.err(), Some(503));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn the_end_of_the_factory_closes_the_sockets() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        let mut socket = Socket::open(stage.server.at, "/feed").await;
        socket.until_there().await;
        finish(stage.zmq).await;
        assert_eq!(socket.closed().await, 1001);
        stage.server.stop().await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_answers_no_ping_is_dropped() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").heartbeat(ms(50))).await;
        let at = stage.server.at;
        let mut answers = Socket::open(at, "/feed").await;
        let silent = Socket::open(at, "/feed").await;
        stage.clients(2).await;
        // This one answers while it is read, for longer than the other is given.
        for _ in 0..6 {
            answers.until_there().await;
        }
        stage.clients(1).await;
        answers.until_there().await;
        drop(silent);
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_does_not_read_is_told_what_it_missed() {
    within(async {
        let stage = Stage::narrow(|feed| feed.allow("a").queue(8).replay(0)).await;
        stage.subscribed("a").await;
        let mut slow = Socket::open_narrowly(stage.server.at, "/feed").await;
        slow.until_there().await;
        let body = "x".repeat(1_000);
        for _ in 0..300 {
            stage.publish("a", &*body).await;
        }
        stage.received(300).await;
        let (mut had, mut missed) = (0, 0);
        while had + missed < 300 {
            let message = &slow.take(1).await[0];
            match message.get("missed") {
                Some(messages) => missed += messages.as_u64().unwrap(),
                None => had += 1,
            }
        }
        assert!(missed > 8, "it missed {missed}");
        assert_eq!((had + missed, stage.broadcast.stats().missed), (300, missed));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn what_comes_while_a_socket_falls_behind_is_read_or_missed() {
    const MESSAGES: u64 = 20_000;
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").queue(1).replay(0)).await;
        stage.subscribed("a").await;
        let mut socket = Socket::open(stage.server.at, "/feed").await;
        let number = |id: &str| id.rsplit_once('-').unwrap().1.parse::<u64>().unwrap();
        let mut last = number(&socket.until_there().await);
        for _ in 0..MESSAGES {
            stage.publisher.do_send(Publish::new("a", Multipart::from("x")));
        }
        let mut missed = 0;
        while last < MESSAGES {
            let message = &socket.take(1).await[0];
            let passed = number(message["id"].as_str().unwrap()) - last;
            match message.get("missed") {
                Some(messages) => {
                    assert_eq!(messages, passed, "after {last}");
                    missed += passed;
                }
                None => assert_eq!(passed, 1, "after {last}"),
            }
            last += passed;
        }
        assert!(missed > 0, "it was never behind");
        assert_eq!(stage.broadcast.stats().missed, missed);
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_does_not_read_is_closed_where_that_is_the_policy() {
    within(async {
        let drop = |feed: actix_zmq::web::BroadcastBuilder| feed.slow(Slow::Drop);
        let stage = Stage::narrow(|feed| drop(feed.allow("a").queue(8))).await;
        let at = stage.server.at;
        stage.subscribed("a").await;
        let mut slow = Socket::open_narrowly(at, "/feed").await;
        let mut last = slow.until_there().await;
        for number in 0..300 {
            stage.publish("a", format!("{number} {}", "x".repeat(1_000))).await;
        }
        stage.received(300).await;
        let mut had = 0;
        let code = loop {
            match slow.next().await {
                Ok(message) => {
                    had += 1;
                    message["id"].as_str().unwrap().clone_into(&mut last);
                }
                Err(code) => break code,
            }
        };
        assert_eq!((code, stage.broadcast.stats().dropped), (1013, 1));
        let mut back = Socket::open(at, &format!("/feed?last_event_id={last}")).await;
        let rest = back.bodies(300 - had).await;
        assert!(rest.first().unwrap().starts_with(&format!("{had} ")));
        stage.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_connection_that_breaks_off_leaves_its_place() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a").heartbeat(ms(50))).await;
        let mut socket = Socket::open(stage.server.at, "/feed").await;
        socket.until_there().await;
        stage.clients(1).await;
        drop(socket);
        stage.clients(0).await;
        // Garbage in place of frames.
        let mut connection = tokio::net::TcpStream::connect(stage.server.at).await.unwrap();
        let request = "GET /feed HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
                       Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        connection.write_all(request.as_bytes()).await.unwrap();
        connection.write_all(&[0xff; 64]).await.unwrap();
        let mut all = Vec::new();
        connection.read_to_end(&mut all).await.unwrap();
        let close = all.windows(2).any(|two| two == 1002_u16.to_be_bytes());
        assert!(close, "{}", all.escape_ascii());
        stage.clients(0).await;
        stage.finish().await;
    })
    .await;
}
