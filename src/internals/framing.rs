//! The framing of each pattern; nothing is returned for what it refuses.

use crate::framing::{TopicFraming, pubsub, reqrep, routed};
use crate::multipart::{Frame, Multipart};

/// Topic and body, as they are published.
#[must_use]
pub fn published(framing: &TopicFraming, topic: Frame, body: Multipart) -> Option<Multipart> {
    pubsub::compose(framing, topic, body).ok()
}

/// Topic and body, as they are received.
#[must_use]
pub fn subscribed(framing: &TopicFraming, frames: Multipart) -> Option<(Frame, Multipart)> {
    pubsub::parse(framing, frames).ok()
}

/// A request as it leaves.
#[must_use]
pub fn request(id: u128, parts: Multipart) -> Multipart {
    reqrep::request(id.to_be_bytes(), parts)
}

/// A request as it arrives: the envelope and the parts.
#[must_use]
pub fn requested(frames: Multipart) -> Option<(Multipart, Multipart)> {
    reqrep::parse_request(frames).ok()
}

/// A reply as it leaves.
#[must_use]
pub fn reply(envelope: Multipart, parts: Multipart) -> Multipart {
    reqrep::reply(envelope, parts)
}

/// A reply as it arrives: the id and the parts.
#[must_use]
pub fn replied(frames: Multipart) -> Option<(u128, Multipart)> {
    reqrep::parse_reply(frames).ok().map(|(id, parts)| (u128::from_be_bytes(id), parts))
}

/// A message for a peer.
#[must_use]
pub fn routed_to(peer: Frame, body: Multipart) -> Multipart {
    routed::compose(peer, body)
}

/// The peer and what it sent.
#[must_use]
pub fn routed_from(frames: Multipart) -> (Frame, Multipart) {
    routed::parse(frames)
}
