//! The libzmq context: created late, shut down at once, terminated elsewhere.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::{Errno, SocketType, capability, descriptors};

/// What libzmq opens for itself beside the I/O threads: the reaper's mailbox
/// and poller, the termination mailbox, the first socket, and some room.
const OWN_DESCRIPTORS: usize = 16;
/// What an I/O thread opens: a poller and a mailbox of two ends.
const DESCRIPTORS_PER_IO_THREAD: usize = 4;

/// The most sockets that a context can have (`ZMQ_SOCKET_LIMIT`). libzmq
/// takes more, and aborts for want of memory.
pub(crate) const SOCKET_LIMIT: i32 = 65_535;
/// How many places, of 8 bytes, are kept for sockets that libzmq has not closed yet.
pub(crate) const CLOSING: i32 = 1_000;

type Callback = Box<dyn FnOnce() + Send>;

/// A shared libzmq context.
///
/// When the last clone is dropped, `zmq_ctx_term` runs on a thread of its own:
/// it waits for every socket to be closed and for their linger, and must not
/// wait on a thread that runs actors. Sockets hold no clone; libzmq itself
/// keeps the context's memory until they are closed.
#[derive(Clone)]
pub(crate) struct Context(Arc<Inner>);

struct Inner {
    raw: NonNull<c_void>,
    farewell: Farewell,
    terminated: Mutex<Vec<Callback>>,
}

/// Whether, and how long at most, the last owner waits for the termination.
///
/// Where actors run nobody waits. At the end of a program, when the runtime
/// is gone already, waiting is what lets libzmq send its last messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    pub(crate) may_wait: fn() -> bool,
    pub(crate) at_most: Duration,
}

// SAFETY: "A ØMQ context is thread safe" (`zmq_ctx_new(3)`).
unsafe impl Send for Inner {}
// SAFETY: as above; the callbacks are behind a mutex.
unsafe impl Sync for Inner {}

/// What is set before the context's threads start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContextSettings {
    pub(crate) io_threads: i32,
    pub(crate) max_sockets: i32,
    pub(crate) others: Vec<(CtxOption, i32)>,
}

/// The options that need not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CtxOption {
    MaxMessageSize,
    Ipv6,
    ThreadScheduling,
    ThreadPriority,
    ThreadCpu,
    ThreadNamePrefix,
}

impl CtxOption {
    const fn number(self) -> u32 {
        match self {
            Self::MaxMessageSize => zmq_sys::ZMQ_MAX_MSGSZ,
            Self::Ipv6 => zmq_sys::ZMQ_IPV6,
            Self::ThreadScheduling => zmq_sys::ZMQ_THREAD_SCHED_POLICY,
            Self::ThreadPriority => zmq_sys::ZMQ_THREAD_PRIORITY,
            Self::ThreadCpu => zmq_sys::ZMQ_THREAD_AFFINITY_CPU_ADD,
            Self::ThreadNamePrefix => zmq_sys::ZMQ_THREAD_NAME_PREFIX,
        }
    }
}

impl Context {
    /// Creates a context and starts its threads.
    ///
    /// # Errors
    /// `EMFILE` when there are too few file descriptors, `EINVAL` for settings
    /// that libzmq refuses, `ENOMEM`.
    pub(crate) fn new(settings: &ContextSettings, farewell: Farewell) -> Result<Self, Errno> {
        let ContextSettings { io_threads, max_sockets, ref others } = *settings;
        let threads = usize::try_from(io_threads).unwrap_or(0);
        descriptors::reserve(OWN_DESCRIPTORS + threads * DESCRIPTORS_PER_IO_THREAD)?;
        // SAFETY: takes nothing; NULL means failure.
        let raw = NonNull::new(unsafe { zmq_sys::zmq_ctx_new() }).ok_or_else(Errno::last)?;
        let context = Self(Arc::new(Inner { raw, farewell, terminated: Mutex::new(Vec::new()) }));
        context.set(zmq_sys::ZMQ_IO_THREADS, io_threads)?;
        // Some more, for the first socket below and for those that are just being closed.
        // A monitored socket is three: itself, and the two ends of the monitor.
        // A proxy is up to six: two sides, and the ends of two taps.
        let most = max_sockets.saturating_mul(6).saturating_add(CLOSING).min(SOCKET_LIMIT);
        context.set(zmq_sys::ZMQ_MAX_SOCKETS, most)?;
        for (option, value) in others {
            context.set(option.number(), *value)?;
        }
        // With BLOCKY off a socket without an explicit linger has linger 0.
        context.set(zmq_sys::ZMQ_BLOCKY, 0)?;
        // The first socket starts the threads: now, while descriptors are known to be there.
        capability::look_at(&super::Socket::open(&context, SocketType::Pair)?);
        Ok(context)
    }

    fn set(&self, option: u32, value: i32) -> Result<(), Errno> {
        let option = i32::try_from(option).map_err(|_| Errno::INVAL)?;
        // SAFETY: the context is alive while `self` is.
        Errno::check(unsafe { zmq_sys::zmq_ctx_set(self.0.raw.as_ptr(), option, value) })?;
        Ok(())
    }

    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.0.raw.as_ptr()
    }

    /// Makes every operation on every socket fail with `ETERM` from now on,
    /// and wakes whoever waits (`zmq_ctx_shutdown(3)`). Returns at once.
    pub(crate) fn shutdown(&self) {
        // SAFETY: the context is alive while `self` is; the call may be repeated.
        unsafe { zmq_sys::zmq_ctx_shutdown(self.0.raw.as_ptr()) };
    }

    /// Calls `callback` once the context is terminated, on the thread that did it.
    pub(crate) fn on_terminated(&self, callback: impl FnOnce() + Send + 'static) {
        self.0.terminated.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(callback));
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let raw = SendPtr(self.raw);
        let callbacks =
            std::mem::take(self.terminated.get_mut().unwrap_or_else(PoisonError::into_inner));
        let (done, ended) = mpsc::channel();
        let work = move || {
            terminate(raw);
            for callback in callbacks {
                callback();
            }
            // Nobody minds if the owner did not wait.
            let _ = done.send(());
        };
        // Without a thread the context is left to the end of the process: a
        // leak, said aloud, instead of a frozen arbiter.
        if let Err(error) = thread::Builder::new().name("zmq-term".into()).spawn(work) {
            tracing::warn!(%error, "no thread to terminate the ZeroMQ context: it is leaked");
        } else if (self.farewell.may_wait)() {
            let _ = ended.recv_timeout(self.farewell.at_most);
        }
    }
}

struct SendPtr(NonNull<c_void>);
// SAFETY: the context behind the pointer is thread safe (see `Inner`).
unsafe impl Send for SendPtr {}

fn terminate(context: SendPtr) {
    loop {
        // SAFETY: called by the last owner only, so the pointer is alive and
        // no new socket can be made; libzmq waits for those that exist.
        let rc = unsafe { zmq_sys::zmq_ctx_term(context.0.as_ptr()) };
        // Any handled signal interrupts the call, even with SA_RESTART.
        match Errno::check(rc) {
            Err(Errno::INTR) => {}
            _ => return,
        }
    }
}
