//! What is told of connections: in order, with reasons, and in numbers when there are many.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown as Half, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use actix_zmq::prelude::*;
use actix_zmq::{HandshakeFailure, SocketState};

use crate::support::python::{Peer, interpreter};
use crate::support::{
    ANY_PORT, Inbox, bound, bound_endpoints, count, events, eventually, finish, gated, inproc, ipc,
    ms, open, raw, status, within, within_time,
};

/// Nothing that answers at once takes longer, however busy the machine is.
const FROZEN: Duration = Duration::from_secs(3);

fn address(endpoint: &str) -> SocketAddr {
    endpoint.strip_prefix("tcp://").unwrap().parse().unwrap()
}

/// The next event of a connection.
async fn connection(events: &mut Inbox<SocketEvent>) -> ConnectionEvent {
    let is_one = |kind| match kind {
        EventKind::Connection(event) => Some(event),
        _ => None,
    };
    events.event(is_one).await
}

/// The next changes among these, one after another.
async fn told(events: &mut Inbox<SocketEvent>, wanted: &[ConnectionChange]) {
    for next in wanted {
        loop {
            let event = connection(events).await;
            if event.change == *next {
                break;
            }
            assert!(!wanted.contains(&event.change), "{event:?} before {next:?}");
        }
    }
}

/// How often something happened, by what it was.
#[derive(Default)]
struct Tally {
    by_name: HashMap<String, u64>,
    /// How many events told so.
    events: u64,
    /// How many one event stood for, at most.
    most: u64,
}

impl Tally {
    fn add(&mut self, events: &mut Inbox<SocketEvent>) {
        for event in events.drain() {
            self.events += 1;
            if let EventKind::Connection(event) = event.kind {
                let name = format!("{:?}", event.change);
                let name = name.split(' ').next().unwrap();
                *self.by_name.entry(name.to_owned()).or_default() += event.times;
                self.most = self.most.max(event.times);
            }
        }
    }

    fn of(&self, name: &str) -> u64 {
        self.by_name.get(name).copied().unwrap_or(0)
    }
}

/// Comes and goes so often, 500 times a second at most, or until it is not let in.
fn storm(
    times: u32,
    mut visit: impl FnMut(u32) -> bool + Send + 'static,
) -> impl Future<Output = u64> {
    raw::thread(move || {
        let began = Instant::now();
        for number in 0..times {
            // The pace of the storm.
            thread::sleep((began + ms(2) * number).saturating_duration_since(Instant::now()));
            if !visit(number) {
                return number.into();
            }
        }
        times.into()
    })
}

/// Visits without a word, of which every second one breaks off.
fn silent_visits(times: u32, endpoint: &str) -> impl Future<Output = u64> + use<> {
    let address = address(endpoint);
    storm(times, move |number| {
        let visitor = match TcpStream::connect(address) {
            Ok(visitor) => visitor,
            Err(error) => match error.kind() {
                // Nobody listens any more, or not by the time that it was our turn.
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => return false,
                _ => panic!("{error}"),
            },
        };
        if number % 2 == 0 {
            socket2::SockRef::from(&visitor).set_linger(Some(Duration::ZERO)).unwrap();
        }
        true
    })
}

/// Visits of a PUSH that says one thing.
fn push_visits(times: u32, endpoint: &str) -> impl Future<Output = u64> + use<> {
    let (endpoint, context) = (endpoint.to_owned(), zmq::Context::new());
    storm(times, move |_| {
        let visitor = context.socket(zmq::PUSH).unwrap();
        visitor.set_linger(10_000).unwrap();
        visitor.connect(&endpoint).unwrap();
        visitor.send("hello", 0).is_ok()
    })
}

/// Answers at once.
struct Beside;

#[derive(Message)]
#[rtype(result = "()")]
struct Ping;

impl Actor for Beside {
    type Context = Context<Self>;
}

impl Handler<Ping> for Beside {
    type Result = ();

    fn handle(&mut self, _ping: Ping, _ctx: &mut Context<Self>) {}
}

/// Hears of the first event, and holds up its thread for as long as it may.
struct Blocks(std::sync::mpsc::Receiver<()>);

impl Actor for Blocks {
    type Context = Context<Self>;
}

impl Handler<SocketEvent> for Blocks {
    type Result = ();

    fn handle(&mut self, _event: SocketEvent, _ctx: &mut Context<Self>) {
        let _ = self.0.recv_timeout(Duration::from_secs(60));
    }
}

