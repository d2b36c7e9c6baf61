//! libzmq's monitor of one socket.
//!
//! libzmq's own I/O thread sends the events, and waits where it cannot. So the
//! PAIR that they come on has no high-water mark, is connected at once, and is
//! closed after the monitor was stopped: see [`Monitor::start`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;

use super::tap::Tap;
use crate::error::{Error, Result};
use crate::multipart::Multipart;
use crate::sys::{self, Errno, Sign, Socket};

/// One event, and the endpoint that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) sign: Sign,
    pub(crate) endpoint: String,
}

/// The listening end of a monitor, to be dropped after its socket.
pub(crate) struct Monitor {
    tap: Tap,
    /// What was read already, and not handed over.
    read: Vec<Notice>,
}

impl Monitor {
    /// Begins to listen, before the socket has any endpoint.
    ///
    /// # Errors
    /// [`TooManySockets`](crate::ErrorKind::TooManySockets), [`Closed`](crate::ErrorKind::Closed).
    pub(crate) fn start(context: &sys::Context, socket: &Socket) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let endpoint = format!("inproc://actix-zmq-monitor-{number}");
        // A monitor that nobody listens to cannot even be stopped: libzmq waits
        // for somebody to hear of the end.
        // And libzmq's own thread must never have to wait.
        let tap = Tap::open(context, 0)?;
        socket.monitor(&endpoint).map_err(Error::from_errno)?;
        tap.connect(&endpoint)?;
        Ok(Self { tap, read: Vec::new() })
    }

    /// Hands over what has happened, and registers the task for what follows.
    ///
    /// # Errors
    /// `ETERM` after a shutdown.
    pub(crate) fn drain(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Notice),
    ) -> std::result::Result<(), Errno> {
        self.read.drain(..).for_each(&mut take);
        self.tap.drain(cx, |frames| {
            if let Some(notice) = Notice::parse(&frames) {
                take(notice);
            }
        })
    }

    /// Why the bind failed that has just failed. In telling its monitor of it,
    /// libzmq forgets the error that it is about to return.
    pub(crate) fn why_not_bound(&mut self) -> Option<Errno> {
        let known = self.read.len();
        while let Ok(Some(frames)) = self.tap.receive() {
            self.read.extend(Notice::parse(&frames));
        }
        self.read.iter().skip(known).rev().find_map(|notice| match notice.sign {
            Sign::BindFailed(errno) => Some(errno),
            _ => None,
        })
    }
}

impl Notice {
    fn parse(frames: &Multipart) -> Option<Self> {
        let [sign, endpoint] = &frames[..] else { return None };
        let endpoint = String::from_utf8_lossy(endpoint).into_owned();
        Sign::read(sign).map(|sign| Self { sign, endpoint })
    }
}
