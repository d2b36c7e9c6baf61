//! How long a call has been on its way, without clocks that agree.
//!
//! A caller tells when it sent a call on a clock of its own, which starts
//! anywhere. The difference between that and our clock at the arrival is some
//! constant and the time on the way. The least difference of late is close to
//! the constant, so what a call has beyond it is what it was late.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// How long a least difference holds, in microseconds: clocks drift, and some
/// stand still while their machine sleeps. So long, or twice that, such a
/// caller's calls count as late.
const WINDOW: i64 = 5_000_000;
/// How many callers' clocks are known; when there are more, those that were
/// silent for longest are forgotten.
const CALLERS: usize = 4_096;

/// This process as a caller: its number, and when its clock began.
static OWN: LazyLock<(u64, Instant)> = LazyLock::new(|| {
    let (number, _) = Uuid::new_v4().as_u64_pair();
    (number.max(1), Instant::now())
});

/// Who calls from this process.
pub(crate) fn caller() -> u64 {
    OWN.0
}

/// Microseconds on this process's clock.
pub(crate) fn microseconds(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(OWN.1).as_micros()).unwrap_or(u64::MAX)
}

/// What is known of the clocks of callers.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    callers: HashMap<u64, Clock>,
}

/// The difference between our clock and a caller's, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// The least of this window, and of the one before.
    least: i64,
    before: i64,
    /// When this window began, and the last call came.
    since: i64,
    last: i64,
}

impl Clocks {
    /// How long before `now` a call was sent, on both clocks' microseconds; none
    /// for a caller (0) that does not say.
    pub(crate) fn age(&mut self, caller: u64, sent: u64, now: u64) -> Duration {
        if caller == 0 {
            return Duration::ZERO;
        }
        // Any two numbers have a difference: what a stranger sends may be anything.
        let difference = now.wrapping_sub(sent).cast_signed();
        let now = now.cast_signed();
        if self.callers.len() >= CALLERS && !self.callers.contains_key(&caller) {
            self.forget();
        }
        let first = Clock { least: difference, before: difference, since: now, last: now };
        let clock = self.callers.entry(caller).or_insert(first);
        clock.last = now;
        if now.saturating_sub(clock.since) > WINDOW {
            // One step at a time: what was known before a long silence still holds
            // for those that waited through it.
            *clock = Clock { least: difference, before: clock.least, since: now, last: now };
        }
        clock.least = clock.least.min(difference);
        let constant = clock.least.min(clock.before);
        let late = difference.saturating_sub(constant);
        Duration::from_micros(late.unsigned_abs())
    }

    /// Forgets the older half.
    fn forget(&mut self) {
        let mut last: Vec<i64> = self.callers.values().map(|clock| clock.last).collect();
        let middle = last.len() / 2;
        let (_, median, _) = last.select_nth_unstable(middle);
        let median = *median;
        self.callers.retain(|_, clock| clock.last > median);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_call_that_waited_is_late_whatever_the_clocks_say() {
        for offset in [0, 5 * SECOND, u64::MAX / 2 + 7, 3_u64.wrapping_neg()] {
            let mut clocks = Clocks::default();
            let mut age = |sent: u64, now: u64| clocks.age(7, sent.wrapping_add(offset), now);
            assert_eq!(age(0, 100), Duration::ZERO);
            assert_eq!(age(SECOND, SECOND + 40), Duration::ZERO);
            assert_eq!(age(2 * SECOND, 2 * SECOND + 90), Duration::from_micros(50));
            // It waited for a minute; so did the next one, for a bit less.
            assert_eq!(age(3 * SECOND, 63 * SECOND + 40), Duration::from_secs(60));
            assert_eq!(age(13 * SECOND, 63 * SECOND + 40), Duration::from_secs(50));
        }
    }

    #[test]
    fn a_clock_that_drifts_is_followed() {
        let mut clocks = Clocks::default();
        for second in 0..86_400 {
            // Slower by 50 millionths.
            let sent = second * SECOND - second * 50;
            let late = clocks.age(1, sent, second * SECOND + 10);
            assert!(late < Duration::from_millis(5), "{late:?} after {second} s");
        }
    }

    #[test]
    fn silent_callers_are_forgotten_and_nobody_else() {
        let mut clocks = Clocks::default();
        for caller in 1..=10_000 {
            clocks.age(caller, 0, caller);
            clocks.age(10_001, 0, caller);
            assert!(clocks.callers.len() <= CALLERS);
        }
        assert!(clocks.callers.contains_key(&10_001));
        assert_eq!(clocks.age(0, 5, 10), Duration::ZERO, "nobody's clock");
        assert!(!clocks.callers.contains_key(&0));
    }

    proptest! {
        #[test]
        fn any_numbers_have_an_age(calls in prop::collection::vec((0..3_u64, any::<u64>(), any::<u64>()), 0..50)) {
            let mut clocks = Clocks::default();
            for (caller, sent, now) in calls {
                clocks.age(caller, sent, now);
            }
        }
    }
}
