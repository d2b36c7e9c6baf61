//! A proxy's thread, as seen from its actor.

use std::collections::VecDeque;

use futures::channel::oneshot;

use crate::actors::shared::Shared;
use crate::counters::Counter;
use crate::engine::tap::Tap;
use crate::error::Result;
use crate::messages::{ProxyStatistics, SideStatistics};
use crate::multipart::Multipart;
use crate::sys::{Errno, Socket};

/// A proxy that runs.
pub(super) struct Live {
    pub(super) control: Tap,
    pub(super) captured: Option<Tap>,
    /// Who waits for statistics, in the order of the questions.
    pub(super) asked: VecDeque<Asked>,
    /// What was counted of the statistics already.
    pub(super) counted: ProxyStatistics,
    /// How it ended, with the socket at the other end of `control`.
    pub(super) outcome: oneshot::Receiver<(std::result::Result<(), Errno>, Socket)>,
    pub(super) told_to_end: bool,
}

/// Who waits for the thread to have come so far.
pub(super) enum Asked {
    Statistics(oneshot::Sender<Result<ProxyStatistics>>),
    Done(oneshot::Sender<Result<()>>),
    Nobody,
}

impl Live {
    /// Has the thread do something, and answer with its figures when that is done.
    pub(super) fn steer(
        &mut self,
        command: Option<&'static str>,
        asked: Asked,
    ) -> std::result::Result<(), Errno> {
        for command in command.into_iter().chain(["STATISTICS"]) {
            self.say(command)?;
        }
        self.asked.push_back(asked);
        Ok(())
    }

    pub(super) fn say(&mut self, command: &'static str) -> std::result::Result<(), Errno> {
        self.control.send(command.into())
    }
}

/// Eight numbers, each as the machine writes it.
pub(super) fn parse(frames: &Multipart) -> ProxyStatistics {
    let number = |at: usize| -> u64 {
        let bytes = frames.get(at).and_then(|frame| frame.first_chunk::<8>());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    };
    let side = |at| SideStatistics {
        received: number(at),
        received_bytes: number(at + 1),
        sent: number(at + 2),
        sent_bytes: number(at + 3),
    };
    ProxyStatistics { frontend: side(0), backend: side(4) }
}

/// Adds what is new to the socket's counters.
pub(super) fn count(shared: &Shared, counted: &mut ProxyStatistics, now: &ProxyStatistics) {
    let before = std::mem::replace(counted, *now);
    for (counter, field) in [
        (Counter::Received, (|side| side.received) as fn(&SideStatistics) -> u64),
        (Counter::ReceivedBytes, |side| side.received_bytes),
        (Counter::Sent, |side| side.sent),
        (Counter::SentBytes, |side| side.sent_bytes),
    ] {
        let sum = |of: &ProxyStatistics| field(&of.frontend) + field(&of.backend);
        shared.count(counter, sum(now).saturating_sub(sum(&before)));
    }
}
