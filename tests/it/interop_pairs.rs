//! Every pair of socket types that may talk, one side ours and one of pyzmq,
//! with either side binding; and those that may not.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{ConnectionEvent, Pattern, Socket, SocketState, kinds};

use crate::support::python::{Binds, Peer, interpreter};
use crate::support::traffic::{TOPIC, Talks, after, ear};
use crate::support::{
    ANY_PORT, Inbox, bound, events, eventually, finish, ipc, ms, open, status, within_time,
};

/// Python takes its time to start on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// One frame and many, empty ones, every byte, and much.
fn messages() -> Vec<Multipart> {
    let every_byte: Vec<u8> = (0..=255).rev().collect();
    let much: Vec<u8> = (0..1_u32 << 18).flat_map(|number| (!number).to_be_bytes()).collect();
    vec![
        "one".into(),
        ["one", "two"].into(),
        Frame::empty().into(),
        ["", "", ""].into(),
        every_byte.clone().into(),
        much.into(),
        std::iter::repeat_n(every_byte, 20).collect(),
        ["\0", "\x01", ""].into(),
    ]
}

/// Those that a subscriber may send: a frame that begins with 0 or 1 is a subscription there.
fn upstream() -> Vec<Multipart> {
    let plain = |frame: &Frame| !matches!(frame.first(), Some(0 | 1));
    messages().into_iter().filter(|body| body.iter().all(plain)).collect()
}

/// Who talks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// We do.
    Out,
    /// The peer does.
    In,
    /// We do, and then the peer.
    Both,
    /// We ask, and the peer echoes.
    Ask,
    /// The peer asks, and we echo.
    Asked,
}

/// What is special about a peer.
struct Theirs {
    role: &'static str,
    /// What is in front of a message on its side, and not on ours.
    front: &'static [&'static str],
    /// What is in front of a message on our side, and not on its.
    ours: &'static [&'static str],
}

impl Theirs {
    /// What it calls a message that it has received.
    fn word(&self) -> &'static str {
        match self.role {
            "rep" => "request",
            "req" => "reply",
            "xpub" => "sub",
            _ => "msg",
        }
    }
}

/// Opens a socket and starts a peer, whichever of them binds.
async fn meet<K: Pattern>(
    zmq: &Addr<Factory>,
    (library, role): (&str, &str),
    (binds, endpoint): (Binds, &str),
    blueprint: actix_zmq::Blueprint<K>,
) -> (Addr<Socket<K>>, Peer) {
    let blueprint = blueprint.name("ours");
    let more = ["--topic", if role == "sub" { TOPIC } else { "" }];
    // Names are for routers alone.
    let named = [more[0], more[1], "--identity", "theirs"];
    let more = if role == "router" { &named[..] } else { &more };
    match binds {
        Binds::Python => {
            let mut peer = Peer::start(library, role, "bind", endpoint, more);
            let endpoint = peer.ready().await;
            (open(zmq, blueprint.connect(endpoint)).await, peer)
        }
        Binds::We => {
            let socket = open(zmq, blueprint.bind(endpoint)).await;
            let endpoint = bound(zmq, "ours").await;
            (socket, Peer::start(library, role, "connect", &endpoint, more))
        }
    }
}

