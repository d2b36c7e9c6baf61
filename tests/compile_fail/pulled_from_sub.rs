//! What a SUB socket delivers has a topic.

use actix_zmq::{Pulled, SubSocket};

fn main() {
    let _ = SubSocket::connect("inproc://x").on_message(|_: Pulled| {});
}
