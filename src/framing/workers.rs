//! What workers and their queue tell each other: RFC 6/PPP (Paranoid Pirate),
//! and what this crate adds to it.
//!
//! A word is one frame that begins with one of these bytes; everything else is
//! a request or a reply. A queue or a worker that knows RFC 6 alone takes no
//! notice of the others.

use crate::multipart::Frame;

/// What one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// RFC 6: the worker takes one request at a time from now on.
    Ready,
    /// RFC 6: I am still here.
    Heartbeat,
    /// The worker takes so many requests at a time. The queue says it back once,
    /// and from then on it is the worker's heartbeat.
    Capacity(u32),
    /// The worker wants no further requests.
    Leaving,
    /// The queue sends no further requests.
    Left,
}

impl Word {
    pub(crate) fn compose(self) -> Frame {
        match self {
            Self::Ready => Frame::from([1]),
            Self::Heartbeat => Frame::from([2]),
            Self::Capacity(requests) => {
                let [a, b, c, d] = requests.to_be_bytes();
                Frame::from([3, a, b, c, d])
            }
            Self::Leaving => Frame::from([4]),
            Self::Left => Frame::from([5]),
        }
    }

    /// The word that a single frame is.
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        match *frame {
            [1] => Some(Self::Ready),
            [2] => Some(Self::Heartbeat),
            [3, a, b, c, d] => Some(Self::Capacity(u32::from_be_bytes([a, b, c, d]))),
            [4] => Some(Self::Leaving),
            [5] => Some(Self::Left),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_and_nothing_else_is_one() {
        let words = [Word::Ready, Word::Heartbeat, Word::Leaving, Word::Left];
        for word in words.into_iter().chain([0, 1, u32::MAX].map(Word::Capacity)) {
            assert_eq!(Word::parse(&word.compose()), Some(word));
        }
        assert_eq!(Word::Ready.compose(), b"\x01", "as RFC 6 has it");
        assert_eq!(Word::Heartbeat.compose(), b"\x02");
        for other in [&b""[..], b"\0", b"\x06", b"\x01\0", b"\x03\0", b"\x03\0\0\0\0\0"] {
            assert_eq!(Word::parse(other), None, "{other:?}");
        }
    }
}
