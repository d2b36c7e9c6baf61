use proptest::prelude::*;

use super::*;

/// A number, and whether somebody awaits it.
type Ticket = (usize, bool);

const POLICIES: [Overflow; 4] =
    [Overflow::Wait, Overflow::Reject, Overflow::DropNewest, Overflow::DropOldest];

fn queue(messages: usize, bytes: usize, waiting: usize, overflow: Overflow) -> Queue<Ticket> {
    Queue::new(QueueLimits { messages, bytes, waiting, overflow })
}

fn unbounded() -> Queue<Ticket> {
    queue(usize::MAX, usize::MAX, 0, Overflow::Reject)
}

fn of_size(bytes: usize) -> Multipart {
    Multipart::from(vec![0; bytes])
}

fn to(peer: &str) -> Multipart {
    Multipart::from([peer, "body"])
}

/// Adds unawaited messages of one byte, numbered from `from`.
fn push_all(queue: &mut Queue<Ticket>, numbers: std::ops::Range<usize>) -> Vec<Place> {
    numbers.map(|number| queue.push(of_size(1), (number, false))).collect()
}

fn push_awaited(queue: &mut Queue<Ticket>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        queue.push(of_size(1), (number, true));
    }
}

fn enforce(queue: &mut Queue<Ticket>) {
    queue.enforce(|(_, awaited)| *awaited);
}

/// What has ended since the last time: the number, and how.
fn done(queue: &mut Queue<Ticket>) -> Vec<(usize, &'static str)> {
    let name = |outcome: &Outcome| match outcome {
        Outcome::Accepted(_) => "accepted",
        Outcome::Unroutable(_) => "unroutable",
        Outcome::Rejected(..) => "rejected",
        Outcome::Dropped(..) => "dropped",
    };
    queue.take_done().iter().map(|((number, _), outcome)| (*number, name(outcome))).collect()
}

fn all<const N: usize>(numbers: [usize; N], how: &'static str) -> Vec<(usize, &'static str)> {
    numbers.into_iter().map(|number| (number, how)).collect()
}

/// The numbers that are left, which empties the queue.
fn rest(queue: &mut Queue<Ticket>) -> Vec<usize> {
    let rest = queue.drain().into_iter().map(|item| item.ticket.0).collect();
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
    rest
}

#[test]
fn within_the_bounds_no_policy_touches_anything() {
    for policy in POLICIES {
        let mut queue = queue(3, 3, 0, policy);
        push_all(&mut queue, 0..3);
        enforce(&mut queue);
        assert!(done(&mut queue).is_empty(), "{policy:?}");
        assert_eq!(rest(&mut queue), [0, 1, 2]);
    }
}

#[test]
fn at_the_bound_of_messages_each_policy_does_what_it_says() {
    for (policy, ended, left) in [
        (Overflow::Wait, all([2, 3], "rejected"), [0, 1]),
        (Overflow::Reject, all([2, 3], "rejected"), [0, 1]),
        (Overflow::DropNewest, all([2, 3], "dropped"), [0, 1]),
        (Overflow::DropOldest, all([0, 1], "dropped"), [2, 3]),
    ] {
        let mut queue = queue(2, usize::MAX, 10, policy);
        push_all(&mut queue, 0..4);
        enforce(&mut queue);
        assert_eq!(done(&mut queue), ended, "{policy:?}");
        assert_eq!(rest(&mut queue), left, "{policy:?}");
    }
}

#[test]
fn at_the_bound_of_bytes_each_policy_does_what_it_says() {
    for (policy, ended, left) in [
        (Overflow::Wait, all([2, 3], "rejected"), [0, 1]),
        (Overflow::Reject, all([2, 3], "rejected"), [0, 1]),
        (Overflow::DropNewest, all([2, 3], "dropped"), [0, 1]),
        (Overflow::DropOldest, all([0, 1], "dropped"), [2, 3]),
    ] {
        let mut queue = queue(usize::MAX, 25, 10, policy);
        for number in 0..4 {
            queue.push(of_size(10), (number, false));
        }
        enforce(&mut queue);
        assert_eq!(done(&mut queue), ended, "{policy:?}");
        assert_eq!(queue.bytes(), 20, "{policy:?}");
        assert_eq!(rest(&mut queue), left, "{policy:?}");
    }
}

