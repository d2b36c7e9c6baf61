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
        retried(|| Self::events(self))
    }

    // In the pump's loop, wherever that is: by itself it costs 40 instructions more.
    #[inline(always)]
    fn receive(&mut self, place: &mut Multipart) -> Result<Option<usize>, Errno> {
        if self.several {
            return receive_several(self, place);
        }
        let Some(frame) = place.first_mut().and_then(Frame::message_mut) else {
            return Err(Errno::INVAL);
        };
        match self.receive_into(frame) {
            Ok(size) if !frame.more() => Ok(Some(size)),
            outcome => receive_more(self, place, outcome),
        }
    }

    fn admit(&mut self, admitted: &Admitted) -> Result<(), Errno> {
        let option = if admitted.on { OptionId::SUBSCRIBE } else { OptionId::UNSUBSCRIBE };
        self.set_bytes(option, &admitted.topic)
    }

    fn send(&mut self, message: &mut Multipart) -> Result<Sent, Errno> {
        let Some((last, before)) = message.split_last_mut() else { return Ok(Sent::Accepted) };
        if before.is_empty() {
            return send_last(self, last).map_or_else(|error| refusal(error, false), accepted);
        }
        // Whatever may fail is done before the first one leaves. Few messages
        // have more than one frame that has to be copied for that.
        let mut ahead = None;
        for (index, frame) in before.iter_mut().enumerate() {
            match frame.copy_ahead()? {
                None => {}
                Some(copy) if ahead.is_none() => ahead = Some((index, copy)),
                Some(copy) => *frame = copy.into(),
            }
        }
        last.prepare()?;
        for index in 0..before.len() {
            let Some(frame) = before.get_mut(index) else { break };
            let copy = ahead.take_if(|(of, _)| *of == index).map(|(_, copy)| copy);
            // A copy leaves and the original stays: the pipe may die between
            // two frames, and then the whole message is still ours.
            if let Err(error) = send_copy(self, frame, copy) {
                if index > 0 {
                    // libzmq has rolled back the first frames and now drops
                    // frames until one without SNDMORE ends the message.
                    let _ = retried(|| self.send_bytes(&[], false));
                }
                return refusal(error, index > 0);
            }
        }
        // With the last frame libzmq has all of them, or it is still ours.
        send_last(self, last).map_or_else(|error| refusal(error, true), accepted)
    }
}

const fn accepted((): ()) -> Result<Sent, Errno> {
    Ok(Sent::Accepted)
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
fn send_copy(socket: &mut Socket, frame: &mut Frame, copy: Option<Message>) -> Result<(), Errno> {
    let mut copy = match (copy, frame.short()) {
        (Some(copy), _) => copy,
        (None, Some(bytes)) => return retried(|| socket.send_bytes(bytes, true)),
        (None, None) => frame.as_message()?.duplicate()?,
    };
    retried(|| socket.send_frame(&mut copy, true))?;
    // What libzmq has taken it leaves empty, with nothing to be closed.
    std::mem::forget(copy);
    Ok(())
}

/// Sends the last frame, which is untouched on an error.
#[inline]
fn send_last(socket: &mut Socket, frame: &mut Frame) -> Result<(), Errno> {
    if let Some(bytes) = frame.short() {
        return retried(|| socket.send_bytes(bytes, false));
    }
    let frame = frame.as_message()?;
    retried(|| socket.send_frame(frame, false))
}

/// A frame of several, its size, and whether others follow.
#[inline]
fn receive_spare(socket: &mut Socket) -> Result<Option<(Frame, usize, bool)>, Errno> {
    let size = match retried(|| socket.receive_spare()) {
        Ok(size) => size,
        Err(Errno::AGAIN | Errno::FSM) => return Ok(None),
        Err(error) => return Err(error),
    };
    let more = socket.spare_more();
    let copy = if socket.is_anonymous() { Frame::small(socket.spare_bytes()) } else { None };
    let frame = copy.unwrap_or_else(|| socket.take_spare().into());
    Ok(Some((frame, size, more)))
}

/// What there is to do after the first call that was to receive a message. Apart,
/// so that what receives a single frame is short enough for the pump's loop.
#[inline(never)]
fn receive_more(
    socket: &mut Socket,
    place: &mut Multipart,
    first: Result<usize, Errno>,
) -> Result<Option<usize>, Errno> {
    match first {
        Ok(size) => {
            socket.several = true;
            receive_others(socket, place, size)
        }
        Err(Errno::INTR) => socket.receive(place),
        // A REQ that has not asked has nothing to receive.
        Err(Errno::AGAIN | Errno::FSM) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A message that is likely to have several frames.
#[inline(never)]
fn receive_several(socket: &mut Socket, place: &mut Multipart) -> Result<Option<usize>, Errno> {
    let Some((frame, size, more)) = receive_spare(socket)? else { return Ok(None) };
    *place = frame.into();
    socket.several = more;
    if more { receive_others(socket, place, size) } else { Ok(Some(size)) }
}

/// The rest of a message: once its first frame is readable, all are.
#[inline(never)]
fn receive_others(
    socket: &mut Socket,
    message: &mut Multipart,
    mut bytes: usize,
) -> Result<Option<usize>, Errno> {
    // A call in its envelope finds room without a second allocation.
    let mut frames = Vec::with_capacity(5);
    frames.push(std::mem::take(message).into_first());
    loop {
        let Some((frame, size, more)) = receive_spare(socket)? else { return Ok(None) };
        frames.push(frame);
        bytes += size;
        if !more {
            *message = frames.into();
            return Ok(Some(bytes));
        }
    }
}

#[inline]
fn retried<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
