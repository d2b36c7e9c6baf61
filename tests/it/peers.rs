//! Real peers that fail: killed in the middle of traffic and started again,
//! stopped and continued, or more than the process has descriptors for.
//!
//! The loss of a peer is no failure of our socket: it stays up, nothing hangs,
//! every send and every request ends, and traffic goes on with whoever comes back.

use std::cell::Cell;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Pattern, Socket, SocketState};
use tokio::task::JoinHandle;

use crate::support::process::{Process, role, tell};
use crate::support::python::{Binds, Peer, interpreter};
use crate::support::{
    ANY_PORT, bound, count, events, eventually, finish, inbox, inproc, ms, open, raw, status,
    within, within_time,
};

/// Two or three Pythons one after the other, on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Where a peer binds. With another address than ours, a connection to a port
/// that nobody listens at can never find itself.
const ELSEWHERE: &str = "tcp://127.0.0.2:*";
/// How much traffic is enough to be in the middle of it.
const SOME: u32 = 50;

/// Runs a test for both sides that may bind.
async fn with_peers(test: impl AsyncFn(&Addr<Factory>, Binds)) {
    with_peers_where(&[Binds::Python, Binds::We], test).await;
}

/// Runs a test, unless there is no Python and that is fine. Whatever happens
/// to its peers, our socket stays up.
async fn with_peers_where(who_binds: &[Binds], test: impl AsyncFn(&Addr<Factory>, Binds)) {
    // Making the virtual environment does not count.
    if tokio::task::spawn_blocking(interpreter).await.unwrap().is_none() {
        return;
    }
    for &binds in who_binds {
        within_time(DEADLINE, async {
            let zmq = Factory::builder().start();
            let (watcher, mut events) = events();
            zmq.send(Watch(watcher)).await.unwrap();
            test(&zmq, binds).await;
            let ours = status(&zmq, "ours").await;
            assert_eq!((ours.state, ours.restarts), (SocketState::Up, 0), "{binds:?}");
            let seen = events.drain();
            assert!(seen.iter().any(|event| matches!(event.kind, EventKind::Up { .. })));
            let down = seen.iter().find(|event| matches!(event.kind, EventKind::Down { .. }));
            assert!(down.is_none(), "{binds:?}: {down:?}");
            finish(zmq).await;
        })
        .await;
    }
}

/// Where a peer is, and its next one will be.
struct Place {
    role: &'static str,
    binds: Binds,
    endpoint: String,
}

impl Place {
    /// Starts the next peer here.
    async fn peer(&self, more: &[&str]) -> Peer {
        match self.binds {
            Binds::Python => {
                let mut peer = Peer::start("pyzmq", self.role, "bind", &self.endpoint, more);
                assert_eq!(peer.ready().await, self.endpoint);
                peer
            }
            Binds::We => Peer::start("pyzmq", self.role, "connect", &self.endpoint, more),
        }
    }
}

