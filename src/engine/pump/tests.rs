use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use proptest::prelude::*;

use super::*;
use crate::engine::fake::{Call, Fake, Net};
use crate::engine::queue::Outcome;
use crate::options::QueueLimits;

/// Far more turns than any test needs: a pump that spins ends here, not never.
const MANY: usize = 10_000;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The receiver's side, which the test opens and shuts.
#[derive(Clone, Default)]
struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    shut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    fn shut(&self) {
        self.0.shut.set(true);
    }

    fn open(&self) {
        self.0.shut.set(false);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

#[derive(Default)]
struct Sink {
    gate: Gate,
    /// How many messages are taken before the receiver fails.
    fails_after: Option<usize>,
    accepted: Vec<Multipart>,
    /// What is answered with the next turn of `answer`.
    answers: VecDeque<(Multipart, u32)>,
    flushes: usize,
}

impl Inlet<u32> for Sink {
    fn room(&mut self, cx: &mut Context<'_>) -> usize {
        if self.gate.0.shut.get() {
            *self.gate.0.waker.borrow_mut() = Some(cx.waker().clone());
            return 0;
        }
        usize::MAX
    }

    fn shielded<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> Option<R> {
        catch_unwind(AssertUnwindSafe(|| work(self))).ok()
    }

    fn accept(&mut self, message: Multipart) {
        self.accepted.push(message);
        if self.fails_after == Some(self.accepted.len()) {
            resume_unwind(Box::new("as asked"));
        }
    }

    fn answer(&mut self, queue: &mut Queue<u32>, _offer: &mut dyn FnMut(&mut Multipart) -> bool) {
        for (frames, ticket) in self.answers.drain(..) {
            queue.push(frames, ticket);
        }
    }

    fn flush(&mut self) {
        self.flushes += 1;
    }
}

struct Bench {
    fake: Fake,
    pump: Pump<Fake, Fake>,
    inlet: Sink,
    queue: Queue<u32>,
    moved: Moved,
    wakes: Arc<Wakes>,
    waker: Waker,
    tickets: u32,
}

impl Bench {
    fn new(sends: Sends) -> Self {
        let fake = Fake::new(sends);
        let wakes = Arc::<Wakes>::default();
        Self {
            pump: Pump::new(fake.clone(), fake.clone(), sends, true),
            fake,
            inlet: Sink::default(),
            queue: Queue::new(QueueLimits::default()),
            moved: Moved::default(),
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
            tickets: 0,
        }
    }

    fn net(&self) -> std::cell::RefMut<'_, Net> {
        self.fake.net()
    }

    fn queue(&mut self, frames: impl Into<Multipart>) {
        self.queue.push(frames.into(), self.tickets);
        self.tickets += 1;
    }

    fn take_wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::SeqCst)
    }

    /// One turn. If it ends parked, the readiness contract must hold.
    fn turn(&mut self) -> Turn {
        let mut cx = Context::from_waker(&self.waker);
        let turn = self.pump.turn(&mut cx, &mut self.inlet, &mut self.queue, &mut self.moved);
        if turn == Turn::Parked {
            self.check_parked();
        }
        turn
    }

    fn check_parked(&self) {
        let net = self.net();
        // Cleared and registered first, asked second, and nothing after that.
        let tail = net.calls.iter().rev().take(2).collect::<Vec<_>>();
        assert_eq!(tail, [&Call::Events, &Call::Arm], "`ZMQ_EVENTS` must be the last call");
        let receives = net.could_receive() && !self.inlet.gate.0.shut.get();
        // Where `ZMQ_POLLOUT` is not exact, the clock stands in for the wake.
        let sends = !self.queue.is_empty() && net.could_send() && !self.pump.retry;
        let is_woken = net.will_wake() || self.wakes.0.load(Ordering::SeqCst) > 0;
        assert!(is_woken || !(receives || sends), "parked for ever, with work to do");
    }

    /// Turns until it parks, as a task that is woken whenever it yields.
    fn settle(&mut self) {
        for _ in 0..MANY {
            match self.turn() {
                Turn::Parked => return,
                Turn::Yielded => assert!(self.take_wakes() > 0, "yielded and told nobody"),
                other => panic!("ended as {other:?}"),
            }
        }
        panic!("it never parks");
    }

    fn done(&mut self) -> Vec<u32> {
        let done = self.queue.take_done();
        done.iter().map(|(ticket, _)| *ticket).collect()
    }
}

