//! From what sockets and services count to the recorder of the `metrics` crate.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Addr, WeakAddr};
use metrics::{
    Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::table::{self, Kind, Row};
use crate::actors::{Factory, Shared, Sockets};
use crate::counters::Counter;
use crate::latency::Times;
use crate::messages::{SocketId, SocketState};
use crate::tally::Tally;

/// Tells the recorder of the [`metrics`](https://docs.rs/metrics) crate what a
/// factory's sockets and their services have counted. The names are in the
/// [table](crate::observability).
///
/// Nothing is recorded where messages move: what is counted there anyway is read
/// now and then, either [every so often](Self::report_every) or when it is asked for
/// ([`report`](Self::report)), such as by a scrape. Between two reports nothing
/// is lost of a socket that restarts or closes; one that is opened and closed
/// between them is not seen.
///
/// Sockets of one name and type are one series, with the sums of their figures;
/// so are those without a name, whose label is empty. Counters go on when a
/// socket is followed by another of its name, and gauges of one that has closed
/// go to zero.
///
/// It reports what has come since its last report: have one for each factory,
/// and install the recorder before it begins. It does not keep the factory alive.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::observability::Metrics;
/// use actix_zmq::prelude::*;
///
/// # #[actix::main]
/// # async fn main() {
/// let zmq = Factory::builder().start();
/// let metrics = Metrics::of(&zmq).label("factory", "prices");
/// metrics.report_every(Duration::from_secs(5));
/// # }
/// ```
#[derive(Clone)]
pub struct Metrics {
    factory: WeakAddr<Factory>,
    labels: Vec<Label>,
    told: Arc<Mutex<Told>>,
}

impl Metrics {
    /// The metrics of this factory's sockets.
    #[must_use]
    pub fn of(factory: &Addr<Factory>) -> Self {
        Self { factory: factory.downgrade(), labels: Vec::new(), told: Arc::default() }
    }

    /// A label for all of them: what tells this factory from another one of the
    /// program. Comes before the first report.
    #[must_use]
    pub fn label(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.labels.push(Label::new(key.into(), value.into()));
        self
    }

    /// Begins to report, on the current arbiter, now and every so often, until
    /// the factory has ended.
    ///
    /// # Panics
    /// Where no actix `System` or local task set runs.
    pub fn report_every(&self, time: Duration) {
        let metrics = self.clone();
        actix_rt::spawn(async move {
            while metrics.told().await {
                actix_rt::time::sleep(time).await;
            }
        });
    }

    /// Reports now, and resolves when the recorder has it all.
    ///
    /// # Cancel safety
    /// Dropped before it has ended it reports nothing, and the next report has it.
    pub async fn report(&self) {
        self.told().await;
    }

    /// Reports. `false` when the factory has ended.
    async fn told(&self) -> bool {
        let number = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.asked += 1;
            told.asked
        };
        let sockets = match self.factory.upgrade() {
            Some(factory) => factory.send(Sockets).await.ok(),
            None => None,
        };
        let goes_on = sockets.is_some();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.tell(&self.labels, number, sockets.unwrap_or_default());
        goes_on
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("labels", &self.labels).finish_non_exhaustive()
    }
}