#[test]
fn a_refused_message_is_given_back_whole() {
    for policy in POLICIES {
        let mut queue = queue(0, 0, 0, policy);
        queue.push(Multipart::from(["a", "b"]), (0, true));
        enforce(&mut queue);
        let ended = queue.take_done();
        let [(_, Outcome::Rejected(frames, _) | Outcome::Dropped(frames, _))] = &ended[..] else {
            panic!("{policy:?} gave {ended:?}");
        };
        assert_eq!(*frames, Multipart::from(["a", "b"]));
    }
}

#[test]
fn with_a_bound_of_zero_it_is_now_or_not_at_all() {
    for policy in POLICIES {
        let mut queue = queue(0, usize::MAX, 0, policy);
        push_awaited(&mut queue, 0..2);
        // The socket takes one before the bounds are applied.
        assert!(queue.front().is_some());
        queue.accepted();
        enforce(&mut queue);
        let ended = done(&mut queue);
        assert_eq!(ended[0], (0, "accepted"), "{policy:?}");
        assert_eq!(ended.len(), 2, "{policy:?}");
        assert!(queue.is_empty(), "{policy:?}");
    }
}

#[test]
fn whoever_awaits_may_wait_beyond_the_bound_but_not_beyond_that_one() {
    let mut queue = queue(2, usize::MAX, 2, Overflow::Wait);
    push_awaited(&mut queue, 0..6);
    enforce(&mut queue);
    assert_eq!(done(&mut queue), all([4, 5], "rejected"));
    // Room is made, and one more may wait.
    queue.accepted();
    push_awaited(&mut queue, 6..8);
    enforce(&mut queue);
    assert_eq!(done(&mut queue), [(0, "accepted"), (7, "rejected")]);
    assert_eq!(rest(&mut queue), [1, 2, 3, 6]);
}

#[test]
fn awaited_bytes_have_the_same_room_again() {
    let mut queue = queue(usize::MAX, 10, 100, Overflow::Wait);
    for number in 0..5 {
        queue.push(of_size(5), (number, true));
    }
    enforce(&mut queue);
    assert_eq!(done(&mut queue), [(4, "rejected")]);
    assert_eq!(queue.bytes(), 20);
}

#[test]
fn beyond_the_bound_only_who_is_awaited_stays() {
    let mut queue = queue(1, usize::MAX, 10, Overflow::Wait);
    for (number, awaited) in [false, true, false, true, false].into_iter().enumerate() {
        queue.push(of_size(1), (number, awaited));
    }
    enforce(&mut queue);
    assert_eq!(done(&mut queue), all([2, 4], "rejected"));
    assert_eq!(rest(&mut queue), [0, 1, 3]);
}

#[test]
fn a_message_within_the_bound_is_not_refused_for_one_that_came_later() {
    let mut queue = queue(2, usize::MAX, 10, Overflow::Wait);
    push_all(&mut queue, 0..2);
    push_awaited(&mut queue, 2..5);
    enforce(&mut queue);
    push_awaited(&mut queue, 5..7);
    enforce(&mut queue);
    assert!(done(&mut queue).is_empty());
    assert_eq!(rest(&mut queue), (0..7).collect::<Vec<_>>());
}

#[test]
fn a_refused_message_takes_no_room_from_those_behind_it() {
    let mut awaited = queue(1, usize::MAX, 1, Overflow::Wait);
    push_all(&mut awaited, 0..3);
    push_awaited(&mut awaited, 3..5);
    enforce(&mut awaited);
    assert_eq!(done(&mut awaited), all([1, 2, 4], "rejected"));
    assert_eq!(rest(&mut awaited), [0, 3]);

    let mut bytes = queue(usize::MAX, 10, 0, Overflow::Reject);
    for (number, size) in [5, 100, 5].into_iter().enumerate() {
        bytes.push(of_size(size), (number, false));
    }
    enforce(&mut bytes);
    assert_eq!(done(&mut bytes), [(1, "rejected")]);
    assert_eq!(rest(&mut bytes), [0, 2]);
}

#[test]
fn a_message_that_may_stay_stays() {
    let mut queue = queue(1, usize::MAX, 10, Overflow::Wait);
    push_awaited(&mut queue, 0..3);
    enforce(&mut queue);
    // Whoever awaited has gone: the message was accepted into the queue all the same.
    queue.enforce(|_| false);
    push_all(&mut queue, 3..4);
    queue.enforce(|_| false);
    assert_eq!(done(&mut queue), [(3, "rejected")]);
    assert_eq!(rest(&mut queue), [0, 1, 2]);
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let mut queue = unbounded();
    push_all(&mut queue, 0..4);
    queue.accepted();
    queue.unroutable();
    push_all(&mut queue, 4..5);
    queue.accepted();
    assert_eq!(done(&mut queue), [(0, "accepted"), (1, "unroutable"), (2, "accepted")]);
    assert_eq!(queue.front().map(|item| item.ticket.0), Some(3));
    assert_eq!(rest(&mut queue), [3, 4]);
}

