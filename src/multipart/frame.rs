//! Frames.

use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

use super::Aligned;
use crate::sys;

/// One frame of a message: immutable bytes, without a copy on either side.
///
/// A received frame stays in libzmq's own buffer until it is dropped, unless it is
/// short and one of several, such as a topic; a frame made from [`Bytes`], `Vec<u8>`
/// or `String` is handed to libzmq as it is (below 1 KiB a copy is cheaper, and made).
///
/// Cloning a frame that was built from bytes shares them. Cloning a *received*
/// frame copies its bytes; turn it [into `Bytes`](Frame::into_bytes) first when
/// many clones are wanted.
///
/// # Examples
/// ```
/// use actix_zmq::Frame;
///
/// let frame = Frame::from("hello");
/// assert_eq!(&frame[..], b"hello");
/// assert_eq!(frame.as_str(), Some("hello"));
/// ```
pub struct Frame(Repr);

enum Repr {
    Bytes(Aligned<Bytes>),
    Small(Aligned<Small>),
    Message(sys::Message),
}

/// Few bytes, such as an id or the header of a call.
#[derive(Clone)]
#[repr(C)]
struct Small {
    // First, so that they are copied by the pieces in which they were written.
    bytes: [u8; Frame::SMALL],
    length: u8,
}

impl Small {
    fn new(data: &[u8]) -> Option<Self> {
        let mut bytes = [0; Frame::SMALL];
        bytes.get_mut(..data.len())?.copy_from_slice(data);
        Some(Self { length: u8::try_from(data.len()).ok()?, bytes })
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl Frame {
    /// How many bytes are kept without an allocation: as many as there is room for.
    pub(crate) const SMALL: usize = 63;

    /// A frame without bytes, as delimits an envelope.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Repr::Bytes(Aligned(Bytes::new())))
    }

    /// The descriptor of the connection that a received frame came over, if it did.
    pub(crate) fn source(&self) -> Option<i32> {
        match &self.0 {
            Repr::Message(message) => message.source(),
            Repr::Bytes(_) | Repr::Small(_) => None,
        }
    }

    /// A frame of what is written into a buffer, which is used again and again.
    pub(crate) fn written<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Self, E> {
        thread_local! {
            static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
        }
        // Taken, so that whoever writes may write another one meanwhile.
        let mut buffer = BUFFER.take();
        buffer.clear();
        write(&mut buffer)?;
        if buffer.len() >= sys::Message::COPY_BELOW {
            return Ok(Self::from(buffer));
        }
        let frame = Self::copy_of(&buffer);
        BUFFER.set(buffer);
        Ok(frame)
    }

    /// A copy of bytes, in libzmq's keeping unless they are few.
    fn copy_of(bytes: &[u8]) -> Self {
        let mut message = sys::Message::blank();
        match Self::small(bytes) {
            Some(small) => small,
            None if message.copy(bytes).is_ok() => Self(Repr::Message(message)),
            None => Self::from(Bytes::copy_from_slice(bytes)),
        }
    }

    /// A frame that borrows bytes which live as long as the program.
    #[must_use]
    pub const fn from_static(data: &'static [u8]) -> Self {
        Self(Repr::Bytes(Aligned(Bytes::from_static(data))))
    }

    /// The frame as [`Bytes`], which are cheap to clone and to slice.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Bytes(Aligned(bytes)) => bytes,
            Repr::Small(Aligned(small)) => Bytes::copy_from_slice(small.as_slice()),
            Repr::Message(message) => Bytes::from_owner(message),
        }
    }

    /// The frame as text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self).ok()
    }

    /// How many bytes it has: less work than to look at them.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        match &self.0 {
            Repr::Bytes(Aligned(bytes)) => bytes.len(),
            Repr::Small(Aligned(small)) => small.length.into(),
            Repr::Message(message) => message.size(),
        }
    }

    /// The frame in libzmq's keeping, ready to be sent.
    #[inline]
    pub(crate) fn as_message(&mut self) -> Result<&mut sys::Message, sys::Errno> {
        if !matches!(self.0, Repr::Message(_)) {
            let before = std::mem::replace(&mut self.0, Repr::Message(sys::Message::blank()));
            let Repr::Message(message) = &mut self.0 else { return Err(sys::Errno::INVAL) };
            let filled = match &before {
                Repr::Bytes(Aligned(bytes)) => message.fill(bytes),
                Repr::Small(Aligned(small)) => message.copy(small.as_slice()),
                Repr::Message(_) => Err(sys::Errno::INVAL),
            };
            if let Err(errno) = filled {
                self.0 = before;
                return Err(errno);
            }
        }
        match &mut self.0 {
            Repr::Message(message) => Ok(message),
            Repr::Bytes(_) | Repr::Small(_) => Err(sys::Errno::INVAL),
        }
    }

    /// A copy of bytes that are few.
    #[inline]
    pub(crate) fn small(bytes: &[u8]) -> Option<Self> {
        Small::new(bytes).map(|small| Self(Repr::Small(Aligned(small))))
    }

    /// Room for a frame that is received.
    #[inline]
    pub(crate) const fn place() -> Self {
        Self(Repr::Message(sys::Message::blank()))
    }

    /// The frame, if it is in libzmq's keeping.
    #[inline]
    pub(crate) const fn message_mut(&mut self) -> Option<&mut sys::Message> {
        match &mut self.0 {
            Repr::Message(message) => Some(message),
            Repr::Bytes(_) | Repr::Small(_) => None,
        }
    }

    /// Bytes that libzmq had better copy than be given.
    #[inline]
    pub(crate) fn short(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Small(Aligned(small)) => Some(small.as_slice()),
            Repr::Bytes(Aligned(bytes)) if bytes.len() < sys::Message::COPY_BELOW => Some(bytes),
            Repr::Bytes(_) | Repr::Message(_) => None,
        }
    }

    /// Does what can fail of sending the frame, with which a message ends.
    #[inline]
    pub(crate) fn prepare(&mut self) -> Result<(), sys::Errno> {
        match self.short() {
            Some(bytes) if bytes.len() <= sys::Message::KEPT => Ok(()),
            _ => self.as_message().map(drop),
        }
    }

    /// Does what can fail of sending a copy of the frame, be it that this is made.
    #[inline]
    pub(crate) fn copy_ahead(&mut self) -> Result<Option<sys::Message>, sys::Errno> {
        match self.short() {
            Some(bytes) if bytes.len() <= sys::Message::KEPT => Ok(None),
            Some(bytes) => {
                let mut copy = sys::Message::blank();
                copy.copy(bytes)?;
                Ok(Some(copy))
            }
            None => self.as_message().map(|_| None),
        }
    }

    /// A frame that shares `self`'s bytes from now on, for a message that is kept to be sent again.
    pub(crate) fn share(&mut self) -> Self {
        if let Repr::Message(_) = self.0 {
            let owned = std::mem::take(self).into_bytes();
            self.0 = Repr::Bytes(Aligned(owned));
        }
        self.clone()
    }
}

