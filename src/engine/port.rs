//! What the pump needs of a socket, and how a libzmq socket gives it.

use crate::multipart::{Frame, Multipart};
use crate::sys::option::OptionId;
use crate::sys::{Errno, Events, Message, Socket};

/// How a socket type takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    /// It takes none.
    Never,
    /// `ZMQ_POLLOUT` tells exactly when it takes one (PUSH, DEALER, PAIR).
    WhenWritable,
    /// As `WhenWritable`, but one at a time, until there is an answer (REQ).
    InStep,
    /// It always claims to be writable; a refusal means all peers (PUB, XPUB, XSUB).
    Always,
    /// As `Always`, but a refusal concerns the peer named by the first frame (ROUTER, STREAM).
    PerPeer,
}

/// What became of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// libzmq has taken the whole message.
    Accepted,
    /// Not now: the message is as it was.
    Refused,
    /// The peer is unknown: the message is as it was.
    Unroutable,
}

/// What was decided on a subscription that a publisher is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) on: bool,
    pub(crate) topic: Frame,
}

/// The data path of one socket, without waiting.
pub(crate) trait Port {
    /// `ZMQ_EVENTS`.
    fn events(&mut self) -> Result<Events, Errno>;
    /// A whole message, in a [place](Multipart::place) for it, and its bytes;
    /// `None` when there is none.
    fn receive(&mut self, place: &mut Multipart) -> Result<Option<usize>, Errno>;
    /// A whole message or nothing of it; unless accepted, `message` is still whole.
    fn send(&mut self, message: &mut Multipart) -> Result<Sent, Errno>;
    /// Applies what was decided on the subscription that was received last.
    fn admit(&mut self, _admitted: &Admitted) -> Result<(), Errno> {
        Ok(())
    }
}

impl Port for Socket {
    fn events(&mut self) -> Result<Events, Errno> {
        loop {
            match Self::events(self) {
                Err(Errno::INTR) => {}
                other => return other,
            }
        }
    }

    #[inline]
    fn receive(&mut self, place: &mut Multipart) -> Result<Option<usize>, Errno> {
        let Some(frame) = place.first_mut().and_then(Frame::message_mut) else {
            return Err(Errno::INVAL);
        };
        let Some(size) = receive_into(self, frame)? else { return Ok(None) };
        if frame.more() { receive_others(self, place, size) } else { Ok(Some(size)) }
    }

    fn admit(&mut self, admitted: &Admitted) -> Result<(), Errno> {
        let option = if admitted.on { OptionId::SUBSCRIBE } else { OptionId::UNSUBSCRIBE };
        self.set_bytes(option, &admitted.topic)
    }

    fn send(&mut self, message: &mut Multipart) -> Result<Sent, Errno> {
        let Some((last, before)) = message.split_last_mut() else { return Ok(Sent::Accepted) };
        // Whatever may fail is done before the first one leaves.
        for frame in before.iter_mut() {
            frame.prepare()?;
        }
        let last = last.as_message()?;
        for index in 0..before.len() {
            let Some(frame) = before.get_mut(index) else { break };
            // A copy leaves and the original stays: the pipe may die between
            // two frames, and then the whole message is still ours.
            if let Err(error) = send_copy(self, frame) {
                if index > 0 {
                    // libzmq has rolled back the first frames and now drops
                    // frames until one without SNDMORE ends the message.
                    for rest in before.iter_mut().skip(index + 1) {
                        let _ = send_copy(self, rest);
                    }
                    let _ = send_frame(self, &mut last.duplicate()?, false);
                }
                return refusal(error, index > 0);
            }
        }
        // With the last frame libzmq has all of them, or it is still ours.
        match send_frame(self, last, false) {
            Ok(()) => Ok(Sent::Accepted),
            Err(error) => refusal(error, !before.is_empty()),
        }
    }
}

/// What an error says that a frame was refused with, be it not the first one.
const fn refusal(error: Errno, begun: bool) -> Result<Sent, Errno> {
    match error {
        Errno::AGAIN => Ok(Sent::Refused),
        Errno::HOSTUNREACH if !begun => Ok(Sent::Unroutable),
        error => Err(error),
    }
}

/// Sends a frame that is not the last one, and keeps it.
#[inline]
fn send_copy(socket: &mut Socket, frame: &mut Frame) -> Result<(), Errno> {
    let mut copy = frame.copied()?;
    send_frame(socket, &mut copy, true)?;
    // What libzmq has taken it leaves empty, with nothing to be closed.
    std::mem::forget(copy);
    Ok(())
}

#[inline]
fn receive_into(socket: &mut Socket, frame: &mut Message) -> Result<Option<usize>, Errno> {
    loop {
        match socket.receive_into(frame) {
            Ok(size) => return Ok(Some(size)),
            Err(Errno::INTR) => {}
            // A REQ that has not asked has nothing to receive.
            Err(Errno::AGAIN | Errno::FSM) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// The rest of a message: once its first frame is readable, all are.
fn receive_others(
    socket: &mut Socket,
    message: &mut Multipart,
    mut bytes: usize,
) -> Result<Option<usize>, Errno> {
    // An envelope and a body find room without a second allocation.
    let mut frames = Vec::with_capacity(4);
    frames.push(std::mem::take(message).into_first());
    loop {
        frames.push(Frame::place());
        let Some(frame) = frames.last_mut().and_then(Frame::message_mut) else {
            return Err(Errno::INVAL);
        };
        let Some(size) = receive_into(socket, frame)? else { return Ok(None) };
        bytes += size;
        if !frame.more() {
            *message = frames.into();
            return Ok(Some(bytes));
        }
    }
}

fn send_frame(socket: &mut Socket, frame: &mut Message, more: bool) -> Result<(), Errno> {
    loop {
        match socket.send_frame(frame, more) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
