//! When a call that failed is made again.

use std::time::Duration;

use crate::engine::backoff::RestartPolicy;
use crate::error::ErrorKind;

/// How often a call is made, and after which delays.
///
/// Again is made what failed and may succeed later: what timed out, found nobody
/// connected, lost its peer, or met an overloaded service or an actor that has
/// stopped. Of a call that is not [`idempotent`](crate::Call::idempotent) only
/// what certainly was not served: refused by the service, or never sent.
///
/// The delays grow by two, each with a fifth of it more or less by chance, so
/// that callers who failed together do not all come back together.
///
/// It is the guide's Lazy Pirate without its dead sockets: the socket stays,
/// and a reply that comes late is told from the one that is waited for.
///
/// | setting | default |
/// | --- | --- |
/// | `first` | 50 ms |
/// | `longest` | 2 s |
/// | `attempt` | the call's timeout, divided by the number of attempts |
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::Retry;
///
/// let retry = Retry::attempts(3).first(Duration::from_millis(20)).attempt(Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    attempts: u32,
    delays: RestartPolicy,
    attempt: Option<Duration>,
}

impl Retry {
    /// Makes a call so many times at most, the first time included. At least 1.
    #[must_use]
    pub fn attempts(attempts: u32) -> Self {
        let delays = RestartPolicy::default();
        let delays = delays.initial(Duration::from_millis(50)).max(Duration::from_secs(2));
        Self { attempts: attempts.max(1), delays, attempt: None }
    }

    /// The delay before the second attempt.
    #[must_use]
    pub fn first(mut self, delay: Duration) -> Self {
        self.delays = self.delays.initial(delay);
        self
    }

    /// The delay that growth stops at.
    #[must_use]
    pub fn longest(mut self, delay: Duration) -> Self {
        self.delays = self.delays.max(delay);
        self
    }

    /// How long each attempt waits for its reply. The call's own timeout bounds
    /// all of them together.
    #[must_use]
    pub const fn attempt(mut self, timeout: Duration) -> Self {
        self.attempt = Some(timeout);
        self
    }

    /// How long one attempt of a call waits that has so long left.
    pub(crate) fn attempt_timeout(&self, whole: Option<Duration>) -> Option<Duration> {
        self.attempt.or_else(|| whole.map(|whole| whole / self.attempts))
    }

    /// The delay after so many attempts, unless there is to be none.
    pub(crate) fn after(
        &self,
        attempts: u32,
        kind: ErrorKind,
        idempotent: bool,
    ) -> Option<Duration> {
        let again = match kind {
            ErrorKind::Overloaded
            | ErrorKind::Unreachable
            | ErrorKind::Restarting
            | ErrorKind::Full
            | ErrorKind::PeerFull => true,
            // It may have been served.
            ErrorKind::TimedOut
            | ErrorKind::PeerLost
            | ErrorKind::Restarted
            | ErrorKind::Stopped => idempotent,
            _ => false,
        };
        let again = again && attempts < self.attempts;
        again.then(|| self.delays.delay(attempts.saturating_sub(1), fastrand::f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_served_is_repeated_only_where_that_does_no_harm() {
        let retry = Retry::attempts(3);
        for (kind, harmless, other) in [
            (ErrorKind::Overloaded, true, true),
            (ErrorKind::Unreachable, true, true),
            (ErrorKind::TimedOut, true, false),
            (ErrorKind::PeerLost, true, false),
            (ErrorKind::UnknownMessage, false, false),
            (ErrorKind::Closed, false, false),
        ] {
            assert_eq!(retry.after(1, kind, true).is_some(), harmless, "{kind:?}");
            assert_eq!(retry.after(1, kind, false).is_some(), other, "{kind:?}");
            assert_eq!(retry.after(3, kind, true), None, "{kind:?}");
        }
    }

    #[test]
    fn delays_grow_to_the_longest() {
        let ms = Duration::from_millis;
        let retry = Retry::attempts(100).first(ms(10)).longest(ms(80));
        let delay = |attempts| retry.after(attempts, ErrorKind::Overloaded, false);
        for (attempts, middle) in [(1, 10), (2, 20), (4, 80), (99, 80)] {
            let delay = delay(attempts).unwrap_or_default();
            assert!((ms(middle * 4 / 5)..=ms(middle * 6 / 5)).contains(&delay), "{delay:?}");
        }
        assert_eq!(retry.attempt_timeout(Some(ms(1_000))), Some(ms(10)));
        assert_eq!(retry.attempt(ms(7)).attempt_timeout(None), Some(ms(7)));
    }
}