async fn pair<K: Talks>(zmq: &Addr<Factory>, theirs: &Theirs, flow: Flow, at: (Binds, &str)) {
    let (ear, mut told) = ear();
    let blueprint = K::blueprint(&ear).routing_id("ours");
    let (socket, mut peer) = meet(zmq, ("pyzmq", theirs.role), at, blueprint).await;
    if theirs.role == "router" {
        ear.expect("theirs");
    }
    let connected = socket.send(WaitConnected::within(Duration::from_secs(30))).await;
    assert_eq!(connected.unwrap().unwrap(), 1);
    let word = theirs.word();
    let wire = |body: &Multipart| after(theirs.front, body);
    let say = async |body: &Multipart| {
        K::say(&socket, &ear, after(theirs.ours, body)).await.unwrap();
    };
    if theirs.role == "xpub" {
        assert_eq!(peer.next("sub").await, [b"\x01"]);
    }
    if matches!(flow, Flow::Out | Flow::Both) {
        K::joined(&socket).await;
        let bodies = if theirs.role == "xpub" { upstream() } else { messages() };
        for body in &bodies {
            say(body).await;
        }
        for body in &bodies {
            assert_eq!(Multipart::from_iter(peer.next(word).await), wire(body));
        }
    }
    if matches!(flow, Flow::In | Flow::Both) {
        if theirs.role == "pub" {
            greeted(&mut peer, &mut told).await;
        }
        let bodies = if theirs.role == "xsub" { upstream() } else { messages() };
        for body in &bodies {
            peer.send(wire(body));
        }
        for body in &bodies {
            assert_eq!(next(&mut told).await, after(theirs.ours, body));
        }
    }
    if flow == Flow::Ask {
        for body in messages() {
            say(&body).await;
            assert_eq!(next(&mut told).await, after(theirs.ours, &body));
        }
    }
    if flow == Flow::Asked {
        for body in messages() {
            peer.send(wire(&body));
            assert_eq!(next(&mut told).await, after(theirs.ours, &body));
            if K::SAYS {
                say(&body).await;
            }
            assert_eq!(Multipart::from_iter(peer.next(word).await), wire(&body));
        }
    }
    assert!(told.drain().is_empty(), "more than was said");
    assert_eq!(status(zmq, "ours").await.state, SocketState::Up);
}

/// Has a publisher of Python publish until it is heard: it cannot tell when that is.
async fn greeted(peer: &mut Peer, told: &mut Inbox<Multipart>) {
    eventually("joined", async || {
        peer.send([TOPIC, "greeting"]);
        !told.drain().is_empty()
    })
    .await;
}

/// What is heard next that is no greeting.
async fn next(told: &mut Inbox<Multipart>) -> Multipart {
    told.find(|body| (body != "greeting".into()).then_some(body)).await
}

/// Runs a test on a factory of its own, under the deadline.
async fn alone(test: impl AsyncFnOnce(&Addr<Factory>)) {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().linger(Duration::from_secs(2)).start();
        test(&zmq).await;
        finish(zmq).await;
    })
    .await;
}

/// Whether there is a Python; making its virtual environment does not count as the test's time.
async fn python() -> bool {
    tokio::task::spawn_blocking(interpreter).await.unwrap().is_some()
}

/// One row for each pair: `what is in front on our side + our type, flow, what is in front on
/// the peer's side + its role`.
macro_rules! pairs {
    ($($name:ident: $ours:tt $kind:ident $flow:ident $front:tt $role:literal $(and $ipc:ident)?;)*) => {$(
        #[actix::test]
        async fn $name() {
            if !python().await {
                return;
            }
            #[allow(unused_mut, reason = "rows with ipc alone change it")]
            let mut places = vec![ANY_PORT.to_owned()];
            $(places.push($ipc());)?
            for place in places {
                for binds in [Binds::Python, Binds::We] {
                    alone(async |zmq| {
                        let theirs = Theirs { role: $role, front: &$front, ours: &$ours };
                        pair::<kinds::$kind>(zmq, &theirs, Flow::$flow, (binds, &place)).await;
                    })
                    .await;
                }
            }
        }
    )*};
}

