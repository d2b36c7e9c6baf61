//! Frames, and the multipart messages they make up: all that crosses the
//! border between actors and sockets.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

use bytes::Bytes;

use crate::sys;

/// One frame of a message: immutable bytes, without a copy on either side.
///
/// A received frame stays in libzmq's own buffer until it is dropped; a frame
/// made from [`Bytes`], `Vec<u8>` or `String` is handed to libzmq as it is
/// (below 1 KiB a copy is cheaper, and made).
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

/// How many bytes are kept without an allocation. libzmq keeps as many so, too.
const SMALL: usize = 31;

/// Few bytes, such as an id.
#[derive(Clone)]
struct Small {
    length: u8,
    bytes: [u8; SMALL],
}

impl Small {
    fn new(data: &[u8]) -> Option<Self> {
        let mut bytes = [0; SMALL];
        bytes.get_mut(..data.len())?.copy_from_slice(data);
        Some(Self { length: u8::try_from(data.len()).ok()?, bytes })
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// At the same place as a message of libzmq, so that either is copied by the
/// pieces in which it was written.
#[derive(Clone)]
#[repr(align(16))]
struct Aligned<T>(T);

impl Frame {
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

    /// Does what can fail of [`copied`](Self::copied).
    #[inline]
    pub(crate) fn prepare(&mut self) -> Result<(), sys::Errno> {
        match &self.0 {
            Repr::Bytes(Aligned(bytes)) if bytes.len() > SMALL => self.as_message().map(drop),
            _ => Ok(()),
        }
    }

    /// A message with the frame's bytes, which the frame keeps.
    #[inline]
    pub(crate) fn copied(&mut self) -> Result<sys::Message, sys::Errno> {
        let bytes = match &mut self.0 {
            Repr::Message(message) => return message.duplicate(),
            Repr::Bytes(Aligned(bytes)) => &bytes[..],
            Repr::Small(Aligned(small)) => small.as_slice(),
        };
        let mut message = sys::Message::blank();
        message.copy(bytes)?;
        Ok(message)
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
        match Small::new(bytes) {
            Some(small) => Self(Repr::Small(Aligned(small))),
            None => Self::from(Bytes::copy_from_slice(bytes)),
        }
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

/// A message of one or more [`Frame`]s, which ZeroMQ delivers whole or not at all.
///
/// It dereferences to a slice of frames. A single frame is kept without an
/// allocation of its own.
///
/// # Examples
/// ```
/// use actix_zmq::Multipart;
///
/// let message = Multipart::from(["header", "body"]);
/// assert_eq!(message.len(), 2);
/// assert_eq!(message[1], "body");
/// ```
#[derive(Clone)]
pub struct Multipart(List);

/// Most messages are one frame, and every message is moved a few times on its
/// way: so this is no larger than a frame.
#[derive(Clone)]
enum List {
    One(Frame),
    More(Aligned<Vec<Frame>>),
}

impl Multipart {
    /// A message without frames, to be filled. It cannot be sent while empty.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(List::More(Aligned(Vec::new())))
    }

    /// An empty message with room for `frames` frames.
    #[must_use]
    pub fn with_capacity(frames: usize) -> Self {
        // A single frame needs no room.
        Self(List::More(Aligned(if frames > 1 { Vec::with_capacity(frames) } else { Vec::new() })))
    }

    /// A place for a message that is received: it is read into where it stands,
    /// for a move right after that is what costs most of all.
    #[inline]
    pub(crate) const fn place() -> Self {
        Self(List::One(Frame::place()))
    }

    /// Adds a frame at the end.
    #[inline]
    pub fn push(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        match &mut self.0 {
            List::More(Aligned(frames)) if frames.capacity() == 0 => self.0 = List::One(frame),
            List::More(Aligned(frames)) => frames.push(frame),
            List::One(first) => {
                // An envelope and a body find room without a second allocation.
                let mut frames = Vec::with_capacity(4);
                frames.extend([std::mem::take(first), frame]);
                self.0 = List::More(Aligned(frames));
            }
        }
    }

    /// The sum of the frames' lengths, in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.iter().map(Frame::size).sum()
    }

    /// The first frame, or an empty one.
    #[must_use]
    #[inline]
    pub fn into_first(self) -> Frame {
        match self.0 {
            List::One(frame) => frame,
            List::More(Aligned(frames)) => frames.into_iter().next().unwrap_or_default(),
        }
    }

    /// Splits off the frames from `at` on; all of them stay when there are fewer.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        match &mut self.0 {
            List::More(Aligned(frames)) if at + 1 == frames.len() => {
                frames.pop().map_or_else(Self::new, Self::from)
            }
            List::More(Aligned(frames)) if at < frames.len() => frames.drain(at..).collect(),
            List::One(_) if at == 0 => std::mem::take(self),
            _ => Self::new(),
        }
    }