/// Answers each message, and nobody waits for long: until the storm is over.
async fn nothing_is_frozen(zmq: &Addr<Factory>, over: impl Fn() -> bool) {
    let name = inproc();
    let echo = |request: IncomingRequest| {
        let IncomingRequest { body, responder } = request;
        responder.reply(body).unwrap();
    };
    open(zmq, ReplySocket::bind(&*name).on_message(echo)).await;
    let client = open(zmq, RequestSocket::connect(&*name).timeout(FROZEN)).await;
    let beside = Beside.start();
    while !over() {
        assert_eq!(client.send(Request::new("echo")).await.unwrap().unwrap(), "echo".into());
        tokio::time::timeout(FROZEN, beside.send(Ping)).await.unwrap().unwrap();
        let all = tokio::time::timeout(FROZEN, zmq.send(Status)).await.unwrap().unwrap();
        assert!(all.iter().all(|socket| socket.state == SocketState::Up));
    }
}

#[actix::test]
async fn a_storm_of_connections_freezes_nothing_and_is_told_in_numbers() {
    let python = tokio::task::spawn_blocking(interpreter).await.unwrap();
    within_time(Duration::from_secs(60), async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let (deaf, _gate, mut shown) = gated::<SocketEvent>();
        let (release, held) = std::sync::mpsc::channel();
        let elsewhere = Arbiter::new();
        let blocks = Actor::start_in_arbiter(&elsewhere.handle(), |_| Blocks(held));
        let watched = PullSocket::bind(ANY_PORT).bind(ANY_PORT).bind(ANY_PORT).name("watched");
        // Room for all at once: beyond it the system turns visitors away.
        let watched = watched.backlog(4_000);
        let watched = watched.watch(watcher).watch(deaf.recipient()).watch(blocks.recipient());
        let watched = open(&zmq, watched.on_message(|_: Pulled| {})).await;
        let endpoints = bound_endpoints(&status(&zmq, "watched").await);
        let stay: Vec<_> =
            endpoints.iter().map(|endpoint| raw::connected(zmq::PUSH, endpoint)).collect();
        let python = python.is_some().then(|| {
            let more = ["--count", "100"];
            Peer::start("pyzmq", "visitor", "connect", &endpoints[0], &more)
        });
        let silent = [silent_visits(1_500, &endpoints[0]), silent_visits(1_500, &endpoints[1])];
        let pushes = [push_visits(500, &endpoints[1]), push_visits(500, &endpoints[2])];
        let storm = actix::spawn(async move {
            let silent = futures::future::join_all(silent).await.into_iter().sum::<u64>();
            let mut pushes = futures::future::join_all(pushes).await.into_iter().sum::<u64>();
            if let Some(mut peer) = python {
                peer.next("done").await;
                pushes += 100;
            }
            (silent, pushes)
        });
        nothing_is_frozen(&zmq, || storm.is_finished()).await;
        let (silent, pushes) = storm.await.unwrap();
        assert_eq!((silent, pushes >= 1_000), (3_000, true));
        let shaken = pushes + 3;
        let mut tally = Tally::default();
        eventually("everything is told", async || {
            tally.add(&mut events);
            tally.of("Accepted") >= silent + shaken && tally.of("Disconnected") >= silent + pushes
        })
        .await;
        assert_eq!(tally.of("Accepted"), silent + shaken);
        assert_eq!(tally.of("Disconnected"), silent + pushes);
        assert_eq!(tally.of("HandshakeSucceeded"), shaken);
        assert_eq!(tally.of("HandshakeFailed"), silent);
        assert!(tally.most > 1 && tally.events < silent, "{} events", tally.events);
        eventually("all are heard", async || {
            count(&zmq, "watched", Counter::Received).await == pushes
        })
        .await;
        eventually("those that stay are there", async || {
            status(&zmq, "watched").await.peers == Some(3)
        })
        .await;
        drop(stay);
        eventually("nobody is there", async || status(&zmq, "watched").await.peers == Some(0))
            .await;
        assert!(watched.send(Close::new()).await.unwrap().unwrap().confirmed);
        events
            .event(|kind| {
                tally.events += 1;
                matches!(kind, EventKind::Closed).then_some(())
            })
            .await;
        // Who does not answer misses the oldest, and is told how many.
        let (mut seen, mut missed) = (0, 0);
        shown
            .event(|kind| {
                seen += 1;
                if let EventKind::Missed { events } = kind {
                    missed += events;
                    seen -= 1;
                }
                matches!(kind, EventKind::Closed).then_some(())
            })
            .await;
        assert!(seen <= 257, "{seen}");
        assert_eq!(seen + missed, tally.events);
        drop(release);
        elsewhere.stop();
        finish(zmq).await;
    })
    .await;
}

