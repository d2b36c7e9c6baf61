//! An option that libzmq does not have for a type has no setter.

use actix_zmq::PushSocket;

fn main() {
    let _ = PushSocket::bind("inproc://x").handover(true);
}
