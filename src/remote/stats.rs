//! What a service tells of itself: discovery by asking.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::Message;
use serde::{Deserialize, Serialize};

use crate::tally::Tally;

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

impl RouteStats {
    pub(super) fn of(name: &str, limit: usize, tally: &Tally) -> Self {
        let latency = tally.times().summary();
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            name: name.to_owned(),
            requests: tally.requests(),
            answered: latency.count,
            errors: tally.errors().values().sum(),
            in_flight: tally.in_flight(),
            limit: limit as u64,
            p50: us(latency.p50),
            p90: us(latency.p90),
            p99: us(latency.p99),
            p999: us(latency.p999),
            max: us(latency.max),
        }
    }
}
