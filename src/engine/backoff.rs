//! When a failed socket is opened again, and when it is given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longest delay a policy can hold. It keeps `now + delay` far from the
/// end of what an `Instant` can express.
const LONGEST: Duration = Duration::new(365 * 24 * 60 * 60, 0);

/// How often, and after which delays, a failed socket is opened again.
///
/// The first restart waits [`initial`](Self::initial), each further one
/// [`factor`](Self::factor) times as long as the one before, up to
/// [`max`](Self::max). Each delay is then multiplied by a random number within
/// `1 ± jitter`, so that sockets that failed together do not all come back
/// together. The delays start over once a socket has stayed up for `max`.
///
/// More than [`budget`](Self::budget) restarts within [`window`](Self::window)
/// are not made: the socket is given up.
///
/// | setting | default |
/// | --- | --- |
/// | `initial` | 10 ms |
/// | `max` | 5 s |
/// | `factor` | 2.0 |
/// | `jitter` | 0.2 |
/// | `budget` | 10 restarts |
/// | `window` | 60 s |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use actix_zmq::RestartPolicy;
///
/// let policy = RestartPolicy::default()
///     .initial(Duration::from_millis(50))
///     .max(Duration::from_secs(2))
///     .budget(5)
///     .window(Duration::from_secs(30));
/// assert_ne!(policy, RestartPolicy::default());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RestartPolicy {
    initial: Duration,
    max: Duration,
    factor: f64,
    jitter: f64,
    budget: Option<u32>,
    window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(10),
            max: Duration::from_secs(5),
            factor: 2.0,
            jitter: 0.2,
            budget: Some(10),
            window: Duration::new(60, 0),
        }
    }
}

impl RestartPolicy {
    /// Sets the delay before the first restart, at most a year; 10 ms unless
    /// set.
    #[must_use]
    pub fn initial(mut self, initial: Duration) -> Self {
        self.initial = initial.min(LONGEST);
        self
    }

    /// Never waits for less than this.
    pub(crate) fn at_least(mut self, delay: Duration) -> Self {
        self.initial = self.initial.max(delay);
        self.max = self.max.max(delay);
        self
    }

    /// Sets the delay that growth stops at, at most a year; 5 s unless set.
    ///
    /// Jitter comes on top, so the longest wait is `max × (1 + jitter)`. An
    /// `initial` above it counts as `max`.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max.min(LONGEST);
        self
    }

    /// Sets how much longer each delay is than the one before; 2.0 unless set.
    ///
    /// A value below 1, or one that is no number, counts as 1: the delay stays
    /// the same.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = clamped(factor, 1.0, f64::MAX);
        self
    }

    /// Sets how far a delay may stray at random, as a share of it from 0 to 1;
    /// 0.2 unless set.
    ///
    /// A value outside that range counts as the nearer end of it, and one that
    /// is no number as 0.
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = clamped(jitter, 0.0, 1.0);
        self
    }

    /// Sets how many restarts may be made within the window; 10 unless set.
    #[must_use]
    pub fn budget(mut self, restarts: u32) -> Self {
        self.budget = Some(restarts);
        self
    }

    /// Sets for how long a restart counts against the budget; 60 s unless set.
    ///
    /// With a window of zero no restart counts, so only a budget of 0 is ever
    /// spent.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Lifts the budget: a failed socket is always opened again.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Sets the budget to 0: a failed socket is given up at once.
    #[must_use]
    pub fn never(self) -> Self {
        self.budget(0)
    }

    /// Returns the delay before restart number `attempt`, counted from 0.
    pub(crate) fn delay(&self, attempt: u32, random: f64) -> Duration {
        // The power may be infinite, and zero times infinity is no number.
        let growth = self.factor.powf(f64::from(attempt)).min(f64::MAX);
        let grown = (self.initial.as_secs_f64() * growth).min(self.max.as_secs_f64());
        let stray = clamped(random, 0.0, 1.0).mul_add(2.0, -1.0);
        let delay = grown * self.jitter.mul_add(stray, 1.0);
        // All of it is finite, not negative, and at most two years.
        Duration::try_from_secs_f64(delay).unwrap_or(self.max)
    }
}

/// Clamps a number, taking one that is no number for the lower bound.
fn clamped(value: f64, low: f64, high: f64) -> f64 {
    if value.is_nan() { low } else { value.clamp(low, high) }
}

/// The restarts of one socket under a [`RestartPolicy`].
///
/// It reads no clock and draws no random numbers: the caller passes both in.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    policy: RestartPolicy,
    /// Restarts granted since the delays last started over.
    attempt: u32,
    /// When the socket came up, while it is up.
    up_since: Option<Instant>,
    /// Restarts granted within the window, oldest first; empty when unlimited.
    granted: VecDeque<Instant>,
}

