//! Envelopes that are meant badly: each is answered once, and harms nobody.

use actix_zmq::codec::Format;
use actix_zmq::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::raw::{self, receive};
use crate::support::{
    ANY_PORT, bound, count, eventually, finish, inproc, ms, open, status, within,
};

const NO_CALL: u8 = 10;
const UNDECODABLE: u8 = 2;
const TOO_LARGE: u8 = 9;

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Add(i64, i64);

/// Contains itself, as deep as the bytes say.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "u32")]
struct Chain {
    next: Option<Box<Self>>,
}

impl Chain {
    fn length(&self) -> u32 {
        self.next.as_ref().map_or(0, |next| 1 + next.length())
    }
}

fn service<F: Format>() -> Service<F> {
    Service::new("target")
        .codec::<F>()
        .max_body(2_000_000)
        .route(Route::inline(|Add(a, b)| a.wrapping_add(b)))
        .route(Route::inline(|chain: Chain| chain.length()))
}

/// The header of a call, as any language writes it.
fn header(codec: &str, name: &str) -> Vec<u8> {
    let lengths = [codec.len(), name.len()].map(|length| u8::try_from(length).unwrap());
    let times = [0_u8; 4 + 8 + 8];
    [&b"AZ\x01\x01\0\0"[..], &lengths, &times, codec.as_bytes(), name.as_bytes()].concat()
}

/// A service, and who asks it.
struct Target {
    zmq: Addr<Factory>,
    socket: Addr<RequestSocket>,
}

impl Target {
    async fn of<F: Format>() -> Self {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let reply = ReplySocket::bind(&*endpoint).name("server").deliver_to(service::<F>());
        open(&zmq, reply).await;
        let request = RequestSocket::connect(&*endpoint).name("client").timeout(ms(10_000));
        let socket = open(&zmq, request).await;
        Self { zmq, socket }
    }