pairs! {
    our_pub_and_their_sub: [] Pub Out [TOPIC] "sub" and ipc;
    our_pub_and_their_xsub: [] Pub Out [TOPIC] "xsub";
    our_xpub_and_their_sub: [] XPub Out [TOPIC] "sub";
    our_xpub_and_their_xsub: [] XPub Both [TOPIC] "xsub" and ipc;
    our_sub_and_their_pub: [] Sub In [TOPIC] "pub" and ipc;
    our_sub_and_their_xpub: [] Sub In [TOPIC] "xpub";
    our_xsub_and_their_pub: [] XSub In [TOPIC] "pub";
    our_xsub_and_their_xpub: [] XSub Both [TOPIC] "xpub" and ipc;
    our_push_and_their_pull: [] Push Out [] "pull" and ipc;
    our_pull_and_their_push: [] Pull In [] "push" and ipc;
    our_request_and_their_rep: [] Request Ask [] "rep";
    our_request_and_their_router: [] Request Ask [] "router-echo" and ipc;
    our_req_and_their_rep: [] Req Ask [] "rep" and ipc;
    our_req_and_their_router: [] Req Ask [] "router-echo";
    our_reply_and_their_req: [] Reply Asked [] "req" and ipc;
    our_reply_and_their_dealer: [] Reply Asked [""] "dealer";
    our_rep_and_their_req: [] Rep Asked [] "req";
    our_rep_and_their_dealer: [] Rep Asked [""] "dealer" and ipc;
    our_dealer_and_their_rep: [""] Dealer Ask [] "rep";
    our_dealer_and_their_dealer: [] Dealer Both [] "dealer";
    our_dealer_and_their_router: [] Dealer Both ["ours"] "router" and ipc;
    our_router_and_their_req: [""] Router Asked [] "req";
    our_router_and_their_dealer: [] Router Asked [] "dealer" and ipc;
    our_router_and_their_router: [] Router Both ["ours"] "router";
    our_pair_and_their_pair: [] Pair Both [] "pair" and ipc;
}

/// The bytes that a peer has sent, so many.
async fn bytes(told: &mut Inbox<Multipart>, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend_from_slice(&told.next().await[0]);
    }
    all
}

/// TCP keeps the bytes and their order, and no borders.
async fn stream(zmq: &Addr<Factory>, library: &str, binds: Binds) {
    let (ear, mut told) = ear();
    let blueprint = kinds::Stream::blueprint(&ear);
    let (socket, mut peer) = meet(zmq, (library, "stream"), (binds, ANY_PORT), blueprint).await;
    assert_eq!(told.next().await, Frame::empty().into(), "it has connected");
    // A STREAM of pyzmq names us, and says that we have connected.
    let us = if library == "pyzmq" { peer.next("msg").await.into_iter().next() } else { None };
    // An empty frame would cut the peer off.
    let sent: Vec<Frame> =
        messages().into_iter().flatten().filter(|frame| !frame.is_empty()).collect();
    let all = sent.iter().flat_map(|frame| frame.iter().copied()).collect::<Vec<u8>>();
    for frame in &sent {
        kinds::Stream::say(&socket, &ear, frame.clone().into()).await.unwrap();
    }
    let mut arrived = Vec::new();
    while arrived.len() < all.len() {
        arrived.extend(peer.next("msg").await.pop().unwrap());
    }
    assert!(arrived == all, "{} bytes arrived of {}", arrived.len(), all.len());
    for frame in &sent {
        peer.send(us.iter().map(Vec::as_slice).chain([&frame[..]]));
    }
    let arrived = bytes(&mut told, all.len()).await;
    assert!(arrived == all, "{} bytes arrived of {}", arrived.len(), all.len());
    drop(peer);
    assert_eq!(told.next().await, Frame::empty().into(), "it is gone");
}

macro_rules! streams {
    ($($name:ident: $library:literal;)*) => {$(
        #[actix::test]
        async fn $name() {
            if python().await {
                for binds in [Binds::Python, Binds::We] {
                    alone(async |zmq| stream(zmq, $library, binds).await).await;
                }
            }
        }
    )*};
}

streams! {
    our_stream_and_a_plain_tcp_socket: "tcp";
    our_stream_and_their_stream: "pyzmq";
}

