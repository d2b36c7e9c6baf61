//! What was received last, and where each browser is in it. No clock, no I/O.
//!
//! There is one log for all browsers, and each has a place in it: what a browser
//! is given first from the past and then as it comes is read in the same way, so
//! there is neither a gap nor a duplicate between the two, and a browser that is
//! far behind costs no memory of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::event::Entry;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many messages a browser that comes back may be given.
    pub(super) replay: usize,
    /// How many a browser that is there may be behind.
    pub(super) queue: usize,
    /// How many bytes all of them may have.
    pub(super) bytes: usize,
}

/// The last messages, numbered from 1 on.
#[derive(Debug)]
pub(super) struct Log {
    entries: VecDeque<Arc<Entry>>,
    next: u64,
    bytes: usize,
    bounds: Bounds,
}

/// Where somebody is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What is to be read next.
    pub(super) next: u64,
    /// From here on it counts how far behind one is.
    live: u64,
}

/// What somebody read last, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing: only what is new is of interest.
    Now,
    /// The message of this number; none has 0.
    Message(u64),
    /// Something of before this log.
    Unknown,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Message(Arc<Entry>),
    /// One was too far behind, by at most so many messages, and is at the end now.
    Behind(u64),
    /// All is read.
    Nothing,
}

impl Log {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self { entries: VecDeque::new(), next: 1, bytes: 0, bounds }
    }

    /// The number that the next message has.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Adds a message, and lets go of the oldest ones beyond the bounds. A message that is
    /// longer than all may have is kept alone.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.size());
        self.entries.push_back(Arc::new(entry));
        self.next += 1;
        let most = self.bounds.replay.saturating_add(self.bounds.queue).max(1);
        while self.entries.len() > most
            || (self.bytes > self.bounds.bytes && self.entries.len() > 1)
        {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.size());
        }
    }

    /// Where somebody begins, and how many messages are missing before that, at
    /// most: none, or so many, or nobody knows.
    pub(super) fn begin(&self, after: After) -> (Place, Option<Option<u64>>) {
        let replayed = self.entries.len().min(self.bounds.replay);
        let oldest = self.next - as_number(replayed);
        let live = self.next;
        let place = |next: u64| Place { next, live };
        match after {
            After::Unknown => (place(oldest), Some(None)),
            After::Message(last) if last < self.next => {
                let missing = oldest.saturating_sub(last + 1);
                (place(oldest.max(last + 1)), (missing > 0).then_some(Some(missing)))
            }
            // A number that was never given is nobody's.
            After::Now | After::Message(_) => (place(live), None),
        }
    }

    /// What is next for somebody who wants these topics. Whoever is too far behind goes
    /// to the end in the same breath: what came between a look and a leap would be neither
    /// read nor counted.
    pub(super) fn read(&self, place: &mut Place, wanted: &[Bytes]) -> Step {
        let first = self.next - as_number(self.entries.len());
        let gone = first.saturating_sub(place.next);
        let skipped = usize::try_from(place.next.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut left = self.entries.iter().skip(skipped).filter(|entry| entry.matches(wanted));
        if gone > 0 {
            place.next = self.next;
            return Step::Behind(gone + as_number(left.count()));
        }
        let is_live = place.next >= place.live;
        let behind = usize::try_from(self.next - place.next).unwrap_or(usize::MAX);
        // What others want does not count.
        if is_live && behind > self.bounds.queue {
            let waiting = left.clone().count();
            if waiting > self.bounds.queue {
                place.next = self.next;
                return Step::Behind(as_number(waiting));
            }
        }
        let Some(entry) = left.next() else {
            place.next = self.next;
            return Step::Nothing;
        };
        place.next = entry.number() + 1;
        Step::Message(Arc::clone(entry))
    }
}