fn numbered(number: usize) -> Multipart {
    Multipart::from(number.to_string())
}

fn to(peer: &str, body: &str) -> Multipart {
    Multipart::from([peer, body])
}

#[test]
fn a_pump_without_work_parks_and_the_first_edge_wakes_it() {
    let mut bench = Bench::new(Sends::WhenWritable);
    assert_eq!(bench.turn(), Turn::Parked);
    bench.net().peer_sends("hello".into());
    assert_eq!(bench.take_wakes(), 0);
    bench.net().deliver_edge();
    assert_eq!(bench.take_wakes(), 1);
    bench.settle();
    assert_eq!(bench.inlet.accepted, [Multipart::from("hello")]);
    assert_eq!(bench.moved, Moved { received: 1, received_bytes: 5, ..Moved::default() });
    assert_eq!(bench.inlet.flushes, 2, "every turn ends with a flush");
}

#[test]
fn a_pump_never_parks_without_reading_events_last() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 1;
    bench.queue("out");
    bench.net().peer_sends("in".into());
    bench.settle();
    // `Bench::turn` has checked the end; this is the whole of it.
    use Call::{Arm, Events, Receive, Send};
    assert_eq!(
        bench.net().calls,
        // The receive that found nothing was a call like any other.
        [Arm, Events, Receive, Receive, Send, Arm, Events]
    );
}

#[test]
fn a_refusal_after_pollout_is_asked_about_again_and_waited_for() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 1;
    bench.queue("out");
    // The pipe dies between the question and the call.
    bench.fake.before_next(Call::Send, |net| net.room = 0);
    bench.settle();
    assert_eq!(bench.net().count(Call::Send), 1, "it does not spin");
    assert!(!bench.pump.retry, "where POLLOUT is exact no clock is needed");
    assert_eq!(bench.queue.len(), 1);
    bench.net().peer_reads(1);
    bench.net().deliver_edge();
    assert_eq!(bench.take_wakes(), 1, "room is announced as readability");
    bench.settle();
    assert_eq!(bench.net().sent, [Multipart::from("out")]);
}

#[test]
fn a_refusal_that_never_looked_at_the_mailbox_is_not_believed() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 1;
    bench.net().throttled = true;
    bench.queue("one");
    bench.queue("two");
    // Room for the second one is announced while the first one is sent, and
    // the throttled send of the second one does not see it.
    let mut sends = 0;
    bench.fake.before_calls(move |net, call| {
        if call == Call::Send {
            sends += 1;
            if sends == 2 {
                net.peer_reads(1);
            }
        }
    });
    bench.settle();
    assert_eq!(bench.net().sent.len(), 2);
}

#[test]
fn a_send_that_swallows_the_edge_of_a_message_loses_nothing() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 1;
    bench.queue("out");
    bench.fake.before_next(Call::Send, |net| net.peer_sends("in".into()));
    bench.settle();
    bench.net().deliver_edge();
    assert_eq!(bench.take_wakes(), 0, "the send consumed the signal");
    assert_eq!(bench.inlet.accepted, [Multipart::from("in")]);
}

#[test]
fn a_receive_that_swallows_the_edge_of_room_loses_nothing() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.queue("out");
    bench.net().peer_sends("in".into());
    let mut receives = 0;
    bench.fake.before_calls(move |net, call| {
        if call == Call::Receive {
            receives += 1;
            // The second one finds nothing and empties the mailbox.
            if receives == 2 {
                net.peer_reads(1);
            }
        }
    });
    bench.settle();
    assert_eq!(bench.net().sent, [Multipart::from("out")]);
}

