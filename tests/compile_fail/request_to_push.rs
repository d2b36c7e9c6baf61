//! A PUSH socket has no way for a reply.

use actix::Addr;
use actix_zmq::{PushSocket, Request};

fn main() {
    let _ = |push: Addr<PushSocket>| push.do_send(Request::new("body"));
}
