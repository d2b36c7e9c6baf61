//! One libzmq socket, and single frames in and out of it.

use std::ffi::{CString, c_int, c_void};
use std::fmt;
use std::os::fd::RawFd;
use std::ptr::NonNull;

use bytes::Bytes;

use super::option::OptionId;
use super::{Context, Errno, Message, Sign, ipc};

/// How long libzmq may send after a close at least, in milliseconds: longer than
/// it takes to notice that a peer that is closed at the same time is gone.
const LEAST_LINGER: i32 = 20;

/// The socket types of libzmq that this crate opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketType {
    Pair,
    XPub,
    XSub,
    Sub,
    Req,
    Dealer,
    Router,
    Pull,
    Push,
    Stream,
}

impl SocketType {
    const fn number(self) -> u32 {
        match self {
            Self::Pair => zmq_sys::ZMQ_PAIR,
            Self::XPub => zmq_sys::ZMQ_XPUB,
            Self::XSub => zmq_sys::ZMQ_XSUB,
            Self::Sub => zmq_sys::ZMQ_SUB,
            Self::Req => zmq_sys::ZMQ_REQ,
            Self::Dealer => zmq_sys::ZMQ_DEALER,
            Self::Router => zmq_sys::ZMQ_ROUTER,
            Self::Pull => zmq_sys::ZMQ_PULL,
            Self::Push => zmq_sys::ZMQ_PUSH,
            Self::Stream => zmq_sys::ZMQ_STREAM,
        }
    }
}

const DONTWAIT: c_int = zmq_sys::ZMQ_DONTWAIT as c_int;

/// Of a frame that is sent without waiting.
#[inline]
fn flags(more: bool) -> Result<c_int, Errno> {
    let flags = zmq_sys::ZMQ_DONTWAIT | if more { zmq_sys::ZMQ_SNDMORE } else { 0 };
    c_int::try_from(flags).map_err(|_| Errno::INVAL)
}

/// What `ZMQ_EVENTS` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Events(pub(crate) u32);

impl Events {
    #[cfg(any(test, feature = "internals"))]
    pub(crate) const fn new(readable: bool, writable: bool) -> Self {
        Self(
            if readable { zmq_sys::ZMQ_POLLIN } else { 0 }
                | if writable { zmq_sys::ZMQ_POLLOUT } else { 0 },
        )
    }

    pub(crate) const fn readable(self) -> bool {
        self.0 & zmq_sys::ZMQ_POLLIN != 0
    }

    pub(crate) const fn writable(self) -> bool {
        self.0 & zmq_sys::ZMQ_POLLOUT != 0
    }
}

/// An open socket; closing is asynchronous in libzmq and never waits.
pub(crate) struct Socket {
    raw: NonNull<c_void>,
    /// Short frames of several are received in it and copied: it is neither
    /// initialised nor closed for each of them, and nor are the copies.
    spare: Message,
    /// How many bytes are in it.
    spare_size: usize,
    /// Whether the last message had several frames, so that the next one may
    /// begin with an id or a topic.
    pub(crate) several: bool,
    /// Whether where a frame came from is nobody's concern, as it is not in a copy.
    anonymous: bool,
}

// SAFETY: a socket may migrate between threads with a full fence between uses
// (`zmq_socket(3)`), which moving a value between threads implies. It is not `Sync`.
unsafe impl Send for Socket {}

impl Socket {
    /// Opens a socket.
    ///
    /// # Errors
    /// `EMFILE` at the limit of sockets or descriptors, `ETERM` after a shutdown.
    pub(crate) fn open(context: &Context, kind: SocketType) -> Result<Self, Errno> {
        let number = c_int::try_from(kind.number()).map_err(|_| Errno::INVAL)?;
        // SAFETY: the context is alive while the reference is.
        let raw = unsafe { zmq_sys::zmq_socket(context.as_ptr(), number) };
        let raw = NonNull::new(raw).ok_or_else(Errno::last)?;
        // Subscriptions are those of a connection.
        let anonymous = kind != SocketType::XPub;
        Ok(Self { raw, spare: Message::empty(), spare_size: 0, several: false, anonymous })
    }

    /// For the calls in this room that take a socket.
    pub(super) const fn as_ptr(&self) -> *mut c_void {
        self.raw.as_ptr()
    }

    /// The descriptor that becomes readable when the socket has news (`ZMQ_FD`).
    ///
    /// # Errors
    /// `ETERM` after a shutdown.
    pub(crate) fn fd(&self) -> Result<RawFd, Errno> {
        self.get_i32(OptionId::FD)
    }