/// A bound socket in a storm that ends when it is gone.
async fn in_a_storm(zmq: Addr<Factory>) -> (Addr<PullSocket>, impl Future<Output = u64>) {
    let (watcher, mut events) = events();
    let (never, _gate, _shown) = gated::<SocketEvent>();
    let watched = PullSocket::bind(ANY_PORT).name("watched");
    let watched = watched.watch(watcher).watch(never.recipient()).on_message(|_: Pulled| {});
    let watched = open(&zmq, watched).await;
    let endpoint = bound(&zmq, "watched").await;
    let storms = [silent_visits(10_000, &endpoint), silent_visits(10_000, &endpoint)];
    let mut tally = Tally::default();
    eventually("it storms", async || {
        tally.add(&mut events);
        tally.most > 1
    })
    .await;
    let over = futures::future::join_all(storms);
    (watched, async { over.await.into_iter().sum() })
}

#[actix::test]
async fn a_shutdown_in_a_storm_ends_in_time() {
    within(async {
        let zmq = Factory::builder().start();
        let (_watched, storm) = in_a_storm(zmq.clone()).await;
        let report = finish(zmq).await;
        assert!(report.is_clean() && report.took < Duration::from_secs(5), "{report}");
        assert!(storm.await < 20_000, "it ends when nobody listens");
    })
    .await;
}

#[actix::test]
async fn a_factory_that_is_dropped_in_a_storm_frees_its_port() {
    within(async {
        let zmq = Factory::builder().start();
        let (watched, storm) = in_a_storm(zmq.clone()).await;
        drop((watched, zmq));
        assert!(storm.await < 20_000, "it ends when nobody listens");
    })
    .await;
}

/// What a client has to say, on a thread, until it is cut off.
fn says(mut client: TcpStream, bytes: Vec<u8>, then: Option<Half>) -> impl Future<Output = ()> {
    raw::thread(move || {
        // It may be cut off at the first byte.
        let _ = client.write_all(&bytes);
        if let Some(half) = then {
            let _ = client.shutdown(half);
        }
        // The end, in peace or not.
        let _ = client.read_to_end(&mut Vec::new());
    })
}

/// A plain client that was accepted, and its address.
async fn accepted(events: &mut Inbox<SocketEvent>, endpoint: &str) -> (TcpStream, SocketAddr) {
    let client = TcpStream::connect(address(endpoint)).unwrap();
    let ours = client.local_addr().unwrap();
    loop {
        let event = connection(events).await;
        if event.change == ConnectionChange::Accepted {
            assert_eq!(event.peer, Some(ours));
            return (client, ours);
        }
    }
}

#[actix::test]
async fn garbage_is_told_with_a_reason_and_an_address_and_harms_nobody() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let server = PullSocket::bind(ANY_PORT).name("server").watch(watcher);
        let server = open(&zmq, server.on_message(|_: Pulled| {})).await;
        let endpoint = bound(&zmq, "server").await;
        let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NOBODY".to_vec();
        greeting.resize(64, 0);
        let http = &b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"[..];
        for garbage in [http, b"\xff", b"", &greeting] {
            let (stream, client) = accepted(&mut events, &endpoint).await;
            says(stream, garbage.to_vec(), Some(Half::Write)).await;
            let failed = events.event(|kind| match kind {
                EventKind::Connection(event) => match event.change {
                    ConnectionChange::HandshakeFailed { reason } => Some((event, reason)),
                    _ => None,
                },
                _ => None,
            });
            let (event, reason) = failed.await;
            assert_eq!((&event.endpoint, event.peer, event.times), (&endpoint, Some(client), 1));
            let strange = garbage == greeting;
            assert_eq!(strange, reason == HandshakeFailure::MechanismMismatch, "{reason:?}");
            let gone = connection(&mut events).await;
            assert_eq!((gone.change, gone.peer), (ConnectionChange::Disconnected, Some(client)));
        }
        // Noise of any kind: libzmq takes some of it for ZMTP 1.0, and gives no reason for that.
        let mut noise = 1_u32;
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..300)
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    noise.to_be_bytes()[0]
                })
                .collect();
            let client = TcpStream::connect(address(&endpoint)).unwrap();
            says(client, bytes, Some(Half::Write)).await;
        }
        let mut tally = Tally::default();
        eventually("all have come and gone", async || {
            tally.add(&mut events);
            (tally.of("Accepted"), tally.of("Disconnected")) == (200, 200)
        })
        .await;
        assert!(tally.of("HandshakeFailed") > 0);
        let now = status(&zmq, "server").await;
        assert_eq!((now.state, now.peers, now.restarts), (SocketState::Up, Some(0), 0));
        let _peer = raw::connected(zmq::PUSH, &endpoint);
        assert_eq!(server.send(WaitConnected::within(FROZEN)).await.unwrap().unwrap(), 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_client_that_says_nothing_is_cut_off_and_told() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let server = PullSocket::bind(ANY_PORT).name("server").watch(watcher);
        let server = server.handshake_interval(ms(100)).on_message(|_: Pulled| {});
        open(&zmq, server).await;
        let endpoint = bound(&zmq, "server").await;
        let (stream, client) = accepted(&mut events, &endpoint).await;
        says(stream, Vec::new(), None).await;
        let mut changes = Vec::new();
        while changes.last() != Some(&ConnectionChange::Disconnected) {
            let event = connection(&mut events).await;
            assert_eq!(event.peer, Some(client), "{event:?}");
            changes.push(event.change);
        }
        assert!(
            matches!(
                changes[..],
                [ConnectionChange::HandshakeFailed { .. }, ConnectionChange::Disconnected]
            ),
            "{changes:?}"
        );
        assert_eq!(status(&zmq, "server").await.state, SocketState::Up);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_silent_client_is_never_taken_for_a_peer_that_came_after_it() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let server = PullSocket::bind(ANY_PORT).name("server").watch(watcher);
        let server = open(&zmq, server.on_message(|_: Pulled| {})).await;
        let endpoint = bound(&zmq, "server").await;
        let silent = TcpStream::connect(address(&endpoint)).unwrap();
        told(&mut events, &[ConnectionChange::Accepted]).await;
        let peer = raw::connected(zmq::PUSH, &endpoint);
        assert_eq!(server.send(WaitConnected::within(FROZEN)).await.unwrap().unwrap(), 1);
        drop(silent);
        told(&mut events, &[ConnectionChange::Disconnected]).await;
        assert_eq!(status(&zmq, "server").await.peers, Some(1));
        drop(peer);
        told(&mut events, &[ConnectionChange::Disconnected]).await;
        assert_eq!(status(&zmq, "server").await.peers, Some(0));
        finish(zmq).await;
    })
    .await;
}

