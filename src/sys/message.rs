//! One frame in libzmq's keeping.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::{ptr, slice};

use bytes::Bytes;
use zmq_sys::zmq_msg_t;

use super::Errno;

/// `ZMQ_SRCFD`, which `zmq-sys` leaves out as libzmq discourages it: the number
/// may be that of another connection by now.
const SRCFD: libc::c_int = 2;

/// An initialised `zmq_msg_t`, closed when dropped.
///
/// The value may be moved: libzmq keeps no pointer into the struct itself
/// between calls, and data that it stores inline moves along. libzmq writes only
/// as much of the struct as it needs, so Rust must not take the rest for
/// initialised.
///
/// libzmq fills it by 16 bytes at a time. A copy that reads it by other pieces
/// has to wait for them, which costs more than all the rest of a move: hence the
/// alignment.
#[repr(align(16))]
pub(crate) struct Message(MaybeUninit<zmq_msg_t>);

// SAFETY: a `zmq_msg_t` is plain data with, at most, a pointer to a
// reference-counted buffer whose count is atomic; nothing in it belongs to a thread.
unsafe impl Send for Message {}
// SAFETY: through `&Message` only `zmq_msg_data`, `zmq_msg_size` and
// `zmq_msg_more` are reachable, which read. What writes takes `&mut self`.
unsafe impl Sync for Message {}

impl Message {
    /// An empty message, which `zmq_msg_recv` can fill.
    #[inline]
    pub(crate) fn empty() -> Self {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: the pointer is to a `zmq_msg_t` that we own; `zmq_msg_init`
        // writes it and cannot fail (`zmq_msg_init(3)`).
        unsafe { zmq_sys::zmq_msg_init(raw.as_mut_ptr()) };
        Self(raw)
    }

    /// Room for a message that is received, to be initialised where it stands.
    /// Until then there is nothing that it could be used for but to be dropped.
    #[inline]
    pub(crate) const fn blank() -> Self {
        // What is no message libzmq refuses to close (`EFAULT`), and does not touch.
        Self(MaybeUninit::zeroed())
    }

    /// A message that holds `data`: copied when small, handed over when large.
    ///
    /// # Errors
    /// `ENOMEM` when libzmq cannot allocate.
    pub(crate) fn new(data: Bytes) -> Result<Self, Errno> {
        let mut message = Self::blank();
        message.fill(&data)?;
        Ok(message)
    }

    /// Makes a [blank](Self::blank) one a message that holds `data`: copied when
    /// small, shared when large. On an error it is still blank.
    ///
    /// # Errors
    /// `ENOMEM` when libzmq cannot allocate.
    #[inline]
    pub(crate) fn fill(&mut self, data: &Bytes) -> Result<(), Errno> {
        if data.len() < Self::COPY_BELOW {
            return self.copy(data);
        }
        *self = Self::shared(data.clone())?;
        Ok(())
    }

    /// Below this size a copy into libzmq is cheaper than the allocation and the
    /// call-back that handing over the buffer itself costs.
    pub(crate) const COPY_BELOW: usize = 1024;

    /// How many bytes libzmq keeps in the message itself.
    pub(crate) const KEPT: usize = 33;

    /// As [`fill`](Self::fill), always copied; up to [`KEPT`](Self::KEPT) bytes
    /// nothing can fail.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    #[inline]
    pub(crate) fn copy(&mut self, data: &[u8]) -> Result<(), Errno> {
        // SAFETY: `zmq_msg_init_size` initialises the struct where it stands or
        // fails; after success the buffer has exactly `data.len()` bytes. If the
        // message was not blank, what it held is leaked, and no more.
        unsafe {
            let done = zmq_sys::zmq_msg_init_size(self.as_mut_ptr(), data.len());
            if let Err(errno) = Errno::check(done) {
                // Half-made, it must not be closed: blank again, without a drop.
                self.0 = MaybeUninit::zeroed();
                return Err(errno);
            }
            let target = zmq_sys::zmq_msg_data(self.as_mut_ptr()).cast::<u8>();
            ptr::copy_nonoverlapping(data.as_ptr(), target, data.len());
        }
        Ok(())
    }

    fn shared(data: Bytes) -> Result<Self, Errno> {
        let (start, length) = (data.as_ptr(), data.len());
        let hint = Box::into_raw(Box::new(data));
        let mut raw = MaybeUninit::uninit();
        // SAFETY: the buffer lives until `release` drops the boxed `Bytes`, and
        // `Bytes` never moves its bytes. libzmq only reads them once they are
        // marked as shared, below. On failure libzmq does not call `release`,
        // so the box is ours again.
        let mut message = unsafe {
            let rc = zmq_sys::zmq_msg_init_data(
                raw.as_mut_ptr(),
                start.cast_mut().cast::<c_void>(),
                length,
                Some(release),
                hint.cast::<c_void>(),
            );
            if let Err(error) = Errno::check(rc) {
                drop(Box::from_raw(hint));
                return Err(error);
            }
            Self(raw)
        };
        // Others may hold these bytes, or they are static. Over `ws://` libzmq
        // masks a message in place unless it takes it for shared, which it does
        // from the first copy on.
        drop(message.duplicate()?);
        Ok(message)
    }

