//! The pool, step by step and against a model.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const BEAT: Duration = Duration::from_secs(1);

fn pool() -> Pool {
    Pool::new(BEAT, 100 * BEAT, 100, false)
}

/// A typed call, as it follows the client's routing id.
fn call(body: &str, idempotent: bool, timeout: Option<Duration>) -> Multipart {
    let header = call::Call {
        idempotent,
        attempt: 0,
        timeout,
        caller: 0,
        sent: 0,
        codec: "json",
        name: "Work",
        fields: call::Fields::default(),
    };
    [Frame::from("hop"), Frame::empty(), header.compose(), body.into()].into()
}

fn joins(pool: &mut Pool, name: &str, capacity: u32, now: Instant) {
    pool.hears(name.into(), Word::Ready.compose().into(), now);
    pool.hears(name.into(), Word::Capacity(capacity).compose().into(), now);
}

/// Who was given what, as token and body; words are left out.
fn given(pool: &mut Pool) -> Vec<(String, Frame, String)> {
    let out = std::mem::take(&mut pool.out);
    let given = out.into_iter().filter_map(|out| match out {
        Out::Worker(name, frames) if frames.len() > 1 => {
            let body = frames.last().and_then(Frame::as_str).unwrap_or_default().to_owned();
            Some((name.as_str().unwrap_or_default().to_owned(), frames[0].clone(), body))
        }
        _ => None,
    });
    given.collect()
}

/// The answers to clients: who, and the frames after the delimiter.
fn answers(pool: &mut Pool) -> Vec<(String, Multipart)> {
    let out = std::mem::take(&mut pool.out);
    let answers = out.into_iter().filter_map(|out| match out {
        Out::Client(name, mut frames) => {
            assert_eq!((&*frames[0], &*frames[1]), (&b"hop"[..], &b""[..]), "the way back");
            Some((name.as_str().unwrap_or_default().to_owned(), frames.split_off(2)))
        }
        Out::Worker(..) => None,
    });
    answers.collect()
}

fn replies(pool: &mut Pool, worker: &str, token: &Frame, body: &str, now: Instant) {
    pool.hears(worker.into(), [token.clone(), Frame::empty(), body.into()].into(), now);
}

fn failed(answer: &Multipart) -> Option<Failure> {
    match call::Answer::parse(&answer[0]) {
        Ok(call::Answer::Failure(why)) => Some(why),
        _ => None,
    }
}

#[test]
fn a_request_goes_to_whoever_has_least_to_do() {
    let (mut pool, now) = (pool(), Instant::now());
    joins(&mut pool, "a", 3, now);
    joins(&mut pool, "b", 1, now);
    for body in ["1", "2", "3", "4", "5"] {
        pool.asks("client".into(), call(body, false, None), now);
    }
    let first = given(&mut pool);
    let of = |name: &str| first.iter().filter(|(to, ..)| to == name).count();
    assert_eq!((of("a"), of("b")), (3, 1));
    assert_eq!(pool.waiting(), 1, "there is no more room");
    let (_, token, body) = first.iter().find(|(to, ..)| to == "b").cloned().unwrap_or_default();
    replies(&mut pool, "b", &token, &body, now);
    let out = std::mem::take(&mut pool.out);
    assert!(matches!(&out[..], [Out::Client(..), Out::Worker(to, _)] if *to == "b"), "{out:?}");
}