/// A port where nobody listens but who is told of it, for as long as the socket is kept.
fn reserved() -> (socket2::Socket, String) {
    let holder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // As libzmq does, which may then listen here.
    holder.set_reuse_address(true).unwrap();
    holder.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let at = holder.local_addr().unwrap().as_socket().unwrap();
    (holder, format!("tcp://{at}"))
}

#[actix::test]
async fn a_server_that_comes_and_goes_and_comes_again_is_told_of_in_order() {
    use ConnectionChange::{
        Accepted, ConnectRetried, Connected, Disconnected, HandshakeSucceeded, Listening,
    };
    let (_reserved, tcp) = reserved();
    for at in [tcp, ipc()] {
        within(async {
            let zmq = Factory::builder().start();
            let (watcher, mut client_events) = events();
            let (server_watcher, mut server_events) = events();
            let server = || {
                PullSocket::new()
                    .name("server")
                    .watch(server_watcher.clone())
                    .on_message(|_: Pulled| {})
            };
            let client = PushSocket::connect(&*at).reconnect_interval(ms(20)).watch(watcher);
            let client = open(&zmq, client).await;
            let up = [Connected, HandshakeSucceeded];
            for _ in 0..2 {
                client_events
                    .event(|kind| match kind {
                        EventKind::Connection(event) => {
                            assert!(!up.contains(&event.change), "{event:?}");
                            matches!(event.change, ConnectRetried { .. }).then_some(())
                        }
                        _ => None,
                    })
                    .await;
                let listens = open(&zmq, server().bind(&*at)).await;
                told(&mut client_events, &up).await;
                told(&mut server_events, &[Listening, Accepted, HandshakeSucceeded]).await;
                client.send(Push("hello")).await.unwrap().unwrap();
                listens.send(Close::new()).await.unwrap().unwrap();
                told(&mut client_events, &[Disconnected]).await;
            }
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn peers_that_are_left_do_not_count() {
    within(async {
        let zmq = Factory::builder().start();
        let pull = PullSocket::bind(ANY_PORT).name("pull").on_message(|_: Pulled| {});
        let pull = open(&zmq, pull).await;
        let at = bound(&zmq, "pull").await;
        let push = open(&zmq, PushSocket::new().name("push")).await;
        for _ in 0..5 {
            push.send(Connect::new(&*at)).await.unwrap().unwrap();
            assert_eq!(push.send(WaitConnected::within(ms(10_000))).await.unwrap().unwrap(), 1);
            push.send(Disconnect::new(&*at)).await.unwrap().unwrap();
            eventually("nobody is there", async || {
                status(&zmq, "push").await.peers == Some(0)
                    && status(&zmq, "pull").await.peers == Some(0)
            })
            .await;
        }
        push.send(Connect::new(&*at)).await.unwrap().unwrap();
        push.send(WaitConnected::within(ms(10_000))).await.unwrap().unwrap();
        pull.send(Unbind::new(&*at)).await.unwrap().unwrap();
        eventually("nobody is there", async || status(&zmq, "pull").await.peers == Some(0)).await;
        finish(zmq).await;
    })
    .await;
}