/// What the recorder knows.
#[derive(Default)]
struct Told {
    is_described: bool,
    /// The number of the report that was asked for last, and that of the latest that was told.
    asked: u64,
    latest: u64,
    sockets: BTreeMap<SocketId, Known>,
    /// The series of gauges, to be set to zero when nobody has them any more.
    gauges: BTreeSet<(&'static str, Vec<Label>)>,
}

/// What it knows of a socket.
struct Known {
    shared: Arc<Shared>,
    counts: BTreeMap<Counter, u64>,
    times: Times,
    routes: Vec<KnownRoute>,
}

/// What it knows of a service's route.
struct KnownRoute {
    labels: Vec<Label>,
    tally: Arc<Tally>,
    errors: BTreeMap<&'static str, u64>,
    times: Times,
}

/// The gauges of one report, summed up.
#[derive(Default)]
struct Gauges(BTreeMap<(&'static str, Vec<Label>), f64>);

impl Gauges {
    fn add(&mut self, row: &'static Row, labels: Vec<Label>, value: f64) {
        *self.0.entry((row.name, labels)).or_default() += value;
    }
}

impl Told {
    fn tell(&mut self, labels: &[Label], number: u64, sockets: Vec<Arc<Shared>>) {
        if !std::mem::replace(&mut self.is_described, true) {
            table::ALL.iter().for_each(|row| describe(row));
        }
        // One that was overtaken may have sockets that have closed and are forgotten.
        if number > self.latest {
            self.latest = number;
            for socket in sockets {
                self.sockets.entry(socket.id).or_insert_with(|| Known::new(socket, labels));
            }
        }
        let mut gauges = Gauges::default();
        self.sockets.retain(|_, known| {
            // Before it is read: what is counted later is told by the next report.
            let is_open = known.shared.state() != SocketState::Closed;
            known.tell_growth(labels);
            if is_open {
                known.gauge(labels, &mut gauges);
            }
            is_open
        });
        for (name, labels) in std::mem::take(&mut self.gauges) {
            gauges.0.entry((name, labels)).or_default();
        }
        for ((name, labels), value) in gauges.0 {
            gauge!(name, labels.iter()).set(value);
            if value != 0.0 {
                self.gauges.insert((name, labels));
            }
        }
    }
}

impl Known {
    fn new(shared: Arc<Shared>, labels: &[Label]) -> Self {
        let routes = shared.served.iter().flat_map(|served| {
            let strays = (String::new(), Arc::clone(&served.strays));
            let routes = served.routes.iter().cloned().chain([strays]);
            routes.map(|(route, tally)| KnownRoute {
                labels: with(labels, [("service", served.name.clone()), ("route", route)]),
                tally,
                errors: BTreeMap::new(),
                times: Times::default(),
            })
        });
        let routes = routes.collect();
        Self { shared, counts: BTreeMap::new(), times: Times::default(), routes }
    }

    fn labels(&self, labels: &[Label]) -> Vec<Label> {
        let name = self.shared.name.clone().unwrap_or_default();
        with(labels, [("socket", name), ("type", self.shared.socket_type.to_string())])
    }

    /// What has come since the last time.
    fn tell_growth(&mut self, labels: &[Label]) {
        let whose = self.labels(labels);
        for counter in Counter::ALL {
            let value = self.shared.counters.get(*counter);
            let grown = value - self.counts.insert(*counter, value).unwrap_or(0);
            let (row, label) = table::place(*counter);
            let label = label.map(|label| (label, counter.name().to_owned()));
            // A label's value that never comes has no series.
            if grown > 0 || label.is_none() {
                counter!(row.name, row.labels(&whose, label)).increment(grown);
            }
        }
        if let Some(times) = self.shared.times() {
            let grown = times.since(&self.times);
            let label = ("outcome", "answered".to_owned());
            counter!(table::ENDED.name, table::ENDED.labels(&whose, Some(label)))
                .increment(grown.count());
            record(&table::REQUEST_TIME, &whose, &grown);
            self.times = times;
        }
        self.routes.iter_mut().for_each(KnownRoute::tell_growth);
    }

    fn gauge(&self, labels: &[Label], gauges: &mut Gauges) {
        let status = self.shared.status();
        let whose = self.labels(labels);
        let state = Some(("state", status.state.to_string()));
        gauges.add(&table::STATE, table::STATE.labels(&whose, state), 1.0);
        for (row, value) in [
            (&table::IN_FLIGHT, Some(status.in_flight)),
            (&table::QUEUED, Some(status.queued)),
            (&table::QUEUED_BYTES, Some(status.queued_bytes)),
            (&table::LIMIT, Some(status.limits.messages)),
            (&table::LIMIT_BYTES, Some(status.limits.bytes)),
            (&table::PEERS, status.peers),
        ] {
            if let Some(value) = value {
                gauges.add(row, row.labels(&whose, None), float(value as u64));
            }
        }
        for route in &self.routes {
            let labels = table::CALLS_NOW.labels(&route.labels, None);
            gauges.add(&table::CALLS_NOW, labels, float(route.tally.in_flight()));
        }
    }
}

impl KnownRoute {
    fn tell_growth(&mut self) {
        let ended = |outcome: &str, calls: u64| {
            let label = ("outcome", outcome.to_owned());
            counter!(table::CALLS.name, table::CALLS.labels(&self.labels, Some(label)))
                .increment(calls);
        };
        let times = self.tally.times();
        let grown = times.since(&self.times);
        if grown.count() > 0 {
            ended("answered", grown.count());
        }
        record(&table::CALL_TIME, &self.labels, &grown);
        self.times = times;
        let errors = self.tally.errors();
        for (name, count) in &errors {
            let grown = count - self.errors.get(name).copied().unwrap_or(0);
            if grown > 0 {
                ended(name, grown);
            }
        }
        self.errors = errors;
    }
}

/// Hands over times that were told apart, each with how many there were.
fn record(row: &Row, whose: &[Label], times: &Times) {
    if times.count() == 0 {
        return;
    }
    let series = histogram!(row.name, row.labels(whose, None));
    for (time, count) in times.iter() {
        series.record_many(time.as_secs_f64(), usize::try_from(count).unwrap_or(usize::MAX));
    }
}

fn with<const N: usize>(labels: &[Label], more: [(&'static str, String); N]) -> Vec<Label> {
    let more = more.into_iter().map(|(key, value)| Label::new(key, value));
    labels.iter().cloned().chain(more).collect()
}

#[expect(clippy::cast_precision_loss, reason = "no gauge is as long as 2⁵³")]
const fn float(value: u64) -> f64 {
    value as f64
}

fn describe(row: &Row) {
    match row.kind {
        Kind::Counter => describe_counter!(row.name, row.unit, row.meaning),
        Kind::Gauge => describe_gauge!(row.name, row.unit, row.meaning),
        Kind::Histogram => describe_histogram!(row.name, row.unit, row.meaning),
    }
}

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::kinds::SocketType;
    use crate::options::QueueLimits;

    #[test]
    fn a_report_that_was_overtaken_counts_no_closed_socket_again() {
        let limits = QueueLimits::default();
        let (id, family) = (SocketId(1), Arc::default());
        let shared = Shared::new(id, None, SocketType::Push, limits, false, family);
        shared.counters.add(Counter::Sent, 100);
        let shared = Arc::new(shared);
        let recorder = DebuggingRecorder::new();
        let mut told = Told::default();
        metrics::with_local_recorder(&recorder, || {
            told.tell(&[], 1, vec![Arc::clone(&shared)]);
            shared.closed(shared.report_now(0, true));
            told.tell(&[], 3, Vec::new());
            assert!(told.sockets.is_empty(), "it is forgotten");
            // Asked for before the socket closed, and told after the one above.
            told.tell(&[], 2, vec![Arc::clone(&shared)]);
        });
        let all = recorder.snapshotter().snapshot().into_vec();
        let sent = all.iter().find(|(key, ..)| key.key().name() == table::SENT.name);
        assert_eq!(sent.map(|(.., value)| value), Some(&DebugValue::Counter(100)));
    }
}
