//! The part of a socket that hands all it receives to one receiver.

use std::task::{Context, Poll};

use super::pattern::{Inbound, Surroundings};
use crate::deliver::Receiver;
use crate::error::{Error, ErrorKind, Result};
use crate::multipart::{Frame, Multipart};

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
pub struct Handing<D> {
    receiver: Option<Receiver<D>>,
    read: fn(Multipart) -> D,
    /// Takes the routing id off a message that is given back; nothing where there is none.
    unroute: Option<fn(Multipart) -> (Frame, Multipart)>,
    gone: bool,
}

impl<D> Handing<D> {
    /// With the way to read a delivery from frames.
    pub(crate) const fn new(receiver: Option<Receiver<D>>, read: fn(Multipart) -> D) -> Self {
        Self { receiver, read, unroute: None, gone: false }
    }

    /// For a socket whose messages begin with a routing id.
    pub(crate) const fn routed(mut self, unroute: fn(Multipart) -> (Frame, Multipart)) -> Self {
        self.unroute = Some(unroute);
        self
    }
}

impl<D: Send + 'static> Handing<D> {
    /// Hands over a delivery that was read already. `false` when the receiver broke.
    pub(crate) fn hand(&mut self, delivery: D, around: &mut Surroundings) -> bool {
        let Some(receiver) = &mut self.receiver else { return true };
        around.delivered(receiver.deliver(delivery))
    }
}

impl<D: Send + 'static> Inbound for Handing<D> {
    fn poll_ready(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> Poll<()> {
        let Some(receiver) = &mut self.receiver else { return Poll::Pending };
        around.poll_receiver(receiver, &mut self.gone, cx)
    }

    fn accept(&mut self, message: Multipart, around: &mut Surroundings) -> bool {
        self.hand((self.read)(message), around)
    }

    fn flush(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.flush();
        }
    }

    fn unframed(&self, _topic: usize, frames: Multipart) -> Multipart {
        match self.unroute {
            Some(unroute) => unroute(frames).1,
            None => frames,
        }
    }
}
