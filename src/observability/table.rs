//! The metrics, written once: the code, the descriptions and `docs/observability.md`
//! are held to it.

use metrics::{Label, Unit};

use crate::counters::Counter;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    /// Besides those of its socket or route.
    #[cfg(test)]
    labels: &'static [&'static str],
    /// Those that are always the same.
    fixed: &'static [(&'static str, &'static str)],
    pub(super) meaning: &'static str,
}

impl Row {
    /// The labels of one of its series.
    pub(super) fn labels(
        &self,
        whose: &[Label],
        more: Option<(&'static str, String)>,
    ) -> Vec<Label> {
        let fixed = self.fixed.iter().map(|(key, value)| Label::from_static_parts(key, value));
        let more = more.map(|(key, value)| Label::new(key, value));
        whose.iter().cloned().chain(fixed).chain(more).collect()
    }
}

macro_rules! rows {
    ($($name:ident: $kind:ident $text:literal $unit:ident $labels:tt $fixed:tt $meaning:literal;)+) => {
        $(pub(super) static $name: Row = Row {
            name: $text,
            kind: Kind::$kind,
            unit: Unit::$unit,
            #[cfg(test)]
            labels: &$labels,
            fixed: &$fixed,
            meaning: $meaning,
        };)+

        /// Every metric.
        pub(super) static ALL: &[&Row] = &[$(&$name,)+];
    };
}

rows! {
    SENT: Counter "messaging.client.sent.messages" Count ["socket", "type"]
        [("messaging.system", "zeromq"), ("messaging.operation.name", "send")]
        "Messages that libzmq accepted.";
    RECEIVED: Counter "messaging.client.consumed.messages" Count ["socket", "type"]
        [("messaging.system", "zeromq"), ("messaging.operation.name", "receive")]
        "Messages that were read from libzmq.";
    REQUEST_TIME: Histogram "messaging.client.operation.duration" Seconds ["socket", "type"]
        [("messaging.system", "zeromq"), ("messaging.operation.name", "request")]
        "How long requests took that were answered.";
    SENT_BYTES: Counter "zmq.socket.sent.bytes" Bytes ["socket", "type"] []
        "Bytes that libzmq accepted, framing of this crate included.";
    RECEIVED_BYTES: Counter "zmq.socket.received.bytes" Bytes ["socket", "type"] []
        "Bytes that were read from libzmq.";
    DROPPED: Counter "zmq.socket.dropped.messages" Count ["socket", "type", "reason"] []
        "Messages that were refused, dropped, given back or not delivered, by the counter that tells why.";
    LOST: Counter "zmq.socket.lost.messages" Count ["socket", "type"] []
        "Those of them that nobody awaited: lost, but for this count.";
    ENDED: Counter "zmq.socket.requests.ended" Count ["socket", "type", "outcome"] []
        "Requests that have ended: answered, timed_out, unreachable or cancelled.";
    WITHDRAWN: Counter "zmq.socket.requests.withdrawn" Count ["socket", "type"] []
        "Requests taken back from the queue after a timeout or cancellation.";
    RESENT: Counter "zmq.socket.requests.resent" Count ["socket", "type"] []
        "Requests sent again after a restart, or after the last peer was lost.";
    IN_FLIGHT: Gauge "zmq.socket.requests.in_flight" Count ["socket", "type"] []
        "Requests in flight, or received and not answered yet.";
    QUEUED: Gauge "zmq.socket.queue.messages" Count ["socket", "type"] []
        "Messages in the outbound queue.";
    QUEUED_BYTES: Gauge "zmq.socket.queue.bytes" Bytes ["socket", "type"] []
        "Bytes in the outbound queue.";
    LIMIT: Gauge "zmq.socket.queue.limit.messages" Count ["socket", "type"] []
        "How many messages may wait in the outbound queue.";
    LIMIT_BYTES: Gauge "zmq.socket.queue.limit.bytes" Bytes ["socket", "type"] []
        "How many bytes may wait in the outbound queue.";
    PEERS: Gauge "zmq.socket.peers" Count ["socket", "type"] []
        "Peers that are connected; not there with `monitor(false)`.";
    STATE: Gauge "zmq.socket.state" Count ["socket", "type", "state"] []
        "How many sockets are in the state: opening, up, down or closing.";
    RESTARTS: Counter "zmq.socket.restarts" Count ["socket", "type"] []
        "How often the socket was opened again.";
    MISSED: Counter "zmq.socket.missed.events" Count ["socket", "type"] []
        "Events that a slow watcher missed.";
    CALLS: Counter "zmq.service.calls.ended" Count ["service", "route", "outcome"] []
        "Calls that a service has answered: with a result (answered), or with a failure, by its name.";
    CALLS_NOW: Gauge "zmq.service.calls.in_flight" Count ["service", "route"] []
        "Calls that the actors of a route have, or are to have.";
    CALL_TIME: Histogram "messaging.process.duration" Seconds ["service", "route"]
        [("messaging.system", "zeromq"), ("messaging.operation.name", "process")]
        "From the arrival of a call to its answer, of calls that were answered with a result.";
}

/// Where a counter is told, and what its label says there. A new counter does
/// not compile without a place.
pub(super) fn place(counter: Counter) -> (&'static Row, Option<&'static str>) {
    match counter {
        Counter::Sent => (&SENT, None),
        Counter::SentBytes => (&SENT_BYTES, None),
        Counter::Received => (&RECEIVED, None),
        Counter::ReceivedBytes => (&RECEIVED_BYTES, None),
        Counter::Rejected
        | Counter::Dropped
        | Counter::Undecodable
        | Counter::Undelivered
        | Counter::Filtered
        | Counter::Returned
        | Counter::LateReplies
        | Counter::Unroutable
        | Counter::Unanswered
        | Counter::Reaped => (&DROPPED, Some("reason")),
        Counter::Lost => (&LOST, None),
        Counter::TimedOut | Counter::Unreachable | Counter::Cancelled => (&ENDED, Some("outcome")),
        Counter::Withdrawn => (&WITHDRAWN, None),
        Counter::Resent => (&RESENT, None),
        Counter::Restarts => (&RESTARTS, None),
        Counter::MissedEvents => (&MISSED, None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A row as it is written in docs/observability.md.
    fn written(row: &Row) -> String {
        let unit = match row.unit {
            Unit::Seconds => "s",
            Unit::Bytes => "By",
            _ => "1",
        };
        let kind = match row.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = row.labels.iter().chain(row.fixed.iter().map(|(key, _)| key));
        let labels: Vec<String> = labels.map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind} | {unit} | {} | {} |", row.name, labels.join(", "), row.meaning)
    }

    #[test]
    fn the_document_has_the_rows_of_the_code_and_no_others() {
        let document = include_str!("../../docs/observability.md");
        let rows: Vec<String> = ALL.iter().map(|row| written(row)).collect();
        let in_document: Vec<&str> = document
            .lines()
            .skip_while(|line| !line.starts_with("| Metric "))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert_eq!(in_document, rows, "docs/observability.md should have\n{}", rows.join("\n"));
    }

    #[test]
    fn no_name_is_another_metrics_or_its_namespace() {
        let names: BTreeSet<_> = ALL.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ALL.len());
        for name in &names {
            let inside = format!("{name}.");
            assert!(names.iter().all(|other| !other.starts_with(&inside)), "{name}");
        }
    }

    #[test]
    fn a_counter_is_told_where_its_label_is() {
        for counter in Counter::ALL {
            let (row, label) = place(*counter);
            assert_eq!(row.kind, Kind::Counter, "{counter}");
            assert_eq!(label, row.labels.get(2).copied(), "{counter}");
        }
    }
}