    /// What can be done now (`ZMQ_EVENTS`); processes every waiting command of
    /// libzmq, and so consumes the descriptor's edge.
    ///
    /// # Errors
    /// `ETERM` after a shutdown, `EINTR`.
    pub(crate) fn events(&self) -> Result<Events, Errno> {
        let bits = self.get_i32(OptionId::EVENTS)?;
        Ok(Events(u32::try_from(bits).unwrap_or(0)))
    }

    /// Reads an option that is an `int`.
    ///
    /// # Errors
    /// `EINVAL` for an option that the linked libzmq does not know, `ETERM`
    /// after a shutdown.
    pub(crate) fn get_i32(&self, option: OptionId) -> Result<i32, Errno> {
        let mut bytes = [0; size_of::<i32>()];
        self.read(option, &mut bytes)?;
        Ok(i32::from_ne_bytes(bytes))
    }

    /// Reads an option that is an `int64_t` or a `uint64_t`.
    ///
    /// # Errors
    /// As [`get_i32`](Self::get_i32).
    pub(crate) fn get_i64(&self, option: OptionId) -> Result<i64, Errno> {
        let mut bytes = [0; size_of::<i64>()];
        self.read(option, &mut bytes)?;
        Ok(i64::from_ne_bytes(bytes))
    }

    /// Reads an option that is bytes, at most 1,024.
    ///
    /// # Errors
    /// As [`get_i32`](Self::get_i32); `EINVAL` for a longer one.
    pub(crate) fn get_bytes(&self, option: OptionId) -> Result<Vec<u8>, Errno> {
        let mut buffer = vec![0; 1024];
        let size = self.read(option, &mut buffer)?;
        buffer.truncate(size);
        Ok(buffer)
    }

    /// Reads a CURVE key: libzmq gives its bytes only to a buffer of this size.
    ///
    /// # Errors
    /// As [`get_i32`](Self::get_i32).
    pub(crate) fn get_key(&self, option: OptionId) -> Result<[u8; 32], Errno> {
        let mut key = [0; 32];
        self.read(option, &mut key)?;
        Ok(key)
    }

    fn read(&self, option: OptionId, buffer: &mut [u8]) -> Result<usize, Errno> {
        let number = c_int::try_from(option.0).map_err(|_| Errno::INVAL)?;
        let mut size = buffer.len();
        // SAFETY: libzmq writes at most `size` bytes and sets `size` to what it
        // wrote; the socket is open.
        Errno::check(unsafe {
            zmq_sys::zmq_getsockopt(
                self.as_ptr(),
                number,
                buffer.as_mut_ptr().cast::<c_void>(),
                &raw mut size,
            )
        })?;
        Ok(size)
    }

    /// Whether it is a ROUTER (`ZMQ_TYPE`).
    pub(crate) fn is_router(&self) -> bool {
        let router = i32::try_from(zmq_sys::ZMQ_ROUTER);
        router.is_ok() && self.get_i32(OptionId::TYPE).ok() == router.ok()
    }

    /// The endpoint of the last bind or connect, wildcards resolved (`ZMQ_LAST_ENDPOINT`).
    ///
    /// # Errors
    /// `ETERM` after a shutdown.
    pub(crate) fn last_endpoint(&self) -> Result<String, Errno> {
        let text = self.get_bytes(OptionId::LAST_ENDPOINT)?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        Ok(String::from_utf8_lossy(text.get(..end).unwrap_or_default()).into_owned())
    }

    /// Sets an option whose value is raw bytes.
    ///
    /// # Errors
    /// `EINVAL` for what the linked libzmq does not know or accept.
    pub(crate) fn set_bytes(&self, option: OptionId, value: &[u8]) -> Result<(), Errno> {
        let number = c_int::try_from(option.0).map_err(|_| Errno::INVAL)?;
        // SAFETY: libzmq copies `value.len()` bytes; the socket is open.
        Errno::check(unsafe {
            zmq_sys::zmq_setsockopt(
                self.as_ptr(),
                number,
                value.as_ptr().cast::<c_void>(),
                value.len(),
            )
        })?;
        Ok(())
    }

    /// Sets an option whose value is an `int`.
    ///
    /// # Errors
    /// As [`set_bytes`](Self::set_bytes).
    pub(crate) fn set_i32(&self, option: OptionId, value: i32) -> Result<(), Errno> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option whose value is an `int64_t`.
    ///
    /// # Errors
    /// As [`set_bytes`](Self::set_bytes).
    pub(crate) fn set_i64(&self, option: OptionId, value: i64) -> Result<(), Errno> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Listens at an endpoint.
    ///
    /// # Errors
    /// What `zmq_bind(3)` lists, and every errno of the operating system.
    pub(crate) fn bind(&self, endpoint: &str) -> Result<(), Errno> {
        match endpoint.strip_prefix("ipc://") {
            // Names in the abstract namespace (`@`) are the kernel's to give.
            Some(path) if path != "*" && !path.starts_with('@') => ipc::check_free(path)?,
            _ => {}
        }
        self.at(endpoint, zmq_sys::zmq_bind)
    }

