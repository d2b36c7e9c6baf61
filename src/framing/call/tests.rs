use proptest::prelude::*;

use super::*;
use crate::framing::reqrep;

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

/// The frames of each dump in the document.
fn dumps() -> Vec<Multipart> {
    let document = include_str!("../../../docs/wire-format.md");
    let blocks = document.split("```hex\n").skip(1);
    let frames = |block: &str| {
        let mut frames = Vec::<Vec<u8>>::new();
        for line in block.split("```").next().unwrap().lines() {
            if line.starts_with('#') {
                frames.push(Vec::new());
                continue;
            }
            let bytes = line.split('|').next().unwrap().split_whitespace();
            let bytes = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap());
            frames.last_mut().unwrap().extend(bytes);
        }
        frames.into_iter().collect()
    };
    blocks.map(frames).collect()
}

#[test]
fn the_documents_dumps_are_what_is_sent() {
    let id = uuid::uuid!("5a0c117e-9b42-4d3f-8a61-c0de12345678");
    let shell = |parts: Multipart| reqrep::request(id.into_bytes(), parts);
    let mut call = Call {
        idempotent: true,
        attempt: 0,
        timeout: Some(Duration::from_secs(2)),
        caller: 0xc35f_0000_0000_0001,
        sent: 1_000_000,
        codec: "json",
        name: "Add",
    };
    let asked = shell([call.compose(), "[1,2]".into()].into());
    let result = shell([Answer::Result("json").compose(), "3".into()].into());
    let refused = shell(failure(Failure::Unknown, "\"Add\" is not served"));
    call = Call { idempotent: false, timeout: None, caller: 0, sent: 0, codec: "msgpack", ..call };
    let least: Multipart = [call.compose(), Frame::from([0x92, 1, 2])].into();
    assert_eq!(dumps(), [asked, result, refused, least]);
}

#[test]
fn the_documents_dumps_are_read() {
    let dumps = dumps();
    let parts = |which: usize| reqrep::parse_reply(dumps[which].clone()).unwrap().1;
    let asked = parts(0);
    let call = Call::parse(&asked[0]).unwrap();
    assert_eq!((call.codec, call.name, call.idempotent), ("json", "Add", true));
    assert_eq!(call.timeout, Some(Duration::from_secs(2)));
    assert_eq!(Answer::parse(&parts(1)[0]), Ok(Answer::Result("json")));
    assert_eq!(Answer::parse(&parts(2)[0]), Ok(Answer::Failure(Failure::Unknown)));
    let least = Call::parse(&dumps[3][0]).unwrap();
    assert_eq!((least.timeout, least.caller, least.sent), (None, 0, 0));
}

/// Whatever a length claims, no field goes beyond the header, nor are others moved.
#[test]
fn lengths_that_lie_are_found_out_or_name_what_is_there() {
    let call = Call {
        idempotent: false,
        attempt: 0,
        timeout: None,
        caller: 0,
        sent: 0,
        codec: "json",
        name: "Add",
    };
    let whole = call.compose().to_vec();
    for codec in 0..=u8::MAX {
        for name in 0..=u8::MAX {
            let mut header = whole.clone();
            header[6] = codec;
            header[7] = name;
            let fits = usize::from(codec) + usize::from(name) <= "jsonAdd".len();
            match Call::parse(&header) {
                Err(error) => assert!(!fits && error == SHORT, "{codec} {name}: {error:?}"),
                Ok(call) => {
                    assert!(fits, "{call:?}");
                    let both = format!("{}{}", call.codec, call.name);
                    assert!("jsonAdd".starts_with(&both), "{call:?}");
                }
            }
        }
    }
}
