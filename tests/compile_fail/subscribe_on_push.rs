//! Only SUB subscribes.

use actix::Addr;
use actix_zmq::{PushSocket, Subscribe};

fn main() {
    let _ = |push: Addr<PushSocket>| push.do_send(Subscribe::new("topic"));
}