impl Backoff {
    /// Starts with nothing spent.
    pub(crate) const fn new(policy: RestartPolicy) -> Self {
        Self { policy, attempt: 0, up_since: None, granted: VecDeque::new() }
    }

    /// Records a failure and returns how long to wait before the restart, or
    /// `None` when the budget is spent.
    ///
    /// `random` is uniform between 0 and 1.
    pub(crate) fn failed(&mut self, now: Instant, random: f64) -> Option<Duration> {
        self.settle(now);
        self.up_since = None;
        if let Some(budget) = self.policy.budget {
            let window = self.policy.window;
            let is_old = |at: &Instant| now.saturating_duration_since(*at) >= window;
            while self.granted.front().is_some_and(is_old) {
                self.granted.pop_front();
            }
            if u32::try_from(self.granted.len()).is_ok_and(|spent| spent < budget) {
                self.granted.push_back(now);
            } else {
                return None;
            }
        }
        let delay = self.policy.delay(self.attempt, random);
        self.attempt = self.attempt.saturating_add(1);
        Some(delay)
    }

    /// Records that the socket is up.
    ///
    /// The delays start over only once it has stayed up for the policy's
    /// `max`: a socket that opens and falls over at once keeps backing off.
    /// Calling this again while it is up does no harm.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.settle(now);
        self.up_since.get_or_insert(now);
    }

    /// Says after which delay to restart a socket that nothing is wrong with.
    pub(crate) const fn on_demand(&mut self) -> Duration {
        self.up_since = None;
        self.policy.initial
    }

    /// Returns how many restarts were granted since the delays last started
    /// over.
    pub(crate) const fn attempt(&self) -> u32 {
        self.attempt
    }

    fn settle(&mut self, now: Instant) {
        let stayed_up = |since| now.saturating_duration_since(since) >= self.policy.max;
        if self.up_since.is_some_and(stayed_up) {
            self.attempt = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: f64 = 0.5;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn delays_grow_to_the_ceiling() {
        let policy = RestartPolicy::default().max(ms(100)).unlimited();
        let (mut backoff, now) = (Backoff::new(policy), Instant::now());
        for (attempt, expected) in (0..).zip([10, 20, 40, 80, 100, 100]) {
            assert_eq!(backoff.attempt(), attempt);
            assert_eq!(backoff.failed(now, MIDDLE), Some(ms(expected)));
        }
        backoff.attempt = u32::MAX;
        assert_eq!(backoff.failed(now, MIDDLE), Some(ms(100)));
        assert_eq!(backoff.attempt(), u32::MAX);
    }

    #[test]
    fn jitter_spreads_both_ways_even_at_the_ceiling() {
        let policy = RestartPolicy::default().initial(ms(100)).max(ms(200));
        for (random, first, second) in [(0.0, 80, 160), (0.5, 100, 200), (1.0, 120, 240)] {
            let (mut backoff, now) = (Backoff::new(policy.clone()), Instant::now());
            assert_eq!(backoff.failed(now, random), Some(ms(first)));
            assert_eq!(backoff.failed(now, random), Some(ms(second)));
            assert_eq!(backoff.failed(now, random), Some(ms(second)));
        }
    }

    #[test]
    fn the_budget_is_spent_and_forgotten() {
        let policy = RestartPolicy::default().budget(2).window(ms(1_000));
        let (mut backoff, start) = (Backoff::new(policy), Instant::now());
        assert!(backoff.failed(start, MIDDLE).is_some());
        assert!(backoff.failed(start + ms(400), MIDDLE).is_some());
        assert_eq!(backoff.failed(start + ms(999), MIDDLE), None);
        // The refusal was not a restart, and the first one is forgotten now.
        assert!(backoff.failed(start + ms(1_000), MIDDLE).is_some());
        assert_eq!(backoff.failed(start + ms(1_399), MIDDLE), None);
        assert!(backoff.failed(start + ms(1_400), MIDDLE).is_some());
        assert_eq!(backoff.granted.len(), 2);
    }

    #[test]
    fn never_and_unlimited() {
        let now = Instant::now();
        let policy = RestartPolicy::default();
        let mut never = Backoff::new(policy.clone().never());
        assert_eq!(never.failed(now, MIDDLE), None);
        let mut no_window = Backoff::new(policy.clone().never().window(Duration::ZERO));
        assert_eq!(no_window.failed(now, MIDDLE), None);
        let mut unlimited = Backoff::new(policy.never().unlimited());
        for _ in 0..1_000 {
            assert!(unlimited.failed(now, MIDDLE).is_some());
        }
        assert!(unlimited.granted.is_empty(), "nothing to remember");
    }

    #[test]
    fn growth_starts_over_only_after_staying_up() {
        let policy = RestartPolicy::default().max(ms(100)).unlimited();
        let (mut backoff, start) = (Backoff::new(policy), Instant::now());
        assert_eq!(backoff.failed(start, MIDDLE), Some(ms(10)));
        backoff.succeeded(start + ms(10));
        assert_eq!(backoff.failed(start + ms(109), MIDDLE), Some(ms(20)));
        // The time it was down does not count as up.
        assert_eq!(backoff.failed(start + ms(500), MIDDLE), Some(ms(40)));
        backoff.succeeded(start + ms(600));
        backoff.succeeded(start + ms(650));
        assert_eq!(backoff.attempt(), 3);
        assert_eq!(backoff.failed(start + ms(700), MIDDLE), Some(ms(10)));
        backoff.succeeded(start + ms(800));
        backoff.succeeded(start + ms(900));
        assert_eq!(backoff.attempt(), 0);
    }

    #[test]
    fn values_that_make_no_sense_are_clamped() {
        let policy = RestartPolicy::default();
        for (given, factor, jitter) in [
            (f64::NAN, 1.0, 0.0),
            (f64::INFINITY, f64::MAX, 1.0),
            (f64::NEG_INFINITY, 1.0, 0.0),
            (-3.0, 1.0, 0.0),
            (7.0, 7.0, 1.0),
        ] {
            let clamped = policy.clone().factor(given).jitter(given);
            let expected = RestartPolicy { factor, jitter, ..policy.clone() };
            assert_eq!(clamped, expected, "{given}");
        }
        let longest = policy.initial(Duration::MAX).max(Duration::MAX);
        assert_eq!((longest.initial, longest.max), (LONGEST, LONGEST));
    }

    fn durations() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::from_nanos(1)),
            Just(Duration::MAX),
            any::<Duration>(),
            (0_u64..100_000).prop_map(ms),
        ]
    }

    proptest! {
        #[test]
        fn nothing_panics_and_delays_stay_in_bounds(
            (initial, max, window) in (durations(), durations(), durations()),
            (factor, jitter) in (any::<f64>(), any::<f64>()),
            budget in proptest::option::of(0_u32..20),
            steps in prop::collection::vec((any::<f64>(), 0_u64..1_000_000, any::<bool>()), 0..40),
        ) {
            let policy = RestartPolicy::default()
                .initial(initial)
                .max(max)
                .window(window)
                .factor(factor)
                .jitter(jitter);
            let policy = match budget {
                Some(restarts) => policy.budget(restarts),
                None => policy.unlimited(),
            };
            let ceiling = policy.max.as_secs_f64() * (1.0 + policy.jitter) + 1e-9;
            let mut backoff = Backoff::new(policy);
            let mut now = Instant::now();
            for (random, elapsed, up) in steps {
                if up {
                    backoff.succeeded(now);
                }
                now += ms(elapsed);
                if let Some(delay) = backoff.failed(now, random) {
                    prop_assert!(delay.as_secs_f64() <= ceiling);
                    prop_assert!(now.checked_add(delay).is_some());
                }
            }
        }

        #[test]
        fn jitter_stays_within_its_share(jitter in 0.0..=1.0, random in 0.0..=1.0) {
            let mut backoff = Backoff::new(RestartPolicy::default().jitter(jitter));
            let delay = backoff.failed(Instant::now(), random).map(|d| d.as_secs_f64());
            let (low, high) = (0.01 * (1.0 - jitter) - 1e-9, 0.01 * (1.0 + jitter) + 1e-9);
            prop_assert!(delay.is_some_and(|d| (low..=high).contains(&d)));
        }

        #[test]
        fn a_window_never_holds_more_than_the_budget(
            budget in 0_u32..6,
            steps in prop::collection::vec(0_u64..600, 1..60),
        ) {
            let window = ms(1_000);
            let policy = RestartPolicy::default().budget(budget).window(window);
            let (mut backoff, mut now) = (Backoff::new(policy), Instant::now());
            let mut granted = Vec::new();
            for step in steps {
                now += ms(step);
                let recent = granted.iter().filter(|at| now.duration_since(**at) < window);
                let expected = recent.count() < budget as usize;
                let delay = backoff.failed(now, MIDDLE);
                prop_assert_eq!(delay.is_some(), expected);
                if expected {
                    granted.push(now);
                }
            }
        }
    }
}
