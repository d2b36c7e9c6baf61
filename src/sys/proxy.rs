//! libzmq's own proxy, on the thread that calls it.

use std::ffi::c_void;
use std::ptr;

use super::{Errno, Socket};

/// Moves messages between two sockets until `TERMINATE` comes on `control`
/// (`zmq_proxy_steerable(3)`). Blocks; the sockets are closed when it ends.
///
/// # Errors
/// `ETERM` after a shutdown, and whatever else a socket fails with.
pub(crate) fn proxy(
    frontend: Socket,
    backend: Socket,
    capture: Option<Socket>,
    control: Socket,
) -> Result<(), Errno> {
    ignore_signals();
    let captured = capture.as_ref().map_or(ptr::null_mut(), Socket::as_ptr);
    loop {
        // SAFETY: all sockets are open, and used by this thread alone until
        // the call returns.
        let ended = Errno::check(unsafe {
            zmq_sys::zmq_proxy_steerable(
                frontend.as_ptr(),
                backend.as_ptr(),
                captured,
                control.as_ptr(),
            )
        });
        match ended {
            Ok(_) => break Ok(()),
            // A socket that was readable is not any more: a connection is gone.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => break Err(errno),
        }
    }
}

/// A signal that this thread handled would end the proxy in the middle of a message.
fn ignore_signals() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises the set, which the second call reads;
    // the mask is this thread's own. Neither can fail with these arguments.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
    }
}

impl Socket {
    const fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}
