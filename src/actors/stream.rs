//! STREAM.

use super::handing::{Handing, require_receiver};
use super::pattern::{Pattern, Receiving, Wiring};
use super::routed::routing;
use crate::deliver::Receiver;
use crate::engine::port::Sends;
use crate::error::Result;
use crate::kinds::Stream;
use crate::messages::ReceivedFrom;
use crate::sys;

impl Pattern for Stream {
    type Setup = Option<Receiver<ReceivedFrom>>;
    type Inbound = Handing<ReceivedFrom>;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Stream,
        sends: Sends::PerPeer,
        receives: true,
        // It is so anyway, and libzmq does not know the option here.
        mandatory: false,
    };

    fn inbound(receiver: Self::Setup) -> Self::Inbound {
        routing(receiver)
    }

    fn check(receiver: &Self::Setup) -> Result<()> {
        require_receiver(receiver.is_some())
    }
}

impl Receiving for Stream {
    fn set_receiver(setup: &mut Self::Setup, receiver: Receiver<ReceivedFrom>) {
        *setup = Some(receiver);
    }
}