fn as_number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { replay: 4, queue: 2, bytes: usize::MAX };

    fn push(log: &mut Log, topic: &'static str) {
        log.push(Entry::plain(log.next(), topic));
    }

    fn filled(topics: &[&'static str]) -> Log {
        let mut log = Log::new(BOUNDS);
        topics.iter().for_each(|topic| push(&mut log, topic));
        log
    }

    fn all() -> Vec<Bytes> {
        vec![Bytes::new()]
    }

    /// The numbers that are read until there is nothing more.
    fn read_on(log: &Log, place: &mut Place, wanted: &[Bytes]) -> Vec<u64> {
        let next = || match log.read(place, wanted) {
            Step::Message(entry) => Some(entry.number()),
            Step::Behind(_) | Step::Nothing => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn whoever_comes_back_goes_on_where_it_was() {
        let log = filled(&["a"; 10]);
        for (after, missing, first) in [
            (After::Now, None, 11),
            (After::Message(10), None, 11),
            (After::Message(9), None, 10),
            (After::Message(6), None, 7),
            (After::Message(5), Some(Some(1)), 7),
            (After::Message(0), Some(Some(6)), 7),
            (After::Message(11), None, 11),
            (After::Message(u64::MAX), None, 11),
            (After::Unknown, Some(None), 7),
        ] {
            let (mut place, told) = log.begin(after);
            assert_eq!(told, missing, "{after:?}");
            assert_eq!(read_on(&log, &mut place, &all()), (first..11).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_replayed_does_not_count_as_being_behind() {
        let mut log = filled(&["a"; 10]);
        let (mut place, _) = log.begin(After::Message(6));
        push(&mut log, "a");
        push(&mut log, "a");
        assert_eq!(read_on(&log, &mut place, &all()), [7, 8, 9, 10, 11, 12]);
        // From there on it does.
        for _ in 0..3 {
            push(&mut log, "a");
        }
        assert!(matches!(log.read(&mut place, &all()), Step::Behind(3)));
        push(&mut log, "a");
        assert_eq!(read_on(&log, &mut place, &all()), [16]);
    }

    #[test]
    fn what_is_gone_from_the_log_is_told_also_while_it_is_replayed() {
        let mut log = filled(&["a"; 10]);
        let (mut place, _) = log.begin(After::Message(6));
        for _ in 0..3 {
            push(&mut log, "a");
        }
        assert!(matches!(log.read(&mut place, &all()), Step::Behind(7)));
    }

    #[test]
    fn messages_that_others_want_leave_nobody_behind() {
        let mut log = filled(&[]);
        let (mut place, _) = log.begin(After::Now);
        for topic in ["a", "b", "b", "a", "b"] {
            push(&mut log, topic);
        }
        assert_eq!(read_on(&log, &mut place, &[Bytes::from_static(b"a")]), [1, 4]);
        assert_eq!(place.next, 6);
    }

    #[test]
    fn it_has_a_bound_in_bytes() {
        let size = Entry::plain(10, "a").size();
        let mut log = Log::new(Bounds { bytes: 3 * size, ..BOUNDS });
        (0..12).for_each(|_| push(&mut log, "a"));
        assert_eq!((log.entries.len(), log.bytes), (3, 3 * size));
        let (mut place, _) = log.begin(After::Message(9));
        assert_eq!(read_on(&log, &mut place, &all()), [10, 11, 12]);
        // One that is too long by itself is there all the same.
        let mut log = Log::new(Bounds { bytes: 1, ..BOUNDS });
        push(&mut log, "a");
        let (mut place, _) = log.begin(After::Unknown);
        assert_eq!(read_on(&log, &mut place, &all()), [1]);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be() {
        let mut log = Log::new(Bounds { replay: 0, queue: 1, bytes: 1_000 });
        push(&mut log, "a");
        assert_eq!(log.begin(After::Unknown), (Place { next: 2, live: 2 }, Some(None)));
        let (place, missing) = log.begin(After::Message(1));
        assert_eq!((place.next, missing), (2, None));
    }
}
