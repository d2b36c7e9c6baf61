//! What a subscriber asks for: a prefix, or one exact topic.

use std::fmt;

use crate::multipart::Frame;

/// A subscription: every topic that starts with some bytes, or one topic exactly.
///
/// ZeroMQ matches bytes, not words: the prefix `news` also matches
/// `newsletter`, and the empty prefix matches all. Text converts into a prefix.
/// An exact topic subscribes to the prefix and leaves out the rest on this side.
///
/// # Examples
/// ```
/// use actix_zmq::Topic;
///
/// assert_eq!(Topic::from("news"), Topic::prefix("news"));
/// assert!(Topic::prefix("news").matches(b"newsletter"));
/// assert!(!Topic::exact("news").matches(b"newsletter"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    bytes: Frame,
    exact: bool,
}

impl Topic {
    /// Every topic that starts with these bytes (`ZMQ_SUBSCRIBE`).
    #[must_use]
    pub fn prefix(bytes: impl Into<Frame>) -> Self {
        Self { bytes: bytes.into(), exact: false }
    }

    /// This topic and no other.
    #[must_use]
    pub fn exact(bytes: impl Into<Frame>) -> Self {
        Self { bytes: bytes.into(), exact: true }
    }

    /// Every topic: the empty prefix.
    #[must_use]
    pub const fn all() -> Self {
        Self { bytes: Frame::empty(), exact: false }
    }

    /// Whether a message with this topic is asked for.
    #[must_use]
    pub fn matches(&self, topic: &[u8]) -> bool {
        if self.exact { topic == &self.bytes[..] } else { topic.starts_with(&self.bytes) }
    }

    /// The bytes of the prefix or topic.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether only this very topic is meant.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.exact
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.exact { "exact" } else { "prefix" };
        write!(f, "Topic::{kind}({:?})", self.bytes)
    }
}

impl<B: Into<Frame>> From<B> for Topic {
    fn from(prefix: B) -> Self {
        Self::prefix(prefix)
    }
}