#[test]
fn an_accepted_message_counts_the_bytes_it_was_queued_with() {
    let mut queue = unbounded();
    queue.push(of_size(7), (0, false));
    // libzmq empties a frame that it takes.
    if let Some(item) = queue.front() {
        item.frames = Multipart::new();
    }
    queue.accepted();
    assert!(matches!(queue.take_done()[..], [((0, false), Outcome::Accepted(7))]));
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn any_message_can_be_withdrawn_once() {
    for taken in 0..5 {
        let mut queue = unbounded();
        let places = push_all(&mut queue, 0..5);
        let item = queue.withdraw(places[taken]).unwrap();
        assert_eq!(item.ticket.0, taken);
        assert_eq!((queue.len(), queue.bytes()), (4, 4));
        assert!(queue.withdraw(places[taken]).is_none());
        push_all(&mut queue, 5..6);
        let expected = (0..6).filter(|number| *number != taken).collect::<Vec<_>>();
        for number in &expected {
            assert_eq!(queue.front().map(|item| item.ticket.0), Some(*number));
            queue.accepted();
        }
        assert!(queue.is_empty());
        assert!(!queue.has_ready());
        assert!(queue.front().is_none());
    }
}

#[test]
fn withdrawing_everything_leaves_nothing_ready() {
    let mut queue = unbounded();
    for place in push_all(&mut queue, 0..5).into_iter().rev() {
        assert!(queue.withdraw(place).is_some());
    }
    assert!(queue.is_empty());
    assert!(!queue.has_ready());
    queue.accepted();
    queue.unroutable();
    queue.block_lane();
    assert!(done(&mut queue).is_empty());
}

#[test]
fn a_place_is_never_given_to_another_message() {
    let mut queue = queue(1, usize::MAX, 0, Overflow::Reject);
    let sent = queue.push(of_size(1), (0, false));
    queue.accepted();
    let kept = queue.push(of_size(1), (1, false));
    let refused = queue.push(of_size(1), (2, false));
    enforce(&mut queue);
    queue.accepted();
    let later = queue.push(of_size(1), (3, false));
    for gone in [sent, kept, refused] {
        assert!(queue.withdraw(gone).is_none());
    }
    let drained = later;
    assert_eq!(rest(&mut queue), [3]);
    let last = queue.push(of_size(1), (4, false));
    assert!(queue.withdraw(drained).is_none());
    assert_eq!(queue.withdraw(last).map(|item| item.ticket.0), Some(4));
}

#[test]
fn withdrawn_places_do_not_pile_up_behind_a_message_that_stays() {
    let mut queue = unbounded();
    push_all(&mut queue, 0..1);
    for number in 1..10_000 {
        let place = queue.push(of_size(1), (number, false));
        assert!(queue.withdraw(place).is_some());
    }
    assert!(queue.ready.len() <= 2 * HOLES_KEPT, "{} places", queue.ready.len());
    assert_eq!(rest(&mut queue), [0]);
}

/// The first message of each of these peers is refused.
fn with_lanes(peers: &[&str]) -> Queue<Ticket> {
    let mut queue = unbounded();
    for (number, peer) in peers.iter().enumerate() {
        queue.push(to(peer), (number, false));
    }
    for _ in peers {
        queue.block_lane();
    }
    assert!(!queue.has_ready());
    assert!(queue.has_blocked_lanes());
    queue
}

#[test]
fn only_messages_for_a_refused_peer_are_blocked() {
    let mut queue = with_lanes(&["a"]);
    queue.push(to("b"), (1, false));
    assert!(!queue.front_is_blocked());
    queue.accepted();
    queue.push(to("a"), (2, false));
    assert!(queue.front_is_blocked());
    assert_eq!(queue.blocked_lanes(), ["a"]);
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.bytes(), 2 * to("a").byte_len());
}

