//! A peer's routing id in front of a message.

use crate::multipart::{Frame, Multipart};

/// A message for a peer.
pub(crate) fn compose(peer: Frame, body: Multipart) -> Multipart {
    let mut frames = Multipart::with_capacity(1 + body.len());
    frames.push(peer);
    frames.extend(body);
    frames
}

/// The peer and what it sent. libzmq always puts the routing id first.
pub(crate) fn parse(mut frames: Multipart) -> (Frame, Multipart) {
    (frames.split_first().unwrap_or_default(), frames)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_composed_comes_back(peer: Vec<u8>, body: Vec<Vec<u8>>) {
            let body: Multipart = body.into_iter().collect();
            let frames = compose(peer.clone().into(), body.clone());
            prop_assert_eq!(parse(frames), (Frame::from(peer), body));
        }
    }

    #[test]
    fn no_frames_are_no_panic() {
        assert_eq!(parse(Multipart::new()), (Frame::empty(), Multipart::new()));
    }
}
