//! Any bytes, as a call that a service gets and as an answer that a caller
//! gets, through all that reads them. For the fuzz targets.
//!
//! An input is frames: for each piece of one a byte that tells its length (the
//! low six bits), whether libzmq keeps the frame (the next bit), and whether
//! the frame goes on in the next piece (the highest), then its bytes. What is
//! missing at the end is not there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Waker};

use actix::Message;
use serde::{Deserialize, Serialize};

use super::body::{Bodies, FramesCall, Raw, Sendable};
use super::call::answered;
use super::route::Route;
use super::service::Service;
use super::stats::{Info, Ping, Stats};
use crate::codec::Format;
use crate::deliver::{IntoReceiver, Receiver};
use crate::engine::entries::Key;
use crate::framing::call::{Answer, Call, Failure, Malformed};
use crate::messages::{self, Answered, IncomingRequest, ReplyDesk, Responder};
use crate::multipart::{Frame, Multipart};

/// The largest body that the services take: an input may have a larger one.
const MAX_BODY: usize = 2_000;

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Add(i64, i64);

#[derive(Debug, Serialize, Deserialize)]
enum Refusal {
    ByZero { dividend: i64 },
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Result<i64, Refusal>")]
#[serde(rename = "math.divide")]
struct Divide {
    dividend: i64,
    divisor: i64,
}

/// Contains itself, as deep as the bytes say.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Self")]
struct Chain {
    next: Option<Box<Self>>,
}

/// Something of everything that formats have.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Self")]
struct Mixed {
    text: String,
    bytes: Vec<u8>,
    // JSON has no infinity: what was one is null.
    numbers: (u8, i16, u32, i64, u64, Option<f32>),
    by_name: BTreeMap<String, Option<char>>,
    #[serde(default)]
    all: Vec<Self>,
}

/// All that is made of any bytes.
///
/// # Panics
/// When something is not read as it should be.
pub(crate) fn any_bytes(bytes: &[u8]) {
    // They stay, as a service does: what it is asked must not change its answers.
    thread_local! {
        #[cfg(feature = "json")]
        static JSON: RefCell<Target> = RefCell::new(service::<crate::Json>());
        #[cfg(feature = "messagepack")]
        static MESSAGE_PACK: RefCell<Target> = RefCell::new(service::<crate::MessagePack>());
        #[cfg(feature = "postcard")]
        static POSTCARD: RefCell<Target> = RefCell::new(service::<crate::Postcard>());
    }
    let frames = frames_of(bytes);
    frames.iter().for_each(|frame| header(frame));
    #[cfg(feature = "json")]
    JSON.with_borrow_mut(|service| in_format::<crate::Json>(service, &frames));
    #[cfg(feature = "messagepack")]
    MESSAGE_PACK.with_borrow_mut(|service| in_format::<crate::MessagePack>(service, &frames));
    #[cfg(feature = "postcard")]
    POSTCARD.with_borrow_mut(|service| in_format::<crate::Postcard>(service, &frames));
    result::<FramesCall, Raw>(&frames);
}

type Target = Receiver<IncomingRequest>;

fn frames_of(mut bytes: &[u8]) -> Multipart {
    let mut frames = Multipart::new();
    let mut frame = Vec::new();
    while let Some((head, rest)) = bytes.split_first() {
        let (piece, rest) = rest.split_at(usize::from(head & 0x3f).min(rest.len()));
        bytes = rest;
        frame.extend_from_slice(piece);
        if head & 0x80 != 0 && !bytes.is_empty() {
            continue;
        }
        let mut whole = Frame::from(std::mem::take(&mut frame));
        if head & 0x40 != 0 {
            assert!(whole.as_message().is_ok());
        }
        frames.push(whole);
    }
    frames
}

/// What is read of a header is what would be written of it.
fn header(bytes: &[u8]) {
    if let Ok(call) = Call::parse(bytes) {
        assert_eq!(Call::parse(&call.compose()), Ok(call));
        assert!(Answer::parse(bytes).is_err(), "a call is no answer");
    }
    if let Ok(answer) = Answer::parse(bytes) {
        assert_eq!(Answer::parse(&answer.compose()), Ok(answer));
    }
}

fn in_format<F: Format>(service: &mut Target, frames: &Multipart) {
    result::<Add, F>(frames);
    result::<Divide, F>(frames);
    result::<Chain, F>(frames);
    result::<Mixed, F>(frames);
    result::<Info, F>(frames);
    result::<Stats, F>(frames);
    // A call that comes again is a call.
    for _ in 0..2 {
        let answer = served(service, frames.clone());
        judge::<F>(frames, &answer);
    }
}

/// A caller reads an answer, or is given it back.
fn result<M: Sendable, B: Bodies<M>>(frames: &Multipart) -> bool {
    let (outcome, unreadable) = answered::<M, B>(frames.clone());
    if let Some(unreadable) = unreadable {
        let why = unreadable.error().to_string();
        assert!(!why.starts_with("framing: panicked:"), "{why}");
        assert_eq!(unreadable.into_frames(), *frames);
        assert!(outcome.is_err());
    }
    outcome.is_ok()
}

fn service<F: Format>() -> Target {
    let service = Service::new("trial").codec::<F>().max_body(MAX_BODY);
    let service = service
        .route(Route::inline(|Add(a, b)| a.wrapping_add(b)))
        .route(Route::inline(|Divide { dividend, divisor }| {
            dividend.checked_div(divisor).ok_or(Refusal::ByZero { dividend })
        }))
        .route(Route::inline(|chain: Chain| chain))
        .route(Route::inline(|mixed: Mixed| mixed))
        .route(Route::frames_inline("reverse", |FramesCall(frames)| {
            frames.into_iter().rev().collect::<Multipart>()
        }));
    service.into_receiver()
}

/// The one answer to a request.
fn served(service: &mut Target, body: Multipart) -> Multipart {
    let desk = Arc::new(ReplyDesk::default());
    let key = Key { place: 7, sequence: 7 };
    let responder = Responder::new(key, Arc::clone(&desk));
    assert!(service.deliver(IncomingRequest { body, responder }).is_ok());
    service.flush();
    service.tend(&mut Context::from_waker(Waker::noop()));
    let mut answers = desk.close().into_iter();
    let answer = match (answers.next(), answers.next()) {
        (Some(messages::Answer { token, outcome: Answered::Reply(frames, None) }), None) => {
            (token == key).then_some(frames)
        }
        _ => None,
    };
    assert!(answer.is_some(), "it is answered once");
    answer.unwrap_or_default()
}

/// The answer is the one to this request.
fn judge<F: Format>(asked: &Multipart, answer: &Multipart) {
    let kind = answer.first().map(|header| Answer::parse(header));
    let call = asked.first().map(|header| Call::parse(header));
    let body = asked.iter().skip(1).map(|frame| frame.len()).sum::<usize>();
    let call = match call {
        None | Some(Err(Malformed::Header(_))) => return refused(answer, &[Failure::NoCall]),
        Some(Err(Malformed::Version(_))) => return refused(answer, &[Failure::WrongVersion]),
        // By what its caller's clock said before.
        Some(Ok(call)) if kind == Some(Ok(Answer::Failure(Failure::Expired))) => {
            assert!(call.timeout.is_some() && call.caller != 0);
            return refused(answer, &[Failure::Expired]);
        }
        Some(Ok(_)) if body > MAX_BODY => return refused(answer, &[Failure::TooLarge]),
        Some(Ok(call)) => call,
    };
    let read = match call.name {
        "Add" => result::<Add, F>,
        "math.divide" => result::<Divide, F>,
        "Chain" => result::<Chain, F>,
        "Mixed" => result::<Mixed, F>,
        "reverse" => result::<FramesCall, Raw>,
        // They are asked in any codec.
        "$ping" | "$info" | "$stats" => match told(call.name, call.codec) {
            Some(read) => read,
            None => return refused(answer, &[Failure::WrongCodec]),
        },
        _ => return refused(answer, &[Failure::Unknown]),
    };
    let served = if call.name == "reverse" { "raw" } else { F::NAME };
    if !call.name.starts_with('$') && call.codec != served {
        return refused(answer, &[Failure::WrongCodec]);
    }
    if kind == Some(Ok(Answer::Result(call.codec))) {
        assert!(read(answer), "{call:?} {answer:?}");
    } else {
        refused(answer, &[Failure::Undecodable]);
    }
}

/// Who reads what a service tells of itself.
fn told(name: &str, codec: &str) -> Option<fn(&Multipart) -> bool> {
    fn all<F: Format>(name: &str) -> fn(&Multipart) -> bool {
        match name {
            "$ping" => result::<Ping, F>,
            "$info" => result::<Info, F>,
            _ => result::<Stats, F>,
        }
    }
    match codec {
        #[cfg(feature = "json")]
        "json" => Some(all::<crate::Json>(name)),
        #[cfg(feature = "messagepack")]
        "msgpack" => Some(all::<crate::MessagePack>(name)),
        #[cfg(feature = "postcard")]
        "postcard" => Some(all::<crate::Postcard>(name)),
        _ => None,
    }
}

/// The answer is one of these failures, and says why.
fn refused(answer: &Multipart, whys: &[Failure]) {
    let [header, text] = &answer[..] else {
        return assert_eq!(answer.len(), 2, "a failure and its text");
    };
    let one_of = whys.iter().any(|why| Answer::parse(header) == Ok(Answer::Failure(*why)));
    assert!(one_of, "{answer:?} is none of {whys:?}");
    let text = text.as_str().unwrap_or_default();
    assert!(!text.is_empty() && !text.starts_with("panicked:"), "{text:?}");
}