#[test]
fn a_withdrawn_message_does_not_let_the_next_one_overtake_its_lane() {
    let mut queue = with_lanes(&["a"]);
    queue.push(to("b"), (1, false));
    let withdrawn = queue.push(to("c"), (2, false));
    queue.push(to("a"), (3, false));
    queue.withdraw(withdrawn);
    queue.accepted();
    assert!(queue.front_is_blocked(), "3 would leave before 0");
}

#[test]
fn a_lane_is_offered_in_order_until_a_refusal() {
    let mut queue = with_lanes(&["a", "b", "a", "a", "a"]);
    let lane = Bytes::from("a");
    let mut answers = [Sent::Accepted, Sent::Unroutable, Sent::Refused].into_iter();
    let mut budget = 10;
    let offered = queue.try_lane(&lane, &mut budget, |_| answers.next().ok_or("asked again"));
    assert_eq!(offered, Ok(()));
    assert_eq!(budget, 8, "a refusal costs nothing");
    assert_eq!(done(&mut queue), [(0, "accepted"), (2, "unroutable")]);
    let offered = queue.try_lane::<()>(&lane, &mut budget, |_| Ok(Sent::Accepted));
    assert_eq!(offered, Ok(()));
    assert_eq!(done(&mut queue), all([3, 4], "accepted"));
    assert_eq!(queue.blocked_lanes(), ["b"]);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_lane_stops_at_the_budget_and_at_an_error() {
    let mut queue = with_lanes(&["a", "a", "a"]);
    let lane = Bytes::from("a");
    let mut budget = 1;
    assert_eq!(queue.try_lane::<()>(&lane, &mut budget, |_| Ok(Sent::Accepted)), Ok(()));
    assert_eq!(budget, 0);
    assert_eq!(done(&mut queue), [(0, "accepted")]);
    assert_eq!(queue.try_lane(&lane, &mut 10, |_| Err("broken")), Err("broken"));
    assert!(done(&mut queue).is_empty());
    assert_eq!(rest(&mut queue), [1, 2]);
}

#[test]
fn a_lane_that_does_not_exist_is_not_offered() {
    let mut queue = with_lanes(&["a"]);
    let offered = queue.try_lane(&Bytes::from("b"), &mut 10, |_| Err("offered"));
    assert_eq!(offered, Ok(()));
}

#[test]
fn forgotten_lanes_go_back_in_order() {
    let mut queue = with_lanes(&["a", "b", "a", "c", "b"]);
    queue.push(to("d"), (5, false));
    queue.forget_lanes();
    assert!(!queue.has_blocked_lanes());
    assert!(!queue.front_is_blocked());
    for _ in 0..6 {
        assert!(queue.front().is_some());
        queue.accepted();
    }
    assert_eq!(done(&mut queue), all([0, 1, 2, 3, 4, 5], "accepted"));
    assert!(queue.is_empty());
}

#[test]
fn a_message_that_came_back_from_a_lane_keeps_its_place() {
    let mut queue = unbounded();
    let places = ["a", "b"].map(|peer| queue.push(to(peer), (0, false)));
    queue.block_lane();
    queue.accepted();
    queue.forget_lanes();
    assert!(queue.withdraw(places[1]).is_none(), "that one has left");
    assert!(queue.withdraw(places[0]).is_some());
}

#[test]
fn what_waits_in_lanes_is_bounded_too() {
    for (policy, ended, left) in [
        (Overflow::Wait, all([2, 3], "rejected"), [0, 1]),
        (Overflow::Reject, all([2, 3], "rejected"), [0, 1]),
        (Overflow::DropNewest, all([2, 3], "dropped"), [0, 1]),
        (Overflow::DropOldest, all([0, 1], "dropped"), [2, 3]),
    ] {
        let mut queue = queue(2, usize::MAX, 10, policy);
        for (number, peer) in ["a", "b", "b", "a"].into_iter().enumerate() {
            queue.push(to(peer), (number, false));
            queue.block_lane();
        }
        enforce(&mut queue);
        assert_eq!(done(&mut queue), ended, "{policy:?}");
        assert_eq!(queue.len(), 2, "{policy:?}");
        assert_eq!(rest(&mut queue), left, "{policy:?}");
    }
}

#[test]
fn what_waits_in_a_lane_is_older_than_what_is_ready() {
    let mut queue = queue(2, usize::MAX, 0, Overflow::DropOldest);
    queue.push(to("a"), (0, false));
    queue.block_lane();
    queue.push(to("b"), (1, false));
    queue.push(to("b"), (2, false));
    enforce(&mut queue);
    assert_eq!(done(&mut queue), [(0, "dropped")]);
    assert!(!queue.has_blocked_lanes());
}

#[test]
fn draining_gives_everything_oldest_first() {
    let mut queue = with_lanes(&["a", "b", "a"]);
    queue.push(to("c"), (3, false));
    let withdrawn = queue.push(to("c"), (4, false));
    queue.push(to("c"), (5, false));
    queue.withdraw(withdrawn);
    assert_eq!(rest(&mut queue), [0, 1, 2, 3, 5]);
    assert!(!queue.has_blocked_lanes());
    assert!(rest(&mut queue).is_empty());
}

#[test]
fn a_recycled_list_never_replaces_news() {
    let mut queue = unbounded();
    push_all(&mut queue, 0..2);
    queue.accepted();
    let list = queue.take_done();
    queue.accepted();
    queue.recycle(list);
    assert_eq!(done(&mut queue), [(1, "accepted")]);
    let list = queue.take_done();
    queue.recycle(list);
    assert!(queue.take_done().is_empty());
}

/// What a queue without lanes does, said with a plain list.
struct Model {
    limits: QueueLimits,
    inside: Vec<(usize, usize, bool)>,
    new: Vec<(usize, usize, bool)>,
    ended: Vec<(usize, &'static str)>,
}

impl Model {
    fn bytes(&self) -> usize {
        self.inside.iter().chain(&self.new).map(|(_, size, _)| size).sum()
    }

    fn remove(&mut self, number: usize) -> bool {
        let before = self.inside.len() + self.new.len();
        self.inside.retain(|(inside, ..)| *inside != number);
        self.new.retain(|(new, ..)| *new != number);
        before != self.inside.len() + self.new.len()
    }

    fn oldest(&self) -> Option<usize> {
        self.inside.iter().chain(&self.new).map(|(number, ..)| *number).next()
    }

    fn fits(&self, waiting: usize) -> bool {
        let room = if waiting > 0 { 2 } else { 1 };
        self.inside.len() <= self.limits.messages + waiting
            && self.bytes_inside() <= self.limits.bytes * room
    }

    fn bytes_inside(&self) -> usize {
        self.inside.iter().map(|(_, size, _)| size).sum()
    }

    /// Each message is judged as if it had come alone.
    fn enforce(&mut self) {
        for (number, size, awaited) in std::mem::take(&mut self.new) {
            self.inside.push((number, size, awaited));
            match self.limits.overflow {
                Overflow::DropOldest => {
                    while !self.fits(0) {
                        let (oldest, ..) = self.inside.remove(0);
                        self.ended.push((oldest, "dropped"));
                    }
                }
                policy => {
                    let waits = awaited && policy == Overflow::Wait;
                    if !(self.fits(0) || waits && self.fits(self.limits.waiting)) {
                        self.inside.pop();
                        let dropped = policy == Overflow::DropNewest;
                        self.ended.push((number, if dropped { "dropped" } else { "rejected" }));
                    }
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Push(usize, bool),
    Enforce,
    Accepted,
    Unroutable,
    Withdraw(prop::sample::Index),
    Drain,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        10 => (0_usize..8, any::<bool>()).prop_map(|(size, awaited)| Op::Push(size, awaited)),
        4 => Just(Op::Enforce),
        4 => Just(Op::Accepted),
        1 => Just(Op::Unroutable),
        3 => any::<prop::sample::Index>().prop_map(Op::Withdraw),
    ];
    let op = prop_oneof![60 => op, 1 => Just(Op::Drain)];
    proptest::collection::vec(op, 0..120)
}

fn limits() -> impl Strategy<Value = QueueLimits> {
    (0_usize..12, 0_usize..60, 0_usize..6, 0_usize..4).prop_map(
        |(messages, bytes, waiting, policy)| QueueLimits {
            messages,
            bytes,
            waiting,
            overflow: POLICIES[policy],
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_is_a_plain_list_with_bounds(limits in limits(), ops in ops()) {
        let mut queue = Queue::new(limits.clone());
        let mut model =
            Model { limits, inside: Vec::new(), new: Vec::new(), ended: Vec::new() };
        let mut places = Vec::new();
        for op in ops {
            match op {
                Op::Push(size, awaited) => {
                    let number = places.len();
                    places.push(queue.push(of_size(size), (number, awaited)));
                    model.new.push((number, size, awaited));
                }
                Op::Enforce => {
                    enforce(&mut queue);
                    model.enforce();
                }
                Op::Accepted => {
                    queue.accepted();
                    if let Some(oldest) = model.oldest() {
                        model.remove(oldest);
                        model.ended.push((oldest, "accepted"));
                    }
                }
                Op::Unroutable => {
                    queue.unroutable();
                    if let Some(oldest) = model.oldest() {
                        model.remove(oldest);
                        model.ended.push((oldest, "unroutable"));
                    }
                }
                Op::Withdraw(which) if !places.is_empty() => {
                    let number = which.index(places.len());
                    let item = queue.withdraw(places[number]);
                    let found = model.remove(number).then_some(number);
                    prop_assert_eq!(item.map(|item| item.ticket.0), found);
                }
                Op::Withdraw(_) => {}
                Op::Drain => {
                    let inside = model.inside.drain(..).chain(model.new.drain(..));
                    let inside = inside.map(|(number, ..)| number).collect::<Vec<_>>();
                    prop_assert_eq!(rest(&mut queue), inside);
                }
            }
            prop_assert_eq!(queue.len(), model.inside.len() + model.new.len());
            prop_assert_eq!(queue.bytes(), model.bytes());
            prop_assert_eq!(queue.is_empty(), model.oldest().is_none());
            prop_assert_eq!(queue.has_ready(), model.oldest().is_some());
            prop_assert_eq!(queue.front().map(|item| item.ticket.0), model.oldest());
            prop_assert_eq!(done(&mut queue), std::mem::take(&mut model.ended));
        }
    }

    /// With lanes: each message ends once, what is counted is what is inside,
    /// the bounds hold, and no peer gets its messages in another order.
    #[test]
    fn whatever_peers_refuse_nothing_is_lost_or_reordered(
        limits in limits(),
        ops in proptest::collection::vec((0_u8..7, 0_usize..3, any::<bool>()), 0..150),
    ) {
        const PEERS: [&str; 3] = ["a", "b", "c"];
        let mut queue = Queue::new(limits.clone());
        let mut pushed: Vec<(usize, Place)> = Vec::new();
        let mut ends: Vec<(usize, &str)> = Vec::new();
        for (op, peer, flag) in ops {
            match op {
                0..3 => {
                    let place = queue.push(to(PEERS[peer]), (pushed.len(), flag));
                    pushed.push((peer, place));
                }
                3 => {
                    // As the pump does.
                    if queue.front_is_blocked() || flag {
                        queue.block_lane();
                    } else {
                        queue.accepted();
                    }
                }
                4 => {
                    let lane = Bytes::from(PEERS[peer]);
                    let mut answers = [Sent::Accepted, Sent::Refused].into_iter();
                    let send = |_: &mut Multipart| answers.next().ok_or(());
                    prop_assert_eq!(queue.try_lane(&lane, &mut 10, send), Ok(()));
                }
                5 => {
                    enforce(&mut queue);
                    let waiting = if limits.overflow == Overflow::Wait { limits.waiting } else { 0 };
                    prop_assert!(queue.len() <= limits.messages + waiting);
                    prop_assert!(queue.bytes() <= limits.bytes * 2);
                }
                _ if flag => queue.forget_lanes(),
                _ => {
                    let Some(number) = pushed.len().checked_sub(1 + peer) else { continue };
                    if let Some(item) = queue.withdraw(pushed[number].1) {
                        prop_assert_eq!(item.ticket.0, number);
                        ends.push((number, "withdrawn"));
                    }
                }
            }
            ends.extend(done(&mut queue));
            prop_assert_eq!(queue.len(), pushed.len() - ends.len());
            prop_assert_eq!(queue.bytes(), queue.len() * to("a").byte_len());
        }
        let accepted = ends.iter().filter(|(_, how)| *how == "accepted");
        let accepted = accepted.map(|(number, _)| *number).collect::<Vec<_>>();
        let left = rest(&mut queue);
        prop_assert!(left.is_sorted());
        for peer in 0..PEERS.len() {
            let of_peer = |number: &&usize| pushed[**number].0 == peer;
            prop_assert!(accepted.iter().filter(of_peer).is_sorted());
        }
        let mut every = ends.into_iter().map(|(number, _)| number).chain(left).collect::<Vec<_>>();
        every.sort_unstable();
        prop_assert_eq!(every, (0..pushed.len()).collect::<Vec<_>>());
    }
}
