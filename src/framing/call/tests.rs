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
        let fields = Fields::written(&[]);
        let mut call =
            Call { idempotent, attempt, timeout, caller, sent, codec: &codec, name: &name, fields };
        let mut header = call.compose().to_vec();
        prop_assert_eq!(Call::parse(&header), Ok(call));
        // What follows changes none of it, be it fields or what a later version adds.
        header.extend(&later);
        call.fields = Fields::written(&later);
        prop_assert_eq!(Call::parse(&header), Ok(call));
        prop_assert_eq!(call.compose(), Frame::from(&header[..]));
        for length in 0..PREFIX + TIMES + codec.len() + name.len() {
            let cut = header.get(..length).unwrap_or_default();
            prop_assert!(Call::parse(cut).is_err(), "cut after {length}");
        }
    }

    #[test]
    fn fields_come_back_up_to_what_is_none(
        fields in prop::collection::vec(("\\PC{1,20}", "\\PC{0,40}"), 0..MOST_FIELDS),
        cut in any::<prop::sample::Index>(),
        later in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = Vec::new();
        prop_assert!(fields.iter().all(|(key, value)| add_field(&mut bytes, key, value)));
        let written: Vec<_> = fields.iter().map(|(key, value)| (&**key, &**value)).collect();
        let read: Vec<_> = Fields::written(&bytes).iter().collect();
        prop_assert_eq!(&read, &written);
        let short = bytes.get(..cut.index(bytes.len() + 1)).unwrap();
        let read: Vec<_> = Fields::written(short).iter().collect();
        prop_assert_eq!(&read, &written[..read.len()]);
        bytes.extend(later);
        let read: Vec<_> = Fields::written(&bytes).iter().collect();
        prop_assert!(read.starts_with(&written) && read.len() <= MOST_FIELDS);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut header = vec![b'A', b'Z', 1];
        header.extend(&bytes);
        let _ = (Call::parse(&bytes), Answer::parse(&bytes));
        let _ = (Call::parse(&header), Answer::parse(&header));
        prop_assert!(Fields::written(&bytes).iter().count() <= MOST_FIELDS);
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
fn fields_are_bounded() {
    let mut bytes = Vec::new();
    assert!(!add_field(&mut bytes, "", "no key"));
    assert!(!add_field(&mut bytes, &"k".repeat(256), "too long a key"));
    assert!(!add_field(&mut bytes, "tracestate", &"v".repeat(FIELDS)));
    assert!(bytes.is_empty());
    let fits = "v".repeat(FIELDS - 4);
    assert!(add_field(&mut bytes, "k", &fits));
    assert!(!add_field(&mut bytes, "k", ""));
    assert_eq!(Fields::written(&bytes).iter().collect::<Vec<_>>(), [("k", &*fits)]);
    // A stranger may send more, and has no more read.
    bytes.splice(..0, [1, b'a', 0, 0]);
    assert_eq!(Fields::written(&bytes).iter().collect::<Vec<_>>(), [("a", "")]);
    let many = [1, b'a', 0, 0].repeat(2 * MOST_FIELDS);
    assert_eq!(Fields::written(&many).iter().count(), MOST_FIELDS);
    // The first one that is none ends them.
    let broken = [&[1, b'a', 0, 0, 1, 0xff, 0, 0][..], &[1, b'b', 0, 0]].concat();
    assert_eq!(Fields::written(&broken).iter().collect::<Vec<_>>(), [("a", "")]);
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

/// The one of the W3C's own examples.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

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
        fields: Fields::default(),
    };
    let asked = shell([call.compose(), "[1,2]".into()].into());
    let result = shell([Answer::Result("json").compose(), "3".into()].into());
    let refused = shell(failure(Failure::Unknown, "\"Add\" is not served"));
    let mut fields = Vec::new();
    add_field(&mut fields, "traceparent", TRACEPARENT);
    let traced = Call { fields: Fields::written(&fields), ..call };
    let traced = shell([traced.compose(), "[1,2]".into()].into());
    call = Call { idempotent: false, timeout: None, caller: 0, sent: 0, codec: "msgpack", ..call };
    let least: Multipart = [call.compose(), Frame::from([0x92, 1, 2])].into();
    assert_eq!(dumps(), [asked, result, refused, least, traced]);
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
    assert!(least.fields.is_empty());
    let traced = parts(4);
    let fields: Vec<_> = Call::parse(&traced[0]).unwrap().fields.iter().collect();
    assert_eq!(fields, [("traceparent", TRACEPARENT)]);
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
        fields: Fields::default(),
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
