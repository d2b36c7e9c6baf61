//! A SUB socket only receives.

use actix::Addr;
use actix_zmq::{Push, SubSocket};

fn main() {
    let _ = |sub: Addr<SubSocket>| sub.do_send(Push("body"));
}
