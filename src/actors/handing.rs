//! The part of a socket that hands all it receives to one receiver.

use std::task::Context;

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

/// A delivery that is read from frames alone.
pub trait FromFrames: Send + 'static {
    /// Reads it; that cannot fail.
    fn from_frames(frames: Multipart) -> Self;
}

/// Hands everything to one receiver.
#[derive(Debug)]
pub struct Handing<D> {
    receiver: Option<Receiver<D>>,
    /// Takes the routing id off a message that is given back; nothing where there is none.
    unroute: Option<fn(Multipart) -> (Frame, Multipart)>,
    gone: bool,
}

impl<D> Handing<D> {
    pub(crate) const fn new(receiver: Option<Receiver<D>>) -> Self {
        Self { receiver, unroute: None, gone: false }
    }

    /// For a socket whose messages begin with a routing id.
    pub(crate) const fn routed(mut self, unroute: fn(Multipart) -> (Frame, Multipart)) -> Self {
        self.unroute = Some(unroute);
        self
    }
}

impl<D: FromFrames> Handing<D> {
    /// Hands over a delivery that was read already.
    pub(crate) fn hand(&mut self, delivery: D, around: &mut Surroundings) {
        if let Some(receiver) = &mut self.receiver {
            around.delivered(receiver.deliver(delivery));
        }
    }
}

impl<D: FromFrames> Inbound for Handing<D> {
    fn room(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> usize {
        let Some(receiver) = &mut self.receiver else { return 0 };
        around.room(receiver, &mut self.gone, cx)
    }

    fn accept(&mut self, message: Multipart, around: &mut Surroundings) {
        self.hand(D::from_frames(message), around);
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
