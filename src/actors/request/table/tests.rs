use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use tokio::sync::oneshot::{Receiver, channel};

use super::*;
use crate::codec::Json;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn ask(table: &mut Table, timeout: Option<Duration>) -> (Key, Receiver<Result<Multipart>>) {
    let (asker, reply) = channel();
    let key = table.insert(Open::new(None), timeout);
    table.park(key, Waiter::new(asker));
    (key, reply)
}

#[test]
fn a_request_in_flight_is_small() {
    assert!(size_of::<Open>() <= 64, "{}", size_of::<Open>());
}

#[test]
fn an_id_is_known_to_its_table_alone_and_until_the_request_has_ended() {
    let (mut table, other) = (Table::new(false), Table::new(false));
    let key = table.insert(Open::new(None), None);
    let id = table.id(key);
    assert_eq!(table.key(id), Some(key));
    assert_eq!(other.key(id), None);
    assert!(table.close(key).is_some() && table.close(key).is_none());
    let next = table.insert(Open::new(None), None);
    assert_eq!(next.place, key.place);
    assert!(table.key(id).is_some_and(|key| table.get(key).is_none()));
    assert_ne!(table.id(next), id);
}

#[test]
fn callers_that_give_up_are_found_and_wake_the_task_once_a_block() {
    let mut table = Table::new(false);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    table.register(&waker);
    let mut asked: Vec<_> = (0..2 * BLOCK).map(|_| Some(ask(&mut table, None))).collect();
    assert!(table.take_cancelled().is_empty());

    let mut gone = Vec::new();
    for place in [1, 2, 70] {
        gone.extend(asked[place].take().map(|(key, _)| key));
    }
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let cancelled = table.take_cancelled();
    assert_eq!(cancelled, gone);
    for key in cancelled {
        assert!(table.close(key).is_some());
    }
    assert!(table.take_cancelled().is_empty());

    // Their neighbours are watched as before, and so is who comes into their places.
    table.register(&waker);
    let (last, reply) = ask(&mut table, None);
    assert!(gone.iter().any(|key| key.place == last.place));
    drop((reply, asked[3].take()));
    assert_eq!(table.take_cancelled().len(), 2);
}

#[test]
fn a_caller_that_has_gone_before_it_is_parked_is_found() {
    let mut table = Table::new(false);
    let key = table.insert(Open::new(None), None);
    let (asker, reply) = channel::<Result<Json<u8>>>();
    drop(reply);
    table.park(key, Waiter::new(asker));
    assert_eq!(table.take_cancelled(), [key]);
}

#[test]
fn a_value_is_decoded_and_what_cannot_be_is_given_back() {
    for (bytes, decodes) in [(&b"7"[..], true), (&b"?"[..], false)] {
        let mut table = Table::new(false);
        let key = table.insert(Open::new(None), None);
        let (asker, mut reply) = channel::<Result<Json<u8>>>();
        table.park(key, Waiter::new(asker));
        let decoded = table.close(key).and_then(|open| open.finish(Ok(bytes.into())));
        assert!(decoded.is_some_and(|decoded| decoded.is_ok() == decodes));
        assert!(reply.try_recv().is_ok_and(|reply| reply.is_ok() == decodes));
    }
}

#[test]
fn time_runs_from_the_turn_on_and_a_request_is_due_once() {
    let mut table = Table::new(false);
    let now = Instant::now();
    let (key, _reply) = ask(&mut table, Some(Duration::from_secs(1)));
    let (later, _other) = ask(&mut table, Some(Duration::from_secs(2)));
    let (_, _third) = ask(&mut table, Some(Duration::MAX));
    assert_eq!(table.next_deadline(), None);
    table.start_clocks(now);
    assert_eq!(table.next_deadline(), Some(now + Duration::from_secs(1)));
    assert_eq!(table.pop_due(now), None);
    let now = now + Duration::from_secs(1);
    assert_eq!((table.pop_due(now), table.pop_due(now)), (Some(key), None));
    assert!(table.close(key).is_some());
    assert_eq!(table.pop_due(now + Duration::from_secs(1)), Some(later));
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Option<u8>),
    Answer(prop::sample::Index),
    GiveUp(prop::sample::Index),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::option::of(any::<u8>()).prop_map(Step::Ask),
        3 => any::<prop::sample::Index>().prop_map(Step::Answer),
        2 => any::<prop::sample::Index>().prop_map(Step::GiveUp),
        1 => any::<u8>().prop_map(Step::Wait),
    ]
}

proptest! {
    /// Every request ends once: by its reply, by its caller, or at its deadline.
    #[test]
    fn every_request_ends_exactly_once(steps in prop::collection::vec(step(), 0..400)) {
        let mut table = Table::new(false);
        let mut now = Instant::now();
        // What is open, by sequence number: the key, the reply, the deadline.
        let mut open = BTreeMap::new();
        for step in steps {
            let nth = |index: prop::sample::Index, open: &BTreeMap<u64, _>| {
                (!open.is_empty()).then(|| *open.keys().nth(index.index(open.len())).unwrap())
            };
            match step {
                Step::Ask(timeout) => {
                    let timeout = timeout.map(|ms| Duration::from_millis(ms.into()));
                    let (key, reply) = ask(&mut table, timeout);
                    let due = timeout.map(|timeout| now + timeout);
                    open.insert(key.sequence, (key, reply, due));
                }
                Step::Answer(index) => {
                    let Some(sequence) = nth(index, &open) else { continue };
                    let (key, mut reply, _) = open.remove(&sequence).unwrap();
                    let id = table.id(key);
                    let found = table.key(id).and_then(|key| table.close(key)).unwrap();
                    prop_assert!(found.finish(Ok("reply".into())).is_some());
                    prop_assert!(reply.try_recv().is_ok());
                    prop_assert!(table.close(key).is_none());
                }
                Step::GiveUp(index) => {
                    let Some(sequence) = nth(index, &open) else { continue };
                    let (key, reply, _) = open.remove(&sequence).unwrap();
                    drop(reply);
                    prop_assert_eq!(table.take_cancelled(), [key]);
                    prop_assert!(table.close(key).is_some());
                }
                Step::Wait(ms) => {
                    now += Duration::from_millis(ms.into());
                }
            }
            table.start_clocks(now);
            let mut due: Vec<_> = open
                .values()
                .filter_map(|(key, _, due)| Some(((*due)?, key.place)))
                .filter(|(due, _)| *due <= now)
                .collect();
            due.sort_unstable();
            for (_, place) in due {
                let key = table.pop_due(now).unwrap();
                prop_assert_eq!(key.place, place);
                prop_assert!(table.close(key).is_some());
                open.remove(&key.sequence);
            }
            prop_assert_eq!(table.pop_due(now), None);
            prop_assert_eq!(table.len(), open.len());
        }
    }
}