impl From<sys::Message> for Frame {
    #[inline]
    fn from(message: sys::Message) -> Self {
        Self(Repr::Message(message))
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::empty()
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        match &self.0 {
            Repr::Bytes(Aligned(bytes)) => Self::from(bytes.clone()),
            Repr::Small(small) => Self(Repr::Small(small.clone())),
            Repr::Message(message) => Self::from(message.as_slice()),
        }
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Bytes(Aligned(bytes)) => bytes,
            Repr::Small(Aligned(small)) => small.as_slice(),
            Repr::Message(message) => message.as_slice(),
        }
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Frame {}

impl PartialEq<[u8]> for Frame {
    fn eq(&self, other: &[u8]) -> bool {
        self[..] == *other
    }
}

impl PartialEq<&[u8]> for Frame {
    fn eq(&self, other: &&[u8]) -> bool {
        self[..] == **other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Frame {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self[..] == other[..]
    }
}

impl PartialEq<&str> for Frame {
    fn eq(&self, other: &&str) -> bool {
        self[..] == *other.as_bytes()
    }
}

impl Hash for Frame {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let shown = self.get(..SHOWN).unwrap_or(self);
        write!(f, "b\"{}\"", shown.escape_ascii())?;
        if self.len() > SHOWN { write!(f, "… ({} bytes)", self.len()) } else { Ok(()) }
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Bytes(Aligned(bytes)))
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&[u8]> for Frame {
    fn from(bytes: &[u8]) -> Self {
        Self::small(bytes).unwrap_or_else(|| Self::from(Bytes::copy_from_slice(bytes)))
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl<const N: usize> From<[u8; N]> for Frame {
    fn from(bytes: [u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<Frame> for Bytes {
    fn from(frame: Frame) -> Self {
        frame.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_compare_by_their_bytes_wherever_they_are_kept() -> Result<(), sys::Errno> {
        let plain = Frame::from("abc");
        let mut kept = Frame::from("abc");
        kept.as_message()?;
        assert_eq!(plain, kept);
        assert_eq!(kept.clone(), plain);
        assert_eq!(kept.into_bytes(), Bytes::from_static(b"abc"));
        Ok(())
    }

    #[test]
    fn a_frame_of_any_size_keeps_its_bytes_when_it_is_sent() -> Result<(), sys::Errno> {
        for size in [0, 1, 33, 34, Frame::SMALL, Frame::SMALL + 1, 2_000] {
            let data = vec![7; size];
            for frame in [Frame::from(&data[..]), Frame::from(data.clone())] {
                for kept in [false, true] {
                    let mut frame = frame.clone();
                    if kept {
                        frame.as_message()?;
                    }
                    if let Some(copy) = frame.copy_ahead()? {
                        assert_eq!(copy.as_slice(), data);
                    }
                    assert_eq!((frame.size(), &frame[..]), (size, &data[..]));
                    frame.prepare()?;
                    assert_eq!((frame.size(), &frame[..]), (size, &data[..]));
                    assert_eq!(frame.share(), data[..]);
                    assert_eq!(frame.as_message()?.as_slice(), data);
                    assert_eq!(frame.clone().into_bytes(), data);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn debug_shortens_long_frames() {
        assert_eq!(format!("{:?}", Frame::from("a\0b")), r#"b"a\x00b""#);
        assert!(format!("{:?}", Frame::from(vec![0; 1000])).ends_with("(1000 bytes)"));
    }
}
