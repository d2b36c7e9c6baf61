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
        let Some(frame) = place.last_message() else { return Err(Errno::INVAL) };
        let Some(size) = receive_into(self, frame)? else { return Ok(None) };
        if frame.more() { receive_others(self, place, size) } else { Ok(Some(size)) }
    }

    fn admit(&mut self, admitted: &Admitted) -> Result<(), Errno> {
        let option = if admitted.on { OptionId::SUBSCRIBE } else { OptionId::UNSUBSCRIBE };
        self.set_bytes(option, &admitted.topic)
    }

    fn send(&mut self, message: &mut Multipart) -> Result<Sent, Errno> {
        // All frames are in libzmq's form before the first one leaves.
        for frame in message.iter_mut() {
            frame.as_message()?;
        }
        let last = message.len().saturating_sub(1);
        for index in 0..message.len() {
            let Some(frame) = message.get_mut(index) else { break };
            let frame = frame.as_message()?;
            let outcome = if last == 0 {
                send_frame(self, frame, false)
            } else {
                // A copy leaves and the original stays: the pipe may die
                // between two frames, and then the whole message is still ours.
                send_frame(self, &mut frame.duplicate()?, index < last)
            };
            match outcome {
                Ok(()) => {}
                Err(error) if index == 0 => {
                    return match error {
                        Errno::AGAIN => Ok(Sent::Refused),
                        Errno::HOSTUNREACH => Ok(Sent::Unroutable),
                        error => Err(error),
                    };
                }
                Err(error) => {
                    // libzmq has rolled back the first frames and now drops
                    // frames until one without SNDMORE ends the message.
                    for rest in index + 1..message.len() {
                        if let Some(frame) = message.get_mut(rest) {
                            let mut copy = frame.as_message()?.duplicate()?;
                            let _ = send_frame(self, &mut copy, rest < last);
                        }
                    }
                    return if error == Errno::AGAIN { Ok(Sent::Refused) } else { Err(error) };
                }
            }
        }
        Ok(Sent::Accepted)
    }
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
    loop {
        message.push(Message::blank());
        let Some(frame) = message.last_message() else { return Err(Errno::INVAL) };
        let Some(size) = receive_into(socket, frame)? else { return Ok(None) };
        bytes += size;
        if !frame.more() {
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
