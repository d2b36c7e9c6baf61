//! A request is answered once.

use actix_zmq::{IncomingRequest, ReplySocket};

fn main() {
    let _ = ReplySocket::bind("inproc://x").on_message(|request: IncomingRequest| {
        let _ = request.responder.reply("one");
        let _ = request.responder.reply("two");
    });
}
