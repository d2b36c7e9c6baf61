use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const LIMIT: usize = 70_000;

/// A frame as clients send it: with this first byte, in the shortest form or a longer one.
fn frame(first: u8, form: u8, payload: &[u8]) -> Vec<u8> {
    [head(first, form, payload.len() as u64), vec![0; 4], payload.to_vec()].concat()
}

fn head(first: u8, form: u8, length: u64) -> Vec<u8> {
    let length = length.to_be_bytes();
    let (code, from) = match form {
        _ if length[..6] != [0; 6] => (127, 0),
        127 => (127, 0),
        _ if length[6] != 0 || length[7] > 125 => (126, 6),
        126 => (126, 6),
        _ => (length[7], 8),
    };
    [&[first, MASKED | code], &length[from..]].concat()
}

/// Frames that may be, of whole messages.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0..5_usize, 120..130_usize, Just(65_535), Just(65_536), Just(LIMIT)];
    let control = || (8..=10_u8, 0..=125_usize);
    let message = (length, 0..=127_u8, 1..=2_u8, prop::collection::vec(control(), 0..3));
    prop::collection::vec((message, any::<Index>()), 0..5).prop_map(|messages| {
        let mut bytes = Vec::new();
        for ((length, form, code, between), at) in messages {
            let payload = vec![0x82; length];
            if between.is_empty() {
                bytes.extend(frame(LAST | code, form, &payload));
                continue;
            }
            let (one, other) = payload.split_at(at.index(length + 1));
            bytes.extend(frame(code, form, one));
            for (code, length) in between {
                bytes.extend(frame(LAST | code, 0, &vec![0x81; length]));
            }
            bytes.extend(frame(LAST | CONTINUED, form, other));
        }
        bytes
    })
}

/// The bytes in chunks that end there, and at the end.
fn chunks(bytes: &[u8], ends: Vec<Index>) -> Vec<Vec<u8>> {
    let mut ends: Vec<_> = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    let chunk = |end| bytes[std::mem::replace(&mut start, end)..end].to_vec();
    ends.into_iter().map(chunk).collect()
}

fn ends() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..40)
}

/// A frame that may not be, without what would be its mask and payload.
fn bad() -> impl Strategy<Value = (Vec<u8>, Fault)> {
    let limit = LIMIT as u64;
    let whole = (prop_oneof![Just(limit + 1), limit + 1..=u64::MAX, Just(u64::MAX)], 0..=2_u8)
        .prop_map(|(length, code)| (head(LAST | code, 0, length), Fault::TooLong));
    let piece = (0..=limit).prop_map(move |length| {
        let first = frame(1, 0, &vec![0; usize::try_from(length).unwrap()]);
        ([first, head(CONTINUED, 0, limit - length + 1)].concat(), Fault::TooLong)
    });
    let control = (126..=127_u8, 8..=10_u8)
        .prop_map(|(form, code)| (vec![LAST | code, MASKED | form], Fault::Malformed));
    prop_oneof![whole, piece, control]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_may_be_passes(bytes in messages(), ends in ends()) {
        let mut frames = Frames::new(LIMIT);
        for chunk in chunks(&bytes, ends) {
            prop_assert_eq!(frames.follow(&chunk), Ok(()));
        }
        prop_assert!(matches!(frames.at, At::First), "{:?}", frames);
    }

    /// With the last byte of its header, and nothing of it is passed on but what
    /// came in chunks before.
    #[test]
    fn what_may_not_be_is_caught_at_its_header(
        before in messages(),
        (bad, fault) in bad(),
        ends in ends(),
        after in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let header = before.len() + bad.len();
        let bytes = [before, bad, after].concat();
        let mut frames = Frames::new(LIMIT);
        let mut passed = 0;
        for chunk in chunks(&bytes, ends) {
            match frames.follow(&chunk) {
                Ok(()) => passed += chunk.len(),
                Err((start, found)) => {
                    prop_assert_eq!(found, fault);
                    prop_assert!(passed + start < header && passed + chunk.len() >= header);
                    return Ok(());
                }
            }
            prop_assert!(passed < header, "it was not caught");
        }
        prop_assert!(false, "it was not caught");
    }
}

#[test]
fn what_comes_before_is_kept() {
    let good = frame(LAST | 1, 0, b"good");
    let bad = head(LAST | 2, 0, 1 << 40);
    let mut frames = Frames::new(LIMIT);
    let fault = frames.follow(&[good.clone(), bad.clone()].concat());
    assert_eq!(fault, Err((good.len(), Fault::TooLong)));
    let mut frames = Frames::new(LIMIT);
    assert_eq!(frames.follow(&[&good[..], &bad[..9]].concat()), Ok(()));
    assert_eq!(frames.follow(&[0; 20]), Err((0, Fault::TooLong)));
}

#[test]
fn each_message_has_the_whole_limit() {
    let mut frames = Frames::new(3);
    for _ in 0..3 {
        assert_eq!(frames.follow(&frame(1, 0, b"ab")), Ok(()));
        assert_eq!(frames.follow(&frame(LAST | 9, 0, &[0; 125])), Ok(()));
        assert_eq!(frames.follow(&frame(LAST | CONTINUED, 0, b"c")), Ok(()));
        assert_eq!(frames.follow(&frame(LAST | 2, 0, b"abc")), Ok(()));
    }
    assert_eq!(frames.follow(&frame(1, 0, b"ab")), Ok(()));
    assert_eq!(frames.follow(&frame(CONTINUED, 0, b"cd")), Err((0, Fault::TooLong)));
}
