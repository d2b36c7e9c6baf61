//! An input is frames: for each of them a byte that tells its length (the low
//! six bits) and whether libzmq keeps it (the next bit), then its bytes. What
//! is missing at the end is not there.

use bytes::Bytes;

use crate::codec::Undecodable;
use crate::framing::{TopicFraming, pubsub, reqrep, routed};
use crate::messages::Subscription;
use crate::multipart::{Frame, Multipart};

fn frames_of(mut bytes: &[u8]) -> Multipart {
    let mut frames = Multipart::new();
    while let Some((head, rest)) = bytes.split_first() {
        let (frame, rest) = rest.split_at(usize::from(head & 0x3f).min(rest.len()));
        let mut frame = Frame::from(frame);
        if head & 0x40 != 0 {
            assert!(frame.as_message().is_ok());
        }
        frames.push(frame);
        bytes = rest;
    }
    frames
}

/// All that any framing makes of these frames.
fn check(bytes: &[u8]) {
    let frames = frames_of(bytes);
    let (topic, body) = routed::parse(frames.clone());
    let separators = [&b"\0"[..], b"--", b"aba"].map(Bytes::from_static);
    // One that is in the topic, if there is any.
    let own = Bytes::copy_from_slice(topic.get(..2).unwrap_or(b" "));
    let tagged = separators.into_iter().chain([own]);
    let tagged = tagged.map(|separator| TopicFraming::Tagged { separator });
    for framing in [TopicFraming::Frames, TopicFraming::Whole].into_iter().chain(tagged) {
        published(&framing, &topic, &body);
        received(&framing, &frames);
    }
    subscription(&frames);
    envelopes(&frames);
    if frames.is_empty() {
        assert!(topic.is_empty() && body.is_empty());
    } else {
        assert_eq!(routed::compose(topic, body), frames);
    }
}

/// What is composed comes back to its receiver, and to a sender that must have
/// it back; what cannot be composed is given back at once.
fn published(framing: &TopicFraming, topic: &Frame, body: &Multipart) {
    // A body without frames cannot be told from one with an empty frame.
    let mut some = body.clone();
    if some.is_empty() && *framing != TopicFraming::Whole {
        some.push(Frame::empty());
    }
    let sent = match pubsub::compose(framing, topic.clone(), body.clone()) {
        Ok(sent) => sent,
        Err(refused) => {
            assert_eq!(*refused.body, *body, "{}", refused.why);
            assert_ne!(*framing, TopicFraming::Frames, "it takes anything");
            return;
        }
    };
    assert_eq!(pubsub::body_of(framing, topic.len(), sent.clone()), some);
    let Ok((got, back)) = pubsub::parse(framing, sent.clone()) else {
        assert_eq!(sent, Multipart::new(), "{framing:?} does not take what it composed");
        return;
    };
    assert_eq!(back, some, "{framing:?}");
    if *framing == TopicFraming::Whole {
        assert!(got.starts_with(topic));
    } else {
        assert_eq!(got, *topic, "{framing:?}");
    }
    if *framing == TopicFraming::tagged() {
        let plain = pubsub::parse(&TopicFraming::Frames, sent);
        assert!(plain.is_ok_and(|(got, back)| got == *topic && back == some));
    }
}

/// Parsed without losing a byte, or given back.
fn received(framing: &TopicFraming, frames: &Multipart) {
    let (topic, body) = match pubsub::parse(framing, frames.clone()) {
        Ok(parsed) => parsed,
        Err(undecodable) => return given_back(undecodable, frames),
    };
    let separator: &[u8] = match framing {
        TopicFraming::Whole => {
            assert_eq!(body, *frames);
            assert_eq!(topic, frames.first().cloned().unwrap_or_default());
            return;
        }
        TopicFraming::Tagged { separator } => separator,
        TopicFraming::Frames => b"\0",
    };
    if body.len() < frames.len() {
        assert_eq!(routed::compose(topic, body), *frames);
        return;
    }
    // Split, at the first separator.
    let mut whole = [&topic[..], separator].concat();
    let at = whole.windows(separator.len()).position(|window| window == separator);
    assert_eq!(at, Some(topic.len()), "{separator:?} in {topic:?}");
    let mut rest = body.into_iter();
    whole.extend_from_slice(&rest.next().unwrap_or_default());
    let joined: Multipart = std::iter::once(Frame::from(whole)).chain(rest).collect();
    assert_eq!(joined, *frames);
}

fn given_back(undecodable: Undecodable, frames: &Multipart) {
    assert!(!undecodable.error().to_string().is_empty());
    assert_eq!(undecodable.into_frames(), *frames);
}

fn subscription(frames: &Multipart) {
    let again = match pubsub::parse_subscription(frames.clone()) {
        Subscription::Subscribed(prefix) => [&[1][..], &prefix].concat().into(),
        Subscription::Unsubscribed(prefix) => [&[0][..], &prefix].concat().into(),
        Subscription::Message(message) => message,
    };
    assert_eq!(again, *frames);
}

fn envelopes(frames: &Multipart) {
    let delimited = frames.iter().skip(1).any(|frame| frame.is_empty());
    match reqrep::parse_request(frames.clone()) {
        Ok((envelope, parts)) => {
            assert!(delimited);
            let first = envelope.iter().skip(1).position(|frame| frame.is_empty());
            assert_eq!(first, Some(envelope.len() - 2));
            // An answer goes the way that the request came.
            let answer = reqrep::reply(envelope, parts.clone());
            assert_eq!(answer, *frames);
            assert_eq!(reqrep::reply_parts(answer), parts);
        }
        Err(undecodable) => {
            assert!(!delimited);
            given_back(undecodable, frames);
            assert_eq!(reqrep::reply_parts(frames.clone()), *frames);
        }
    }
    match reqrep::parse_reply(frames.clone()) {
        Ok((id, parts)) => assert_eq!(reqrep::request(id, parts), *frames),
        Err(undecodable) => given_back(undecodable, frames),
    }
    // Anything may be asked.
    let id = [7; 16];
    let asked = reqrep::request(id, frames.clone());
    assert_eq!(reqrep::parts_of(asked.clone()), *frames);
    let parsed = reqrep::parse_reply(asked);
    assert!(parsed.is_ok_and(|(back, parts)| back == id && parts == *frames));
}

#[test]
fn any_frames_are_parsed_or_given_back_and_what_is_composed_comes_back() {
    super::run("framing", &[], check);
}
