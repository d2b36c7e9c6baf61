//! What a service tells of itself: discovery by asking.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use actix::Message;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::framing::call::Failure;

/// Asks a service whether it is there. On the wire `$ping`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$ping")]
pub struct Ping {}

impl Message for Ping {
    type Result = ();
}

/// Asks a service who it is. On the wire `$info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$info")]
pub struct Info {}

impl Message for Info {
    type Result = ServiceInfo;
}

/// Asks a service how it is. On the wire `$stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$stats")]
pub struct Stats {}

impl Message for Stats {
    type Result = ServiceStats;
}

/// Who a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Its name.
    pub name: String,
    /// Its version, as its author gave it.
    pub version: String,
    /// The codec that values are in.
    pub codec: String,
    /// The names that it serves, in order.
    pub routes: Vec<String>,
}

/// How a service is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceStats {
    /// The service's name.
    pub name: String,
    /// Since when it serves, in seconds.
    pub uptime: f64,
    /// Calls under way now.
    pub in_flight: u64,
    /// Calls that came, those refused included.
    pub requests: u64,
    /// Calls that were answered with an error of the library, by its name.
    pub errors: BTreeMap<String, u64>,
    /// Each route, in the order of their names.
    pub routes: Vec<RouteStats>,
}

/// How a route is. Latencies are in microseconds, from the arrival of a call to
/// its answer, of calls that were answered with a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RouteStats {
    /// The name that callers use.
    pub name: String,
    /// Calls that came.
    pub requests: u64,
    /// Calls that were answered with a result.
    pub answered: u64,
    /// Calls that were answered with an error of the library.
    pub errors: u64,
    /// Calls under way now, and how many there may be.
    pub in_flight: u64,
    /// How many calls may be under way.
    pub limit: u64,
    /// The median.
    pub p50: u64,
    /// 90 of 100 took no longer.
    pub p90: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// 999 of 1,000 took no longer.
    pub p999: u64,
    /// None took longer.
    pub max: u64,
}

/// The longest latency that is told apart: an hour, in microseconds.
const LONGEST: u64 = 3_600_000_000;

/// A route's figures as they grow.
pub(super) struct Tally {
    requests: u64,
    answered: u64,
    pub(super) errors: Errors,
    /// Two digits; absent only if the library refused these constants.
    latency: Option<Histogram<u64>>,
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: 0,
            answered: 0,
            errors: Errors::default(),
            latency: Histogram::new_with_bounds(1, LONGEST, 2).ok(),
        }
    }
}

impl Tally {
    pub(super) const fn taken(&mut self) {
        self.requests += 1;
    }

    pub(super) fn answered(&mut self, latency: Duration) {
        self.answered += 1;
        if let Some(histogram) = &mut self.latency {
            let microseconds = u64::try_from(latency.as_micros()).unwrap_or(LONGEST);
            histogram.saturating_record(microseconds.max(1));
        }
    }

    pub(super) fn refused(&mut self, why: Failure) {
        self.errors.count(why);
    }

    pub(super) fn stats(&self, name: &str, limit: usize, in_flight: usize) -> RouteStats {
        let at = |quantile| self.latency.as_ref().map_or(0, |all| all.value_at_quantile(quantile));
        RouteStats {
            name: name.to_owned(),
            requests: self.requests,
            answered: self.answered,
            errors: self.errors.sum(),
            in_flight: in_flight as u64,
            limit: limit as u64,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.latency.as_ref().map_or(0, Histogram::max),
        }
    }
}

/// How often each failure was answered.
#[derive(Debug, Default)]
pub(super) struct Errors(BTreeMap<&'static str, u64>);

impl Errors {
    pub(super) fn count(&mut self, why: Failure) {
        *self.0.entry(name_of(why)).or_default() += 1;
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    pub(super) fn add_to(&self, all: &mut BTreeMap<String, u64>) {
        for (name, count) in &self.0 {
            *all.entry((*name).to_owned()).or_default() += count;
        }
    }
}

/// As `$stats` tells it.
pub(super) const fn name_of(why: Failure) -> &'static str {
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