#[test]
fn a_receive_that_finds_nothing_after_pollin_counts_as_a_call() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.queue("out");
    bench.net().peer_sends("in".into());
    // The peer dies between the question and the call, which finds nothing,
    // looks into the mailbox, and takes the announcement of room along.
    bench.fake.before_next(Call::Receive, |net| {
        drop(net.lose_pipe());
        net.peer_reads(1);
    });
    bench.settle();
    assert!(bench.inlet.accepted.is_empty());
    assert_eq!(bench.net().sent, [Multipart::from("out")]);
}

#[test]
fn what_happens_after_the_last_question_wakes_the_parked_task() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.queue("out");
    bench.settle();
    let before = bench.net().count(Call::Events);
    bench.net().peer_reads(1);
    bench.net().peer_sends("in".into());
    bench.net().deliver_edge();
    assert_eq!(bench.take_wakes(), 1, "one edge for both directions");
    bench.settle();
    assert!(bench.net().count(Call::Events) > before);
    assert_eq!(bench.net().sent.len(), 1);
    assert_eq!(bench.inlet.accepted.len(), 1);
}

#[test]
fn only_what_there_is_room_for_is_sent_and_in_order() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 3;
    for number in 0..10 {
        bench.queue(numbered(number));
    }
    bench.settle();
    assert_eq!(bench.net().sent, [0, 1, 2].map(numbered));
    assert_eq!(bench.done(), [0, 1, 2]);
    bench.net().peer_reads(100);
    bench.settle();
    assert_eq!(bench.net().sent, (0..10).map(numbered).collect::<Vec<_>>());
    assert_eq!(bench.done(), (3..10).collect::<Vec<_>>());
}

#[test]
fn a_pump_whose_waker_is_not_registered_yields_instead_of_parking() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().arms.push_back(Ok(false));
    assert_eq!(bench.turn(), Turn::Yielded);
    assert_eq!(bench.take_wakes(), 1);
    assert_eq!(bench.turn(), Turn::Parked);
}

#[test]
fn a_broken_registration_fails_the_socket() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().arms.push_back(Err(io_error(libc::EBADF)));
    assert_eq!(bench.turn(), Turn::Failed(Errno(libc::EBADF)));
}

fn io_error(number: i32) -> std::io::Error {
    std::io::Error::from_raw_os_error(number)
}

#[test]
fn a_spent_budget_yields_and_wakes_itself() {
    let mut bench = Bench::new(Sends::WhenWritable);
    for number in 0..BUDGET + 100 {
        bench.net().peer_sends(numbered(number));
    }
    assert_eq!(bench.turn(), Turn::Yielded);
    assert!(bench.moved.received <= BUDGET as u64);
    assert_eq!(bench.take_wakes(), 1);
    bench.settle();
    assert_eq!(bench.inlet.accepted, (0..BUDGET + 100).map(numbered).collect::<Vec<_>>());
}

#[test]
fn a_flood_does_not_keep_messages_from_leaving() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = BUDGET;
    for number in 0..BUDGET {
        bench.net().peer_sends(numbered(number));
        bench.queue(numbered(number));
    }
    assert_eq!(bench.turn(), Turn::Yielded);
    // A slow machine ends the turn early, but not before both had their chunk.
    assert!(bench.inlet.accepted.len() >= CHUNK);
    assert!(bench.net().sent.len() >= CHUNK);
    bench.settle();
    assert_eq!(bench.net().sent.len(), BUDGET);
}

/// A task that wakes itself is polled 61 times before a `LocalSet` lets the
/// reactor look; an arbiter is a `LocalSet`.
#[test]
fn a_flooded_pump_lets_the_reactor_run_between_its_turns() -> std::io::Result<()> {
    use std::io::Write;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (mut near, far) = std::os::unix::net::UnixStream::pair()?;
        far.set_nonblocking(true)?;
        let far = tokio::net::UnixStream::from_std(far)?;
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        let flooded = tokio::task::spawn_local(async move {
            let mut bench = Bench::new(Sends::Never);
            std::future::poll_fn(|cx| {
                for number in 0..BUDGET {
                    bench.net().peer_sends(numbered(number));
                }
                counted.set(counted.get() + 1);
                assert!(counted.get() < MANY, "the reactor was never asked");
                let turn =
                    bench.pump.turn(cx, &mut bench.inlet, &mut bench.queue, &mut bench.moved);
                assert_eq!(turn, Turn::Yielded);
                Poll::<()>::Pending
            })
            .await;
        });
        tokio::task::yield_now().await;
        let before = turns.get();
        near.write_all(b"x")?;
        far.readable().await?;
        let waited = turns.get() - before;
        flooded.abort();
        assert!(waited <= 8, "{waited} turns before the reactor had its say");
        Ok(())
    })
}