#[test]
fn what_a_lost_worker_had_goes_elsewhere_where_that_does_no_harm() {
    let (mut pool, now) = (pool(), Instant::now());
    joins(&mut pool, "a", 10, now);
    pool.asks("ada".into(), call("again", true, None), now);
    pool.asks("bob".into(), call("once", false, None), now);
    let had = given(&mut pool);
    // Nobody is heard for three heartbeats, but one that comes.
    joins(&mut pool, "b", 10, now + 2 * BEAT);
    pool.beat(now + 3 * BEAT);
    let out = std::mem::take(&mut pool.out);
    let told = out.iter().find_map(|out| match out {
        Out::Client(name, frames) if *name == "bob" => Some(frames),
        _ => None,
    });
    let told = told.and_then(|frames| call::Answer::parse(&frames[2]).ok());
    assert_eq!(told, Some(call::Answer::Failure(Failure::WorkerLost)));
    pool.out = out;
    let elsewhere = given(&mut pool);
    assert_eq!(elsewhere.len(), 1);
    assert_eq!((&*elsewhere[0].0, &*elsewhere[0].2), ("b", "again"));
    // The first one was only slow. Its answer is to a request that is not its own any more.
    replies(&mut pool, "a", &had[0].1, "late", now + 3 * BEAT);
    assert_eq!(answers(&mut pool), []);
    replies(&mut pool, "b", &elsewhere[0].1, "done", now + 3 * BEAT);
    assert_eq!(answers(&mut pool), [("ada".to_owned(), "done".into())]);
    replies(&mut pool, "b", &elsewhere[0].1, "done", now + 3 * BEAT);
    assert_eq!(answers(&mut pool), [], "once");
    assert_eq!((pool.counts.late, pool.counts.resent, pool.counts.lost), (2, 1, 1));
}

#[test]
fn only_who_has_a_request_answers_it() {
    let (mut pool, now) = (pool(), Instant::now());
    joins(&mut pool, "a", 1, now);
    joins(&mut pool, "stranger", 0, now);
    pool.asks("client".into(), call("1", false, None), now);
    let (worker, token, _) = given(&mut pool).remove(0);
    let other = if worker == "a" { "stranger" } else { "a" };
    replies(&mut pool, other, &token, "not mine", now);
    // What a broker before this one has given out: another number of the same kind.
    let mut former = token.to_vec();
    former[0] ^= 1;
    replies(&mut pool, &worker, &former.into(), "of old", now);
    assert_eq!((answers(&mut pool), pool.counts.late), (vec![], 2));
    replies(&mut pool, &worker, &token, "mine", now);
    assert_eq!(answers(&mut pool), [("client".to_owned(), "mine".into())]);
}

#[test]
fn who_does_not_present_itself_is_no_worker() {
    let (mut pool, now) = (pool(), Instant::now());
    let token = Frame::from([7_u8; 16]);
    replies(&mut pool, "stranger", &token, "late", now);
    pool.hears("stranger".into(), "garbage".into(), now);
    pool.hears("stranger".into(), Word::Left.compose().into(), now);
    pool.asks("client".into(), call("1", true, None), now);
    assert_eq!((pool.workers().count(), given(&mut pool)), (0, vec![]));
    assert_eq!((pool.counts.late, pool.counts.malformed), (1, 1));
    // Of a broker before this one: it may go.
    pool.hears("worker".into(), Word::Leaving.compose().into(), now);
    let left = Out::Worker("worker".into(), Word::Left.compose().into());
    assert_eq!(std::mem::take(&mut pool.out), [left]);
    pool.hears("worker".into(), Word::Heartbeat.compose().into(), now);
    assert_eq!(given(&mut pool).len(), 1);
}

#[test]
fn what_is_never_answered_takes_no_room_for_ever() {
    let (mut pool, now) = (Pool::new(BEAT, 4 * BEAT, 100, false), Instant::now());
    joins(&mut pool, "a", 1, now);
    pool.asks("plain".into(), ["hop", "", "body"].into(), now);
    pool.asks("typed".into(), call("2", false, Some(5 * BEAT)), now);
    assert_eq!(given(&mut pool).len(), 1);
    joins(&mut pool, "a", 1, now + 3 * BEAT);
    pool.beat(now + 4 * BEAT);
    assert_eq!(given(&mut pool).len(), 1, "there is room for the next one");
    joins(&mut pool, "a", 1, now + 5 * BEAT);
    pool.out.clear();
    pool.beat(now + 5 * BEAT);
    let over = answers(&mut pool);
    assert_eq!((&*over[0].0, failed(&over[0].1)), ("typed", Some(Failure::Expired)));
    assert_eq!((pool.given(), pool.counts.expired), (0, 2));
}

