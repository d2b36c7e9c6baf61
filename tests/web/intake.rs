//! Bodies and WebSocket messages into PUSH and PUB.

use actix_web::web::ServiceConfig;
use actix_zmq::prelude::*;
use actix_zmq::web::Intake;
use futures::StreamExt;
use futures::channel::mpsc;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message as Sent;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as RawFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::browser::Socket;
use crate::deadline::within;
use crate::http::{Response, Server, answer, serve};
use crate::{finish, inproc, ms, open};

/// A PUSH socket and what a PULL socket receives from it.
pub(crate) async fn jobs(
    zmq: &Addr<Factory>,
) -> (Addr<PushSocket>, mpsc::UnboundedReceiver<Multipart>) {
    let endpoint = inproc();
    let (tell, told) = mpsc::unbounded();
    let pull = PullSocket::bind(&*endpoint);
    open(zmq, pull.on_message(move |Pulled(body): Pulled| drop(tell.unbounded_send(body)))).await;
    (open(zmq, PushSocket::connect(endpoint)).await, told)
}

/// A PUSH socket without a peer, whose queue is full.
async fn full(zmq: &Addr<Factory>) -> Addr<PushSocket> {
    let push = open(zmq, PushSocket::bind(inproc()).overflow(Overflow::Reject, 2)).await;
    push.do_send(Push("first"));
    push.do_send(Push("second"));
    push
}

pub(crate) fn serve_intake(intake: &Intake) -> Server {
    let intake = intake.clone();
    serve(move |config: &mut ServiceConfig| {
        config.service(intake.clone());
    })
}

async fn post(server: &Server, path: &str, headers: &str, body: &[u8]) -> Response {
    let mut connection = tokio::net::TcpStream::connect(server.at).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}");
    let request = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    connection.write_all(request.as_bytes()).await.unwrap();
    connection.write_all(body).await.unwrap();
    answer(connection).await.expect("an answer")
}

