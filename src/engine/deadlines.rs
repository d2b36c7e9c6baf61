//! A table of deadlines in time order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Longer than any program runs, and short enough to be added to any clock.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// So long after `now`, or for ever where the clock cannot tell.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + FOREVER)
}

/// Removed deadlines that are kept beside as many others before all of them
/// are cleared away in one go.
const STALE_KEPT: usize = 64;

/// For how many deadlines there is room when a burst is over.
const ROOM_KEPT: usize = 4_096;

/// A deadline of a table: half as large as an instant, also where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due(NonZeroU64);

impl Due {
    /// So many nanoseconds later.
    pub(crate) fn after(self, nanos: u64) -> Option<Self> {
        self.0.checked_add(nanos).map(Self)
    }

    /// How long before `later` it was.
    pub(crate) const fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.get().saturating_sub(self.0.get()))
    }
}

/// An ordered table of deadlines, each of which somebody has entered in
/// something that the caller keeps: a request, a route.
///
/// Nearly all of them are removed before they are due, and nearly all are
/// entered in order. So it is a heap, to which adding one in order costs next
/// to nothing, and a removed one stays until it is due or until more than half
/// of all are removed ones. Which those are the caller knows (`is_live`), as
/// what was entered keeps its deadline: one that it does not have is removed.
///
/// It reads no clock: the caller passes the time in, so tests script it.
#[derive(Debug)]
pub(crate) struct Deadlines<I> {
    /// Deadlines are counted in nanoseconds from here.
    start: Instant,
    heap: BinaryHeap<Reverse<(Due, I)>>,
    removed: usize,
}

impl<I: Copy + Ord> Deadlines<I> {
    /// Creates an empty table.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), heap: BinaryHeap::new(), removed: 0 }
    }

    /// So long after `now`; nothing where the clock cannot tell.
    pub(crate) fn due(&self, now: Instant, time: Duration) -> Option<Due> {
        let since = now.saturating_duration_since(self.start).checked_add(time)?;
        let nanos = u64::try_from(since.as_nanos()).ok()?;
        self.start.checked_add(since)?;
        nanos.checked_add(1).and_then(NonZeroU64::new).map(Due)
    }

    /// Adds a deadline.
    pub(crate) fn insert(&mut self, due: Due, id: I) {
        self.heap.push(Reverse((due, id)));
    }

    /// One deadline has been removed where it was entered.
    pub(crate) fn removed(&mut self, is_live: impl Fn(Due, I) -> bool) {
        self.removed += 1;
        if self.removed >= self.heap.len() {
            self.clear();
        } else if self.removed > self.heap.len() / 2 + STALE_KEPT {
            self.heap.retain(|Reverse((due, id))| is_live(*due, *id));
            self.removed = 0;
        }
    }

    /// Returns when to wake up next: at the earliest deadline, be it removed or not.
    pub(crate) fn next(&self) -> Option<Instant> {
        let Reverse((Due(nanos), _)) = self.heap.peek()?;
        self.start.checked_add(Duration::from_nanos(nanos.get() - 1))
    }

    /// Takes out the earliest deadline that `now` has reached.
    pub(crate) fn pop_due(&mut self, now: Instant, is_live: impl Fn(Due, I) -> bool) -> Option<I> {
        let now = self.due(now, Duration::ZERO)?;
        while let Some(Reverse((due, id))) = self.heap.peek().copied()
            && due <= now
        {
            self.heap.pop();
            if is_live(due, id) {
                return Some(id);
            }
            self.removed = self.removed.saturating_sub(1);
        }
        None
    }

    /// Removes every deadline.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.heap.shrink_to(ROOM_KEPT);
        self.removed = 0;
    }
}

impl<I: Copy + Ord> Default for Deadlines<I> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A table, and what was entered.
    struct Kept {
        table: Deadlines<u32>,
        entered: BTreeMap<u32, Due>,
    }

    impl Kept {
        fn new() -> Self {
            Self { table: Deadlines::new(), entered: BTreeMap::new() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.table.start + Duration::from_millis(ms)
        }

        fn insert(&mut self, ms: u64, id: u32) {
            let due = self.table.due(self.table.start, Duration::from_millis(ms)).unwrap();
            self.entered.insert(id, due);
            self.table.insert(due, id);
        }

        fn remove(&mut self, id: u32) -> bool {
            let found = self.entered.remove(&id).is_some();
            if found {
                self.table.removed(|due, id| self.entered.get(&id) == Some(&due));
            }
            found
        }

        fn drain(&mut self, ms: u64) -> Vec<u32> {
            let (now, mut ids) = (self.at(ms), Vec::new());
            while let Some(id) =
                self.table.pop_due(now, |due, id| self.entered.get(&id) == Some(&due))
            {
                self.entered.remove(&id);
                ids.push(id);
            }
            ids
        }
    }

    #[test]
    fn scripted_time() {
        let mut kept = Kept::new();
        assert_eq!(kept.table.next(), None);
        assert_eq!(kept.drain(1_000), [0; 0]);
        kept.insert(30, 3);
        kept.insert(10, 1);
        kept.insert(20, 2);
        assert_eq!(kept.table.next(), Some(kept.at(10)));
        assert_eq!(kept.drain(9), [0; 0]);
        assert_eq!(kept.drain(10), [1]);
        assert_eq!(kept.drain(10), [0; 0]);
        assert!(kept.remove(3) && !kept.remove(3));
        assert_eq!(kept.drain(1_000), [2]);
        assert_eq!(kept.table.next(), None);
    }

    #[test]
    fn what_nobody_waits_for_any_more_wakes_nobody() {
        let mut kept = Kept::new();
        for id in 0..10 {
            kept.insert(10, id);
        }
        assert!((0..10).all(|id| kept.remove(id)));
        assert_eq!(kept.table.next(), None);
    }

    #[test]
    fn a_time_beyond_the_clock_is_none() {
        let table = Deadlines::<u32>::new();
        assert_eq!(table.due(table.start, Duration::MAX), None);
        assert_eq!(table.due(table.start, Duration::from_nanos(u64::MAX)), None);
    }

    #[test]
    fn removed_ones_do_not_pile_up() {
        let mut kept = Kept::new();
        for id in 0..10 {
            kept.insert(1, id);
        }
        for id in 10..100_000 {
            kept.insert(5, id);
            assert!(kept.remove(id));
            assert!(kept.table.heap.len() < 4 * STALE_KEPT);
        }
        assert_eq!(kept.drain(1).len(), 10);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Neither the order of insertion nor that of removal shows.
        #[test]
        fn as_a_sorted_list(
            seed in any::<u64>(),
            count in 0_u32..2_000,
            removed in 0.0_f64..1.0,
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut kept = Kept::new();
            let mut model: Vec<(u64, u32)> = Vec::new();
            for id in 0..count {
                let ms = rng.u64(..500);
                kept.insert(ms, id);
                model.push((ms, id));
                if rng.f64() < removed {
                    let (_, id) = model.swap_remove(rng.usize(..model.len()));
                    prop_assert!(kept.remove(id));
                }
            }
            model.sort_unstable();
            for now in [250, 499] {
                let early = model.partition_point(|(ms, _)| *ms <= now);
                let due: Vec<u32> = model.drain(..early).map(|(_, id)| id).collect();
                prop_assert_eq!(kept.drain(now), due);
            }
            prop_assert_eq!(kept.table.next(), None);
        }
    }
}
