//! Typed calls: what a caller gets back, whatever the service and its actors do.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_zmq::codec::{Codec, CodecError, Format};
use actix_zmq::prelude::*;
use actix_zmq::{FramesCall, Info, Responder};
use futures::channel::oneshot;
use futures::future::{join_all, poll_immediate};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::support::{
    Inbox, bound, count, eventually, finish, inbox, inproc, ms, open, status, within,
};

#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Add(i64, i64);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

/// Is answered when the test says so.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "u32")]
struct Slow(u32);

/// A call of [`Slow`], and where its answer goes.
type Asked = (u32, oneshot::Sender<u32>);

#[derive(Default)]
struct Calculator {
    /// Where the calls of [`Slow`] go, with the means to answer them.
    slow: Option<Box<dyn Fn(Asked)>>,
}

impl Actor for Calculator {
    type Context = Context<Self>;
}

impl Handler<Add> for Calculator {
    type Result = i64;

    fn handle(&mut self, Add(a, b): Add, _: &mut Context<Self>) -> i64 {
        a + b
    }
}

impl Handler<Divide> for Calculator {
    type Result = Result<i64, Refusal>;

    fn handle(&mut self, divide: Divide, _: &mut Context<Self>) -> Self::Result {
        let Divide { dividend, divisor } = divide;
        dividend.checked_div(divisor).ok_or(Refusal::ByZero { dividend })
    }
}