#[test]
fn a_request_that_kills_workers_does_not_kill_all() {
    let (mut pool, now) = (pool(), Instant::now());
    pool.asks("client".into(), call("poison", true, None), now);
    for name in ["a", "b", "c", "d"] {
        joins(&mut pool, name, 1, now);
        pool.lost(&name.into(), now);
    }
    let answers = answers(&mut pool);
    assert_eq!(answers.len(), 1);
    assert_eq!(failed(&answers[0].1), Some(Failure::WorkerLost));
    assert_eq!(pool.counts.resent, 2);
}

#[test]
fn what_was_never_sent_goes_elsewhere_whatever_it_is() {
    let (mut pool, now) = (pool(), Instant::now());
    joins(&mut pool, "a", 1, now);
    pool.asks("client".into(), call("once", false, None), now);
    let Some(Out::Worker(_, frames)) = pool.out.pop() else { panic!("it is given") };
    joins(&mut pool, "b", 1, now);
    pool.unsent(&"a".into(), &frames, now);
    let given = given(&mut pool);
    assert_eq!((&*given[0].0, &*given[0].2), ("b", "once"));
    assert_eq!(pool.workers().count(), 1);
}

#[test]
fn nothing_is_given_out_late_and_no_more_waits_than_may() {
    let (mut pool, now) = (Pool::new(BEAT, 100 * BEAT, 2, false), Instant::now());
    let short = Some(Duration::from_millis(10));
    pool.asks("1".into(), call("late", true, short), now);
    pool.asks("2".into(), call("in time", true, None), now);
    pool.asks("3".into(), call("too many", true, None), now);
    let refused = answers(&mut pool);
    assert_eq!(refused[0].0, "3");
    assert_eq!(failed(&refused[0].1), Some(Failure::Overloaded));
    pool.beat(now + BEAT);
    let over = answers(&mut pool);
    assert_eq!(over[0].0, "1");
    assert_eq!(failed(&over[0].1), Some(Failure::Expired));
    joins(&mut pool, "a", 9, now + BEAT);
    assert_eq!(given(&mut pool)[0].2, "in time");
}

#[test]
fn a_worker_that_leaves_gets_nothing_new() {
    let (mut pool, now) = (pool(), Instant::now());
    joins(&mut pool, "a", 9, now);
    pool.asks("client".into(), call("1", false, None), now);
    let token = given(&mut pool)[0].1.clone();
    pool.out.clear();
    pool.hears("a".into(), Word::Leaving.compose().into(), now);
    let left = Out::Worker("a".into(), Word::Left.compose().into());
    assert_eq!(std::mem::take(&mut pool.out), [left]);
    pool.asks("client".into(), call("2", false, None), now);
    assert_eq!((given(&mut pool), pool.waiting()), (vec![], 1));
    replies(&mut pool, "a", &token, "done", now);
    assert_eq!(answers(&mut pool).len(), 1, "what it has it answers");
    assert_eq!(pool.waiting(), 1);
    // RFC 6: it is ready again.
    pool.hears("a".into(), Word::Ready.compose().into(), now);
    assert_eq!(given(&mut pool).len(), 1);
}

#[test]
fn who_knows_rfc_6_alone_works_one_at_a_time() {
    let (mut pool, now) = (pool(), Instant::now());
    pool.hears("a".into(), "\u{1}".into(), now);
    for body in ["1", "2"] {
        pool.asks("client".into(), ["hop", "", body].into(), now);
    }
    let first = given(&mut pool);
    assert_eq!((first.len(), pool.waiting()), (1, 1));
    replies(&mut pool, "a", &first[0].1, "one", now);
    assert_eq!(pool.waiting(), 0);
    pool.lost(&"a".into(), now);
    assert_eq!(pool.counts.lost, 1, "nobody knows whether that may be repeated");
}