    /// Connects to an endpoint, in the background.
    ///
    /// # Errors
    /// What `zmq_connect(3)` lists.
    pub(crate) fn connect(&self, endpoint: &str) -> Result<(), Errno> {
        self.at(endpoint, zmq_sys::zmq_connect)
    }

    /// Whether a ROUTER that is mandatory has a peer by this routing id. If it
    /// has, that peer receives a message of one empty frame: libzmq can be
    /// asked in no other way.
    ///
    /// # Errors
    /// `ETERM` after a shutdown.
    pub(crate) fn has_peer(&mut self, id: &[u8]) -> Result<bool, Errno> {
        // Whoever has come meanwhile is known from here on.
        self.events()?;
        match self.send_frame(&mut Message::new(Bytes::copy_from_slice(id))?, true) {
            Ok(()) => self.send_frame(&mut Message::empty(), false).map(|()| true),
            Err(Errno::HOSTUNREACH) => Ok(false),
            // It is there, and has no room.
            Err(Errno::AGAIN) => Ok(true),
            Err(errno) => Err(errno),
        }
    }

    /// Stops listening at a resolved endpoint.
    ///
    /// # Errors
    /// `ENOENT` when the socket is not bound there.
    pub(crate) fn unbind(&self, endpoint: &str) -> Result<(), Errno> {
        self.at(endpoint, zmq_sys::zmq_unbind)
    }

    /// Leaves an endpoint.
    ///
    /// # Errors
    /// `ENOENT` when the socket is not connected there.
    pub(crate) fn disconnect(&self, endpoint: &str) -> Result<(), Errno> {
        self.at(endpoint, zmq_sys::zmq_disconnect)
    }

    fn at(
        &self,
        endpoint: &str,
        call: unsafe extern "C" fn(*mut c_void, *const std::ffi::c_char) -> c_int,
    ) -> Result<(), Errno> {
        let text = CString::new(endpoint).map_err(|_| Errno::INVAL)?;
        // SAFETY: the socket is open and the string ends in NUL and outlives the call.
        Errno::check(unsafe { call(self.as_ptr(), text.as_ptr()) })?;
        Ok(())
    }

    /// Tells publishers of a subscription or of its end, as an XSUB does: a
    /// message of one byte and the prefix.
    ///
    /// # Errors
    /// `ETERM` after a shutdown. An XSUB never has to wait.
    pub(crate) fn tell(&self, prefix: &[u8], on: bool) -> Result<(), Errno> {
        let mut message = Vec::with_capacity(1 + prefix.len());
        message.push(u8::from(on));
        message.extend_from_slice(prefix);
        let flags = c_int::try_from(zmq_sys::ZMQ_DONTWAIT).map_err(|_| Errno::INVAL)?;
        // SAFETY: libzmq copies the bytes, which outlive the call; the socket is open.
        Errno::check(unsafe {
            zmq_sys::zmq_send(
                self.as_ptr(),
                message.as_ptr().cast::<c_void>(),
                message.len(),
                flags,
            )
        })?;
        Ok(())
    }

    /// Has libzmq tell what happens to the connections, on a PAIR that must
    /// connect to `endpoint` at once: libzmq's I/O thread waits for it.
    ///
    /// # Errors
    /// `EMFILE`, `ETERM`.
    pub(crate) fn monitor(&self, endpoint: &str) -> Result<(), Errno> {
        let text = CString::new(endpoint).map_err(|_| Errno::INVAL)?;
        let mask = c_int::try_from(Sign::MASK).map_err(|_| Errno::INVAL)?;
        // SAFETY: the socket is open and the string ends in NUL and outlives the call.
        Errno::check(unsafe { zmq_sys::zmq_socket_monitor(self.as_ptr(), text.as_ptr(), mask) })?;
        Ok(())
    }

    /// Has libzmq tell no more.
    fn stop_monitor(&self) {
        // SAFETY: the socket is open; a NULL endpoint ends the monitor, if there is one.
        unsafe { zmq_sys::zmq_socket_monitor(self.as_ptr(), std::ptr::null(), 0) };
    }