/// Sockets that we must not talk with are refused and told of; one that we may talk with is let in.
async fn refused<K: Talks>(zmq: &Addr<Factory>, (misfits, fits): (&[&str], &str), binds: Binds) {
    let (ear, mut told) = ear();
    let (watcher, mut events) = events();
    let blueprint = K::blueprint(&ear).name("ours").watch(watcher);
    let listed = misfits.join(",");
    let start = |method, endpoint: &str| {
        Peer::start("pyzmq", "misfits", method, endpoint, &["--types", &listed])
    };
    let (socket, mut peers) = match binds {
        Binds::Python => {
            let mut peers = start("bind", ANY_PORT);
            let mut blueprint = blueprint;
            for _ in misfits {
                blueprint = blueprint.connect(peers.ready().await);
            }
            (open(zmq, blueprint).await, peers)
        }
        Binds::We => {
            let socket = open(zmq, blueprint.bind(ANY_PORT)).await;
            (socket, start("connect", &bound(zmq, "ours").await))
        }
    };
    for misfit in misfits {
        assert_eq!(peers.next("refused").await, [misfit.as_bytes()]);
        events.event(|kind| disconnected(&kind).then_some(())).await;
    }
    let error = socket.send(WaitConnected::within(ms(1))).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let now = status(zmq, "ours").await;
    assert_eq!((now.state, now.peers, now.restarts), (SocketState::Up, Some(0), 0));
    assert!(told.drain().is_empty());
    let endpoint = match binds {
        Binds::Python => socket.send(Bind::new(ANY_PORT)).await.unwrap().unwrap().to_string(),
        Binds::We => bound(zmq, "ours").await,
    };
    let _fits = Peer::start("pyzmq", fits, "connect", &endpoint, &[]);
    let there = socket.send(WaitConnected::within(Duration::from_secs(30))).await.unwrap();
    assert_eq!(there.unwrap(), 1);
}

fn disconnected(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Connection(ConnectionEvent { change: ConnectionChange::Disconnected, .. })
    )
}

/// All that are not among these, which may be given more than once.
fn all_but(fits: &[&str]) -> Vec<&'static str> {
    let all =
        ["pub", "xpub", "sub", "xsub", "push", "pull", "req", "rep", "dealer", "router", "pair"];
    all.into_iter().filter(|role| !fits.contains(role)).collect()
}

/// One row for each type, with all types that it may talk with.
macro_rules! misfits {
    ($($name:ident: $kind:ident [$first:literal $(, $fits:literal)*];)*) => {$(
        #[actix::test]
        async fn $name() {
            if python().await {
                for binds in [Binds::Python, Binds::We] {
                    alone(async |zmq| {
                        let misfits = all_but(&[$first $(, $fits)*]);
                        refused::<kinds::$kind>(zmq, (&misfits, $first), binds).await;
                    })
                    .await;
                }
            }
        }
    )*};
}

// REQUEST is a DEALER to its peers; REPLY and REP are ROUTERs.
misfits! {
    a_pub_takes_subscribers_alone: Pub ["sub", "xsub"];
    an_xpub_takes_subscribers_alone: XPub ["sub", "xsub"];
    a_sub_takes_publishers_alone: Sub ["pub", "xpub"];
    an_xsub_takes_publishers_alone: XSub ["pub", "xpub"];
    a_push_takes_pulls_alone: Push ["pull"];
    a_pull_takes_pushes_alone: Pull ["push"];
    a_request_takes_servers_and_dealers_alone: Request ["rep", "dealer", "router"];
    a_reply_takes_clients_and_routers_alone: Reply ["req", "dealer", "router"];
    a_req_takes_servers_alone: Req ["rep", "router"];
    a_rep_takes_clients_and_routers_alone: Rep ["req", "dealer", "router"];
    a_dealer_takes_servers_and_dealers_alone: Dealer ["rep", "dealer", "router"];
    a_router_takes_clients_and_routers_alone: Router ["req", "dealer", "router"];
    a_pair_takes_pairs_alone: Pair ["pair"];
}
