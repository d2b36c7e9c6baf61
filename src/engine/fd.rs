//! libzmq's descriptor in tokio's reactor.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How often stale readiness is cleared before a turn goes on without a registered waker.
///
/// A descriptor whose other end is gone stays "ready" for ever in tokio; the
/// bound turns that into a yield instead of a loop.
const CLEARS: usize = 4;

/// Wakes the task when libzmq has news.
pub(crate) trait Wakeup {
    /// Forgets old readiness and registers the task; `true` when the waker is
    /// registered and the next edge will be told.
    fn arm(&mut self, cx: &mut Context<'_>) -> io::Result<bool>;
}

/// The number alone: libzmq owns and closes the descriptor.
struct Borrowed(RawFd);

impl AsRawFd for Borrowed {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// A registration that must be dropped before the socket is closed.
pub(crate) struct Fd(AsyncFd<Borrowed>);

impl Fd {
    /// Whether nothing has come since readiness was cleared; then the task is registered.
    pub(super) fn is_quiet(&self, cx: &mut Context<'_>) -> bool {
        self.0.poll_read_ready(cx).is_pending()
    }

    /// Registers the descriptor with the reactor of the current runtime.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` reports.
    pub(crate) fn new(fd: RawFd) -> io::Result<Self> {
        // Outside a runtime `AsyncFd` panics; inside an actor there always is one.
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        #[allow(
            deprecated,
            reason = "its successor is `unsafe fn`; what it asks for, a descriptor that stays open \
                      as long as the registration, is kept by the pump's order of fields"
        )]
        AsyncFd::with_interest(Borrowed(fd), Interest::READABLE).map(Self)
    }
}

impl Wakeup for Fd {
    fn arm(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        for _ in 0..CLEARS {
            match self.0.poll_read_ready(cx) {
                Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// Lets every other ready task, the reactor and the timers run, then wakes this one.
///
/// Waking oneself would go to the head of the local queue and starve them.
pub(crate) fn defer(cx: &mut Context<'_>) {
    let pause = std::pin::pin!(tokio::task::yield_now());
    // The first poll always registers the waker and is pending.
    let _ = pause.poll(cx);
}