    /// A second message with the same content; a large buffer is shared, not copied.
    ///
    /// # Errors
    /// `EFAULT` for an invalid message, which this type rules out.
    pub(crate) fn duplicate(&mut self) -> Result<Self, Errno> {
        let mut copy = Self::empty();
        // SAFETY: both messages are initialised, and `&mut self` keeps others
        // away while libzmq marks the source as shared.
        Errno::check(unsafe { zmq_sys::zmq_msg_copy(copy.as_mut_ptr(), self.as_mut_ptr()) })?;
        Ok(copy)
    }

    /// How many bytes the frame has.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        // SAFETY: the message is initialised; the call reads a number.
        unsafe { zmq_sys::zmq_msg_size(self.0.as_ptr()) }
    }

    /// The frame's bytes.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: the message is initialised; libzmq does not write through
        // this pointer although its signature asks for `*mut`.
        unsafe {
            let raw = self.0.as_ptr().cast_mut();
            self.slice_of(zmq_sys::zmq_msg_size(raw))
        }
    }

    /// As [`as_slice`](Self::as_slice), where the length is known.
    ///
    /// # Safety
    /// So many bytes the message has.
    #[inline]
    pub(super) unsafe fn slice_of(&self, length: usize) -> &[u8] {
        if length == 0 {
            return &[];
        }
        // SAFETY: as in `as_slice`; the caller vouches for the length.
        unsafe {
            let raw = self.0.as_ptr().cast_mut();
            slice::from_raw_parts(zmq_sys::zmq_msg_data(raw).cast::<u8>(), length)
        }
    }

    /// Whether another frame of the same message follows (`zmq_msg_more(3)`).
    #[inline]
    pub(crate) fn more(&self) -> bool {
        // SAFETY: the message is initialised; the call reads a flag.
        unsafe { zmq_sys::zmq_msg_more(self.0.as_ptr()) == 1 }
    }

    /// The descriptor of the connection that a received message came over, where
    /// it came over one (`ZMQ_SRCFD`).
    pub(crate) fn source(&self) -> Option<i32> {
        // SAFETY: the message is initialised; the call reads its metadata.
        let fd = unsafe { zmq_sys::zmq_msg_get(self.0.as_ptr(), SRCFD) };
        (fd >= 0).then_some(fd)
    }

    /// For the calls in this room that fill or send the message.
    pub(super) const fn as_mut_ptr(&mut self) -> *mut zmq_msg_t {
        self.0.as_mut_ptr()
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: initialised by every constructor, and closed only here.
        unsafe { zmq_sys::zmq_msg_close(self.as_mut_ptr()) };
    }
}

/// Called by libzmq, on any thread, when the last copy of a shared message is closed.
unsafe extern "C" fn release(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` is the box that `shared` leaked, and libzmq calls this once.
    drop(unsafe { Box::from_raw(hint.cast::<Bytes>()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY_BELOW: usize = Message::COPY_BELOW;

    #[test]
    fn a_message_holds_small_and_large_bytes() -> Result<(), Errno> {
        for size in [0, 1, 33, 34, COPY_BELOW - 1, COPY_BELOW, 100_000] {
            let data = Bytes::from(vec![7_u8; size]);
            let mut message = Message::new(data.clone())?;
            assert_eq!(message.as_slice(), &data[..]);
            let copy = message.duplicate()?;
            drop(message);
            assert_eq!(copy.as_slice(), &data[..]);
        }
        Ok(())
    }

    #[test]
    fn a_large_buffer_is_released_once_with_its_last_copy() -> Result<(), Errno> {
        let data = Bytes::from(vec![1_u8; 4096]);
        let mut message = Message::new(data.clone())?;
        let copy = message.duplicate()?;
        drop(message);
        assert!(!data.is_unique());
        drop(copy);
        assert!(data.is_unique());
        Ok(())
    }

    #[test]
    fn static_bytes_and_slices_of_others_are_held_without_touching_them() -> Result<(), Errno> {
        static LARGE: [u8; 2 * COPY_BELOW] = [3; 2 * COPY_BELOW];
        let whole = Bytes::from((0..=255_u8).cycle().take(5_000).collect::<Vec<_>>());
        for part in [Bytes::from_static(&LARGE), whole.slice(7..4_007), whole.slice(1..3)] {
            let mut message = Message::new(part.clone())?;
            let copies = [message.duplicate()?, message.duplicate()?];
            assert_eq!(message.as_ref(), &part[..]);
            drop(message);
            assert!(copies.iter().all(|copy| copy.as_slice() == part));
        }
        assert!(whole.is_unique());
        Ok(())
    }

    #[test]
    fn an_empty_message_has_no_bytes_and_nothing_behind_it() -> Result<(), Errno> {
        let mut empty = Message::empty();
        assert!(empty.as_slice().is_empty() && !empty.more());
        assert!(empty.duplicate()?.as_slice().is_empty());
        Ok(())
    }

    #[test]
    fn bytes_made_of_a_message_outlive_it_on_any_thread() -> Result<(), Errno> {
        for size in [5, 3 * COPY_BELOW] {
            let data = Bytes::from(vec![9_u8; size]);
            let message = Message::new(data.clone())?;
            let threads = std::thread::spawn(move || {
                let owned = Bytes::from_owner(message);
                let part = owned.slice(1..owned.len() - 1);
                drop(owned);
                part
            });
            let part = threads.join().unwrap();
            assert_eq!(part, data.slice(1..size - 1));
            drop(part);
            assert!(data.is_unique());
        }
        Ok(())
    }
}
