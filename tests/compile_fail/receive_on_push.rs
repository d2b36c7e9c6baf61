//! A PUSH socket receives nothing, so it takes no receiver.

use actix_zmq::{Pulled, PushSocket};

fn main() {
    let _ = PushSocket::bind("inproc://x").on_message(|_: Pulled| {});
}
