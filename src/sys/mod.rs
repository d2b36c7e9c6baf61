//! The only room that knows libzmq, and the only one with `unsafe`.
//!
//! Four small wrappers over `zmq-sys`: an error number that no value can make
//! panic ([`errno`]), a frame that libzmq owns ([`message`]), the context with
//! an ending that never runs on the dropping thread ([`context`]), and the
//! socket ([`socket`]). Nothing here waits: every call is either immediate or
//! made with `ZMQ_DONTWAIT`. Decisions (when to read, what an error means to a
//! user) belong to `engine` and `actors`.

#![expect(unsafe_code, reason = "the one room that calls libzmq")]

mod capability;
pub(crate) mod context;
mod curve;
pub(crate) mod descriptors;
pub(crate) mod errno;
mod ipc;
pub(crate) mod message;
mod monitor;
pub(crate) mod option;
mod proxy;
pub(crate) mod socket;
#[cfg(test)]
mod tests;

pub(crate) use capability::Need;
pub(crate) use context::{Context, ContextSettings, CtxOption, Farewell};
pub(crate) use curve::{curve_keypair, z85_decode, z85_encode};
pub(crate) use errno::Errno;
pub(crate) use message::Message;
pub(crate) use monitor::{Breach, Sign, peer_address};
pub(crate) use proxy::proxy;
pub(crate) use socket::{Events, Socket, SocketType};

/// The version of the libzmq that is linked: major, minor, patch.
pub(crate) fn version() -> (i32, i32, i32) {
    zmq::version()
}
