//! A PAIR socket within the process, on which libzmq itself talks to us.

use std::task::{Context, Poll};

use super::fd::{Fd, Wakeup, defer};
use super::port::{Port, Sent};
use crate::error::{Error, Result};
use crate::multipart::Multipart;
use crate::sys::option::OptionId;
use crate::sys::{self, Errno, Socket, SocketType};

/// How many messages are read at a time, to begin with.
const BUDGET: usize = 1_024;
/// And at most: whoever talks must not be faster than we read for ever, for
/// what waits has no bound.
const MOST: usize = 65_536;

/// The listening end.
pub(crate) struct Tap {
    // The registration is dropped before the socket is closed: fields drop in order.
    wakeup: Fd,
    socket: Socket,
    budget: usize,
    /// Whether `ZMQ_EVENTS` said last that there is nothing.
    dry: bool,
    /// Of what is received one by one.
    left: usize,
}

impl Tap {
    /// Opens it with so many messages of room, of which 0 is as much as it takes,
    /// and with everything that may be wanting, so that nothing is when it
    /// [connects](Self::connect).
    ///
    /// # Errors
    /// [`TooManySockets`](crate::ErrorKind::TooManySockets), [`Closed`](crate::ErrorKind::Closed).
    pub(crate) fn open(context: &sys::Context, hwm: i32) -> Result<Self> {
        let socket = Socket::open(context, SocketType::Pair).map_err(Error::from_errno)?;
        socket
            .set_i32(OptionId::RCVHWM, hwm)
            .and_then(|()| socket.set_i32(OptionId::LINGER, 0))
            .map_err(Error::from_errno)?;
        let fd = socket.fd().map_err(Error::from_errno)?;
        let wakeup = Fd::new(fd).map_err(Error::from_io)?;
        Ok(Self { wakeup, socket, budget: BUDGET, dry: false, left: BUDGET })
    }

    /// Connects to an endpoint of the same context, where somebody is bound already.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed).
    pub(crate) fn connect(&self, endpoint: &str) -> Result<()> {
        self.socket.connect(endpoint).map_err(Error::from_errno)
    }

    /// Says something, at once: the other end is there, and has room.
    ///
    /// # Errors
    /// `EAGAIN` when it has not, `ETERM` after a shutdown.
    pub(crate) fn send(&mut self, mut message: Multipart) -> std::result::Result<(), Errno> {
        // A call of libzmq may take the edge along that would have told of news.
        self.dry = false;
        match Port::send(&mut self.socket, &mut message)? {
            Sent::Accepted => Ok(()),
            Sent::Refused | Sent::Unroutable => Err(Errno::AGAIN),
        }
    }

    /// The next message; if there is none, the task is woken when there is.
    ///
    /// # Errors
    /// `ETERM` after a shutdown.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> std::result::Result<Poll<Multipart>, Errno> {
        // One at a time, with the budget of a turn of its own.
        self.left = self.left.checked_sub(1).unwrap_or(BUDGET);
        if self.left == 0 {
            defer(cx);
            return Ok(Poll::Pending);
        }
        loop {
            if let Some(message) = self.receive()? {
                return Ok(Poll::Ready(message));
            }
            let armed = self.wakeup.arm(cx).map_err(errno_of)?;
            if !Port::events(&mut self.socket)?.readable() {
                if !armed {
                    defer(cx);
                }
                return Ok(Poll::Pending);
            }
        }
    }

    /// The next message that is there. Whoever calls this has [`drain`](Self::drain)
    /// called before the task sleeps.
    ///
    /// # Errors
    /// `ETERM` after a shutdown.
    pub(crate) fn receive(&mut self) -> std::result::Result<Option<Multipart>, Errno> {
        self.dry = false;
        let mut message = Multipart::place();
        Ok(Port::receive(&mut self.socket, &mut message)?.map(|_| message))
    }

    /// Hands over what is there, and registers the task for what follows.
    ///
    /// # Errors
    /// `ETERM` after a shutdown.
    pub(crate) fn drain(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Multipart),
    ) -> std::result::Result<(), Errno> {
        // On every turn of a socket: where nothing has come since, two words of memory.
        if self.dry && self.wakeup.is_quiet(cx) {
            return Ok(());
        }
        self.dry = false;
        let mut left = self.budget;
        loop {
            let armed = self.wakeup.arm(cx).map_err(errno_of)?;
            if !Port::events(&mut self.socket)?.readable() {
                if !armed {
                    defer(cx);
                }
                self.dry = armed;
                self.budget = BUDGET;
                return Ok(());
            }
            while let Some(message) = self.receive()? {
                take(message);
                left = left.saturating_sub(1);
                if left == 0 {
                    self.budget = (self.budget * 2).min(MOST);
                    defer(cx);
                    return Ok(());
                }
            }
        }
    }
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}
