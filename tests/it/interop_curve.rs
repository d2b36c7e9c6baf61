//! CURVE with pyzmq, either side being the server, and either side binding.

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, ConnectionChange, CurveKeyPair, HandshakeFailure, kinds};

use crate::support::python::{Binds, Peer, interpreter};
use crate::support::{ANY_PORT, bound, events, finish, inbox, loudly, ms, open, within_time};

/// Python takes its time to start on a slow machine.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// Bytes that show every mistake in the handling of frames, and more than one record.
fn odd() -> Multipart {
    [&b""[..], b"\x00", b"\xff\xfe\t\n", &[7; 300], &[8; 100_000]].into_iter().collect()
}

/// A key for each side, unless there is no CURVE or no Python and that is fine.
async fn keys() -> Option<[CurveKeyPair; 2]> {
    if !OptionName::CurveServer.is_supported() {
        loudly("THIS LIBZMQ HAS NO CURVE: NOTHING IS EXCHANGED WITH PYZMQ UNDER IT");
        return None;
    }
    // Making the virtual environment does not count.
    tokio::task::spawn_blocking(interpreter).await.unwrap()?;
    Some([CurveKeyPair::generate().unwrap(), CurveKeyPair::generate().unwrap()])
}

/// The peer's arguments: with a server's key it is a client of that server.
fn arguments(own: &CurveKeyPair, server: Option<&CurveKeyPair>) -> Vec<String> {
    let secret = own.secret.expose_z85().unwrap();
    let server = server.map(|server| format!("--curve-server-key={}", server.public));
    [format!("--curve-secret={}", secret.expose())].into_iter().chain(server).collect()
}

/// Frames in both directions, unchanged.
async fn exchange(binds: Binds, ours: Blueprint<kinds::Pair>, arguments: &[String]) {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Received>();
        let ours = ours.name("ours").on_message(fill);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (mut peer, ours) = match binds {
            Binds::Python => {
                let mut peer = Peer::start("pyzmq", "pair", "bind", ANY_PORT, &arguments);
                let endpoint = peer.ready().await;
                (peer, open(&zmq, ours.connect(endpoint)).await)
            }
            Binds::We => {
                let ours = open(&zmq, ours.bind(ANY_PORT)).await;
                let endpoint = bound(&zmq, "ours").await;
                (Peer::start("pyzmq", "pair", "connect", &endpoint, &arguments), ours)
            }
        };
        ours.send(SendMessage(odd())).await.unwrap().unwrap();
        let theirs = peer.next("msg").await;
        assert_eq!(theirs.into_iter().collect::<Multipart>(), odd());
        peer.send(odd());
        assert_eq!(told.next().await.0, odd());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_client_of_pyzmq_is_let_in_by_our_key() {
    let Some([server, client]) = keys().await else { return };
    for binds in [Binds::Python, Binds::We] {
        let ours = PairSocket::new().curve_server(true).curve_secret_key(server.secret.clone());
        exchange(binds, ours, &arguments(&client, Some(&server))).await;
    }
}

#[actix::test]
async fn a_server_of_pyzmq_lets_us_in_by_its_key() {
    let Some([server, client]) = keys().await else { return };
    for binds in [Binds::Python, Binds::We] {
        let ours = PairSocket::new()
            .curve_public_key(client.public)
            .curve_secret_key(client.secret.clone())
            .curve_server_key(server.public);
        exchange(binds, ours, &arguments(&server, None)).await;
    }
}

#[actix::test]
async fn a_client_of_pyzmq_with_a_wrong_key_is_kept_out() {
    let Some([server, client]) = keys().await else { return };
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (watcher, mut told) = events();
        let pull = PullSocket::bind(ANY_PORT).curve_server(true).curve_secret_key(server.secret);
        let pull = pull.name("ours").watch(watcher).on_message(|_: Pulled| {});
        let pull = open(&zmq, pull).await;
        // It takes its own key for ours.
        let wrong = arguments(&client, Some(&client));
        let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
        let at = bound(&zmq, "ours").await;
        let _peer = Peer::start("pyzmq", "push", "connect", &at, &wrong);
        let reason = told.event(|kind| match kind {
            EventKind::Connection(event) => match event.change {
                ConnectionChange::HandshakeFailed { reason } => Some(reason),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(reason.await, HandshakeFailure::Cryptographic);
        let waited = pull.send(WaitConnected::within(ms(1))).await.unwrap();
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::TimedOut);
        finish(zmq).await;
    })
    .await;
}
