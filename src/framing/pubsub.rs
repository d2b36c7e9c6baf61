//! A topic and its body, in one frame or in several.

use bytes::{Bytes, BytesMut};

use crate::codec::Undecodable;
use crate::error::{Error, ErrorKind};
use crate::messages::Subscription;
use crate::multipart::{Frame, Multipart};

/// How a topic and its body become frames.
///
/// It decides how PUB sends. SUB accepts [`Frames`](Self::Frames) and
/// [`Tagged`](Self::Tagged) alike, by txZMQ's rules: two frames are topic and
/// body; a single one is split at the first separator. Of three or more
/// frames, of which txZMQ discards all but the first, the first is the topic
/// and the others are the body; a SUB with `Tagged` splits the first if it has
/// a separator, and the others are part of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicFraming {
    /// `[topic][body…]`: the common form, as pyzmq and the ZeroMQ guide use.
    Frames,
    /// `[topic separator body]` in a single frame, as txZMQ sends. The body
    /// must be one frame; a topic that contains the separator is split
    /// earlier by every receiver, so it is refused.
    Tagged {
        /// What stands between topic and body: one NUL byte in txZMQ.
        separator: Bytes,
    },
    /// Frames as they are. PUB sends the body alone (its topic must be a
    /// prefix of the first frame, or empty); SUB takes the first frame as
    /// topic and all of them as body.
    Whole,
}

impl TopicFraming {
    /// txZMQ's framing with its NUL separator.
    #[must_use]
    pub const fn tagged() -> Self {
        Self::Tagged { separator: Bytes::from_static(b"\0") }
    }

    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption) for a separator that separates nothing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.separator().is_empty() {
            let error = Error::new(ErrorKind::InvalidOption);
            return Err(error.detail("the tagged framing needs a separator of at least one byte"));
        }
        Ok(())
    }

    fn separator(&self) -> &[u8] {
        match self {
            Self::Tagged { separator } => separator,
            Self::Frames | Self::Whole => b"\0",
        }
    }
}

impl Default for TopicFraming {
    /// [`TopicFraming::Frames`]
    fn default() -> Self {
        Self::Frames
    }
}

/// Why a topic and body cannot be sent in a framing; both are given back.
#[derive(Debug)]
pub(crate) struct Unframeable {
    pub(crate) body: Box<Multipart>,
    pub(crate) why: &'static str,
}

/// Topic and body, as they are published.
pub(crate) fn compose(
    framing: &TopicFraming,
    topic: Frame,
    body: Multipart,
) -> Result<Multipart, Unframeable> {
    match framing {
        TopicFraming::Frames => {
            let mut frames = body;
            // A lone topic would be read as a tagged frame.
            if frames.is_empty() {
                frames.push(Frame::empty());
            }
            frames.put_first([topic]);
            Ok(frames)
        }
        TopicFraming::Tagged { separator } => {
            if body.len() > 1 {
                let why = "the tagged framing carries one body frame";
                return Err(Unframeable { body: Box::new(body), why });
            }
            let mut frame =
                BytesMut::with_capacity(topic.len() + separator.len() + body.byte_len());
            frame.extend_from_slice(&topic);
            frame.extend_from_slice(separator);
            // Also where it begins in the topic and ends in the separator.
            if find(&frame, separator) != Some(topic.len()) {
                let why = "the topic contains the separator of the tagged framing";
                return Err(Unframeable { body: Box::new(body), why });
            }
            frame.extend_from_slice(&body.into_first());
            Ok(Frame::from(frame.freeze()).into())
        }
        TopicFraming::Whole => {
            let fits = body.first().is_some_and(|first| first.starts_with(&topic));
            if fits {
                Ok(body)
            } else {
                let why = "without a topic frame the body must start with the topic";
                Err(Unframeable { body: Box::new(body), why })
            }
        }
    }
}

/// Topic and body, as they are received.
pub(crate) fn parse(
    framing: &TopicFraming,
    frames: Multipart,
) -> Result<(Frame, Multipart), Undecodable> {
    if *framing == TopicFraming::Whole {
        let topic = frames.first().cloned().unwrap_or_default();
        return Ok((topic, frames));
    }
    let tagged = matches!(framing, TopicFraming::Tagged { .. });
    if frames.len() == 2 || (frames.len() > 2 && !tagged) {
        return Ok(split_first(frames));
    }
    let separator = framing.separator();
    let cut = match frames.first() {
        Some(first) => find(first, separator),
        None => None,
    };
    match cut {
        Some(at) => {
            let mut rest = frames.into_iter();
            let first = rest.next().unwrap_or_default().into_bytes();
            let mut body = Multipart::with_capacity(1 + rest.len());
            body.push(first.slice(at + separator.len()..));
            body.extend(rest);
            Ok((Frame::from(first.slice(..at)), body))
        }
        None if frames.len() > 2 => Ok(split_first(frames)),
        None => Err(Undecodable::framing(frames, "a single frame without a topic separator")),
    }
}

/// The body of a composed message, for the sender that gets it back.
pub(crate) fn body_of(framing: &TopicFraming, topic_len: usize, frames: Multipart) -> Multipart {
    match framing {
        TopicFraming::Frames => split_first(frames).1,
        TopicFraming::Tagged { separator } => {
            let frame = frames.into_first().into_bytes();
            let start = (topic_len + separator.len()).min(frame.len());
            Frame::from(frame.slice(start..)).into()
        }
        TopicFraming::Whole => frames,
    }
}

