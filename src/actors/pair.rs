//! PAIR.

use super::handing::{Handing, require_receiver};
use super::pattern::{Pattern, Receiving, Wiring};
use crate::deliver::Receiver;
use crate::engine::port::Sends;
use crate::error::Result;
use crate::kinds::Pair;
use crate::messages::Received;
use crate::sys;

impl Pattern for Pair {
    type Setup = Option<Receiver<Received>>;
    type Inbound = Handing<Received>;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Pair,
        sends: Sends::WhenWritable,
        receives: true,
        mandatory: false,
    };

    fn inbound(receiver: Self::Setup) -> Self::Inbound {
        Handing::new(receiver)
    }

    fn check(receiver: &Self::Setup) -> Result<()> {
        require_receiver(receiver.is_some())
    }
}

impl Receiving for Pair {
    fn set_receiver(setup: &mut Self::Setup, receiver: Receiver<Received>) {
        *setup = Some(receiver);
    }
}