impl Handler<Slow> for Calculator {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, Slow(number): Slow, _: &mut Context<Self>) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        (self.slow.as_ref().unwrap())((number, answer));
        Box::pin(async move { answered.await.unwrap_or(u32::MAX) })
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Calculator {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Opens a service, and a client of it.
async fn serve<F: Format>(zmq: &Addr<Factory>, service: Service<F>) -> Client {
    let endpoint = inproc();
    open(zmq, ReplySocket::bind(&*endpoint).name("server").deliver_to(service)).await;
    let socket = RequestSocket::connect(&*endpoint).name("client").timeout(ms(10_000));
    Client::new(open(zmq, socket).await)
}

fn calculator() -> (Addr<Calculator>, Service) {
    let actor = Calculator::default().start();
    let service = Service::new("calculator")
        .version("1.2.3")
        .route(actor.clone().recipient::<Add>())
        .route(actor.clone().recipient::<Divide>());
    (actor, service)
}

/// An actor that keeps its calls until the test answers them.
fn slow_calculator() -> (Addr<Calculator>, Inbox<Asked>) {
    let (keep, kept) = inbox();
    (Calculator { slow: Some(Box::new(keep)) }.start(), kept)
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

#[actix::test]
async fn a_remote_actor_is_called_like_a_local_one() {
    within(async {
        let zmq = Factory::builder().start();
        let (_actor, service) = calculator();
        let client = serve(&zmq, service).await;
        assert_eq!(client.addr().send(Call::new(Add(20, 22))).await.unwrap().unwrap(), 42);
        assert_eq!(client.call(Divide { dividend: 7, divisor: 2 }).await.unwrap(), Ok(3));
        let refused = client.call(Divide { dividend: 7, divisor: 0 }).await.unwrap();
        assert_eq!(refused, Err(Refusal::ByZero { dividend: 7 }), "typed, from the handler");
        let sums = join_all((0..1_000).map(|n| client.call(Add(n, n)))).await;
        assert!(sums.into_iter().zip(0..).all(|(sum, n)| sum.unwrap() == 2 * n));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_service_tells_who_and_how_it_is() {
    within(async {
        let zmq = Factory::builder().start();
        let (_actor, service) = calculator();
        let client = serve(&zmq, service).await;
        client.ping().await.unwrap();
        let info = client.info().await.unwrap();
        assert_eq!((&*info.name, &*info.version, &*info.codec), ("calculator", "1.2.3", "msgpack"));
        assert_eq!(info.routes, ["Add", "math.divide"]);
        client.call(Add(1, 2)).await.unwrap();
        assert_eq!(kind(client.call(Slow(1)).await), ErrorKind::UnknownMessage);
        let stats = client.stats().await.unwrap();
        assert_eq!(stats.requests, 2);
        assert_eq!(stats.errors, [("unknown".to_owned(), 1)].into());
        let add = &stats.routes[0];
        assert_eq!((add.requests, add.answered, add.errors, add.in_flight), (1, 1, 0, 0));
        assert!(add.p50 > 0 && add.p50 <= add.p99 && add.p99 <= add.max.max(add.p99), "{add:?}");
        // Whatever its own codec is, it answers in the one that it is asked in.
        let json = client.clone().codec::<Json>();
        assert_eq!(json.info().await.unwrap().codec, "msgpack");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_cannot_be_served_is_told_apart() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, service) = calculator();
        let client = serve(&zmq, service.max_body(100)).await;
        // Unknown, by any name.
        assert_eq!(kind(client.call(Slow(1)).await), ErrorKind::UnknownMessage);
        let stranger = Call::new(Add(1, 2)).name("$shutdown");
        assert_eq!(kind(client.send(stranger).await), ErrorKind::UnknownMessage);
        // Another codec.
        let json = client.clone().codec::<Json>();
        let error = json.call(Add(1, 2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongCodec);
        assert!(error.to_string().contains("msgpack"), "{error}");
        let frames = Call::frames("Add", "bytes");
        assert_eq!(kind(client.send(frames).await), ErrorKind::WrongCodec);
        // Another type under the name.
        let other = Call::new(Slow(1)).name("Add");
        assert_eq!(kind(client.send(other).await), ErrorKind::RemoteDecode);
        // The result is of another type than the caller thinks.
        let other = Call::new(Info {}).name("Add");
        assert_eq!(kind(client.send(other).await), ErrorKind::RemoteDecode);
        let long = client.frames("Add", vec![0_u8; 101]).await;
        assert_eq!(kind(long), ErrorKind::TooLarge);
        let endless = Call::new(Add(1, 2)).name("x".repeat(256));
        assert_eq!(kind(client.send(endless).await), ErrorKind::InvalidMessage);
        // All that has harmed nobody.
        assert_eq!(client.call(Add(1, 2)).await.unwrap(), 3);
        actor.send(Stop).await.unwrap();
        assert_eq!(kind(client.call(Add(1, 2)).await), ErrorKind::Stopped);
        finish(zmq).await;
    })
    .await;
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "u8")]
#[serde(rename = "Shape")]
struct Narrow {}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "String")]
#[serde(rename = "Shape")]
struct Wide {}

/// Fails to be written, by an error or by a panic.
#[derive(Debug, Message, Deserialize)]
#[rtype(result = "Unwritable")]
struct Unwritable(bool);

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        assert!(!self.0, "not even an error");
        Err(serde::ser::Error::custom("cannot be written"))
    }
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Unwritable")]
#[serde(rename = "Unwritable")]
struct WantUnwritable(bool);

#[actix::test]
async fn whose_side_cannot_read_or_write_is_told() {
    within(async {
        let zmq = Factory::builder().start();
        let service = Service::new("shapes")
            .route(Route::inline(|_: Wide| "wide".to_owned()))
            .route(Route::inline(|WantUnwritable(panics)| Unwritable(panics)));
        let client = serve(&zmq, service).await;
        assert_eq!(client.call(Wide {}).await.unwrap(), "wide");
        let error = client.call(Narrow {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "this side");
        assert!(error.into_message().is_some(), "with the frames of the reply");
        for panics in [false, true] {
            assert_eq!(kind(client.call(Unwritable(panics)).await), ErrorKind::Encode);
            assert_eq!(kind(client.call(WantUnwritable(panics)).await), ErrorKind::RemoteEncode);
        }
        assert_eq!(count(&zmq, "client", Counter::Undecodable).await, 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_panic_in_an_inline_handler_costs_its_call_and_nothing_else() {
    within(async {
        let zmq = Factory::builder().start();
        let service = Service::new("careless")
            .route(Route::inline(|Add(a, b)| a.checked_add(b).expect("no overflow")));
        let client = serve(&zmq, service).await;
        assert_eq!(kind(client.call(Add(i64::MAX, 1)).await), ErrorKind::Stopped);
        assert_eq!(client.call(Add(1, 1)).await.unwrap(), 2);
        assert_eq!(status(&zmq, "server").await.restarts, 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_busy_route_refuses_at_once_and_holds_up_nobody() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, mut kept) = slow_calculator();
        let service = Service::new("busy")
            .route(Route::to(actor.clone().recipient::<Slow>()).limit(2))
            .route(actor.recipient::<Add>());
        let client = serve(&zmq, service).await;
        let first = actix::spawn({
            let client = client.clone();
            async move { client.call(Slow(1)).await }
        });
        let second = actix::spawn({
            let client = client.clone();
            async move { client.call(Slow(2)).await }
        });
        let held = kept.take(2).await;
        let error = client.call(Slow(3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert!(error.is_retryable());
        assert_eq!(client.call(Add(1, 2)).await.unwrap(), 3, "another route goes on");
        for (number, answer) in held {
            answer.send(number * 10).unwrap();
        }
        assert_eq!(first.await.unwrap().unwrap(), 10);
        assert_eq!(second.await.unwrap().unwrap(), 20);
        assert_eq!(client.stats().await.unwrap().in_flight, 0);
        finish(zmq).await;
    })
    .await;
}

/// Occupies its actor until it is told to go on.
#[derive(Message)]
#[rtype(result = "()")]
struct Occupy(oneshot::Receiver<()>);

impl Handler<Occupy> for Calculator {
    type Result = ();

    fn handle(&mut self, Occupy(until): Occupy, ctx: &mut Context<Self>) {
        ctx.wait(fut::wrap_future(async move {
            let _ = until.await;
        }));
    }
}

#[actix::test]
async fn a_call_that_waits_in_a_mailbox_is_taken_back_when_its_time_is_over() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, mut kept) = slow_calculator();
        let (go_on, until) = oneshot::channel();
        actor.send(Occupy(until)).await.unwrap();
        let service = Service::new("occupied").route(actor.clone().recipient::<Slow>());
        let client = serve(&zmq, service).await;
        let late = Call::new(Slow(1)).timeout(ms(30));
        assert_eq!(kind(client.send(late).await), ErrorKind::TimedOut);
        eventually("the service gives it up", async || {
            client.stats().await.unwrap().errors.get("expired") == Some(&1)
        })
        .await;
        let patient = actix::spawn({
            let client = client.clone();
            async move { client.call(Slow(2)).await }
        });
        go_on.send(()).unwrap();
        let (number, answer) = kept.next().await;
        assert_eq!(number, 2, "the first was never handled");
        answer.send(7).unwrap();
        assert_eq!(patient.await.unwrap().unwrap(), 7);
        assert!(kept.drain().is_empty());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn dropping_the_future_ends_the_call() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, mut kept) = slow_calculator();
        let client = serve(&zmq, Service::new("slow").route(actor.recipient::<Slow>())).await;
        for call in [Call::new(Slow(1)), Call::new(Slow(2)).retry(Retry::attempts(3))] {
            let mut asked = Box::pin(client.send(call));
            assert!(poll_immediate(&mut asked).await.is_none());
            let (_, answer) = kept.next().await;
            drop(asked);
            eventually("it is given up", async || status(&zmq, "client").await.in_flight == 0)
                .await;
            answer.send(1).unwrap();
        }
        eventually("both replies are late", async || {
            count(&zmq, "client", Counter::LateReplies).await == 2
        })
        .await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn frames_are_passed_on_as_they_are() {
    within(async {
        let zmq = Factory::builder().start();
        let service = Service::new("frames")
            .route(Route::frames_inline("reverse", |FramesCall(frames)| {
                frames.into_iter().rev().collect::<Multipart>()
            }))
            .route(Route::inline(|Add(a, b)| a + b));
        let client = serve(&zmq, service).await;
        assert_eq!(client.frames("reverse", ["a", "", "c"]).await.unwrap(), ["c", "", "a"].into());
        assert_eq!(client.frames("reverse", Multipart::new()).await.unwrap(), Multipart::new());
        assert_eq!(kind(client.frames("unknown", "x").await), ErrorKind::UnknownMessage);
        let typed = Call::new(Add(1, 2)).name("reverse");
        assert_eq!(kind(client.send(typed).await), ErrorKind::WrongCodec);
        finish(zmq).await;
    })
    .await;
}

/// A codec of one's own.
struct Shouted<T = ()>(T);

impl Format for Shouted {
    const NAME: &'static str = "shouted";

    fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        bytes.extend(Json::to_bytes(value)?.to_ascii_uppercase());
        Ok(())
    }

    fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        Json::from_bytes(&bytes.to_ascii_lowercase())
    }
}

impl<T: 'static> Codec for Shouted<T> {
    type Value = T;
    type Format = Shouted;

    fn wrap(value: T) -> Self {
        Self(value)
    }

    fn value(&self) -> &T {
        &self.0
    }

    fn into_value(self) -> T {
        self.0
    }
}

#[actix::test]
async fn any_codec_serves_also_ones_own() {
    async fn calls<F: Format>(zmq: &Addr<Factory>) {
        let service = Service::new("any").codec::<F>().route(Route::inline(|Add(a, b)| a + b));
        let client = serve(zmq, service).await.codec::<F>();
        assert_eq!(client.call(Add(1, 2)).await.unwrap(), 3, "{}", F::NAME);
        assert_eq!(client.info().await.unwrap().codec, F::NAME);
    }
    within(async {
        let zmq = Factory::builder().start();
        calls::<Json>(&zmq).await;
        calls::<MessagePack>(&zmq).await;
        #[cfg(feature = "postcard")]
        calls::<Postcard>(&zmq).await;
        calls::<Shouted>(&zmq).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn mistakes_in_a_service_are_told_when_it_is_opened() {
    within(async {
        let zmq = Factory::builder().start();
        let add = || Route::inline(|Add(a, b)| a + b);
        for (service, why) in [
            (Service::new("twice").route(add()).route(add()), "two routes"),
            (Service::new("empty").route(add().name("")), "has a name"),
            (Service::new("ours").route(add().name("$ping")), "the library's"),
            (Service::new("long").route(add().name("x".repeat(256))), "255 bytes"),
            (Service::new("late").route(add()).codec::<MessagePack>(), "before routes"),
        ] {
            let opened = zmq.send(Open(ReplySocket::bind(inproc()).deliver_to(service))).await;
            let error = opened.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidOption);
            assert!(error.to_string().contains(why), "{error}");
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_call_is_made_again_until_it_succeeds() {
    within(async {
        let zmq = Factory::builder().start();
        let (keep, mut kept) = inbox::<IncomingRequest>();
        let endpoint = inproc();
        open(&zmq, ReplySocket::bind(&*endpoint).name("server").on_message(keep)).await;
        let socket = open(&zmq, RequestSocket::connect(&*endpoint).name("client")).await;
        let client = Client::new(socket).retry(Retry::attempts(3).first(ms(1)).attempt(ms(40)));
        // Whether one that timed out was served nobody knows.
        let call = Call::new(Add(1, 2)).timeout(ms(5_000));
        assert_eq!(kind(client.send(call).await), ErrorKind::TimedOut);
        assert_eq!(kept.drain().len(), 1);
        let call = Call::new(Add(1, 2)).timeout(ms(5_000)).idempotent();
        assert_eq!(kind(client.send(call).await), ErrorKind::TimedOut);
        let attempts = kept.drain();
        let numbers: Vec<u8> = attempts.iter().map(|request| request.body[0][5]).collect();
        assert_eq!(numbers, [0, 1, 2], "each says which it is");
        drop(attempts);
        // An answer to the last one is as good as any.
        let call = Call::new(Add(1, 2)).timeout(ms(5_000)).idempotent();
        let asked = actix::spawn(async move { client.send(call).await });
        let last = kept.take(3).await.pop().unwrap();
        let mut result = b"AZ\x01\x02\0\0\x07\0msgpack".to_vec();
        result.truncate(15);
        last.responder.reply([Frame::from(result), Frame::from([3_u8])]).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), 3);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_recipient_may_be_elsewhere() {
    within(async {
        let zmq = Factory::builder().start();
        let (actor, service) = calculator();
        let client = serve(&zmq, service).await;
        let remote = client.recipient::<Add>();
        assert_eq!(remote.send(Add(1, 2)).await.unwrap(), 3);
        remote.try_send(Add(3, 4)).unwrap();
        remote.do_send(Add(5, 6));
        // Where a real one is wanted.
        let recipient: Recipient<Add> = remote.into_recipient().await.unwrap();
        assert_eq!(recipient.send(Add(7, 8)).await.unwrap(), 15);
        recipient.do_send(Add(9, 10));
        recipient.try_send(Add(11, 12)).unwrap();
        eventually("all are handled", async || {
            client.stats().await.unwrap().routes[0].answered == 6
        })
        .await;
        // A thousand at a time, and more that wait in its mailbox.
        let sums = join_all((0..5_000).map(|n| recipient.send(Add(n, 1)))).await;
        assert!(sums.into_iter().zip(1..).all(|(sum, n)| sum.unwrap() == n));
        // What fails on the way is a result, if one knows how.
        actor.send(Stop).await.unwrap();
        assert!(recipient.send(Add(1, 2)).await.is_err());
        let told = client.recipient::<Add>().into_recipient_or(|error| match error.kind() {
            ErrorKind::Stopped => -1,
            _ => -2,
        });
        assert_eq!(told.await.unwrap().send(Add(1, 2)).await.unwrap(), -1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_recipient_whose_socket_has_ended_says_so() {
    within(async {
        let zmq = Factory::builder().start();
        let (_actor, service) = calculator();
        let client = serve(&zmq, service).await;
        let remote = client.recipient::<Add>();
        let recipient = remote.clone().into_recipient().await.unwrap();
        finish(zmq).await;
        assert_eq!(kind(remote.send(Add(1, 2)).await), ErrorKind::Closed);
        assert!(recipient.send(Add(1, 2)).await.is_err());
        assert!(matches!(remote.try_send(Add(1, 2)), Err(SendError::Closed(Add(1, 2))) | Ok(())));
    })
    .await;
}

/// What any peer may send to a service, and that each is answered once.
#[actix::test]
async fn strangers_are_answered_too() {
    within(async {
        let zmq = Factory::builder().start();
        let (_actor, service) = calculator();
        let client = serve(&zmq, service).await;
        let ask = async |parts: Multipart| {
            client.addr().send(Request::new(parts)).await.unwrap().unwrap()
        };
        let call = b"AZ\x01\x01\0\0\x07\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0msgpackAdd";
        let mut codes = HashMap::new();
        for (parts, code) in [
            (Multipart::new(), 10),
            ("hello".into(), 10),
            (["AZ", ""].into(), 10),
            (Multipart::from(&b"AZ\x02\x01\0\0\0\0"[..]), 7),
            (Multipart::from(&b"AZ\x01\x02\0\0\0\0"[..]), 10),
            (Multipart::from(&call[..]), 2),
            ([&call[..], b"\x92\x01\x02", b"more"].into(), 2),
            ([&call[..], b"\xc1"].into(), 2),
        ] {
            let reply = ask(parts).await;
            assert_eq!(reply.len(), 2, "{reply:?}");
            assert_eq!(reply[0][..5], *b"AZ\x01\x03\0", "{reply:?}");
            assert_eq!(reply[0][5], code, "{reply:?}");
            assert!(reply[1].as_str().is_some_and(|text| !text.is_empty()));
            *codes.entry(code).or_insert(0) += 1;
        }
        let reply = ask([&call[..], b"\x92\x01\x02"].into()).await;
        assert_eq!(reply, [&b"AZ\x01\x02\0\0\x07\0msgpack"[..], b"\x03"].into());
        assert_eq!(codes.values().sum::<i32>(), 8);
        finish(zmq).await;
    })
    .await;
}

/// A server that answers with anything.
#[actix::test]
async fn a_caller_takes_any_answer() {
    within(async {
        let zmq = Factory::builder().start();
        let (keep, mut kept) = inbox::<IncomingRequest>();
        let endpoint = inproc();
        open(&zmq, ReplySocket::bind(&*endpoint).name("server").on_message(keep)).await;
        let socket = open(&zmq, RequestSocket::connect(&*endpoint).name("client")).await;
        let client = Client::new(socket);
        for (answer, expected) in [
            (Multipart::new(), ErrorKind::Incompatible),
            ("hello".into(), ErrorKind::Incompatible),
            (Multipart::from(&b"AZ\x09\x02\0\0\0\0"[..]), ErrorKind::Incompatible),
            (Multipart::from(&b"AZ\x01\x01\0\0\0\0"[..]), ErrorKind::Incompatible),
            (Multipart::from(&b"AZ\x01\x02\0\0\x04\0json"[..]), ErrorKind::WrongCodec),
            (Multipart::from(&b"AZ\x01\x02\0\0\x07\0msgpack"[..]), ErrorKind::Decode),
            (Multipart::from(&b"AZ\x01\x03\0\x03\0\0"[..]), ErrorKind::Overloaded),
            (Multipart::from(&b"AZ\x01\x03\0\xff\0\0"[..]), ErrorKind::Incompatible),
            ([&b"AZ\x01\x03\0\x05\0\0"[..], b"\xff not UTF-8"].into(), ErrorKind::Stopped),
        ] {
            let asked = actix::spawn({
                let client = client.clone();
                async move { client.call(Add(1, 2)).await }
            });
            let responder: Responder = kept.next().await.responder;
            responder.reply(answer.clone()).unwrap();
            assert_eq!(kind(asked.await.unwrap()), expected, "{answer:?}");
        }
        assert_eq!(count(&zmq, "client", Counter::Undecodable).await, 6);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_service_that_closes_answers_what_it_has() {
    within(async {
        let zmq = Factory::builder().start();
        let other = Factory::builder().start();
        let (actor, mut kept) = slow_calculator();
        let service = Service::new("slow").route(actor.recipient::<Slow>());
        open(&zmq, ReplySocket::bind(crate::support::ANY_PORT).name("server").deliver_to(service))
            .await;
        let client = RequestSocket::connect(bound(&zmq, "server").await).timeout(ms(10_000));
        let client = Client::new(open(&other, client).await);
        let asked = actix::spawn(async move { client.call(Slow(1)).await });
        let (_, answer) = kept.next().await;
        let closing = actix::spawn(finish(zmq));
        tokio::task::yield_now().await;
        answer.send(5).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), 5);
        let report = closing.await.unwrap();
        assert_eq!(report.sockets[0].unanswered, 0, "{report}");
        finish(other).await;
    })
    .await;
}

#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "()")]
struct Price(u32);

/// Puts what it handles into an inbox.
struct Ticker(Box<dyn Fn(Stamped<Price>)>);

impl Actor for Ticker {
    type Context = Context<Self>;
}

impl Handler<Stamped<Price>> for Ticker {
    type Result = ();

    fn handle(&mut self, price: Stamped<Price>, _: &mut Context<Self>) {
        (self.0)(price);
    }
}

impl Handler<Batch<Stamped<Price>>> for Ticker {
    type Result = ();

    fn handle(&mut self, prices: Batch<Stamped<Price>>, _: &mut Context<Self>) {
        prices.into_iter().for_each(&self.0);
    }
}

#[actix::test]
async fn a_value_may_carry_its_time_and_be_none() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (keep, mut kept) = inbox();
        let ticker = Ticker(Box::new(keep)).start();
        let (keep, mut seen) = inbox::<TopicMessage<OrRaw<Json<Stamped<Price>>>>>();
        let publisher = open(&zmq, PubSocket::bind(&*endpoint)).await;
        let subscriber = SubSocket::connect(&*endpoint)
            .topic_to("one", Json::<Stamped<Price>>::recipient(&ticker))
            .topic_to("many", Json::<Stamped<Price>>::batches(&ticker))
            .topic("any")
            .on_message(keep);
        open(&zmq, subscriber).await;
        for topic in ["one", "many", "any"] {
            let wait = WaitSubscribers { topic: topic.into(), count: 1, deadline: ms(10_000) };
            publisher.send(wait).await.unwrap().unwrap();
        }
        let sent = Stamped::now(Price(108));
        assert!(sent.age() < ms(10_000));
        for topic in ["one", "many", "any"] {
            let publish = Publish::new(topic, Json(sent.clone()));
            publisher.send(publish).await.unwrap().unwrap();
        }
        assert_eq!(kept.take(2).await, [sent.clone(), sent.clone()]);
        let OrRaw::Value(Json(value)) = seen.next().await.body else { panic!("it is a value") };
        assert_eq!(value, sent);
        publisher.send(Publish::new("any", ["rain", "sun"])).await.unwrap().unwrap();
        let OrRaw::Raw(raw) = seen.next().await.body else { panic!("it is none") };
        assert_eq!(*raw.frames(), ["rain", "sun"].into());
        let written = serde_json::to_value(&sent).unwrap();
        assert!(written["timestamp"].is_f64() && written["data"] == 108, "{written}");
        let ancient = Stamped { timestamp: f64::NAN, data: () };
        assert!(ancient.age() > ms(0), "any number is a time");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_handler_may_take_as_long_as_its_caller_waits() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (actor, mut kept) = slow_calculator();
        let service = Service::new("slow").route(actor.recipient::<Slow>());
        let server = ReplySocket::bind(&*endpoint).name("server").answer_within(ms(1));
        open(&zmq, server.deliver_to(service)).await;
        let client = Client::new(open(&zmq, RequestSocket::connect(&*endpoint)).await);
        let asked = actix::spawn(async move { client.call(Slow(1)).await });
        let (_, answer) = kept.next().await;
        // Longer than any other request would be kept.
        let began = std::time::Instant::now();
        eventually("it has taken its time", async || began.elapsed() > ms(50)).await;
        assert_eq!(count(&zmq, "server", Counter::Reaped).await, 0);
        answer.send(3).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), 3);
        finish(zmq).await;
    })
    .await;
}

/// The client's arbiter sees nothing while the service goes and comes back.
#[actix::test]
async fn a_peer_that_is_back_before_anybody_looks_was_lost_all_the_same() {
    within(async {
        let (keep, mut kept) = inbox::<IncomingRequest>();
        let (zmq, others) = (Factory::builder().start(), Factory::builder().start());
        let server = ReplySocket::bind(crate::support::ANY_PORT).name("server").linger(ms(0));
        let server = open(&others, server.on_message(keep)).await;
        let endpoint = bound(&others, "server").await;
        let arbiter = Arbiter::new();
        let socket = Client::socket(&*endpoint).name("client").on(arbiter.handle());
        let client = Client::new(open(&zmq, socket.unreachable_after(ms(10_000))).await);
        let ask = |call| {
            actix::spawn({
                let client = client.clone();
                async move { client.send(call).await }
            })
        };
        let once = ask(Call::new(Add(1, 2)).no_timeout());
        let again = ask(Call::new(Add(20, 22)).no_timeout().idempotent());
        let held = kept.take(2).await;
        let (go_on, until) = std::sync::mpsc::channel::<()>();
        let (stands, standing) = oneshot::channel();
        arbiter.spawn(async move {
            stands.send(()).unwrap();
            let _ = until.recv();
        });
        standing.await.unwrap();
        server.send(Close::within(ms(0))).await.unwrap().unwrap();
        drop(held);
        let (watcher, mut events) = crate::support::events();
        let (_actor, service) = calculator();
        // The port may not be free at once.
        let next = ReplySocket::bind(&*endpoint).open_with_retry().watch(watcher);
        open(&others, next.deliver_to(service)).await;
        events
            .event(|kind| match kind {
                EventKind::Connection(event) => {
                    (event.change == ConnectionChange::HandshakeSucceeded).then_some(())
                }
                _ => None,
            })
            .await;
        go_on.send(()).unwrap();
        assert_eq!(kind(once.await.unwrap()), ErrorKind::PeerLost);
        assert_eq!(again.await.unwrap().unwrap(), 42);
        finish(zmq).await;
        finish(others).await;
    })
    .await;
}

#[actix::test]
async fn a_service_that_closes_under_load_has_all_its_results_heard() {
    within(async {
        for _ in 0..3 {
            let (zmq, others) = (Factory::builder().start(), Factory::builder().start());
            let served = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&served);
            let service = Service::new("counted").route(Route::inline(move |Add(a, b)| {
                counted.fetch_add(1, Ordering::Relaxed);
                a + b
            }));
            let server = ReplySocket::bind(crate::support::ANY_PORT).name("server");
            let server = open(&others, server.deliver_to(service)).await;
            let socket = Client::socket(bound(&others, "server").await).name("client");
            let client = Client::new(open(&zmq, socket).await);
            let lanes = (0..300).map(|_| {
                let client = client.clone();
                actix::spawn(async move {
                    let mut heard = 0;
                    while client.call(Add(1, 2)).await.is_ok() {
                        heard += 1;
                    }
                    heard
                })
            });
            let lanes: Vec<_> = lanes.collect();
            eventually("it is under way", async || served.load(Ordering::Relaxed) > 2_000).await;
            server.send(Close::within(ms(5_000))).await.unwrap().unwrap();
            let heard: usize = join_all(lanes).await.into_iter().map(|lane| lane.unwrap()).sum();
            assert_eq!(heard, served.load(Ordering::Relaxed), "what is served is heard");
            finish(zmq).await;
            finish(others).await;
        }
    })
    .await;
}

/// A port that nobody listens at, and that nobody else gets.
fn vacant() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

#[actix::test]
async fn where_nobody_is_connected_a_call_fails_fast() {
    within(async {
        let zmq = Factory::builder().start();
        let socket = Client::socket("ipc:///tmp/nobody-is-here").name("client");
        let client = Client::new(open(&zmq, socket.unreachable_after(ms(50))).await);
        let error = client.call(Add(1, 2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.is_retryable());
        assert!(error.into_message().is_some(), "it has not left");
        // It is known by now: the next one does not wait.
        assert_eq!(kind(client.call(Add(1, 2)).await), ErrorKind::Unreachable);
        assert_eq!(count(&zmq, "client", Counter::Unreachable).await, 2);
        // Nor does one that is made again and again wait for its timeout.
        let call = Call::new(Add(1, 2)).retry(Retry::attempts(4).first(ms(1)));
        assert_eq!(kind(client.send(call).await), ErrorKind::Unreachable);
        assert_eq!(count(&zmq, "client", Counter::Unreachable).await, 6);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_call_waits_for_a_service_that_is_about_to_come() {
    within(async {
        let zmq = Factory::builder().start();
        let server = Factory::builder().start();
        let (vacant, endpoint) = vacant();
        drop(vacant);
        let socket = Client::socket(&*endpoint).name("client").unreachable_after(ms(10_000));
        let client = Client::new(open(&zmq, socket).await);
        let asked = actix::spawn({
            let client = client.clone();
            async move { client.call(Add(1, 2)).await }
        });
        eventually("it waits", async || status(&zmq, "client").await.queued == 1).await;
        let (_actor, service) = calculator();
        open(&server, ReplySocket::bind(&*endpoint).deliver_to(service)).await;
        assert_eq!(asked.await.unwrap().unwrap(), 3);
        finish(zmq).await;
        finish(server).await;
    })
    .await;
}

#[actix::test]
async fn the_loss_of_the_last_peer_ends_what_it_had() {
    for endpoint in [crate::support::ANY_PORT.to_owned(), inproc()] {
        within(async {
            let (keep, mut kept) = inbox::<IncomingRequest>();
            let zmq = Factory::builder().start();
            let is_within = endpoint.starts_with("inproc");
            let others = if is_within { zmq.clone() } else { Factory::builder().start() };
            let server = ReplySocket::bind(&*endpoint).name("server").linger(ms(0));
            let server = open(&others, server.on_message(keep)).await;
            let endpoint = bound(&others, "server").await;
            let socket = Client::socket(&*endpoint).name("client").unreachable_after(ms(10_000));
            let client = Client::new(open(&zmq, socket).await);
            let ask = |call| {
                actix::spawn({
                    let client = client.clone();
                    async move { client.send(call).await }
                })
            };
            let once = ask(Call::new(Add(1, 2)));
            let again = ask(Call::new(Add(20, 22)).idempotent());
            let held = kept.take(2).await;
            // It goes without a word, and the requests with it.
            server.send(Close::within(ms(0))).await.unwrap().unwrap();
            drop(held);
            assert_eq!(kind(once.await.unwrap()), ErrorKind::PeerLost);
            let (_actor, service) = calculator();
            // The port may not be free at once.
            let next = ReplySocket::bind(&*endpoint).open_with_retry();
            open(&others, next.deliver_to(service)).await;
            if !is_within {
                // Its place is taken by the next one.
                assert_eq!(again.await.unwrap().unwrap(), 42);
                assert_eq!(count(&zmq, "client", Counter::Resent).await, 1);
            }
            assert_eq!(client.call(Add(1, 1)).await.unwrap(), 2);
            finish(zmq).await;
            if !is_within {
                finish(others).await;
            }
        })
        .await;
    }
}