/// What a subscriber tells its publisher (RFC 29: a byte 1 or 0, then the prefix).
pub(crate) fn parse_subscription(frames: Multipart) -> Subscription {
    if !is_subscription(&frames) {
        return Subscription::Message(frames);
    }
    let on = frames.first().and_then(|frame| frame.first()) == Some(&1);
    let prefix = prefix_of(frames);
    if on { Subscription::Subscribed(prefix) } else { Subscription::Unsubscribed(prefix) }
}

/// Whether a message to a publisher is a subscription or the end of one.
pub(crate) fn is_subscription(frames: &Multipart) -> bool {
    matches!(&frames[..], [only] if matches!(only.first(), Some(0 | 1)))
}

/// What the first frame of any message with this topic begins with, against
/// which subscriptions are matched.
pub(crate) fn beginning(framing: &TopicFraming, topic: &[u8]) -> Vec<u8> {
    let mut beginning = topic.to_vec();
    if let TopicFraming::Tagged { separator } = framing {
        beginning.extend_from_slice(separator);
    }
    beginning
}

fn prefix_of(frames: Multipart) -> Frame {
    Frame::from(frames.into_first().into_bytes().slice(1..))
}

fn split_first(mut frames: Multipart) -> (Frame, Multipart) {
    (frames.split_first().unwrap_or_default(), frames)
}

/// Where a separator, which is never empty, stands first.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)
    }

    #[test]
    fn a_subscription_is_one_frame_with_a_byte_in_front() {
        let parse = |frames: &[&[u8]]| parse_subscription(frames.iter().copied().collect());
        assert_eq!(parse(&[b"\x01news"]), Subscription::Subscribed("news".into()));
        assert_eq!(parse(&[b"\x01"]), Subscription::Subscribed(Frame::empty()));
        assert_eq!(parse(&[b"\x00news"]), Subscription::Unsubscribed("news".into()));
        for message in [&[&b""[..]][..], &[b"\x02news"], &[b"\x01news", b"more"], &[]] {
            let frames: Multipart = message.iter().copied().collect();
            assert_eq!(parse(message), Subscription::Message(frames));
        }
    }

    proptest! {
        #[test]
        fn two_frames_come_back(topic: Vec<u8>, body: Vec<u8>) {
            let framing = TopicFraming::Frames;
            let sent = compose(&framing, topic.clone().into(), body.clone().into());
            let sent = sent.map_err(|error| TestCaseError::fail(error.why))?;
            prop_assert_eq!(sent.len(), 2);
            let (got, back) = parse(&framing, sent)?;
            prop_assert_eq!(&got[..], &topic[..]);
            prop_assert_eq!(back, Multipart::from(body));
        }

        #[test]
        fn a_tagged_frame_comes_back(topic in "[a-z]*", body: Vec<u8>, separator in "[-:|]{1,3}") {
            let framing = TopicFraming::Tagged { separator: separator.into() };
            let sent = compose(&framing, topic.as_str().into(), body.clone().into());
            let sent = sent.map_err(|error| TestCaseError::fail(error.why))?;
            prop_assert_eq!(sent.len(), 1);
            let given_back = body_of(&framing, topic.len(), sent.clone());
            prop_assert_eq!(given_back, Multipart::from(body.clone()));
            let (got, back) = parse(&framing, sent)?;
            prop_assert_eq!(&got[..], topic.as_bytes());
            prop_assert_eq!(back, Multipart::from(body));
        }

        #[test]
        fn any_frames_are_parsed_or_given_back(frames in frames(), tagged: bool) {
            let framing = if tagged { TopicFraming::tagged() } else { TopicFraming::Frames };
            let frames: Multipart = frames.into_iter().collect();
            if let Err(undecodable) = parse(&framing, frames.clone()) {
                prop_assert_eq!(undecodable.into_frames(), frames);
            }
        }
    }

    #[test]
    fn txzmq_frames_byte_for_byte() -> Result<(), Unframeable> {
        let framing = TopicFraming::tagged();
        let sent = compose(&framing, "tag".into(), "body".into())?;
        assert_eq!(sent[0], b"tag\0body");
        let sent = compose(&framing, Frame::empty(), "nobody".into())?;
        assert_eq!(sent[0], b"\0nobody");
        Ok(())
    }

    #[test]
    fn txzmq_rules_for_receiving() -> Result<(), Undecodable> {
        let framing = TopicFraming::tagged();
        let (topic, body) = parse(&framing, "tag\0a\0b".into())?;
        assert_eq!((&topic[..], &body[0][..]), (&b"tag"[..], &b"a\0b"[..]));
        // Two frames are never split, NUL or not.
        let (topic, body) = parse(&framing, ["a\0b", "c"].into())?;
        assert_eq!((&topic[..], &body[0][..]), (&b"a\0b"[..], &b"c"[..]));
        // txZMQ loses what follows the first frame.
        let (topic, body) = parse(&framing, ["t\0x", "y", "z"].into())?;
        assert_eq!(topic, "t");
        assert_eq!(body, ["x", "y", "z"].into());
        let (topic, body) = parse(&framing, ["t", "y", "z"].into())?;
        assert_eq!(topic, "t");
        assert_eq!(body, ["y", "z"].into());
        assert!(parse(&framing, "no separator".into()).is_err());
        assert!(parse(&framing, Multipart::from("")).is_err());
        Ok(())
    }

    #[test]
    fn what_a_receiver_would_split_wrongly_is_refused() {
        let refused = compose(&TopicFraming::tagged(), "a\0b".into(), "c".into());
        assert!(refused.is_err_and(|error| *error.body == "c".into()));
        let refused = compose(&TopicFraming::tagged(), "a".into(), ["b", "c"].into());
        assert!(refused.is_err_and(|error| error.body.len() == 2));
    }
}
