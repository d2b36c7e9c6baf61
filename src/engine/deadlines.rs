//! A table of deadlines in time order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Longer than any program runs, and short enough to be added to any clock.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// So long after `now`, or for ever where the clock cannot tell.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + FOREVER)
}

/// An ordered table of `(instant, id)` pairs.
///
/// It reads no clock: the caller passes the time in, so tests script it. One
/// id may have several deadlines, and a deadline is removed by the very pair
/// it was inserted with, so the caller keeps the instant beside the id.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines<I> {
    entries: BTreeSet<(Instant, I)>,
}

impl<I: Copy + Ord> Deadlines<I> {
    /// Creates an empty table.
    pub(crate) const fn new() -> Self {
        Self { entries: BTreeSet::new() }
    }

    /// Adds a deadline; adding the same pair again changes nothing.
    pub(crate) fn insert(&mut self, at: Instant, id: I) {
        self.entries.insert((at, id));
    }

    /// Removes a deadline and returns whether it was there.
    pub(crate) fn remove(&mut self, at: Instant, id: I) -> bool {
        self.entries.remove(&(at, id))
    }

    /// Returns the earliest deadline, which is when to wake up next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest deadline that `now` has reached.
    ///
    /// Deadlines at one instant come out in the order of their ids.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<I> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop_first().map(|(_, id)| id)
    }

    /// Returns how many deadlines there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no deadline.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes every deadline.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

impl<I: Copy + Ord> Default for Deadlines<I> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn drain(table: &mut Deadlines<u32>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| table.pop_due(now)).collect()
    }

    #[test]
    fn scripted_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut table = Deadlines::default();
        assert_eq!(table.next(), None);
        assert_eq!(table.pop_due(at(1_000)), None);

        table.insert(at(30), 3);
        table.insert(at(10), 1);
        table.insert(at(20), 2);
        table.insert(at(20), 2);
        assert_eq!((table.len(), table.is_empty()), (3, false));
        assert_eq!(table.next(), Some(at(10)));

        assert_eq!(table.pop_due(at(9)), None);
        assert_eq!(table.pop_due(at(10)), Some(1));
        assert_eq!(table.pop_due(at(10)), None);

        assert!(!table.remove(at(30), 2), "wrong instant for the id");
        assert!(table.remove(at(30), 3));
        assert!(!table.remove(at(30), 3));
        assert_eq!(drain(&mut table, at(1_000)), [2]);
        assert!(table.is_empty());
    }

    #[test]
    fn one_instant_pops_in_id_order_and_clear_empties() {
        let now = Instant::now();
        let mut table = Deadlines::new();
        for id in [5, 1, 4, 2, 3] {
            table.insert(now, id);
        }
        assert_eq!(table.pop_due(now), Some(1));
        table.clear();
        assert_eq!((table.len(), table.next()), (0, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        /// Neither the order of insertion nor that of removal shows.
        #[test]
        fn order_does_not_matter(seed in any::<u64>(), count in 99_000_u32..=100_000) {
            let start = Instant::now();
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut pairs: Vec<(Instant, u32)> = (0..count)
                .map(|id| (start + Duration::from_millis(rng.u64(..5_000)), id))
                .collect();
            let (mut table, mut shuffled) = (Deadlines::new(), Deadlines::new());
            for (at, id) in &pairs {
                table.insert(*at, *id);
            }
            rng.shuffle(&mut pairs);
            for (at, id) in &pairs {
                shuffled.insert(*at, *id);
            }
            let kept = pairs.split_off(pairs.len() / 2);
            for (at, id) in &pairs {
                prop_assert!(table.remove(*at, *id));
            }
            for (at, id) in pairs.iter().rev() {
                prop_assert!(shuffled.remove(*at, *id));
            }
            prop_assert_eq!(table.len(), kept.len());

            let mut expected = kept;
            expected.sort_unstable();
            let middle = start + Duration::from_millis(2_500);
            let early = expected.partition_point(|(at, _)| *at <= middle);
            let (early, late) = expected.split_at(early);
            for (now, due) in [(middle, early), (start + Duration::from_secs(5), late)] {
                let ids: Vec<u32> = due.iter().map(|(_, id)| *id).collect();
                prop_assert_eq!(&drain(&mut table, now), &ids);
                prop_assert_eq!(&drain(&mut shuffled, now), &ids);
            }
            prop_assert!(table.is_empty() && shuffled.is_empty());
        }
    }
}
