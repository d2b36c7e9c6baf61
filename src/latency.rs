//! How long requests and calls took, as sockets and services tell of it.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest time that is told apart: an hour, in microseconds.
const LONGEST: u64 = 3_600_000_000;

/// How long a part of recent time is.
const WINDOW: Duration = Duration::from_secs(30);

/// How long requests took that were answered in the last 30 to 60 seconds: from
/// the socket's turn that began with the request to the end of the one in which
/// its reply came. Times are told in microseconds, to 1 in 100.
///
/// Zero, all of it, when none was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// How many were answered.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// 90 of 100 took no longer.
    pub p90: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// 999 of 1,000 took no longer.
    pub p999: Duration,
    /// None took longer.
    pub max: Duration,
}

/// Times since a beginning. They take no room before the first, and then as much
/// as the longest needs: some kilobytes for milliseconds.
#[derive(Clone, Default)]
pub(crate) struct Times(Option<Histogram<u64>>);

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Times").field(&self.count()).finish()
    }
}

impl Times {
    pub(crate) fn record(&mut self, time: Duration) {
        if self.0.is_none() {
            // Two digits; absent only if the library refused this constant.
            self.0 = Histogram::new(2).ok();
        }
        if let Some(histogram) = &mut self.0 {
            let microseconds = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
            // It grows; what it could not hold it would count as the longest that it can.
            histogram
                .record(microseconds.clamp(1, LONGEST))
                .unwrap_or_else(|_| histogram.saturating_record(LONGEST));
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// What has come since `earlier`, an older copy of these.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        match (self.0.clone(), &earlier.0) {
            (Some(mut all), Some(earlier)) => Self(all.subtract(earlier).is_ok().then_some(all)),
            (all, _) => Self(all),
        }
    }

    pub(crate) fn summary(&self) -> Latency {
        let Some(all) = &self.0 else { return Latency::default() };
        let at = |quantile| Duration::from_micros(all.value_at_quantile(quantile));
        Latency {
            count: all.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_micros(all.max()),
        }
    }

    /// Each time that was told apart, and how many took so long.
    #[cfg(feature = "metrics")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let recorded = self.0.iter().flat_map(Histogram::iter_recorded);
        recorded.map(|step| {
            let time = Duration::from_micros(step.value_iterated_to());
            (time, step.count_since_last_iteration())
        })
    }
}

/// Times since the beginning, which also knows those of recent time.
#[derive(Debug)]
pub(crate) struct Recent {
    all: Times,
    /// What there was when this window began, and the one before.
    now: Times,
    before: Times,
    began: Instant,
}

impl Recent {
    pub(crate) fn new(now: Instant) -> Self {
        Self { all: Times::default(), now: Times::default(), before: Times::default(), began: now }
    }

    pub(crate) fn record(&mut self, times: impl Iterator<Item = Duration>, now: Instant) {
        self.turn(now);
        times.for_each(|time| self.all.record(time));
    }

    /// Of the last 30 to 60 seconds.
    pub(crate) fn summary(&mut self, now: Instant) -> Latency {
        self.turn(now);
        self.all.since(&self.before).summary()
    }

    /// Since the beginning.
    #[cfg(feature = "metrics")]
    pub(crate) const fn all(&self) -> &Times {
        &self.all
    }

    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began);
        if age < WINDOW {
            return;
        }
        let last = std::mem::replace(&mut self.now, self.all.clone());
        // After a long silence nothing is recent.
        self.before = if age < 2 * WINDOW { last } else { self.all.clone() };
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[track_caller]
    fn about(told: Duration, expected: Duration) {
        let difference = told.abs_diff(expected);
        assert!(difference <= expected / 100, "{told:?} is not about {expected:?}");
    }

    #[test]
    fn percentiles_are_right_to_two_digits() {
        let mut times = Times::default();
        assert_eq!(times.summary(), Latency::default());
        (1..=1_000).for_each(|time| times.record(ms(time)));
        let told = times.summary();
        assert_eq!(told.count, 1_000);
        about(told.p50, ms(500));
        about(told.p90, ms(900));
        about(told.p99, ms(990));
        about(told.p999, ms(999));
        about(told.max, ms(1_000));
    }

    #[test]
    fn the_shortest_and_the_longest_count() {
        let mut times = Times::default();
        for time in [Duration::ZERO, Duration::MAX] {
            times.record(time);
        }
        let told = times.summary();
        assert_eq!((told.count, told.p50), (2, Duration::from_micros(1)));
        about(told.max, Duration::from_micros(LONGEST));
    }

    #[test]
    fn recent_is_the_last_window_and_this_one() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut recent = Recent::new(start);
        let mut record = |seconds, time| {
            recent.record([time].into_iter(), at(seconds));
            let told = recent.summary(at(seconds));
            (told.count, told.max.as_millis())
        };
        assert_eq!(record(1, ms(10)), (1, 10));
        assert_eq!(record(29, ms(5)), (2, 10));
        assert_eq!(record(31, ms(7)), (3, 10));
        assert_eq!(record(59, ms(1)), (4, 10));
        // What was before 31 s is forgotten.
        assert_eq!(record(61, ms(3)), (3, 7));
        assert_eq!(record(92, ms(2)), (2, 3));
        // A long silence, and all of it is.
        assert_eq!(record(1_000, ms(4)), (1, 4));
        assert_eq!(recent.summary(at(1_029)).count, 1);
        assert_eq!(recent.summary(at(1_031)).count, 1);
        assert_eq!(recent.summary(at(1_062)).count, 0);
        assert_eq!(recent.all.count(), 7);
    }
}
