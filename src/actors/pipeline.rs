//! PUSH and PULL.

use actix::{Context as ActorContext, Handler};

use super::handing::{FromFrames, Handing, require_receiver};
use super::outgoing::{Outbound, Outgoing, plain};
use super::parked::Accepting;
use super::pattern::{Inbound, Pattern, Receiving, Surroundings, Wiring};
use super::socket::Socket;
use crate::codec::Encode;
use crate::deliver::Receiver;
use crate::engine::port::Sends as SendsHow;
use crate::error::Result;
use crate::kinds::{Pull, Push, Sends};
use crate::messages::{self, Pulled};
use crate::multipart::Multipart;
use crate::sys;

impl Pattern for Push {
    type Setup = ();
    type Inbound = Nothing;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Push,
        sends: SendsHow::WhenWritable,
        receives: false,
        mandatory: false,
    };

    fn inbound((): ()) -> Nothing {
        Nothing
    }
}

/// The part of a socket that receives nothing.
#[derive(Debug)]
pub struct Nothing;

impl Inbound for Nothing {
    fn accept(&mut self, _message: Multipart, _around: &mut Surroundings) {}
}

impl<K, B> Outgoing<K> for messages::Push<B>
where
    K: Sends + Pattern,
    B: Encode + 'static,
{
    fn framed(self, _inbound: &K::Inbound) -> Result<Outbound> {
        plain(self.0, |_| None)
    }
}

impl<K, B> Handler<messages::Push<B>> for Socket<K>
where
    K: Sends + Pattern,
    B: Encode + 'static,
{
    type Result = Accepting;

    fn handle(&mut self, message: messages::Push<B>, ctx: &mut ActorContext<Self>) -> Accepting {
        self.breathe(ctx);
        self.send(message)
    }
}

impl FromFrames for Pulled {
    fn from_frames(frames: Multipart) -> Self {
        Self(frames)
    }
}

impl Pattern for Pull {
    type Setup = Option<Receiver<Pulled>>;
    type Inbound = Handing<Pulled>;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Pull,
        sends: SendsHow::Never,
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

impl Receiving for Pull {
    fn set_receiver(setup: &mut Self::Setup, receiver: Receiver<Pulled>) {
        *setup = Some(receiver);
    }
}
