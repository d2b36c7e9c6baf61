//! Two sockets, between which the calling thread moves messages.
//!
//! It is steered as `zmq_proxy_steerable(3)` is, and stands in its place: that
//! call sends on what it knew of a socket some turns ago, so that in a libzmq
//! with the draft API it waits for peers that are gone, deaf to its control; in
//! one without, it polls at full speed while one side has no room.

use std::ffi::{c_int, c_short};
use std::ptr;

use zmq_sys::zmq_pollitem_t;

use super::{Errno, Message, Socket};

/// `ZMQ_POLLIN` and `ZMQ_POLLOUT`, in the type of an item's events.
const IN: c_short = 1;
const OUT: c_short = 2;

/// How many messages move in one direction before the other has its turn, and
/// what is told is heard: enough for the polls between to cost next to nothing.
const BURST: usize = 1_000;

/// One of the two sockets.
struct Side {
    socket: Socket,
    /// The first frame of a message from here for which the other side has no
    /// room. The others are still in the socket.
    held: Option<Message>,
    counted: Counted,
}

#[derive(Default)]
struct Counted {
    received: u64,
    received_bytes: u64,
    sent: u64,
    sent_bytes: u64,
}

/// Moves messages between two sockets, with a copy to `capture`, until
/// `TERMINATE` comes on `control`; `PAUSE` and `RESUME` do as they say, and
/// `STATISTICS` is answered by eight numbers: messages and bytes received and
/// sent, of the frontend and then of the backend. Blocks; the two sockets are
/// closed when it ends, and `control` still has its last answer.
///
/// # Errors
/// `ETERM` after a shutdown, and whatever else a socket fails with.
pub(crate) fn proxy(
    frontend: Socket,
    backend: Socket,
    mut capture: Option<Socket>,
    control: &mut Socket,
) -> Result<(), Errno> {
    ignore_signals();
    let side = |socket| Side { socket, held: None, counted: Counted::default() };
    let (mut frontend, mut backend) = (side(frontend), side(backend));
    let mut paused = false;
    loop {
        let ready = wait(control, &frontend, &backend, paused)?;
        if ready.control {
            let command = control.receive_frame()?;
            match command.as_slice() {
                b"PAUSE" => paused = true,
                b"RESUME" => paused = false,
                b"TERMINATE" => return Ok(()),
                _ => report(control, [&frontend.counted, &backend.counted])?,
            }
        }
        // A pause that was told just now holds.
        if ready.frontend && !paused {
            forward(&mut frontend, &mut backend, capture.as_mut())?;
        }
        if ready.backend && !paused {
            forward(&mut backend, &mut frontend, capture.as_mut())?;
        }
    }
}

/// Who has something to do.
#[derive(Default)]
struct Ready {
    control: bool,
    frontend: bool,
    backend: bool,
}

/// Waits until there is something to do, for a message or for the room for it.
fn wait(control: &Socket, frontend: &Side, backend: &Side, paused: bool) -> Result<Ready, Errno> {
    let item = |socket: &Socket, input: bool, output: bool| zmq_pollitem_t {
        socket: socket.as_ptr(),
        fd: 0,
        events: if input { IN } else { 0 } | if output { OUT } else { 0 },
        revents: 0,
    };
    let side = |side: &Side, other: &Side| {
        item(&side.socket, !paused && side.held.is_none(), !paused && other.held.is_some())
    };
    let mut items = [item(control, true, false), side(frontend, backend), side(backend, frontend)];
    // SAFETY: three items, which are alive, as are their sockets.
    match Errno::check(unsafe { zmq_sys::zmq_poll(items.as_mut_ptr(), 3, -1) }) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Ready::default()),
        Err(errno) => return Err(errno),
    }
    let [control, front, back] = items.map(|item| item.revents);
    // Only what was asked for is told.
    Ok(Ready {
        control: control & IN != 0,
        frontend: front & IN != 0 || back & OUT != 0,
        backend: back & IN != 0 || front & OUT != 0,
    })
}

/// Moves whole messages while there are some, and room for them.
fn forward(from: &mut Side, to: &mut Side, mut capture: Option<&mut Socket>) -> Result<(), Errno> {
    for _ in 0..BURST {
        let first = from.held.take().map_or_else(|| from.socket.receive_frame(), Ok);
        let mut frame = match first {
            Ok(frame) => frame,
            Err(Errno::AGAIN) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let (mut begun, mut bytes) = (false, 0);
        loop {
            let (length, more) = (frame.as_slice().len() as u64, frame.more());
            let copy = if capture.is_some() { Some(frame.duplicate()?) } else { None };
            if begun {
                // There is room for all of a message or for none of it. Where the
                // peer is gone meanwhile, libzmq drops the rest of a send that may wait.
                send(&mut to.socket, &mut frame, more)?;
            } else {
                match to.socket.send_frame(&mut frame, more) {
                    Err(Errno::AGAIN) if !to.socket.events()?.writable() => {
                        from.held = Some(frame);
                        return Ok(());
                    }
                    // It says that there is room: now there is, or it is an XPUB that
                    // waits for its slowest subscriber, which `ZMQ_EVENTS` does not tell.
                    Err(Errno::AGAIN) => send(&mut to.socket, &mut frame, more)?,
                    sent => sent?,
                }
            }
            if let (Some(capture), Some(mut copy)) = (capture.as_deref_mut(), copy) {
                send(capture, &mut copy, more)?;
            }
            (begun, bytes) = (true, bytes + length);
            if !more {
                break;
            }
            // All frames of a message arrive at once.
            frame = from.socket.receive_frame()?;
        }
        from.counted.received += 1;
        from.counted.received_bytes += bytes;
        to.counted.sent += 1;
        to.counted.sent_bytes += bytes;
    }
    Ok(())
}

fn report(control: &mut Socket, sides: [&Counted; 2]) -> Result<(), Errno> {
    let numbers =
        sides.map(|side| [side.received, side.received_bytes, side.sent, side.sent_bytes]);
    let mut numbers = numbers.into_iter().flatten().peekable();
    while let Some(number) = numbers.next() {
        let mut frame = Message::new(number.to_ne_bytes().to_vec().into())?;
        send(control, &mut frame, numbers.peek().is_some())?;
    }
    Ok(())
}

/// Sends a frame, and waits for room.
fn send(socket: &mut Socket, frame: &mut Message, more: bool) -> Result<(), Errno> {
    let flags = if more { zmq_sys::ZMQ_SNDMORE } else { 0 };
    let flags = c_int::try_from(flags).map_err(|_| Errno::INVAL)?;
    // SAFETY: the message is initialised and stays so; the socket is this thread's.
    Errno::check(unsafe { zmq_sys::zmq_msg_send(frame.as_mut_ptr(), socket.as_ptr(), flags) })?;
    Ok(())
}

/// A signal that this thread handled would end a wait in the middle of a message.
fn ignore_signals() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises the set, which the second call reads;
    // the mask is this thread's own. Neither can fail with these arguments.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
    }
}