    /// Has libzmq drop what is unsent a moment after the close, and not at once.
    ///
    /// From its dropping until the close is done, libzmq aborts the process when
    /// the connection breaks with a message of several frames half sent
    /// (`session_base_t::clean_pipes`; issue 3442 there). That takes microseconds.
    /// But where both ends are closed at once, the connection breaks just then;
    /// with something left of the linger, libzmq survives that.
    fn linger_a_moment(&self) {
        if self.get_i32(OptionId::LINGER).is_ok_and(|linger| (0..LEAST_LINGER).contains(&linger)) {
            // After a shutdown of the context it is out of reach.
            let _ = self.set_i32(OptionId::LINGER, LEAST_LINGER);
        }
    }

    /// Sends one frame without waiting. On success `frame` is left empty; on
    /// an error it is untouched.
    ///
    /// # Errors
    /// `EAGAIN` when it would have to wait, `EHOSTUNREACH`, `ETERM`, `EINTR`.
    #[inline]
    pub(crate) fn send_frame(&mut self, frame: &mut Message, more: bool) -> Result<(), Errno> {
        let flags = flags(more)?;
        // SAFETY: the message is initialised and stays so: libzmq re-initialises
        // what it has taken.
        Errno::check(unsafe { zmq_sys::zmq_msg_send(frame.as_mut_ptr(), self.as_ptr(), flags) })?;
        Ok(())
    }

    /// Receives one frame without waiting.
    ///
    /// # Errors
    /// `EAGAIN` when there is none, `ETERM`, `EINTR`.
    pub(crate) fn receive_frame(&mut self) -> Result<Message, Errno> {
        let mut frame = Message::blank();
        self.receive_into(&mut frame)?;
        Ok(frame)
    }

    /// Sends a copy of the bytes as one frame without waiting. Where
    /// [libzmq keeps them](Message::KEPT) in the message itself, no memory can be wanting.
    ///
    /// # Errors
    /// As [`send_frame`](Self::send_frame); `ENOMEM`.
    #[inline]
    pub(crate) fn send_bytes(&mut self, bytes: &[u8], more: bool) -> Result<(), Errno> {
        let flags = flags(more)?;
        // SAFETY: libzmq copies the bytes, which outlive the call; the socket is open.
        Errno::check(unsafe {
            zmq_sys::zmq_send(self.as_ptr(), bytes.as_ptr().cast::<c_void>(), bytes.len(), flags)
        })?;
        Ok(())
    }

    /// Receives one frame without waiting, in a message that the socket keeps.
    /// Returns its size.
    ///
    /// # Errors
    /// As [`receive_into`](Self::receive_into).
    #[inline]
    pub(crate) fn receive_spare(&mut self) -> Result<usize, Errno> {
        self.spare_size = 0;
        // SAFETY: the message is initialised, and closed by libzmq before it is filled.
        let size =
            unsafe { zmq_sys::zmq_msg_recv(self.spare.as_mut_ptr(), self.as_ptr(), DONTWAIT) };
        self.spare_size = usize::try_from(size).map_err(|_| Errno::last())?;
        Ok(self.spare_size)
    }

    /// The bytes that were received so last.
    #[inline]
    pub(crate) fn spare_bytes(&self) -> &[u8] {
        // SAFETY: it is what libzmq said of what it has received.
        unsafe { self.spare.slice_of(self.spare_size) }
    }

    /// Whether others follow them in their message.
    #[inline]
    pub(crate) fn spare_more(&self) -> bool {
        self.spare.more()
    }

    /// Takes what was received so last.
    pub(crate) fn take_spare(&mut self) -> Message {
        self.spare_size = 0;
        std::mem::replace(&mut self.spare, Message::empty())
    }

    /// Whether a frame may be copied without loss.
    #[inline]
    pub(crate) const fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// Receives one frame without waiting, in the room of a [blank](Message::blank)
    /// message. Returns its size.
    ///
    /// # Errors
    /// `EAGAIN` when there is none, `ETERM`, `EINTR`: then the message is empty.
    #[inline]
    pub(crate) fn receive_into(&mut self, frame: &mut Message) -> Result<usize, Errno> {
        // SAFETY: the message is initialised first, which cannot fail, and then
        // filled. If it was not blank, what it held is leaked, and no more.
        let size = unsafe {
            zmq_sys::zmq_msg_init(frame.as_mut_ptr());
            zmq_sys::zmq_msg_recv(frame.as_mut_ptr(), self.as_ptr(), DONTWAIT)
        };
        usize::try_from(size).map_err(|_| Errno::last())
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.linger_a_moment();
        // A monitor outlives this call otherwise, and at its next event freezes
        // libzmq's I/O thread if the PAIR that listens is gone by then.
        self.stop_monitor();
        // SAFETY: open until here, closed once. The only error, ENOTSOCK, is
        // ruled out by ownership. The call hands the socket to libzmq's reaper
        // and returns at once (`zmq_close(3)`).
        unsafe { zmq_sys::zmq_close(self.as_ptr()) };
    }
}
