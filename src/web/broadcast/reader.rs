//! A browser's end of a broadcast.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::{HttpRequest, web};
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::event::Entry;
use super::log::{After, Place, Step};
use super::{Shared, Slow};
use crate::web::door::{Seat, bad_request, forbidden_topic};
use crate::web::problem::Problem;

/// Reads for one browser.
pub(in crate::web) struct Reader {
    shared: Arc<Shared>,
    seat: Seat,
    wanted: Vec<Bytes>,
    place: Place,
    /// What it missed before it came, to be told first.
    owed: Option<Option<u64>>,
    /// When a sign of life is due: at once, at first.
    pulse: Instant,
    too_slow: bool,
}

/// What a browser is told.
#[derive(Debug)]
pub(in crate::web) enum Said {
    Message(Arc<Entry>),
    /// It missed so many messages at most, or nobody knows how many, up to this id.
    Missed(Option<u64>, String),
    /// That the connection lives, and that it has read all there is up to this id.
    Pulse(String),
}

impl Reader {
    /// A reader of what is asked for.
    pub(super) fn enter(shared: &Arc<Shared>, request: &HttpRequest) -> Result<Self, Problem> {
        let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| bad_request("The query cannot be read."))?;
        let all = |name: &'static str| {
            let named = query.iter().filter(move |(key, _)| key == name);
            named.map(|(_, value)| value.as_str())
        };
        let header = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
        let last = header.or_else(|| all("last_event_id").next_back());
        let after = last.and_then(|id| shared.epoch.parse(id)).unwrap_or(After::Now);
        let wanted = wanted(shared, all("topic"))?;
        let seat = shared.door.enter(shared.settings.max_clients)?;
        let (place, owed) = shared.log().begin(after);
        let (shared, pulse) = (Arc::clone(shared), Instant::now());
        Ok(Self { shared, seat, wanted, place, owed, pulse, too_slow: false })
    }

    /// What is to be told next; nothing when the stream ends.
    ///
    /// Dropping the future loses nothing.
    pub(in crate::web) async fn next(&mut self) -> Option<Said> {
        loop {
            if self.seat.has_ended() || self.too_slow {
                return None;
            }
            if let Some(missed) = self.owed.take() {
                self.count_missed(missed);
                return Some(Said::Missed(missed, self.position()));
            }
            let now = Instant::now();
            if self.pulse <= now {
                self.pulse = now + self.shared.settings.heartbeat;
                return Some(Said::Pulse(self.position()));
            }
            let step = self.shared.log().read(&mut self.place, &self.wanted);
            match step {
                Step::Message(entry) => return Some(Said::Message(entry)),
                Step::Behind(missed) => self.fall_behind(missed),
                // In either case there is something to look at.
                Step::Nothing => drop(timeout_at(self.pulse, self.seat.rung()).await),
            }
        }
    }

    /// Until all streams are to end, also while this reader waits for its browser.
    pub(in crate::web) fn ended(&self) -> impl Future<Output = ()> + use<> {
        self.seat.ended()
    }

    /// Whether the stream ended because nobody read it fast enough.
    pub(in crate::web) const fn was_too_slow(&self) -> bool {
        self.too_slow
    }

    fn fall_behind(&mut self, missed: u64) {
        match self.shared.settings.slow {
            Slow::Skip => self.owed = Some(Some(missed)),
            Slow::Drop => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                self.too_slow = true;
            }
        }
    }

    fn count_missed(&self, missed: Option<u64>) {
        self.shared.missed.fetch_add(missed.unwrap_or(0), Ordering::Relaxed);
    }

    /// The id of what it has read last, or skipped.
    fn position(&self) -> String {
        self.shared.epoch.id(self.place.next - 1)
    }
}

/// The prefixes that are asked for, each of which must be allowed.
fn wanted<'a>(
    shared: &Shared,
    topics: impl Iterator<Item = &'a str> + Clone,
) -> Result<Vec<Bytes>, Problem> {
    let allowed = &shared.settings.allowed;
    if topics.clone().count() > shared.settings.max_topics {
        return Err(bad_request("More topics than one may choose."));
    }
    let wanted = topics.map(|topic| {
        let is_allowed = allowed.iter().any(|allowed| allowed.matches(topic.as_bytes()));
        let copied = || Bytes::copy_from_slice(topic.as_bytes());
        is_allowed.then(copied).ok_or_else(|| forbidden_topic(topic))
    });
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    if wanted.is_empty() {
        return Ok(allowed.iter().map(|topic| Bytes::copy_from_slice(topic.as_bytes())).collect());
    }
    Ok(wanted)
}
