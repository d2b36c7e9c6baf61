//! A PULL socket only receives.

use actix::Addr;
use actix_zmq::{Publish, PullSocket};

fn main() {
    let _ = |pull: Addr<PullSocket>| pull.do_send(Publish::new("topic", "body"));
}
