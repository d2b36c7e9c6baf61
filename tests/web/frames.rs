//! Frames over plain TCP that no WebSocket library would send.

use actix_zmq::prelude::*;
use actix_zmq::web::Intake;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deadline::within;
use crate::finish;
use crate::http::Server;
use crate::intake::{jobs, serve_intake};
use crate::stage::Stage;

/// The code of the close that answers these bytes, without any more of them.
async fn closed(server: &Server, path: &str, chunks: &[&[u8]]) -> u16 {
    let mut connection = TcpStream::connect(server.at).await.unwrap();
    connection.set_nodelay(true).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
         Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    for chunk in chunks {
        connection.write_all(chunk).await.unwrap();
    }
    loop {
        let opcode = connection.read_u8().await.unwrap() & 0xf;
        let length = connection.read_u8().await.unwrap();
        let mut payload = vec![0; length.into()];
        connection.read_exact(&mut payload).await.unwrap();
        if opcode == 8 {
            return u16::from_be_bytes(payload[..2].try_into().unwrap());
        }
    }
}

/// A binary frame of 1 TiB begins.
const HUGE: &[u8] = b"\x82\xff\0\0\x01\0\0\0\0\0\0\0\0\0some";
/// A text "job", masked with zeros.
const JOB: &[u8] = b"\x81\x83\0\0\0\0job";
/// The first piece of a text, and then a second of 1 TiB.
const PIECE: &[u8] = b"\x01\x83\0\0\0\0job";
const HUGE_PIECE: &[u8] = b"\x80\xff\0\0\x01\0\0\0\0\0\0\0\0\0some";
/// A ping of more than 125 bytes.
const LONG_PING: &[u8] = b"\x89\xfe\x01\0\0\0\0\0some";

#[actix::test]
async fn an_intake_does_not_wait_for_a_frame_that_is_too_long() {
    within(async {
        let zmq = Factory::builder().start();
        let (push, mut pulled) = jobs(&zmq).await;
        let server = serve_intake(&Intake::push("/jobs", push).limit(1_000));
        for (chunks, code) in [
            (&[HUGE][..], 1009),
            (&[&HUGE[..5], &HUGE[5..]], 1009),
            (&[b"\x82\xfe\x03\xe9"], 1009),
            (&[PIECE, HUGE_PIECE], 1009),
            (&[LONG_PING], 1002),
        ] {
            assert_eq!(closed(&server, "/jobs", chunks).await, code, "{chunks:?}");
        }
        // What came before in the same segment is sent.
        assert_eq!(closed(&server, "/jobs", &[&[JOB, HUGE].concat()]).await, 1009);
        assert_eq!(pulled.next().await.unwrap(), Multipart::from("job"));
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_broadcast_does_not_wait_for_a_frame_that_is_too_long() {
    within(async {
        let stage = Stage::new(|feed| feed.allow("a")).await;
        for (chunk, code) in
            [(HUGE, 1009), (b"\x81\xfe\0\x7e", 1009), (JOB, 1008), (LONG_PING, 1002)]
        {
            assert_eq!(closed(&stage.server, "/feed", &[chunk]).await, code, "{chunk:?}");
        }
        stage.clients(0).await;
        stage.finish().await;
    })
    .await;
}