#[derive(Clone, Debug)]
enum Step {
    Join(u8, u32),
    Ask(bool),
    Answer(usize),
    Lose(u8),
    Leave(u8),
    Beat(u8),
    Garbage(u8, Vec<Vec<u8>>),
}

fn is_capacity(frames: &[Vec<u8>]) -> bool {
    let word = frames.first().and_then(|frame| Word::parse(frame));
    matches!(word, Some(Word::Capacity(_)))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..5_u8, 0..4_u32).prop_map(|(who, capacity)| Step::Join(who, capacity)),
        any::<bool>().prop_map(Step::Ask),
        any::<usize>().prop_map(Step::Answer),
        (0..5_u8).prop_map(Step::Lose),
        (0..5_u8).prop_map(Step::Leave),
        (0..3_u8).prop_map(Step::Beat),
        (0..5_u8, prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..4))
            // By chance it would announce more than the model knows of.
            .prop_filter("a capacity", |(_, frames)| !is_capacity(frames))
            .prop_map(|(who, frames)| Step::Garbage(who, frames)),
    ]
}

proptest! {
    /// Whatever happens, each request is answered once, and no worker has more than it takes.
    #[test]
    fn every_request_is_answered_exactly_once(steps in prop::collection::vec(step(), 0..200)) {
        let (mut pool, mut now) = (Pool::new(BEAT, 5 * BEAT, 10, false), Instant::now());
        let mut asked = 0_u32;
        let mut answered: HashMap<String, u32> = HashMap::new();
        let mut had: Vec<(String, Frame, String)> = Vec::new();
        let mut collect = |pool: &mut Pool, had: &mut Vec<(String, Frame, String)>| {
            let out = std::mem::take(&mut pool.out);
            for one in out {
                match one {
                    Out::Client(name, _) => {
                        *answered.entry(name.as_str().unwrap_or_default().to_owned()).or_default() += 1;
                    }
                    Out::Worker(name, frames) if frames.len() > 1 => {
                        let name = name.as_str().unwrap_or_default().to_owned();
                        had.push((name, frames[0].clone(), String::new()));
                    }
                    Out::Worker(..) => {}
                }
            }
        };
        let name = |who: u8| format!("worker {who}");
        for step in steps {
            match step {
                Step::Join(who, capacity) => joins(&mut pool, &name(who), capacity, now),
                Step::Ask(idempotent) => {
                    let client = Frame::from(format!("client {asked}"));
                    asked += 1;
                    pool.asks(client, call("", idempotent, None), now);
                }
                Step::Answer(which) if !had.is_empty() => {
                    let which = which % had.len();
                    let (worker, token, _) = had[which].clone();
                    replies(&mut pool, &worker, &token, "", now);
                }
                Step::Answer(_) => {}
                Step::Lose(who) => pool.lost(&name(who).into(), now),
                Step::Leave(who) => pool.hears(name(who).into(), Word::Leaving.compose().into(), now),
                Step::Beat(beats) => {
                    now += BEAT * u32::from(beats);
                    pool.beat(now);
                }
                Step::Garbage(who, frames) => pool.hears(name(who).into(), frames.into_iter().collect(), now),
            }
            collect(&mut pool, &mut had);
            for (name, capacity, has, _) in pool.workers() {
                // One that has just said that it takes fewer may have more for a while.
                prop_assert!(has <= capacity.max(4), "{name:?} has {has} of {capacity}");
            }
            prop_assert!(pool.waiting() <= 10 + pool.given() + had.len());
        }
        pool.give_up();
        collect(&mut pool, &mut had);
        prop_assert_eq!(answered.len(), asked as usize);
        prop_assert!(answered.values().all(|times| *times == 1), "{answered:?}");
    }
}
