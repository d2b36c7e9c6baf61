//! A timeout belongs to those who ask.

use std::time::Duration;

use actix_zmq::ReplySocket;

fn main() {
    let _ = ReplySocket::bind("inproc://x").timeout(Duration::from_secs(1));
}