    /// Takes the first frame off; the others stay.
    pub(crate) fn split_first(&mut self) -> Option<Frame> {
        match &mut self.0 {
            List::More(Aligned(frames)) if frames.len() == 2 => {
                let rest = frames.pop()?;
                let first = frames.pop();
                self.0 = List::One(rest);
                first
            }
            List::More(Aligned(frames)) if frames.is_empty() => None,
            List::More(Aligned(frames)) => Some(frames.remove(0)),
            List::One(_) => Some(std::mem::take(self).into_first()),
        }
    }

    /// A copy that shares the bytes of `self`'s frames.
    pub(crate) fn share(&mut self) -> Self {
        self.iter_mut().map(Frame::share).collect()
    }
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Multipart {
    type Target = [Frame];

    #[inline]
    fn deref(&self) -> &[Frame] {
        match &self.0 {
            List::One(frame) => std::slice::from_ref(frame),
            List::More(Aligned(frames)) => frames,
        }
    }
}

impl DerefMut for Multipart {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Frame] {
        match &mut self.0 {
            List::One(frame) => std::slice::from_mut(frame),
            List::More(Aligned(frames)) => frames,
        }
    }
}

impl PartialEq for Multipart {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Multipart {}

impl Hash for Multipart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<F: Into<Frame>> FromIterator<F> for Multipart {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let frames = frames.into_iter();
        let mut message = Self::with_capacity(frames.size_hint().0);
        message.extend(frames);
        message
    }
}

impl<F: Into<Frame>> Extend<F> for Multipart {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        frames.into_iter().for_each(|frame| self.push(frame));
    }
}

/// The frames of a [`Multipart`], one by one.
#[derive(Debug)]
pub struct Frames(Left);

#[derive(Debug)]
enum Left {
    One(Option<Frame>),
    More(std::vec::IntoIter<Frame>),
}

impl Iterator for Frames {
    type Item = Frame;

    #[inline]
    fn next(&mut self) -> Option<Frame> {
        match &mut self.0 {
            Left::One(frame) => frame.take(),
            Left::More(frames) => frames.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Left::One(frame) => (usize::from(frame.is_some()), Some(usize::from(frame.is_some()))),
            Left::More(frames) => frames.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Frames {
    fn next_back(&mut self) -> Option<Frame> {
        match &mut self.0 {
            Left::One(frame) => frame.take(),
            Left::More(frames) => frames.next_back(),
        }
    }
}

impl ExactSizeIterator for Frames {}

impl IntoIterator for Multipart {
    type Item = Frame;
    type IntoIter = Frames;

    #[inline]
    fn into_iter(self) -> Frames {
        Frames(match self.0 {
            List::One(frame) => Left::One(Some(frame)),
            List::More(Aligned(frames)) => Left::More(frames.into_iter()),
        })
    }
}

impl<'a> IntoIterator for &'a Multipart {
    type Item = &'a Frame;
    type IntoIter = std::slice::Iter<'a, Frame>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Frame> for Multipart {
    #[inline]
    fn from(frame: Frame) -> Self {
        Self(List::One(frame))
    }
}

impl From<Vec<Frame>> for Multipart {
    fn from(frames: Vec<Frame>) -> Self {
        Self(List::More(Aligned(frames)))
    }
}

impl<F: Into<Frame>, const N: usize> From<[F; N]> for Multipart {
    fn from(frames: [F; N]) -> Self {
        frames.into_iter().collect()
    }
}

macro_rules! one_frame {
    ($($from:ty),+) => {
        $(impl From<$from> for Multipart {
            fn from(data: $from) -> Self {
                Self::from(Frame::from(data))
            }
        })+
    };
}

one_frame!(Bytes, Vec<u8>, String, &str, &[u8]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_no_larger_than_a_frame() {
        assert_eq!(size_of::<Multipart>(), size_of::<Frame>());
        assert_eq!(size_of::<Frame>(), size_of::<sys::Message>() + align_of::<sys::Message>());
    }

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
    fn a_shared_copy_survives_the_original() -> Result<(), sys::Errno> {
        let mut message = Multipart::from(["a", "b"]);
        message[0].as_message()?;
        let copy = message.share();
        drop(message);
        assert_eq!(copy, Multipart::from(["a", "b"]));
        Ok(())
    }

    #[test]
    fn a_frame_of_any_size_keeps_its_bytes_when_it_is_sent() -> Result<(), sys::Errno> {
        for size in [0, 1, SMALL, SMALL + 1, 33, 34, 2_000] {
            let data = vec![7; size];
            for frame in [Frame::from(&data[..]), Frame::from(data.clone())] {
                for kept in [false, true] {
                    let mut frame = frame.clone();
                    if kept {
                        frame.as_message()?;
                    }
                    frame.prepare()?;
                    let copy = frame.copied()?;
                    assert_eq!((frame.size(), copy.size()), (size, size));
                    assert_eq!((&frame[..], copy.as_slice()), (&data[..], &data[..]));
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