#[actix::test]
async fn a_body_is_one_frame_as_it_is() {
    within(async {
        let zmq = Factory::builder().start();
        let (push, mut pulled) = jobs(&zmq).await;
        let server = serve_intake(&Intake::push("/jobs", push).limit(1_000));
        for body in [&b"job"[..], b"", b"\xff\0\r\n\r\n", &[7; 1_000]] {
            let response = post(&server, "/jobs", "Content-Type: a/b\r\n", body).await;
            assert_eq!((response.status, &*response.body), (202, ""));
            assert_eq!(pulled.next().await.unwrap(), Multipart::from(body));
        }
        let chunked = "POST /jobs HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
                       Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
        let mut connection = tokio::net::TcpStream::connect(server.at).await.unwrap();
        connection.write_all(chunked.as_bytes()).await.unwrap();
        assert_eq!(answer(connection).await.unwrap().status, 202);
        assert_eq!(pulled.next().await.unwrap(), Multipart::from("abcdef"));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_is_not_accepted_is_a_problem() {
    within(async {
        let zmq = Factory::builder().start();
        let push = full(&zmq).await;
        let intake = Intake::push("/jobs", push.clone()).limit(1_000);
        let server = serve_intake(&intake);
        let long = post(&server, "/jobs", "", &[7; 1_001]).await;
        assert_eq!((long.status, &long.json()["limit"]), (413, &json!(1_000)));
        let chunked = format!(
            "POST /jobs HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n400\r\n{}\r\n0\r\n\r\n",
            "x".repeat(0x400)
        );
        let mut connection = tokio::net::TcpStream::connect(server.at).await.unwrap();
        connection.write_all(chunked.as_bytes()).await.unwrap();
        assert_eq!(answer(connection).await.unwrap().status, 413);
        let elsewhere = post(&server, "/jobs", "Origin: http://evil.example\r\n", b"job").await;
        assert_eq!(elsewhere.status, 403);
        assert_eq!(post(&server, "/jobs", "Origin: http://test\r\n", b"job").await.status, 503);

        let refused = post(&server, "/jobs", "", b"job").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        assert_eq!(refused.json()["type"], "urn:actix-zmq:queue-full");

        push.send(Close::within(ms(0))).await.unwrap().unwrap();
        let closed = post(&server, "/jobs", "", b"job").await;
        assert_eq!((closed.status, &closed.json()["type"]), (503, &json!("urn:actix-zmq:closed")));
        intake.end();
        let ended = post(&server, "/jobs", "", b"job").await;
        assert_eq!((ended.status, &ended.json()["type"]), (503, &json!("about:blank")));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_body_that_waits_too_long_for_room_is_answered() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(inproc()).overflow(Overflow::Wait, 0)).await;
        let server = serve_intake(&Intake::push("/jobs", push).within(ms(20)));
        let late = post(&server, "/jobs", "", b"job").await;
        assert_eq!((late.status, &late.json()["type"]), (504, &json!("urn:actix-zmq:timed-out")));
        server.stop().await;
        zmq.send(Shutdown::within(ms(0))).await.unwrap();
    })
    .await;
}

#[actix::test]
async fn publications_are_of_topics_that_are_allowed() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (tell, mut told) = mpsc::unbounded();
        let publisher = open(&zmq, PubSocket::bind(&*endpoint)).await;
        let sub = SubSocket::connect(endpoint).topic("");
        let tell = move |message: TopicMessage| drop(tell.unbounded_send(message));
        open(&zmq, sub.on_message(tell)).await;
        let wait = WaitSubscribers { topic: "".into(), count: 1, deadline: ms(5_000) };
        publisher.send(wait).await.unwrap().unwrap();
        let in_path = Intake::publish("/news/{topic}", publisher.clone()).allow("news.");
        let in_query = Intake::publish("/say", publisher.clone()).allow(Topic::exact("a b"));
        let nothing = Intake::publish("/nothing", publisher);
        let server = serve(move |config: &mut ServiceConfig| {
            config.service(in_path.clone()).service(in_query.clone()).service(nothing.clone());
        });
        for (path, topic) in [
            ("/news/news.de", "news.de"),
            ("/news/news.%C3%A4%2Fb", "news.ä/b"),
            ("/say?topic=a+b", "a b"),
        ] {
            assert_eq!(post(&server, path, "", b"text").await.status, 202, "{path}");
            let message = told.next().await.unwrap();
            assert_eq!((message.topic, message.body), (topic.into(), "text".into()));
        }
        for (path, status) in [
            ("/news/old.de", 403),
            ("/news/news", 403),
            ("/say?topic=a+bc", 403),
            ("/say", 400),
            ("/nothing?topic=", 403),
            ("/news/", 404),
        ] {
            assert_eq!(post(&server, path, "", b"text").await.status, status, "{path}");
        }
        let mut socket = Socket::open(server.at, "/news/news.de").await;
        socket.send(Sent::text("spoken")).await;
        let message = told.next().await.unwrap();
        assert_eq!((message.topic, message.body), ("news.de".into(), "spoken".into()));
        assert_eq!(socket.close().await, 1000);
        assert_eq!(Socket::open_from(server.at, "/news/old", None).await.err(), Some(403));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn each_message_of_a_socket_is_one_send() {
    within(async {
        let zmq = Factory::builder().start();
        let (push, mut pulled) = jobs(&zmq).await;
        let intake = Intake::push("/jobs", push).acks(true).max_clients(1);
        let server = serve_intake(&intake);
        let mut socket = Socket::open(server.at, "/jobs").await;
        assert_eq!(Socket::open_from(server.at, "/jobs", None).await.err(), Some(503));
        let evil = Socket::open_from(server.at, "/jobs", Some("http://evil.example")).await;
        assert_eq!(evil.err(), Some(403));
        for number in 0..200_u8 {
            let sent = if number % 2 == 0 {
                Sent::text(number.to_string())
            } else {
                Sent::binary(vec![number])
            };
            socket.send(sent).await;
        }
        for number in 0..200_u8 {
            let body = pulled.next().await.unwrap();
            let sent = if number % 2 == 0 { number.to_string().into_bytes() } else { vec![number] };
            assert_eq!(body, Multipart::from(sent));
            assert_eq!(socket.next().await, Ok(json!({ "message": number, "accepted": true })));
        }
        intake.end();
        assert_eq!(socket.closed().await, 1001);
        assert_eq!(Socket::open_from(server.at, "/jobs", None).await.err(), Some(503));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_message_in_pieces_is_one_and_has_one_limit() {
    within(async {
        let zmq = Factory::builder().start();
        let (push, mut pulled) = jobs(&zmq).await;
        let server = serve_intake(&Intake::push("/jobs", push).limit(1_000));
        let piece = |bytes: &[u8], code, last| {
            Sent::Frame(RawFrame::message(bytes.to_vec(), OpCode::Data(code), last))
        };
        let mut socket = Socket::open(server.at, "/jobs").await;
        socket.send(piece(b"one ", Data::Text, false)).await;
        socket.send(piece(b"and ", Data::Continue, false)).await;
        socket.send(piece(b"the same", Data::Continue, true)).await;
        assert_eq!(pulled.next().await.unwrap(), Multipart::from("one and the same"));
        for (code, ends) in
            [(Data::Text, [*b"\xc3", *b"\xa4"]), (Data::Binary, [*b"\xff", *b"\xfe"])]
        {
            socket.send(piece(&ends[0], code, false)).await;
            socket.send(piece(&ends[1], Data::Continue, true)).await;
            assert_eq!(pulled.next().await.unwrap(), Multipart::from(ends.concat()));
        }
        socket.send(piece(&[b'x'; 600], Data::Binary, false)).await;
        socket.send(piece(&[b'x'; 600], Data::Continue, true)).await;
        assert_eq!(socket.closed().await, 1009);
        let whole = vec![piece(b"\xff", Data::Text, true)];
        let parts = vec![piece(b"\xff", Data::Text, false), piece(b"", Data::Continue, true)];
        for no_text in [whole, parts] {
            let mut socket = Socket::open(server.at, "/jobs").await;
            for piece in no_text {
                socket.send(piece).await;
            }
            assert_eq!(socket.closed().await, 1002);
        }
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_socket_is_told_of_each_message_that_is_refused() {
    within(async {
        let zmq = Factory::builder().start();
        let server = serve_intake(&Intake::push("/jobs", full(&zmq).await).limit(1_000));
        let mut socket = Socket::open(server.at, "/jobs").await;
        for _ in 0..4 {
            socket.send(Sent::text("job")).await;
        }
        for number in 0..4 {
            let told = socket.next().await.unwrap();
            assert_eq!(told["message"], number, "{told}");
            assert_eq!(told["problem"]["type"], "urn:actix-zmq:queue-full");
            assert_eq!(told["problem"]["status"], 503);
        }
        socket.send(Sent::text("x".repeat(1_001))).await;
        assert_eq!(socket.closed().await, 1009);
        server.stop().await;
        zmq.send(Shutdown::within(ms(0))).await.unwrap();
    })
    .await;
}

#[actix::test]
async fn a_socket_without_room_slows_its_client_down() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let push = PushSocket::bind(&*endpoint).hwm(1).overflow(Overflow::Wait, 0);
        let push = open(&zmq, push).await;
        let server = serve_intake(&Intake::push("/jobs", push));
        let mut socket = Socket::open(server.at, "/jobs").await;
        // More than any buffer on the way holds: it is not done before somebody pulls.
        let big = vec![7_u8; 200_000];
        let sending = async {
            for _ in 0..100 {
                socket.send(Sent::binary(big.clone())).await;
            }
        };
        let mut sending = Box::pin(sending);
        let stuck = tokio::time::timeout(ms(200), &mut sending).await;
        assert!(stuck.is_err(), "nobody has pulled, and all was taken");
        let (tell, told) = mpsc::unbounded();
        let pull = PullSocket::connect(endpoint);
        let tell = move |Pulled(body): Pulled| drop(tell.unbounded_send(body.byte_len()));
        open(&zmq, pull.on_message(tell)).await;
        let pulled = told.take(100).collect::<Vec<_>>();
        let ((), pulled) = tokio::join!(sending, pulled);
        assert_eq!(pulled, vec![200_000; 100]);
        assert_eq!(socket.close().await, 1000);
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}
