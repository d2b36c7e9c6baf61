//! A DEALER does not choose its peer.

use actix::Addr;
use actix_zmq::{DealerSocket, SendTo};

fn main() {
    let _ = |dealer: Addr<DealerSocket>| dealer.do_send(SendTo::new("peer", "body"));
}