#[test]
fn a_receiver_that_is_not_ready_is_not_read_for_and_wakes_the_pump_when_it_is() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 1;
    bench.inlet.gate.shut();
    bench.net().peer_sends("in".into());
    bench.queue("out");
    bench.settle();
    assert_eq!(bench.net().count(Call::Receive), 0);
    assert_eq!(bench.net().sent.len(), 1, "sending goes on meanwhile");
    assert_eq!(bench.take_wakes(), 0);
    bench.inlet.gate.open();
    assert_eq!(bench.take_wakes(), 1);
    bench.settle();
    assert_eq!(bench.inlet.accepted, [Multipart::from("in")]);
}

#[test]
fn a_failing_receiver_ends_the_turn_at_once() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.inlet.fails_after = Some(2);
    for number in 0..5 {
        bench.net().peer_sends(numbered(number));
    }
    assert_eq!(bench.turn(), Turn::Interrupted);
    assert_eq!(bench.inlet.accepted.len(), 2);
    assert_eq!(bench.moved.received, 2);
    assert_eq!(bench.inlet.flushes, 1, "what it took before is handed over");
}

#[test]
fn a_terminated_context_wakes_and_fails_the_pump() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.settle();
    bench.net().stop();
    bench.net().deliver_edge();
    assert_eq!(bench.take_wakes(), 1);
    assert_eq!(bench.turn(), Turn::Failed(Errno::TERM));
}

#[test]
fn a_context_terminated_during_a_send_keeps_the_message() {
    for sends in [Sends::WhenWritable, Sends::Always, Sends::PerPeer] {
        let mut bench = Bench::new(sends);
        bench.net().room = 1;
        bench.queue(to("peer", "out"));
        bench.fake.before_next(Call::Send, Net::stop);
        assert_eq!(bench.turn(), Turn::Failed(Errno::TERM));
        assert!(bench.done().is_empty());
        let rest = bench.queue.drain();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].frames, to("peer", "out"));
    }
}

#[test]
fn a_pump_that_stopped_receiving_goes_on_sending() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 1;
    bench.net().peer_sends("in".into());
    bench.queue("out");
    bench.pump.stop_receiving();
    let mut cx = Context::from_waker(&bench.waker);
    let turn = bench.pump.turn(&mut cx, &mut bench.inlet, &mut bench.queue, &mut bench.moved);
    assert_eq!(turn, Turn::Parked);
    assert_eq!(bench.net().count(Call::Receive), 0);
    assert_eq!(bench.net().sent.len(), 1);
}

#[test]
fn answers_leave_in_the_turn_that_received() {
    let mut bench = Bench::new(Sends::WhenWritable);
    bench.net().room = 1;
    bench.net().peer_sends("question".into());
    bench.inlet.answers.push_back(("answer".into(), 7));
    bench.settle();
    assert_eq!(bench.net().sent, [Multipart::from("answer")]);
    assert_eq!(bench.done(), [7]);
}

#[test]
fn a_socket_that_cannot_send_is_never_asked_to() {
    let mut bench = Bench::new(Sends::Never);
    bench.queue("out");
    bench.settle();
    assert_eq!(bench.net().count(Call::Send), 0);
}

#[test]
fn without_an_exact_pollout_a_refused_message_is_offered_once_per_turn() {
    let mut bench = Bench::new(Sends::Always);
    for number in 0..3 {
        bench.queue(numbered(number));
    }
    for turn in 1..4 {
        bench.settle();
        assert_eq!(bench.net().count(Call::Send), turn);
        assert!(bench.pump.retry, "the clock must bring it back");
        assert_eq!(bench.queue.len(), 3);
    }
    bench.net().peer_reads(2);
    bench.settle();
    assert_eq!(bench.net().sent, [0, 1].map(numbered));
    assert!(bench.pump.retry);
    bench.net().peer_reads(1);
    bench.settle();
    assert_eq!(bench.net().sent, [0, 1, 2].map(numbered));
    assert!(!bench.pump.retry, "nothing is left to offer");
}

