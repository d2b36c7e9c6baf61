//! Over real HTTP: what a handler's failed call becomes, what becomes of the
//! call when the HTTP client goes, how the sockets' health is told, what
//! browsers get of a subscription and may send, and how all of it ends.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::indexing_slicing, reason = "a test that fails panics")]

mod browser;
mod crowd;
#[path = "../it/support/deadline.rs"]
mod deadline;
mod disconnect;
mod ending;
mod errors;
mod events;
mod frames;
mod health;
mod http;
mod intake;
mod page;
#[path = "../it/support/process.rs"]
#[allow(dead_code, reason = "the other tests use all of it")]
mod process;
mod service;
mod stage;
mod websocket;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_zmq::{Blueprint, Factory, Open, Pattern, Shutdown, Socket, SocketStatus, Status};

/// Opens a socket that must open.
async fn open<K: Pattern>(zmq: &Addr<Factory>, blueprint: Blueprint<K>) -> Addr<Socket<K>> {
    zmq.send(Open(blueprint)).await.expect("the factory runs").expect("it opens")
}

/// The shutdown that must succeed.
async fn finish(zmq: Addr<Factory>) {
    let report = zmq.send(Shutdown::within(Duration::from_secs(10))).await.expect("a factory");
    assert!(report.terminated, "not terminated:\n{report}");
}

/// The status of the socket with this name.
async fn status(zmq: &Addr<Factory>, name: &str) -> SocketStatus {
    let all = zmq.send(Status).await.expect("a factory");
    let found = all.into_iter().find(|socket| socket.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no open socket has the name {name:?}"))
}

/// An inproc name that nobody else has.
fn inproc() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("inproc://web-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Milliseconds, for timeouts.
const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