/// A first peer, its place, and our socket, which is named "ours".
async fn pair<K: Pattern>(
    zmq: &Addr<Factory>,
    (role, more): (&'static str, &[&str]),
    binds: Binds,
    blueprint: Blueprint<K>,
) -> (Peer, Place, Addr<Socket<K>>) {
    let blueprint = blueprint.name("ours");
    match binds {
        Binds::Python => {
            let mut peer = Peer::start("pyzmq", role, "bind", ELSEWHERE, more);
            let endpoint = peer.ready().await;
            let socket = open(zmq, blueprint.connect(&*endpoint)).await;
            (peer, Place { role, binds, endpoint }, socket)
        }
        Binds::We => {
            let socket = open(zmq, blueprint.bind(ANY_PORT)).await;
            let place = Place { role, binds, endpoint: bound(zmq, "ours").await };
            (place.peer(more).await, place, socket)
        }
    }
}

/// Sends numbers, one after the other, until it is told to end.
struct Traffic {
    next: Rc<Cell<u32>>,
    stop: Rc<Cell<bool>>,
    task: JoinHandle<()>,
}

impl Traffic {
    fn start(send: impl AsyncFn(u32) + 'static) -> Self {
        let (next, stop) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (number, stopped) = (Rc::clone(&next), Rc::clone(&stop));
        let task = actix::spawn(async move {
            while !stopped.get() {
                let now = number.get();
                number.set(now + 1);
                send(now).await;
                tokio::task::yield_now().await;
            }
        });
        Self { next, stop, task }
    }

    /// The last send has ended, too.
    async fn end(self) {
        self.stop.set(true);
        self.task.await.unwrap();
    }
}

/// Some messages, each later than all before it, also than those of the peer's
/// predecessors: some may be lost with a peer, none comes twice or out of order.
async fn hears(peer: &mut Peer, frame: usize, last: &mut Option<u32>) {
    for _ in 0..SOME {
        let number = peer.number("msg", frame).await;
        assert!(Some(number) > *last, "{number} after {last:?}");
        *last = Some(number);
    }
}

/// Kills the peer twice while `traffic` flows to it, which nothing but `hears` waits for.
async fn killed_twice(
    mut peer: Peer,
    place: &Place,
    frame: usize,
    traffic: Traffic,
    more: &[&str],
) {
    let mut last = None;
    for _ in 0..2 {
        hears(&mut peer, frame, &mut last).await;
        peer.kill();
        let at_death = traffic.next.get();
        assert!(!traffic.task.is_finished());
        peer = place.peer(more).await;
        hears(&mut peer, frame, &mut last).await;
        // Also what was not sent yet when the other one died.
        while last < Some(at_death) {
            hears(&mut peer, frame, &mut last).await;
        }
    }
    traffic.end().await;
}

#[actix::test]
async fn pushes_go_on_to_a_pull_that_was_killed_and_came_back() {
    with_peers(async |zmq, binds| {
        let (peer, place, push) = pair(zmq, ("pull", &[]), binds, PushSocket::new()).await;
        let traffic = Traffic::start(async move |number| {
            push.send(Push(number.to_string())).await.unwrap().unwrap();
        });
        killed_twice(peer, &place, 0, traffic, &[]).await;
    })
    .await;
}

#[actix::test]
async fn publications_go_on_to_a_sub_that_was_killed_and_came_back() {
    with_peers(async |zmq, binds| {
        let (peer, place, publisher) = pair(zmq, ("sub", &[]), binds, PubSocket::new()).await;
        let traffic = Traffic::start(async move |number| {
            publisher.send(Publish::new("news", number.to_string())).await.unwrap().unwrap();
        });
        killed_twice(peer, &place, 1, traffic, &[]).await;
    })
    .await;
}

#[actix::test]
async fn a_dealer_goes_on_with_a_router_that_was_killed_and_came_back() {
    with_peers(async |zmq, binds| {
        let last = Rc::new(Cell::new(None));
        let (fill, mut told) = inbox::<Received>();
        let ours = DealerSocket::new().routing_id("ours").on_message(fill);
        let (peer, place, dealer) = pair(zmq, ("router-echo", &[]), binds, ours).await;
        let traffic = Traffic::start(async move |number| {
            dealer.send(SendMessage(number.to_string())).await.unwrap().unwrap();
        });
        let heard = Rc::clone(&last);
        let echoes = actix::spawn(async move {
            loop {
                let frames = told.next().await.0;
                let number = frames[0].as_str().unwrap().parse::<u32>().unwrap();
                assert!(Some(number) > heard.get(), "{number} after {:?}", heard.get());
                heard.set(Some(number));
            }
        });
        let at_the_end = Rc::clone(&traffic.next);
        killed_twice(peer, &place, 1, traffic, &[]).await;
        assert!(!echoes.is_finished(), "an echo came twice or out of order");
        assert!(last.get() > Some(SOME), "{:?} of {}", last.get(), at_the_end.get());
    })
    .await;
}

#[actix::test]
async fn a_router_finds_a_dealer_again_that_was_killed_and_came_back() {
    with_peers(async |zmq, binds| {
        let (fill, mut told) = inbox::<ReceivedFrom>();
        let named = ["--identity", "theirs"];
        let ours = RouterSocket::new().on_message(fill);
        let (mut peer, place, router) = pair(zmq, ("dealer", &named), binds, ours).await;
        peer.send(["hello"]);
        assert_eq!(told.next().await.peer, "theirs");
        let nowhere = Rc::new(Cell::new(0));
        let unroutable = Rc::clone(&nowhere);
        let traffic = Traffic::start(async move |number| {
            let message = SendTo::new("theirs", number.to_string());
            // Either is an end; anything else is none that was promised.
            if let Err(error) = router.send(message).await.unwrap() {
                assert_eq!(error.kind(), ErrorKind::Unroutable, "{error}");
                assert_eq!(error.into_message(), Some(number.to_string().into()));
                unroutable.set(unroutable.get() + 1);
            }
        });
        if binds == Binds::Python {
            // libzmq keeps the queue for where it connected to, and nothing is unroutable.
            killed_twice(peer, &place, 0, traffic, &named).await;
            assert_eq!(nowhere.get(), 0);
            return;
        }
        let mut last = None;
        for _ in 0..2 {
            hears(&mut peer, 0, &mut last).await;
            let before = nowhere.get();
            peer.kill();
            eventually("its death is noticed", async || nowhere.get() > before).await;
            let at_death = traffic.next.get();
            peer = place.peer(&named).await;
            hears(&mut peer, 0, &mut last).await;
            assert!(last > Some(at_death), "{last:?}, but {at_death} was unroutable");
        }
        traffic.end().await;
    })
    .await;
}

#[actix::test]
async fn a_push_that_was_killed_and_came_back_is_heard_again_from_its_start() {
    with_peers(async |zmq, binds| {
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::new().on_message(fill);
        let first = ["--flood", "--identity", "0"];
        let (mut peer, place, _pull) = pair(zmq, ("push", &first), binds, pull).await;
        for life in 0..3_u32 {
            let name = life.to_string();
            // In order and without a gap, however many of its predecessor's are under way.
            for number in 0..SOME {
                let own = |Pulled(frames): Pulled| (frames[0] == &*name).then_some(frames);
                assert_eq!(told.find(own).await[1], &*number.to_string());
            }
            peer.kill();
            let next = (life + 1).to_string();
            peer = place.peer(&["--flood", "--identity", &next]).await;
        }
        let own = |Pulled(frames): Pulled| (frames[0] == "3").then_some(());
        told.find(own).await;
    })
    .await;
}

#[actix::test]
async fn a_req_that_was_killed_and_came_back_is_answered_again() {
    with_peers(async |zmq, binds| {
        let server = ReplySocket::new().on_message(|request: IncomingRequest| {
            let IncomingRequest { body, responder } = request;
            responder.reply(body).unwrap();
        });
        let first = ["--flood", "--identity", "0"];
        let (mut peer, place, _server) = pair(zmq, ("req", &first), binds, server).await;
        for life in 1..=3 {
            for number in 0..SOME {
                assert_eq!(peer.number("reply", 1).await, number);
            }
            peer.kill();
            peer = place.peer(&["--flood", "--identity", &life.to_string()]).await;
        }
        assert_eq!(peer.number("reply", 1).await, 0);
        peer.kill();
        eventually("no request is kept", async || status(zmq, "ours").await.in_flight == 0).await;
    })
    .await;
}

/// Requests from several callers at a time, each of which ends.
async fn asked_while_killed(zmq: &Addr<Factory>, binds: Binds, role: &'static str) {
    let client = RequestSocket::new().timeout(ms(200));
    let (mut peer, place, client) = pair(zmq, (role, &[]), binds, client).await;
    let (answered, timed_out) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let callers = (0..8_u32).map(|caller| {
        let (client, answered, timed_out) =
            (client.clone(), Rc::clone(&answered), Rc::clone(&timed_out));
        Traffic::start(async move |number| {
            let body: Multipart = [caller.to_string(), number.to_string()].into();
            match client.send(Request::new(body.clone())).await.unwrap() {
                Ok(reply) => {
                    assert_eq!(reply, body);
                    answered.set(answered.get() + 1);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                    timed_out.set(timed_out.get() + 1);
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let more = async |what: &str, counter: &Cell<u32>| {
        let before = counter.get();
        eventually(what, async || counter.get() > before + SOME).await;
    };
    for _ in 0..2 {
        more("requests are answered", &answered).await;
        let before = timed_out.get();
        peer.kill();
        eventually("those that died with it end", async || timed_out.get() >= before + 8).await;
        peer = place.peer(&[]).await;
        more("requests are answered again", &answered).await;
    }
    for caller in callers {
        caller.end().await;
    }
    assert_eq!(status(zmq, "ours").await.in_flight, 0);
}

#[actix::test]
async fn requests_end_while_a_rep_is_dead_and_are_answered_when_it_is_back() {
    with_peers(async |zmq, binds| asked_while_killed(zmq, binds, "rep").await).await;
}

#[actix::test]
async fn requests_end_while_a_router_is_dead_and_are_answered_when_it_is_back() {
    with_peers(async |zmq, binds| asked_while_killed(zmq, binds, "router-echo").await).await;
}

/// An actor that shares the arbiter of the test and of every socket in it.
struct Beside;

#[derive(Message)]
#[rtype(result = "u32")]
struct Ping(u32);

impl Actor for Beside {
    type Context = Context<Self>;
}

impl Handler<Ping> for Beside {
    type Result = u32;

    fn handle(&mut self, ping: Ping, _ctx: &mut Context<Self>) -> u32 {
        ping.0
    }
}

/// The number, and enough of it to fill any buffer of the system's soon.
fn heavy(number: u32) -> Multipart {
    [number.to_string().into_bytes(), vec![0; 32 * 1024]].into()
}

/// Messages that were sent and not awaited, by their number.
type Sends = Vec<(u32, JoinHandle<Result<(), Error>>)>;

/// Sends to a peer that is stopped until the queue is at its bound and stays
/// there, and refuses what comes; meanwhile an actor beside it answers.
async fn filled(
    zmq: &Addr<Factory>,
    bound: usize,
    send: impl Fn(u32) -> JoinHandle<Result<(), Error>>,
    mut meanwhile: impl AsyncFnMut(u32),
) -> Sends {
    let beside = Beside.start();
    let mut sends = Sends::new();
    let mut full = 0;
    eventually("the queue is full and stays so", async || {
        let number = u32::try_from(sends.len()).unwrap();
        sends.push((number, send(number)));
        meanwhile(number).await;
        assert_eq!(beside.send(Ping(number)).await.unwrap(), number);
        let ours = status(zmq, "ours").await;
        assert!(ours.queued <= bound, "{} are queued, and {bound} may be", ours.queued);
        let refuses = ours.count(Counter::Rejected) > 0;
        full = if ours.queued == bound && refuses { full + 1 } else { 0 };
        full > 20
    })
    .await;
    sends
}

/// The numbers of the messages that were accepted; the others were given back.
async fn accepted(sends: Sends, refused: ErrorKind) -> Vec<u32> {
    let mut accepted = Vec::new();
    for (number, sent) in sends {
        match sent.await.unwrap() {
            Ok(()) => accepted.push(number),
            Err(error) => {
                assert_eq!(error.kind(), refused, "{error}");
                assert_eq!(error.into_message(), Some(heavy(number)));
            }
        }
    }
    accepted
}

/// A bound of 5, and 7 more that may wait where it is waited.
fn bounds(overflow: Overflow) -> (QueueLimits, usize) {
    let limits = QueueLimits { messages: 5, waiting: 7, overflow, ..QueueLimits::default() };
    (limits, if overflow == Overflow::Wait { 12 } else { 5 })
}

async fn pushed_to_a_stopped_pull(zmq: &Addr<Factory>, binds: Binds, overflow: Overflow) {
    let (limits, bound) = bounds(overflow);
    let push = PushSocket::new().send_hwm(5).queue(limits);
    let (mut peer, _, push) = pair(zmq, ("pull", &[]), binds, push).await;
    push.send(Push("1")).await.unwrap().unwrap();
    assert_eq!(peer.number("msg", 0).await, 1);
    peer.stop().await;
    let send = |number| {
        let sent = push.send(Push(heavy(number)));
        actix::spawn(async { sent.await.unwrap() })
    };
    let sends = filled(zmq, bound, send, async |_| ()).await;
    eventually("whoever is neither refused nor done waits", async || {
        sends.iter().filter(|(_, sent)| !sent.is_finished()).count() == bound
    })
    .await;
    peer.go_on();
    let accepted = accepted(sends, ErrorKind::Full).await;
    assert!(accepted.len() > bound);
    for number in accepted {
        assert_eq!(peer.number("msg", 0).await, number);
    }
    push.send(Push("1")).await.unwrap().unwrap();
    assert_eq!(peer.number("msg", 0).await, 1, "and nothing that was refused");
}

#[actix::test]
async fn a_stopped_pull_fills_the_queue_to_its_bound_and_gets_what_was_accepted_in_order() {
    with_peers(async |zmq, binds| {
        pushed_to_a_stopped_pull(zmq, binds, Overflow::Reject).await;
    })
    .await;
}

#[actix::test]
async fn sends_to_a_stopped_pull_wait_up_to_their_bound_and_end_when_it_goes_on() {
    with_peers(async |zmq, binds| {
        pushed_to_a_stopped_pull(zmq, binds, Overflow::Wait).await;
    })
    .await;
}

#[actix::test]
async fn a_stopped_router_holds_up_its_dealer_alone() {
    with_peers(async |zmq, binds| {
        let (limits, bound) = bounds(Overflow::Wait);
        let (fill, mut told) = inbox::<Received>();
        let dealer = DealerSocket::new().send_hwm(5).queue(limits).on_message(fill);
        let (mut peer, _, dealer) = pair(zmq, ("router-echo", &[]), binds, dealer).await;
        dealer.send(SendMessage("1")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0, "1".into());
        assert_eq!(peer.number("msg", 1).await, 1);
        peer.stop().await;
        let send = |number| {
            let sent = dealer.send(SendMessage(heavy(number)));
            actix::spawn(async { sent.await.unwrap() })
        };
        let sends = filled(zmq, bound, send, async |_| ()).await;
        peer.go_on();
        for number in accepted(sends, ErrorKind::Full).await {
            assert_eq!(peer.number("msg", 1).await, number);
            assert_eq!(told.next().await.0, heavy(number));
        }
    })
    .await;
}

#[actix::test]
async fn a_stopped_dealer_fills_its_own_lane_and_the_other_dealer_gets_all_of_its_messages() {
    // Two peers at one endpoint, which is ours.
    with_peers_where(&[Binds::We], async |zmq, binds| {
        let (limits, bound) = bounds(Overflow::Reject);
        let (fill, mut told) = inbox::<ReceivedFrom>();
        let router = RouterSocket::new().send_hwm(5).queue(limits).on_message(fill);
        let stopped = ("dealer", &["--identity", "stopped"][..]);
        let (mut peer, place, router) = pair(zmq, stopped, binds, router).await;
        let mut other = place.peer(&["--identity", "other"]).await;
        for peer in [&mut peer, &mut other] {
            peer.send(["hello"]);
            told.next().await;
        }
        peer.stop().await;
        let send = |number| {
            let sent = router.send(SendTo::new("stopped", heavy(number)));
            actix::spawn(async { sent.await.unwrap() })
        };
        let mut others = 0;
        let sends = filled(zmq, bound, send, async |number| {
            router.send(SendTo::new("other", number.to_string())).await.unwrap().unwrap();
            assert_eq!(other.number("msg", 0).await, number);
            others += 1;
        });
        let sends = sends.await;
        assert!(others > 20);
        peer.go_on();
        for number in accepted(sends, ErrorKind::PeerFull).await {
            assert_eq!(peer.number("msg", 0).await, number);
        }
    })
    .await;
}

#[actix::test]
async fn a_stopped_sub_holds_up_no_publication_and_hears_the_news_when_it_goes_on() {
    with_peers(async |zmq, binds| {
        let (mut peer, _, publisher) =
            pair(zmq, ("sub", &[]), binds, PubSocket::new().send_hwm(5)).await;
        let beside = Beside.start();
        let publisher = publisher.clone();
        let traffic = Traffic::start(async move |number| {
            publisher
                .send(Publish { topic: "news".into(), body: heavy(number) })
                .await
                .unwrap()
                .unwrap();
        });
        let mut last = None;
        hears(&mut peer, 1, &mut last).await;
        peer.stop().await;
        let stopped_at = traffic.next.get();
        eventually("publications go on", async || {
            assert_eq!(beside.send(Ping(7)).await.unwrap(), 7);
            traffic.next.get() > stopped_at + 2_000
        })
        .await;
        assert_eq!(status(zmq, "ours").await.queued, 0);
        peer.go_on();
        while last < Some(stopped_at + 2_000) {
            hears(&mut peer, 1, &mut last).await;
        }
        traffic.end().await;
    })
    .await;
}

#[actix::test]
async fn a_stopped_push_is_waited_for_and_heard_without_a_gap_when_it_goes_on() {
    with_peers(async |zmq, binds| {
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::new().on_message(fill);
        let flood = ["--flood", "--identity", "x"];
        let (peer, _, _pull) = pair(zmq, ("push", &flood), binds, pull).await;
        let beside = Beside.start();
        let mut next = 0;
        for _ in 0..3 {
            for Pulled(frames) in told.take(1_000).await {
                assert_eq!(frames[1], &*next.to_string());
                next += 1;
            }
            peer.stop().await;
            // What it had sent arrives, and then nothing more does.
            let mut before = count(zmq, "ours", Counter::Received).await;
            let mut quiet = 0;
            eventually("it is quiet", async || {
                assert_eq!(beside.send(Ping(next)).await.unwrap(), next);
                let received = count(zmq, "ours", Counter::Received).await;
                quiet = if received == before { quiet + 1 } else { 0 };
                before = received;
                quiet > 20
            })
            .await;
            for Pulled(frames) in told.drain() {
                assert_eq!(frames[1], &*next.to_string());
                next += 1;
            }
            assert_eq!(count(zmq, "ours", Counter::Received).await, u64::from(next));
            peer.go_on();
        }
        assert_eq!(told.next().await.0[1], &*next.to_string());
    })
    .await;
}

#[actix::test]
async fn requests_to_a_stopped_rep_end_by_their_timeout_and_are_answered_when_it_goes_on() {
    with_peers(async |zmq, binds| {
        let client = RequestSocket::new().timeout(ms(50));
        let (mut peer, _, client) = pair(zmq, ("rep", &[]), binds, client).await;
        let patient = || Request::new("hello").timeout(Duration::from_secs(20));
        client.send(patient()).await.unwrap().unwrap();
        peer.next("request").await;
        peer.stop().await;
        let beside = Beside.start();
        let kept = client.send(patient());
        for number in 0..10 {
            let error = client.send(Request::new("too late")).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            assert_eq!(beside.send(Ping(number)).await.unwrap(), number);
        }
        assert_eq!(status(zmq, "ours").await.in_flight, 1, "the one that waits");
        peer.go_on();
        assert_eq!(kept.await.unwrap().unwrap(), "hello".into());
        assert_eq!(count(zmq, "ours", Counter::TimedOut).await, 10);
        eventually("late replies are counted", async || {
            count(zmq, "ours", Counter::LateReplies).await == 10
        })
        .await;
    })
    .await;
}

#[actix::test]
async fn connections_that_take_all_descriptors_harm_no_traffic_and_make_room_when_they_end() {
    within(async {
        let child = "peers::as_a_child";
        let mut child = Process::child_of(child, "crowded", "", "ulimit -n 80;");
        let endpoint = child.line("listens at ").await;
        let early = raw::connected(zmq::PUSH, &endpoint);
        raw::send(&early, [b"before"]);
        child.line("heard before").await;
        // More than it has descriptors for; libzmq accepts them until there are none left.
        let address = endpoint.strip_prefix("tcp://").unwrap();
        let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        child.line("no room").await;
        raw::send(&early, [b"amidst"]);
        child.line("heard amidst").await;
        drop(crowd);
        child.line("room").await;
        let late = raw::connected(zmq::PUSH, &endpoint);
        raw::send(&late, [b"after"]);
        child.line("heard after").await;
        child.success().await;
    })
    .await;
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn as_a_child() {
    let Some((role, _)) = role() else { return };
    assert_eq!(role, "crowded");
    System::new().block_on(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(fill)).await;
        tell(format_args!("listens at {}", bound(&zmq, "pull").await));
        let mut heard =
            async || tell(format_args!("heard {}", told.next().await.0[0].as_str().unwrap()));
        heard().await;
        // One more socket is the test: it needs a descriptor of its own.
        let room = async || match zmq.send(Open(PushSocket::bind(&*inproc()))).await.unwrap() {
            Ok(socket) => {
                socket.send(Close::new()).await.unwrap().unwrap();
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooManySockets, "{error}");
                false
            }
        };
        eventually("all descriptors are taken", async || !room().await).await;
        tell("no room");
        heard().await;
        eventually("there is room again", room).await;
        tell("room");
        heard().await;
        let pull = status(&zmq, "pull").await;
        assert_eq!((pull.state, pull.restarts), (SocketState::Up, 0));
        finish(zmq).await;
    });
}