#[test]
fn a_peer_without_room_holds_up_nobody_else() {
    let mut bench = Bench::new(Sends::PerPeer);
    bench.net().connect("full", 0);
    bench.net().connect("free", 100);
    for message in ["0", "1", "2"] {
        bench.queue(to("full", message));
        bench.queue(to("free", message));
    }
    bench.settle();
    assert_eq!(bench.net().sent, ["0", "1", "2"].map(|message| to("free", message)));
    assert!(bench.pump.retry);
    assert_eq!(bench.queue.len(), 3);
    // What comes later for the full peer waits behind.
    bench.queue(to("full", "3"));
    bench.net().sent.clear();
    bench.net().peer_reads_from("full", 2);
    bench.settle();
    assert_eq!(bench.net().sent, ["0", "1"].map(|message| to("full", message)));
    bench.net().peer_reads_from("full", 2);
    bench.settle();
    assert_eq!(bench.net().sent, ["0", "1", "2", "3"].map(|message| to("full", message)));
    assert!(!bench.pump.retry);
    assert!(bench.queue.is_empty());
}

#[test]
fn a_refused_peer_is_asked_once_per_turn_whatever_waits_for_it() {
    let mut bench = Bench::new(Sends::PerPeer);
    bench.net().connect("full", 0);
    for number in 0..CHUNK * 3 {
        bench.queue(to("full", &number.to_string()));
    }
    // How many turns it takes to look through them is a matter of time.
    let mut turns = 1;
    while bench.turn() == Turn::Yielded {
        turns += 1;
    }
    assert!(bench.net().count(Call::Send) <= 1 + turns, "one refusal speaks for all behind it");
    let before = bench.net().count(Call::Send);
    bench.settle();
    assert_eq!(bench.net().count(Call::Send), before + 1);
}

#[test]
fn a_lane_that_opens_keeps_to_the_budget() {
    let mut bench = Bench::new(Sends::PerPeer);
    bench.net().connect("full", 0);
    let all = BUDGET * 3;
    for number in 0..all {
        bench.queue(to("full", &number.to_string()));
    }
    bench.settle();
    bench.net().connect("full", all);
    assert_eq!(bench.turn(), Turn::Yielded);
    assert!(bench.net().sent.len() <= BUDGET);
    bench.settle();
    let expected = (0..all).map(|number| to("full", &number.to_string())).collect::<Vec<_>>();
    assert_eq!(bench.net().sent, expected);
}

#[test]
fn an_unknown_peer_is_reported_at_once_and_when_it_leaves() {
    let mut bench = Bench::new(Sends::PerPeer);
    bench.net().connect("leaving", 0);
    bench.queue(to("nobody", "0"));
    bench.queue(to("leaving", "1"));
    bench.settle();
    let done = bench.queue.take_done();
    assert!(
        matches!(&done[..], [(0, Outcome::Unroutable(frames))] if *frames == to("nobody", "0"))
    );
    bench.net().disconnect("leaving");
    bench.settle();
    let done = bench.queue.take_done();
    assert!(
        matches!(&done[..], [(1, Outcome::Unroutable(frames))] if *frames == to("leaving", "1"))
    );
    assert!(bench.queue.is_empty());
    assert!(!bench.pump.retry);
}

