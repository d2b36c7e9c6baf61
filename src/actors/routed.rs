//! DEALER and ROUTER, as they are.

use actix::{Context as ActorContext, Handler};

use super::handing::{FromFrames, Handing, require_receiver};
use super::outgoing::{Outbound, Outgoing, plain};
use super::parked::Accepting;
use super::pattern::{Pattern, Receiving, Wiring};
use super::socket::Socket;
use crate::codec::{Encode, encoded};
use crate::deliver::Receiver;
use crate::engine::port::Sends;
use crate::error::{Error, ErrorKind, Result};
use crate::framing::routed;
use crate::kinds::{Dealer, Exchanges, Router, Routes};
use crate::messages::{Received, ReceivedFrom, SendMessage, SendTo};
use crate::multipart::{Frame, Multipart};
use crate::sys;

impl FromFrames for Received {
    fn from_frames(frames: Multipart) -> Self {
        Self(frames)
    }
}

impl Pattern for Dealer {
    type Setup = Option<Receiver<Received>>;
    type Inbound = Handing<Received>;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Dealer,
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

impl Receiving for Dealer {
    fn set_receiver(setup: &mut Self::Setup, receiver: Receiver<Received>) {
        *setup = Some(receiver);
    }
}

impl<K, B> Outgoing<K> for SendMessage<B>
where
    K: Exchanges + Pattern,
    B: Encode + 'static,
{
    fn framed(self, _inbound: &K::Inbound) -> Result<Outbound> {
        plain(self.0, |body| {
            // libzmq looks at each frame.
            let is_taken = |frame: &Frame| matches!(frame.first(), Some(0 | 1));
            let wrong = K::UPSTREAM && body.iter().any(is_taken);
            wrong.then_some("a frame that begins with 0 or 1 is a subscription here")
        })
    }
}

impl<K, B> Handler<SendMessage<B>> for Socket<K>
where
    K: Exchanges + Pattern,
    B: Encode + 'static,
{
    type Result = Accepting;

    fn handle(&mut self, message: SendMessage<B>, ctx: &mut ActorContext<Self>) -> Accepting {
        self.breathe(ctx);
        self.send(message)
    }
}

impl FromFrames for ReceivedFrom {
    fn from_frames(frames: Multipart) -> Self {
        let (peer, body) = routed::parse(frames);
        Self { peer, body }
    }
}

/// The part of a socket whose messages begin with a routing id.
pub(crate) fn routing(receiver: Option<Receiver<ReceivedFrom>>) -> Handing<ReceivedFrom> {
    Handing::new(receiver).routed(routed::parse)
}

impl Pattern for Router {
    type Setup = Option<Receiver<ReceivedFrom>>;
    type Inbound = Handing<ReceivedFrom>;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Router,
        sends: Sends::PerPeer,
        receives: true,
        mandatory: true,
    };

    fn inbound(receiver: Self::Setup) -> Self::Inbound {
        routing(receiver)
    }

    fn check(receiver: &Self::Setup) -> Result<()> {
        require_receiver(receiver.is_some())
    }
}

impl Receiving for Router {
    fn set_receiver(setup: &mut Self::Setup, receiver: Receiver<ReceivedFrom>) {
        *setup = Some(receiver);
    }
}

impl<K, B> Outgoing<K> for SendTo<B>
where
    K: Routes + Pattern,
    B: Encode + 'static,
{
    fn framed(self, _inbound: &K::Inbound) -> Result<Outbound> {
        let Self { peer, body } = self;
        let body = encoded(body)?;
        let why = if body.is_empty() || peer.is_empty() {
            "a message has a peer and frames"
        } else if K::FRAMES.is_some_and(|frames| frames != body.len()) {
            "the body must be one frame"
        } else {
            return Ok(Outbound { frames: routed::compose(peer, body), topic: 0 });
        };
        Err(Error::new(ErrorKind::InvalidMessage).detail(why).with_message(body))
    }
}

impl<K, B> Handler<SendTo<B>> for Socket<K>
where
    K: Routes + Pattern,
    B: Encode + 'static,
{
    type Result = Accepting;

    fn handle(&mut self, message: SendTo<B>, ctx: &mut ActorContext<Self>) -> Accepting {
        self.breathe(ctx);
        self.send(message)
    }
}
