//! PUSH and PULL.

use std::task::{Context, Poll};

use actix::{Context as ActorContext, Handler};

use super::parked::Accepting;
use super::pattern::{Inbound, Pattern, Receiving, Surroundings, Wiring};
use super::socket::Socket;
use crate::codec::{Encode, encoded};
use crate::deliver::Receiver;
use crate::engine::port::Sends as SendsHow;
use crate::error::{Error, ErrorKind, Result};
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
    fn accept(&mut self, _message: Multipart, _around: &mut Surroundings) -> bool {
        true
    }
}

impl<K, B> Handler<messages::Push<B>> for Socket<K>
where
    K: Sends + Pattern,
    B: Encode + 'static,
{
    type Result = Accepting;

    fn handle(
        &mut self,
        messages::Push(body): messages::Push<B>,
        ctx: &mut ActorContext<Self>,
    ) -> Accepting {
        self.breathe(ctx);
        match encoded(body) {
            Ok(frames) if frames.is_empty() => {
                let error = Error::new(ErrorKind::InvalidMessage).detail("a message has frames");
                self.refuse(error.with_message(frames))
            }
            Ok(frames) => self.enqueue(frames, 0),
            Err(error) => self.refuse(error),
        }
    }
}

impl Pattern for Pull {
    type Setup = Option<Receiver<Pulled>>;
    type Inbound = Pulling;
    const WIRING: Wiring = Wiring {
        raw: sys::SocketType::Pull,
        sends: SendsHow::Never,
        receives: true,
        mandatory: false,
    };

    fn inbound(receiver: Self::Setup) -> Pulling {
        Pulling { receiver, gone: false }
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

/// A receiving socket without a receiver would fill up and never say why.
pub(crate) fn require_receiver(there: bool) -> Result<()> {
    if there {
        return Ok(());
    }
    let error = Error::new(ErrorKind::InvalidOption);
    Err(error.detail("a receiving socket needs a receiver: `deliver_to` or `on_message`"))
}

/// Hands everything to one receiver.
#[derive(Debug)]
pub struct Pulling {
    receiver: Option<Receiver<Pulled>>,
    gone: bool,
}

impl Inbound for Pulling {
    fn poll_ready(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> Poll<()> {
        let Some(receiver) = &mut self.receiver else { return Poll::Pending };
        match receiver.poll_ready(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(gone)) => {
                around.gone(&mut self.gone, gone);
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn accept(&mut self, message: Multipart, around: &mut Surroundings) -> bool {
        let Some(receiver) = &mut self.receiver else { return true };
        around.delivered(receiver.deliver(Pulled(message)))
    }

    fn flush(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.flush();
        }
    }
}