#[test]
fn an_unroutable_message_does_not_hold_up_a_socket_without_lanes() {
    // A PerPeer answer on an ordered socket: EHOSTUNREACH ends one message.
    struct Unroutable(Fake);
    impl Port for Unroutable {
        fn events(&mut self) -> Result<Events, Errno> {
            self.0.events()
        }
        fn receive(&mut self, place: &mut Multipart) -> Result<Option<usize>, Errno> {
            self.0.receive(place)
        }
        fn send(&mut self, message: &mut Multipart) -> Result<Sent, Errno> {
            if *message == Multipart::from("lost") {
                return Ok(Sent::Unroutable);
            }
            self.0.send(message)
        }
    }
    let fake = Fake::new(Sends::Always);
    fake.net().room = 2;
    let mut pump = Pump::new(Unroutable(fake.clone()), fake.clone(), Sends::Always, false);
    let mut queue = Queue::new(QueueLimits::default());
    for (ticket, message) in (0..).zip(["first", "lost", "last"]) {
        queue.push(message.into(), ticket);
    }
    let mut cx = Context::from_waker(Waker::noop());
    let mut sink = Sink::default();
    let turn = pump.turn(&mut cx, &mut sink, &mut queue, &mut Moved::default());
    assert_eq!(turn, Turn::Parked);
    assert_eq!(fake.net().sent, [Multipart::from("first"), Multipart::from("last")]);
    let done = queue.take_done();
    assert!(matches!(&done[1], (1, Outcome::Unroutable(_))));
}

/// What others do while the pump works or sleeps.
#[derive(Clone, Debug)]
enum Act {
    PeerSends(usize),
    PeerReads(usize),
    Edge,
    Throttle(bool),
    Gate(bool),
    /// A peer dies, and with it what it sent and the room that it had.
    PeerDies,
}

fn acts() -> impl Strategy<Value = Vec<(u8, Act)>> {
    let act = prop_oneof![
        4 => prop_oneof![Just(1_usize), 1_usize..5, 50_usize..150].prop_map(Act::PeerSends),
        4 => prop_oneof![Just(1_usize), 1_usize..5, 50_usize..150].prop_map(Act::PeerReads),
        4 => Just(Act::Edge),
        2 => any::<bool>().prop_map(Act::Throttle),
        1 => any::<bool>().prop_map(Act::Gate),
        1 => Just(Act::PeerDies),
    ];
    proptest::collection::vec((0_u8..6, act), 1..60)
}

/// Others' acts, each after so many calls of the pump.
struct Others {
    acts: VecDeque<(u8, Act)>,
    numbers: std::ops::RangeFrom<usize>,
    lost: Vec<Multipart>,
    gate: Gate,
}

impl Others {
    /// Another call is made: others have had time.
    fn tick(&mut self, net: &mut Net) {
        match self.acts.front_mut() {
            Some((0, _)) => self.act(net),
            Some((calls, _)) => *calls -= 1,
            None => {}
        }
    }

    fn act(&mut self, net: &mut Net) {
        let Some((_, act)) = self.acts.pop_front() else { return };
        match act {
            Act::PeerSends(messages) => {
                for number in self.numbers.by_ref().take(messages) {
                    net.peer_sends(numbered(number));
                }
            }
            Act::PeerReads(messages) => net.peer_reads(messages),
            Act::Edge => net.deliver_edge(),
            Act::Throttle(on) => net.throttled = on,
            Act::Gate(true) => self.gate.shut(),
            Act::Gate(false) => self.gate.open(),
            Act::PeerDies => {
                self.lost.extend(net.lose_pipe());
                net.room = 0;
            }
        }
    }
}

