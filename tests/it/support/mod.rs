//! Deadlines, inboxes, gates, names, raw peers, and a way to talk for every type.

mod actors;
mod deadline;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod raw;
pub(crate) mod traffic;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_zmq::{
    Counter, EndpointStatus, Factory, Pattern, Shutdown, ShutdownReport, Socket, SocketStatus,
    Status,
};

pub(crate) use actors::{Inbox, collector, events, gated, inbox};
pub(crate) use deadline::{eventually, eventually_some, within, within_time};

/// TCP on this machine, at a port that the system chooses.
pub(crate) const ANY_PORT: &str = "tcp://127.0.0.1:*";

/// Opens a socket that must open.
pub(crate) async fn open<K: Pattern>(
    zmq: &Addr<Factory>,
    blueprint: actix_zmq::Blueprint<K>,
) -> Addr<Socket<K>> {
    zmq.send(actix_zmq::Open(blueprint)).await.expect("the factory runs").expect("it opens")
}

/// The shutdown that must succeed: everything confirmed, the context terminated.
pub(crate) async fn finish(zmq: Addr<Factory>) -> ShutdownReport {
    let report = zmq.send(Shutdown::within(Duration::from_secs(10))).await.expect("a factory");
    assert!(report.terminated, "not terminated:\n{report}");
    assert!(report.sockets.iter().all(|socket| socket.confirmed), "not confirmed:\n{report}");
    report
}

/// The status of the socket with this name.
pub(crate) async fn status(zmq: &Addr<Factory>, name: &str) -> SocketStatus {
    let all = zmq.send(Status).await.expect("a factory");
    let found = all.into_iter().find(|socket| socket.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no open socket has the name {name:?}"))
}

/// A counter of the socket with this name.
pub(crate) async fn count(zmq: &Addr<Factory>, name: &str, counter: Counter) -> u64 {
    status(zmq, name).await.count(counter)
}

/// The first endpoint that any socket of the factory listens at, as resolved.
pub(crate) async fn resolved(zmq: &Addr<Factory>) -> String {
    let all = zmq.send(Status).await.expect("a factory");
    let mut bound = all.iter().flat_map(bound_endpoints);
    bound.next().expect("a bound socket")
}

/// The first endpoint that the socket with this name listens at, as resolved.
pub(crate) async fn bound(zmq: &Addr<Factory>, name: &str) -> String {
    let status = status(zmq, name).await;
    bound_endpoints(&status).into_iter().next().expect("a bound endpoint")
}

/// All endpoints that a socket listens at, as resolved.
pub(crate) fn bound_endpoints(status: &SocketStatus) -> Vec<String> {
    let bound = status.endpoints.iter().filter_map(|endpoint| match endpoint {
        EndpointStatus::Bound(endpoint) => Some(endpoint.to_string()),
        _ => None,
    });
    bound.collect()
}

/// An inproc name that nobody else has.
pub(crate) fn inproc() -> String {
    format!("inproc://it-{}", unique())
}

/// A path for ipc that nobody else has.
pub(crate) fn ipc() -> String {
    let path = std::env::temp_dir().join(format!("azmq-{}-{}", std::process::id(), unique()));
    format!("ipc://{}", path.display())
}

fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Says something past libtest's capture, for what nobody shall miss.
pub(crate) fn loudly(text: &str) {
    // Where nobody listens there is nobody to miss it.
    let _ = writeln!(std::io::stderr(), "\n*** {text} ***");
}

/// Milliseconds, for timeouts.
pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
