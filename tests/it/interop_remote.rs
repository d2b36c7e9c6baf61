//! Typed calls with real peers in Python: the scripts of `examples/python`, in
//! both directions, and peers that know nothing of calls.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use actix_zmq::codec::Format;
use actix_zmq::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::process::Process;
use crate::support::python::{Peer, interpreter};
use crate::support::{ANY_PORT, bound, count, eventually, finish, ms, open, status, within_time};

/// Python takes its time to start on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Add(i64, i64);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Refusal {
    ByZero { dividend: f64 },
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Result<f64, Refusal>")]
#[serde(rename = "math.divide")]
struct Divide {
    dividend: f64,
    divisor: f64,
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Subtract(i64, i64);

/// Never answered in time: there is nobody who would.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
struct Forget();

/// A script of `examples/python`.
fn script(name: &str, arguments: &[&str]) -> Process {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python");
    let mut command = Command::new(interpreter().expect("asked before"));
    Process::start(command.arg(directory.join(name)).args(arguments))
}

/// What the client prints, or complains of with status 1.
async fn python_calls(endpoint: &str, arguments: &[&str]) -> Result<String, String> {
    let (status, lines) = script("client.py", &[&[endpoint], arguments].concat()).end().await;
    let text = lines.join("\n");
    match status.code() {
        Some(0) => Ok(text),
        Some(1) => Err(text),
        _ => panic!("{status}: {text}"),
    }
}

async fn serve<F: Format>(zmq: &Addr<Factory>) -> String {
    let service = Service::new("calculator")
        .version("1.2.3")
        .codec::<F>()
        .route(Route::inline(|Add(a, b)| a + b))
        .route(Route::inline(|Divide { dividend, divisor }| {
            if divisor == 0.0 { Err(Refusal::ByZero { dividend }) } else { Ok(dividend / divisor) }
        }));
    open(zmq, ReplySocket::bind(ANY_PORT).name("server").deliver_to(service)).await;
    bound(zmq, "server").await
}

/// A client of a server in Python, which it is given.
async fn python_serves(zmq: &Addr<Factory>) -> (Process, Client) {
    let mut server = script("server.py", &[ANY_PORT]);
    let endpoint = server.line("ready ").await;
    let socket = RequestSocket::connect(endpoint).name("client").timeout(ms(30_000));
    (server, Client::new(open(zmq, socket).await))
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

/// Runs a test, unless there is no Python and that is fine.
async fn with_python(test: impl AsyncFnOnce(&Addr<Factory>)) {
    // Making the virtual environment does not count.
    if tokio::task::spawn_blocking(interpreter).await.unwrap().is_none() {
        return;
    }
    within_time(DEADLINE, async {
        let zmq = Factory::builder().linger(Duration::from_secs(2)).start();
        test(&zmq).await;
        finish(zmq).await;
    })
    .await;
}

async fn we_call<F: Format>(client: Client) {
    let client = client.codec::<F>();
    assert_eq!(client.call(Add(20, 22)).await.unwrap(), 42);
    assert_eq!(client.call(Add(i64::MIN, -1 - i64::MIN)).await.unwrap(), -1);
    let divide = |dividend, divisor| client.call(Divide { dividend, divisor });
    assert_eq!(divide(7.0, 2.0).await.unwrap(), Ok(3.5));
    let refused = divide(7.0, 0.0).await.unwrap();
    assert_eq!(refused, Err(Refusal::ByZero { dividend: 7.0 }), "typed, from Python");
    let error = client.call(Subtract(1, 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownMessage);
    assert!(error.to_string().contains("Subtract"), "{error}");
    // Python's integers have no end; ours have.
    assert_eq!(kind(client.call(Add(i64::MAX, i64::MAX)).await), ErrorKind::Decode);
    let other = Call::new(Subtract(1, 2)).codec::<F>().name("math.divide");
    assert_eq!(kind(client.send(other).await), ErrorKind::RemoteDecode);
    client.ping().await.unwrap();
    let info = client.info().await.unwrap();
    assert_eq!((&*info.name, &*info.codec), ("python", "json"));
    assert_eq!(info.routes, ["Add", "math.divide"]);
}

#[actix::test]
async fn a_server_in_python_is_called_like_one_of_ours() {
    with_python(async |zmq| {
        let (_server, client) = python_serves(zmq).await;
        we_call::<Json>(client.clone()).await;
        we_call::<MessagePack>(client.clone()).await;
        // What it does not know.
        assert_eq!(kind(client.frames("Add", "1, 2").await), ErrorKind::WrongCodec);
        #[cfg(feature = "postcard")]
        {
            let postcard = client.clone().codec::<Postcard>();
            assert_eq!(kind(postcard.call(Add(1, 2)).await), ErrorKind::WrongCodec);
        }
        // Many at once, to one that answers one at a time.
        let sums = (0..200).map(|n| client.call(Add(n, 1)));
        let sums = futures::future::join_all(sums).await;
        assert!(sums.into_iter().zip(1..).all(|(sum, n)| sum.unwrap() == n));
    })
    .await;
}

#[actix::test]
async fn a_server_in_python_answers_strangers() {
    with_python(async |zmq| {
        let (_server, client) = python_serves(zmq).await;
        let call = b"AZ\x01\x01\0\0\x04\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0jsonAdd";
        for (parts, code) in [
            (Multipart::from("hello"), 10),
            (["AZ", ""].into(), 10),
            (Multipart::from(&b"AZ\x02\x01\0\0\0\0"[..]), 7),
            (Multipart::from(&b"AZ\x01\x02\0\0\0\0"[..]), 10),
            (Multipart::from(&call[..27]), 10),
            (Multipart::from(&call[..34]), 1),
            (Multipart::from(&call[..]), 2),
            ([&call[..], b"[1,2]", b"more"].into(), 2),
            ([&call[..], b"[1,2"].into(), 2),
            ([call.to_vec(), vec![b'['; 100_000]].into(), 2),
        ] {
            let reply = client.addr().send(Request::new(parts)).await.unwrap().unwrap();
            assert_eq!(reply[0][..], [b'A', b'Z', 1, 3, 0, code, 0, 0], "{reply:?}");
        }
        assert_eq!(client.call(Add(1, 2)).await.unwrap(), 3);
    })
    .await;
}

#[actix::test]
async fn a_call_of_a_server_in_python_that_is_killed_times_out() {
    with_python(async |zmq| {
        let (server, client) = python_serves(zmq).await;
        assert_eq!(client.call(Add(1, 2)).await.unwrap(), 3);
        // In the middle of a call: it has it, and never answers.
        server.signal("STOP");
        eventually("it is stopped", async || server.state() == 'T').await;
        let stuck = actix::spawn({
            let client = client.clone().timeout(ms(300));
            async move { client.call(Add(1, 2)).await }
        });
        tokio::task::yield_now().await;
        drop(server);
        assert_eq!(kind(stuck.await.unwrap()), ErrorKind::TimedOut);
        let late = client.clone().timeout(ms(100));
        assert_eq!(kind(late.call(Add(1, 2)).await), ErrorKind::TimedOut);
        assert_eq!(status(zmq, "client").await.in_flight, 0);
    })
    .await;
}

async fn python_calls_us<F: Format>(zmq: &Addr<Factory>) {
    let endpoint = serve::<F>(zmq).await;
    let ask = async |arguments: &[&str]| {
        python_calls(&endpoint, &[arguments, &["--codec", F::NAME]].concat()).await
    };
    assert_eq!(ask(&["Add", "[20, 22]"]).await.unwrap(), "42");
    let divide = r#"{"dividend": 7.0, "divisor": 2}"#;
    assert_eq!(ask(&["math.divide", divide]).await.unwrap(), r#"{"Ok": 3.5}"#);
    let by_zero = r#"{"dividend": 7.0, "divisor": 0}"#;
    let refused = r#"{"Err": {"ByZero": {"dividend": 7.0}}}"#;
    assert_eq!(ask(&["math.divide", by_zero]).await.unwrap(), refused);
    let unknown = ask(&["Subtract", "[1, 2]"]).await.unwrap_err();
    assert_eq!(unknown, "failure 1: \"Subtract\" is not served");
    let misread = ask(&["Add", r#"["one", "two"]"#]).await.unwrap_err();
    assert!(misread.starts_with("failure 2: "), "{misread}");
    // Neither too many nor too few.
    assert!(ask(&["Add", "[1, 2, 3]"]).await.unwrap_err().starts_with("failure 2: "));
    assert!(ask(&["Add", "[1]"]).await.unwrap_err().starts_with("failure 2: "));
    assert_eq!(ask(&["$ping"]).await.unwrap(), "null");
    // In any codec.
    for codec in ["json", "msgpack"] {
        let info = python_calls(&endpoint, &["$info", "--codec", codec]).await.unwrap();
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        let expected = serde_json::json!({
            "name": "calculator", "version": "1.2.3", "codec": F::NAME,
            "routes": ["Add", "math.divide"],
        });
        assert_eq!(info, expected);
        let wrong = python_calls(&endpoint, &["Add", "[1, 2]", "--codec", codec]).await;
        let wrong = if codec == F::NAME { "failure 6".to_owned() } else { wrong.unwrap_err() };
        assert!(wrong.starts_with("failure 6"), "{wrong}");
    }
    let stats: serde_json::Value = serde_json::from_str(&ask(&["$stats"]).await.unwrap()).unwrap();
    assert_eq!(stats["routes"][0]["answered"], 1 + 1, "{stats}");
    assert_eq!(stats["errors"]["wrong_codec"], 1, "{stats}");
    assert_eq!(stats["errors"]["undecodable"], 3, "{stats}");
}

#[actix::test]
async fn a_client_in_python_calls_our_service_in_json() {
    with_python(async |zmq| python_calls_us::<Json>(zmq).await).await;
}

#[actix::test]
async fn a_client_in_python_calls_our_service_in_messagepack() {
    with_python(async |zmq| python_calls_us::<MessagePack>(zmq).await).await;
}

/// Keeps its messages, and never answers.
#[derive(Default)]
struct Forgetful;

impl Actor for Forgetful {
    type Context = Context<Self>;
}

impl Handler<Forget> for Forgetful {
    type Result = ResponseFuture<i64>;

    fn handle(&mut self, _: Forget, _: &mut Context<Self>) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

#[actix::test]
async fn the_timeout_of_a_client_in_python_is_its_deadline_here() {
    with_python(async |zmq| {
        let service = Service::new("slow").codec::<Json>();
        let service = service.route(Forgetful.start().recipient::<Forget>());
        open(zmq, ReplySocket::bind(ANY_PORT).name("server").deliver_to(service)).await;
        let endpoint = bound(zmq, "server").await;
        let late = python_calls(&endpoint, &["Forget", "[]", "--timeout", "0.2"]).await;
        // Whose clock is faster.
        let late = late.unwrap_err();
        assert!(late == "timed out" || late.starts_with("failure 4: "), "{late}");
        eventually("the service gives it up", async || status(zmq, "server").await.in_flight == 0)
            .await;
        let stats = python_calls(&endpoint, &["$stats"]).await.unwrap();
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        assert_eq!(stats["errors"], serde_json::json!({"expired": 1}));
    })
    .await;
}

/// The least that a caller may be: a header, a body, and libzmq's REQ.
#[actix::test]
async fn a_plain_req_in_python_is_a_caller() {
    with_python(async |zmq| {
        let endpoint = serve::<MessagePack>(zmq).await;
        let mut req = Peer::start("pyzmq", "req", "connect", &endpoint, &[]);
        let call = b"AZ\x01\x01\0\0\x07\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0msgpackAdd";
        for _ in 0..3 {
            req.send([&call[..], b"\x92\x01\x02"]);
            assert_eq!(req.next("reply").await, [&b"AZ\x01\x02\0\0\x07\0msgpack"[..], b"\x03"]);
        }
        req.send(["hello"]);
        assert_eq!(req.next("reply").await[0], b"AZ\x01\x03\0\x0a\0\0");
    })
    .await;
}

#[actix::test]
async fn strangers_in_python_harm_nobody() {
    with_python(async |zmq| {
        let endpoint = serve::<Json>(zmq).await;
        let mut stranger = Peer::start("pyzmq", "dealer", "connect", &endpoint, &[]);
        // Without a delimiter there is no request, and no way to answer.
        stranger.send(["hello"]);
        stranger.send([&b"\xff\xfe"[..], &[0; 300]]);
        // Requests that are no calls are answered once each, in order.
        let parts: [&[&[u8]]; 5] =
            [&[], &[b""], &[b"AZ"], &[b"AZ\x01\x01\0\0\xff\xff"], &[b"GET / HTTP/1.1"]];
        for parts in parts {
            let frames = [&[&b"an id"[..], b""], parts].concat();
            stranger.send(frames);
            let reply = stranger.next("msg").await;
            assert_eq!(reply[..3], [&b"an id"[..], b"", b"AZ\x01\x03\0\x0a\0\0"]);
        }
        // One call as often as one likes, with the same id.
        let call = b"AZ\x01\x01\0\0\x04\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0jsonAdd";
        for _ in 0..5 {
            stranger.send([&b"an id"[..], b"", call, b"[1,2]"]);
        }
        for _ in 0..5 {
            let reply = stranger.next("msg").await;
            assert_eq!(reply, [&b"an id"[..], b"", b"AZ\x01\x02\0\0\x04\0json", b"3"]);
        }
        assert_eq!(count(zmq, "server", Counter::Undecodable).await, 2);
        assert_eq!(python_calls(&endpoint, &["Add", "[1, 2]"]).await.unwrap(), "3");
        assert_eq!(status(zmq, "server").await.restarts, 0);
    })
    .await;
}
