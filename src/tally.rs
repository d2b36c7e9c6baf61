//! What is counted of a service's life.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::framing::call::Failure;
use crate::latency::Times;

/// A service's figures, for whoever is not on its socket's task.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "it is what metrics are made of"))]
pub(crate) struct Served {
    /// The service's name.
    pub(crate) name: String,
    /// Each route, in the order of their names.
    pub(crate) routes: Vec<(String, Arc<Tally>)>,
    /// Calls that no route has heard of.
    pub(crate) strays: Arc<Tally>,
}

/// A route's figures as they grow: written by the socket's task, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    requests: AtomicU64,
    in_flight: AtomicU64,
    errors: Mutex<BTreeMap<&'static str, u64>>,
    latency: Mutex<Times>,
}

impl Tally {
    pub(crate) fn taken(&self) {
        one_more(&self.requests);
    }

    pub(crate) fn answered(&self, latency: Duration) {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).record(latency);
    }

    pub(crate) fn refused(&self, why: Failure) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        *errors.entry(name_of(why)).or_default() += 1;
    }

    pub(crate) fn set_in_flight(&self, calls: usize) {
        self.in_flight.store(calls as u64, Ordering::Relaxed);
    }

    /// Calls that came.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How often each failure was answered.
    pub(crate) fn errors(&self) -> BTreeMap<&'static str, u64> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From the arrival of each call to its answer, of those answered with a result.
    pub(crate) fn times(&self) -> Times {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// There is one who writes: nothing gets lost between the two halves.
fn one_more(cell: &AtomicU64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// As `$stats` tells it.
pub(crate) const fn name_of(why: Failure) -> &'static str {
    match why {
        Failure::Unknown => "unknown",
        Failure::Undecodable => "undecodable",
        Failure::Overloaded => "overloaded",
        Failure::Expired => "expired",
        Failure::Stopped => "stopped",
        Failure::WrongCodec => "wrong_codec",
        Failure::WrongVersion => "wrong_version",
        Failure::Unencodable => "unencodable",
        Failure::TooLarge => "too_large",
        Failure::NoCall => "no_call",
        Failure::WorkerLost => "worker_lost",
        Failure::Other(_) => "other",
    }
}
