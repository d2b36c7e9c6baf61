//! A PULL socket sends nothing, so it has no outbound queue.

use actix_zmq::{PullSocket, QueueLimits};

fn main() {
    let _ = PullSocket::bind("inproc://x").queue(QueueLimits::default());
}
