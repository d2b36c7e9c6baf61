//! What an input is, and what is made of it, `remote::trial` says: `fuzz/` feeds
//! it, too.

use crate::remote::trial::any_bytes;

const CODECS: &[&str] = &["json", "msgpack", "postcard", "raw", "", "yaml"];
const NAMES: &[&str] =
    &["Add", "math.divide", "Chain", "Mixed", "reverse", "$ping", "$info", "$stats", "$", "Sub"];

/// A call with a header that is right, but for what the first bytes say, and
/// the rest as its body.
fn called(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.iter().copied();
    let mut next = || bytes.next().unwrap_or_default();
    let pick =
        |words: &[&'static str], byte: u8| words.get(usize::from(byte) % words.len()).copied();
    let codec = pick(CODECS, next()).unwrap_or_default();
    let name = pick(NAMES, next()).unwrap_or_default();
    let length = |text: &str| u8::try_from(text.len()).unwrap_or_default();
    let (flags, attempt, timeout, caller, sent) = (next(), next(), next(), next(), next());
    let mut header = vec![b'A', b'Z', 1, 1, flags, attempt, length(codec), length(name)];
    header.extend([0, 0, 0, timeout, 0, 0, 0, 0, 0, 0, 0, caller, sent, 0, 0, 0, 0, 0, 0, sent]);
    header.extend(codec.bytes().chain(name.bytes()));
    framed(&header, &bytes.collect::<Vec<_>>())
}

/// The same of a result.
fn answered(bytes: &[u8]) -> Vec<u8> {
    let (codec, body) = bytes.split_first().unwrap_or((&0, &[]));
    let codec = CODECS.get(usize::from(*codec) % CODECS.len()).copied().unwrap_or_default();
    let length = u8::try_from(codec.len()).unwrap_or_default();
    let mut header = vec![b'A', b'Z', 1, 2, 0, 0, length, 0];
    header.extend(codec.bytes());
    framed(&header, body)
}

/// Two frames; the body in pieces, if it is long.
fn framed(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut input = vec![u8::try_from(header.len()).unwrap_or_default()];
    input.extend(header);
    let mut pieces = body.chunks(0x3f).peekable();
    while let Some(piece) = pieces.next() {
        let more = if pieces.peek().is_some() { 0x80 } else { 0 };
        input.push(u8::try_from(piece.len()).unwrap_or_default() | more);
        input.extend(piece);
    }
    input
}

#[test]
fn any_frames_are_a_call_that_is_answered_once_and_an_answer_that_is_read_or_given_back() {
    super::run("call", &[called, answered], any_bytes);
}
