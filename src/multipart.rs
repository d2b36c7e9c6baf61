//! Frames, and the multipart messages they make up: all that crosses the
//! border between actors and sockets.

mod frame;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

use bytes::Bytes;

pub use frame::Frame;

/// At the same place as a message of libzmq, so that either is copied by the
/// pieces in which it was written.
#[derive(Clone)]
#[repr(align(16))]
struct Aligned<T>(T);

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
            List::More(Aligned(frames)) if at < frames.len() => frames.split_off(at).into(),
            List::One(_) if at == 0 => std::mem::take(self),
            _ => Self::new(),
        }
    }

    /// Puts frames in front, without an allocation where there is room.
    pub(crate) fn put_first<const N: usize>(&mut self, frames: [Frame; N]) {
        match &mut self.0 {
            List::More(Aligned(list)) => {
                // There are one or two.
                frames.into_iter().rev().for_each(|frame| list.insert(0, frame));
            }
            List::One(frame) => {
                let mut list = Vec::with_capacity(N + 1);
                list.extend(frames);
                list.push(std::mem::take(frame));
                self.0 = List::More(Aligned(list));
            }
        }
    }

    /// Puts the frames of another message behind.
    pub(crate) fn append(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (_, List::One(frame)) => self.push(frame),
            (List::More(Aligned(list)), List::More(Aligned(mut more))) => list.append(&mut more),
            (List::One(_), List::More(Aligned(more))) => self.extend(more),
        }
    }

    /// Drops the first frames; all of them when there are no more.
    pub(crate) fn drop_first(&mut self, frames: usize) {
        match &mut self.0 {
            List::More(Aligned(list)) => {
                list.drain(..frames.min(list.len()));
                if list.len() == 1
                    && let Some(last) = list.pop()
                {
                    self.0 = List::One(last);
                }
            }
            List::One(_) if frames > 0 => *self = Self::new(),
            List::One(_) => {}
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
    use crate::sys;

    #[test]
    fn a_message_is_no_larger_than_a_frame() {
        assert_eq!(size_of::<Multipart>(), size_of::<Frame>());
        assert_eq!(size_of::<Frame>(), size_of::<sys::Message>() + align_of::<sys::Message>());
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
}
