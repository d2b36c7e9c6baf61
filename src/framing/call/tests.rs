use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_header_comes_back(
        idempotent: bool, attempt: u8, milliseconds: Option<u32>, caller: u64, sent: u64,
        codec in "[a-z]{0,20}", name in "\\PC{0,60}", later in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let timeout = milliseconds.filter(|ms| *ms > 0).map(|ms| Duration::from_millis(ms.into()));
        let call = Call { idempotent, attempt, timeout, caller, sent, codec: &codec, name: &name };
        let mut header = call.compose().to_vec();
        prop_assert_eq!(Call::parse(&header), Ok(call));
        // What a later version adds is skipped.
        header.extend(later);
        prop_assert_eq!(Call::parse(&header), Ok(call));
        for length in 0..PREFIX + TIMES + codec.len() + name.len() {
            let cut = header.get(..length).unwrap_or_default();
            prop_assert!(Call::parse(cut).is_err(), "cut after {length}");
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut header = vec![b'A', b'Z', 1];
        header.extend(&bytes);
        let _ = (Call::parse(&bytes), Answer::parse(&bytes));
        let _ = (Call::parse(&header), Answer::parse(&header));
    }
}

#[test]
fn answers_come_back() {
    let codes = (0..=255).map(Failure::of).map(Answer::Failure);
    for answer in codes.chain([Answer::Result("json"), Answer::Result("")]) {
        assert_eq!(Answer::parse(&answer.compose()), Ok(answer));
    }
    let mut other = Answer::Result("json").compose().to_vec();
    other[2] = 2;
    assert_eq!(Answer::parse(&other), Err(Malformed::Version(2)));
}

#[test]
fn timeouts_are_rounded_up_and_bounded() {
    let rounded = |time| milliseconds(Some(time));
    assert_eq!(rounded(Duration::ZERO), 1);
    assert_eq!(rounded(Duration::from_micros(1_001)), 2);
    assert_eq!(rounded(Duration::MAX), u32::MAX);
    assert_eq!(milliseconds(None), 0);
}
