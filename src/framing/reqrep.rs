//! The envelope around a request and its reply.
//!
//! A request leaves a DEALER as `[id][empty][parts…]`. A ROUTER sees
//! `[routing id][hop…][id][empty][parts…]`: everything before the first empty
//! frame is the envelope, which a reply repeats as it came. A plain REQ peer
//! has no id; its envelope is the routing id alone.

use crate::codec::Undecodable;
use crate::multipart::{Frame, Multipart};

/// What a reply is known by: any 16 bytes, as long as they differ.
pub(crate) type Id = [u8; 16];

/// A request as it leaves.
pub(crate) fn request(id: Id, mut parts: Multipart) -> Multipart {
    parts.put_first([Frame::from(id), Frame::empty()]);
    parts
}

/// A reply as it arrives: the id and the parts.
///
/// txZMQ drops the second frame without a look; this asks that it be empty.
pub(crate) fn parse_reply(mut frames: Multipart) -> Result<(Id, Multipart), Undecodable> {
    let [id, delimiter, ..] = &frames[..] else {
        return Err(Undecodable::framing(frames, "a reply without id and delimiter"));
    };
    if delimiter.size() > 0 {
        return Err(Undecodable::framing(frames, "the frame after a reply's id is not empty"));
    }
    let Ok(id) = Id::try_from(&id[..]) else {
        return Err(Undecodable::framing(frames, "a reply's id is not 16 bytes"));
    };
    frames.drop_first(2);
    Ok((id, frames))
}

/// The parts of a composed request, for the caller that gets them back.
pub(crate) fn parts_of(mut frames: Multipart) -> Multipart {
    frames.drop_first(2);
    frames
}

/// An incoming request: the envelope with its delimiter, and the parts.
pub(crate) fn parse_request(mut frames: Multipart) -> Result<(Multipart, Multipart), Undecodable> {
    // The routing id is first and never empty.
    let delimiter = frames.iter().skip(1).position(|frame| frame.size() == 0);
    let Some(at) = delimiter else {
        return Err(Undecodable::framing(frames, "a request without an empty delimiter"));
    };
    let parts = frames.split_off(at + 2);
    Ok((frames, parts))
}

/// A reply as it leaves: the envelope of its request, and the parts.
pub(crate) fn reply(mut envelope: Multipart, parts: Multipart) -> Multipart {
    envelope.append(parts);
    envelope
}

/// The parts of a composed reply, for the server that gets them back.
pub(crate) fn reply_parts(frames: Multipart) -> Multipart {
    parse_request(frames).map_or_else(Undecodable::into_frames, |(_, parts)| parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..6)
    }

    proptest! {
        #[test]
        fn a_request_comes_back_as_its_reply(parts in frames(), hops in 0_usize..3) {
            let parts: Multipart = parts.into_iter().collect();
            let id = [9; 16];
            let mut seen = Multipart::from("route");
            seen.extend((0..hops).map(|hop| Frame::from(format!("hop{hop}"))));
            seen.extend(request(id, parts.clone()));
            let (envelope, body) = parse_request(seen)?;
            prop_assert_eq!(&body, &parts);
            prop_assert_eq!(envelope.len(), 3 + hops);
            let sent = reply(envelope, body);
            prop_assert_eq!(reply_parts(sent.clone()), parts.clone());
            // The router and the hops take their frames off again.
            let arrives: Multipart = sent.into_iter().skip(1 + hops).collect();
            let (back, body) = parse_reply(arrives)?;
            prop_assert_eq!(back, id);
            prop_assert_eq!(body, parts);
        }

        #[test]
        fn any_frames_are_parsed_or_given_back(frames in frames()) {
            let frames: Multipart = frames.into_iter().collect();
            if let Err(undecodable) = parse_request(frames.clone()) {
                prop_assert_eq!(undecodable.into_frames(), frames.clone());
            }
            if let Err(undecodable) = parse_reply(frames.clone()) {
                prop_assert_eq!(undecodable.into_frames(), frames);
            }
        }
    }

    #[test]
    fn a_plain_req_peer_has_its_routing_id_for_an_envelope() -> Result<(), Undecodable> {
        let (envelope, parts) = parse_request(["peer", "", "body", ""].into())?;
        assert_eq!(envelope, ["peer", ""].into());
        assert_eq!(parts, ["body", ""].into());
        assert_eq!(reply(envelope, parts), ["peer", "", "body", ""].into());
        Ok(())
    }

    #[test]
    fn a_request_without_parts_is_legal() -> Result<(), Undecodable> {
        let id = [7; 16];
        let frames = request(id, Multipart::new());
        assert_eq!(frames.len(), 2);
        let (back, parts) = parse_reply(frames)?;
        assert_eq!(back, id);
        assert!(parts.is_empty());
        Ok(())
    }
}
