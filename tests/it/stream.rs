//! STREAM: plain TCP on the other end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use actix_zmq::prelude::*;

use crate::support::{ANY_PORT, Inbox, bound, finish, inbox, open, raw, within};

/// All that a peer sends until so many bytes are there.
async fn bytes(told: &mut Inbox<ReceivedFrom>, peer: &Frame, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let received = told.next().await;
        assert_eq!(&received.peer, peer);
        all.extend_from_slice(&received.body[0]);
    }
    all
}

#[actix::test]
async fn a_plain_tcp_client_is_served_and_cut_off() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<ReceivedFrom>();
        let stream = open(&zmq, StreamSocket::bind(ANY_PORT).name("stream").on_message(fill)).await;
        let endpoint = bound(&zmq, "stream").await;
        let address = endpoint.strip_prefix("tcp://").unwrap().to_owned();
        let client = raw::thread(move || {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            // Until the server cuts it off.
            client.read_to_end(&mut answer).unwrap();
            answer
        });
        let hello = told.next().await;
        assert_eq!(hello.body, Frame::empty().into(), "it has connected");
        let peer = hello.peer;
        assert_eq!(bytes(&mut told, &peer, 18).await, b"GET / HTTP/1.0\r\n\r\n");
        let page = "HTTP/1.0 200 OK\r\n\r\nhello";
        stream.send(SendTo::new(peer.clone(), page)).await.unwrap().unwrap();
        stream.send(SendTo::new(peer.clone(), Frame::empty())).await.unwrap().unwrap();
        assert_eq!(client.await, page.as_bytes());
        let error = stream.send(SendTo::new(peer.clone(), "gone")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unroutable);
        assert_eq!(error.peer(), Some(&peer[..]));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_plain_tcp_server_is_asked_and_its_end_is_told() {
    within(async {
        let zmq = Factory::builder().start();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", server.local_addr().unwrap());
        let served = raw::thread(move || {
            let (mut peer, _) = server.accept().unwrap();
            let mut question = [0; 8];
            peer.read_exact(&mut question).unwrap();
            peer.write_all(b"answer").unwrap();
            question
        });
        let (fill, mut told) = inbox::<ReceivedFrom>();
        let stream = open(&zmq, StreamSocket::connect(endpoint).on_message(fill)).await;
        let peer = told.next().await.peer;
        stream.send(SendTo::new(peer.clone(), "question")).await.unwrap().unwrap();
        assert_eq!(bytes(&mut told, &peer, 6).await, b"answer");
        assert_eq!(&served.await, b"question");
        let end = told.next().await;
        assert_eq!((end.peer, end.body), (peer, Frame::empty().into()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_body_of_several_frames_is_refused() {
    within(async {
        let zmq = Factory::builder().start();
        let stream = StreamSocket::bind(ANY_PORT).on_message(|_: ReceivedFrom| {});
        let stream = open(&zmq, stream).await;
        let error = stream.send(SendTo::new("peer", ["one", "two"])).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert_eq!(error.into_message(), Some(["one", "two"].into()));
        finish(zmq).await;
    })
    .await;
}