    /// The code of the failure, if it is one, that parts are answered with.
    async fn ask(&self, parts: impl Into<Multipart>) -> Option<u8> {
        let answer = self.socket.send(Request::new(parts.into())).await.unwrap().unwrap();
        let prefix: [u8; 8] = answer[0][..8].try_into().unwrap();
        match prefix {
            [b'A', b'Z', 1, 2, 0, 0, _, 0] => None,
            [b'A', b'Z', 1, 3, 0, code, 0, 0] => {
                assert_eq!(answer.len(), 2, "{answer:?}");
                assert!(answer[1].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
                Some(code)
            }
            _ => panic!("{answer:?}"),
        }
    }

    /// Everything was answered, once, by the same socket.
    async fn unharmed(self) {
        let Self { zmq, socket } = self;
        Client::new(socket).ping().await.unwrap();
        let server = status(&zmq, "server").await;
        assert_eq!((server.restarts, server.in_flight), (0, 0));
        assert_eq!(count(&zmq, "server", Counter::Unanswered).await, 0);
        assert_eq!(count(&zmq, "client", Counter::LateReplies).await, 0);
        finish(zmq).await;
    }
}

#[actix::test]
async fn a_call_that_is_cut_anywhere_is_refused() {
    within(async {
        let target = Target::of::<Json>().await;
        let (header, body) = (header("json", "Add"), b"[1,2]");
        for length in 0..header.len() {
            let parts = [&header[..length], body];
            assert_eq!(target.ask(parts).await, Some(NO_CALL), "cut after {length}");
        }
        for length in 0..body.len() {
            let parts = [&header[..], &body[..length]];
            assert_eq!(target.ask(parts).await, Some(UNDECODABLE), "cut after {length}");
        }
        assert_eq!(target.ask([&header[..], body]).await, None);
        target.unharmed().await;
    })
    .await;
}

#[actix::test]
async fn any_byte_may_be_another() {
    within(async {
        let target = Target::of::<Json>().await;
        let header = header("json", "Add");
        for at in 0..header.len() {
            for value in [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff] {
                let mut other = header.clone();
                other[at] = value;
                let refused = target.ask([&other[..], b"[1,2]"]).await;
                let times_or_flags = matches!(at, 4 | 5 | 8..28);
                assert!(refused.is_none() == (times_or_flags || other == header), "{other:?}");
            }
        }
        target.unharmed().await;
    })
    .await;
}

#[actix::test]
async fn a_bodys_depth_and_length_have_a_bound() {
    within(async {
        let target = Target::of::<Json>().await;
        let deep = |levels| "{\"next\":".repeat(levels) + "null" + &"}".repeat(levels);
        let parts = |body: String| [header("json", "Chain"), body.into_bytes()];
        assert_eq!(target.ask(parts(deep(127))).await, None);
        assert_eq!(target.ask(parts(deep(200_000))).await, Some(UNDECODABLE));
        assert_eq!(target.ask(parts("[".repeat(1_000_000))).await, Some(UNDECODABLE));
        let padded = |length: usize| parts(deep(1) + &" ".repeat(length - deep(1).len()));
        assert_eq!(target.ask(padded(2_000_000)).await, None);
        assert_eq!(target.ask(padded(2_000_001)).await, Some(TOO_LARGE));
        // All frames together.
        let many: Multipart = std::iter::once(header("json", "Chain"))
            .chain((0..3).map(|_| vec![b' '; 700_000]))
            .collect();
        assert_eq!(target.ask(many).await, Some(TOO_LARGE));
        target.unharmed().await;

        let target = Target::of::<MessagePack>().await;
        let deep = |levels| b"\x81\xa4next".repeat(levels);
        for body in
            [deep(300_000), vec![0x91; 1_000_000], [b"\x81\xa1x", &[0x91; 999][..]].concat()]
        {
            let parts = [header("msgpack", "Chain"), body];
            assert_eq!(target.ask(parts).await, Some(UNDECODABLE));
        }
        // Lengths of what is not there.
        for body in [
            &b"\xdd\xff\xff\xff\xff"[..],
            b"\xdf\xff\xff\xff\xff",
            b"\xdb\xff\xff\xff\xff",
            b"\xc6\xff\xff\xff\xff",
        ] {
            let parts = [header("msgpack", "Add"), body.to_vec()];
            assert_eq!(target.ask(parts).await, Some(UNDECODABLE));
        }
        target.unharmed().await;
    })
    .await;
}

#[cfg(feature = "postcard")]
#[actix::test]
async fn a_body_in_postcard_has_the_same_bounds() {
    within(async {
        let target = Target::of::<Postcard>().await;
        for (name, body) in
            [("Chain", vec![1; 1_000_000]), ("Add", vec![0xff; 100]), ("Add", vec![])]
        {
            let parts = [header("postcard", name), body];
            assert_eq!(target.ask(parts).await, Some(UNDECODABLE));
        }
        assert_eq!(target.ask([header("postcard", "Chain"), vec![1, 1, 0]]).await, None);
        target.unharmed().await;
    })
    .await;
}

#[actix::test]
async fn values_of_other_types_are_refused() {
    within(async {
        let target = Target::of::<Json>().await;
        for body in [
            "null",
            "true",
            "1",
            "\"[1,2]\"",
            "{}",
            "[]",
            "[1]",
            "[1,2,3]",
            "[1,\"2\"]",
            "[1,2.5]",
            "[1,null]",
            "[1,9223372036854775808]",
            "[[1,2]]",
            "{\"a\":1,\"b\":2}",
            "[1,2]]",
            "NaN",
        ] {
            let parts = [header("json", "Add"), body.as_bytes().to_vec()];
            assert_eq!(target.ask(parts).await, Some(UNDECODABLE), "{body}");
        }
        target.unharmed().await;

        let target = Target::of::<MessagePack>().await;
        let values: [&[u8]; 12] = [
            b"\xc0",
            b"\xc3",
            b"\x01",
            b"\xa3[1]",
            b"\x80",
            b"\x90",
            b"\x91\x01",
            b"\x93\x01\x02\x03",
            b"\x92\x01\xa12",
            b"\x92\x01\xc0",
            b"\x92\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x92\x01\x02\x91",
        ];
        for body in values {
            let parts = [header("msgpack", "Add"), body.to_vec()];
            assert_eq!(target.ask(parts).await, Some(UNDECODABLE), "{body:?}");
        }
        target.unharmed().await;
    })
    .await;
}

#[actix::test]
async fn a_request_that_is_replayed_is_answered_each_time() {
    within(async {
        let zmq = Factory::builder().start();
        let reply = ReplySocket::bind(ANY_PORT).name("server").deliver_to(service::<Json>());
        open(&zmq, reply).await;
        let dealer = raw::connected(zmq::DEALER, &bound(&zmq, "server").await);
        let header = header("json", "Add");
        for _ in 0..100 {
            raw::send(&dealer, [&[7; 16], b"", &header, b"[1,2]"]);
        }
        let answers = raw::thread(move || (0..100).map(|_| receive(&dealer)).collect::<Vec<_>>());
        let expected = [&[7; 16], &b""[..], b"AZ\x01\x02\0\0\x04\0json", b"3"];
        assert!(answers.await.iter().all(|answer| *answer == expected));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn the_first_answer_to_a_call_counts_and_others_are_late() {
    within(async {
        let zmq = Factory::builder().start();
        let (router, endpoint) = raw::bound(zmq::ROUTER);
        let socket = RequestSocket::connect(endpoint).name("client").timeout(ms(10_000));
        let client = Client::new(open(&zmq, socket).await).codec::<Json>();
        let asked = actix::spawn({
            let client = client.clone();
            async move { client.call(Add(1, 2)).await }
        });
        let _router = raw::thread(move || {
            let request = receive(&router);
            let [peer, id, delimiter, ..] = &request[..] else { panic!("{request:?}") };
            let result = b"AZ\x01\x02\0\0\x04\0json";
            // Answers to nobody first, then one, then others with its id.
            raw::send(&router, [peer, &[7; 16], delimiter, result, b"1"]);
            for body in [b"3", b"4", b"5"] {
                raw::send(&router, [peer, id, delimiter, result, body]);
            }
            raw::send(&router, [peer, id, delimiter, b"AZ\x01\x03\0\x05\0\0", b"no"]);
            router
        })
        .await;
        assert_eq!(asked.await.unwrap().unwrap(), 3);
        eventually("the others are late", async || {
            count(&zmq, "client", Counter::LateReplies).await == 4
        })
        .await;
        assert_eq!(count(&zmq, "client", Counter::Undecodable).await, 0);
        finish(zmq).await;
    })
    .await;
}
