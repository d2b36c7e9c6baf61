//! Peers without this crate: blocking libzmq on threads of their own.

use std::future::Future;
use std::thread;

use futures::channel::oneshot;

/// No call to a raw socket blocks for longer, in milliseconds.
const PATIENCE: i32 = 15_000;

/// A raw socket in a context of its own, which neither hangs in a call nor at its end.
pub(crate) fn socket(kind: zmq::SocketType) -> zmq::Socket {
    let socket = zmq::Context::new().socket(kind).unwrap();
    socket.set_rcvtimeo(PATIENCE).unwrap();
    socket.set_sndtimeo(PATIENCE).unwrap();
    socket.set_linger(1_000).unwrap();
    socket
}

/// A raw socket that listens at a free port, and where.
pub(crate) fn bound(kind: zmq::SocketType) -> (zmq::Socket, String) {
    let socket = socket(kind);
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    (socket, endpoint)
}

/// A raw socket that is connected, or trying to be.
pub(crate) fn connected(kind: zmq::SocketType, endpoint: &str) -> zmq::Socket {
    let socket = socket(kind);
    socket.connect(endpoint).unwrap();
    socket
}

/// Runs blocking code on a thread. The result can be awaited; a panic there is one here.
pub(crate) fn thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = T> {
    let (done, result) = oneshot::channel();
    thread::spawn(move || {
        // A test that failed does not wait any more.
        let _ = done.send(work());
    });
    async { result.await.expect("the raw peer panicked") }
}

/// Sends a message from frames.
pub(crate) fn send<const N: usize>(socket: &zmq::Socket, frames: [&[u8]; N]) {
    socket.send_multipart(frames, 0).unwrap();
}

/// Receives a message as frames.
pub(crate) fn receive(socket: &zmq::Socket) -> Vec<Vec<u8>> {
    socket.recv_multipart(0).unwrap()
}
