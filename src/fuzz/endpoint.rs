//! The corpus is texts as they are; bytes that are no UTF-8 are replaced.

use std::ffi::CString;

use crate::endpoint::Endpoint;

/// What endpoints are made of, and what looks like it.
const WORDS: &[&str] = &[
    "tcp",
    "ipc",
    "inproc",
    "ws",
    "udp",
    "TCP",
    "://",
    ":",
    "/",
    ";",
    "*",
    "@",
    "%",
    "[",
    "]",
    ".",
    "-",
    "_",
    " ",
    "0",
    "1",
    "80",
    "65535",
    "65536",
    "99999",
    "+1",
    "::",
    "::1",
    "fe80::1",
    "ffff",
    "127.0.0.1",
    "256",
    "localhost",
    "eth0",
    "a",
    "x.y",
    "é",
    "٨",
    "\0",
    "\r\n",
    "?",
    "#",
    "\u{202e}",
];

/// A sentence of these words; mostly one that begins like an endpoint.
fn sentence(bytes: &[u8]) -> Vec<u8> {
    let mut words = bytes.iter().map(|byte| usize::from(*byte));
    let start = match words.next() {
        Some(which @ 0..=239) => ["tcp://", "ipc://", "inproc://", "ws://"][which % 4],
        _ => "",
    };
    let words = words.take(12).flat_map(|word| WORDS.get(word % WORDS.len()));
    std::iter::once(&start).chain(words).flat_map(|word| word.bytes()).collect()
}

/// Parsed or refused, by each way in alike; what is parsed comes back.
fn check(text: &str) {
    let by_serde = serde_json::from_value::<Endpoint>(text.into());
    let endpoint = match Endpoint::parse(text) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            assert_eq!(error.endpoint(), text);
            assert!(!error.to_string().is_empty());
            assert!(by_serde.is_err(), "serde takes what `parse` refuses: {text:?}");
            return;
        }
    };
    assert_eq!(by_serde.ok().as_ref(), Some(&endpoint), "serde reads another endpoint");
    let shown = endpoint.to_string();
    assert_eq!(shown, text);
    assert_eq!(Endpoint::parse(&shown).as_ref(), Ok(&endpoint));
    let json = serde_json::to_vec(&endpoint).and_then(|json| serde_json::from_slice(&json));
    assert_eq!(json.ok().as_ref(), Some(&endpoint), "JSON does not bring it back");
    let packed = rmp_serde::to_vec(&endpoint).ok();
    let packed = packed.and_then(|packed| rmp_serde::from_slice(&packed).ok());
    assert_eq!(packed.as_ref(), Some(&endpoint), "MessagePack does not bring it back");
    assert!(text.starts_with(&format!("{}://", endpoint.transport())));
    assert!(CString::new(text).is_ok(), "libzmq would see a part of {text:?} only");
    let (binds, connects) = (endpoint.check_bind().is_ok(), endpoint.check_connect().is_ok());
    assert!(binds || connects, "{text:?} is good for nothing");
    assert!(!endpoint.is_wildcard() || (binds && !connects), "{text:?} is no wildcard");
}

#[test]
fn any_text_is_an_endpoint_that_comes_back_or_is_refused() {
    let check = |bytes: &[u8]| check(&String::from_utf8_lossy(bytes));
    super::run("endpoint", &[sentence], check);
}