/// Drives the pump as a runtime does, only when it was woken, through an
/// interleaving, and expects everything to get through.
fn interleave(
    sends: Sends,
    mut acts: Vec<(u8, Act)>,
    outgoing: usize,
) -> Result<(), TestCaseError> {
    let peer_sends = |act: &(u8, Act)| if let Act::PeerSends(n) = act.1 { n } else { 0 };
    let incoming = acts.iter().map(peer_sends).sum::<usize>();
    // In the end there is room for all, and the receiver is ready.
    acts.extend([(0, Act::PeerReads(outgoing)), (0, Act::Gate(false))]);
    let mut bench = Bench::new(sends);
    for number in 0..outgoing {
        bench.queue(numbered(number));
    }
    let others = Rc::new(RefCell::new(Others {
        acts: acts.into(),
        numbers: 0..,
        lost: Vec::new(),
        gate: bench.inlet.gate.clone(),
    }));
    let during = Rc::clone(&others);
    bench.fake.before_calls(move |net, _| during.borrow_mut().tick(net));
    bench.waker.wake_by_ref();
    for step in 0.. {
        prop_assert!(step < MANY, "it never comes to rest");
        if bench.take_wakes() > 0 {
            let turn = bench.turn();
            prop_assert!(matches!(turn, Turn::Parked | Turn::Yielded), "{:?}", turn);
        } else if !others.borrow().acts.is_empty() {
            others.borrow_mut().act(&mut bench.net());
        } else if bench.net().has_edge() {
            bench.net().deliver_edge();
        } else if bench.pump.retry {
            bench.pump.retry = false;
            bench.waker.wake_by_ref();
        } else {
            break;
        }
    }
    let lost = &others.borrow().lost;
    let expected = (0..incoming).map(numbered).filter(|message| !lost.contains(message));
    prop_assert_eq!(bench.inlet.accepted, expected.collect::<Vec<_>>());
    prop_assert_eq!(&bench.fake.net().sent, &(0..outgoing).map(numbered).collect::<Vec<_>>());
    prop_assert!(bench.queue.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_interleaving_loses_a_wakeup(acts in acts(), outgoing in 0_usize..300) {
        interleave(Sends::WhenWritable, acts, outgoing)?;
    }

    #[test]
    fn no_interleaving_strands_a_refused_message(acts in acts(), outgoing in 0_usize..300) {
        interleave(Sends::Always, acts, outgoing)?;
    }

    #[test]
    fn each_peer_gets_its_messages_in_order(
        targets in proptest::collection::vec(0_usize..4, 0..200),
        rooms in proptest::collection::vec((0_usize..4, 1_usize..30, any::<bool>()), 0..40),
    ) {
        const PEERS: [&str; 4] = ["a", "b", "c", "d"];
        let mut bench = Bench::new(Sends::PerPeer);
        for peer in PEERS {
            bench.net().connect(peer, 0);
        }
        let all = targets.len();
        for (number, peer) in targets.iter().enumerate() {
            bench.queue(to(PEERS[*peer], &number.to_string()));
            if number % 7 == 0 {
                bench.settle();
            }
        }
        let last = (0..4).map(|peer| (peer, all, false));
        for (peer, room, throttled) in rooms.into_iter().chain(last) {
            bench.net().throttled = throttled;
            bench.net().peer_reads_from(PEERS[peer], room);
            bench.settle();
        }
        bench.settle();
        prop_assert!(bench.queue.is_empty());
        for (peer, name) in PEERS.iter().enumerate() {
            let net = bench.net();
            let got = net.sent.iter().filter(|message| message[0] == *name).collect::<Vec<_>>();
            let expected = (0..all).filter(|number| targets[*number] == peer);
            let expected = expected.map(|number| to(name, &number.to_string())).collect::<Vec<_>>();
            prop_assert_eq!(got, expected.iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_busy_pump_asks_again_for_a_while_after_a_message_and_then_parks() {
    let mut bench = Bench::new(Sends::Never);
    bench.pump = Pump::new(bench.fake.clone(), bench.fake.clone(), Sends::Never, true)
        .busy(Duration::from_millis(5));
    assert_eq!(bench.turn(), Turn::Parked, "nothing has come yet");
    bench.net().peer_sends("one".into());
    let mut asked = 0;
    while bench.turn() == Turn::Yielded {
        asked += 1;
    }
    assert!(asked > 0, "it parked at once");
    assert_eq!(bench.inlet.accepted.len(), 1);
    assert_eq!(bench.turn(), Turn::Parked);
}

#[test]
fn a_busy_pump_does_not_stay_awake_for_what_is_refused() {
    let mut bench = Bench::new(Sends::PerPeer);
    bench.pump = Pump::new(bench.fake.clone(), bench.fake.clone(), Sends::PerPeer, true)
        .busy(Duration::from_millis(5));
    bench.net().connect("full", 0);
    bench.queue(to("full", "one"));
    let began = Instant::now();
    while bench.turn() == Turn::Yielded {
        assert!(began.elapsed() < Duration::from_secs(10), "awake for ever");
    }
    assert!(bench.net().sent.is_empty());
}
