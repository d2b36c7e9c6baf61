//! Whether anybody is there to answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::shared::Shared;

/// What a requester that fails fast knows of its peers.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// Kept to be told of peers within the process, and to say when not any more.
    shared: Option<Arc<Shared>>,
    had: bool,
    alone_since: Option<Instant>,
    /// A reply has come since the last look: there may be more to read.
    replied: bool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    /// Nothing.
    No,
    /// The last peer has just gone: what has left is lost with it.
    Left,
    /// Nobody has come for too long.
    TooLong,
}

impl Company {
    pub(super) const fn replied(&mut self) {
        self.replied = true;
    }

    /// Looks whether anybody is there.
    pub(super) fn look(&mut self, shared: &Arc<Shared>, now: Instant, limit: Duration) -> Alone {
        if self.shared.is_none() {
            shared.family.waits(true);
            self.shared = Some(Arc::clone(shared));
        }
        let replied = std::mem::take(&mut self.replied);
        // Without a monitor nobody knows.
        if shared.peers() != Some(0) {
            self.had = true;
            self.alone_since = None;
            return Alone::No;
        }
        let since = *self.alone_since.get_or_insert(now);
        if self.had && replied {
            // What the peer sent before it went is read first.
            return Alone::No;
        }
        match std::mem::take(&mut self.had) {
            true => Alone::Left,
            false if now.saturating_duration_since(since) >= limit => Alone::TooLong,
            false => Alone::No,
        }
    }

    /// When to look again, while there are requests.
    pub(super) fn next_look(&self, limit: Duration) -> Option<Instant> {
        let since = self.alone_since?;
        if self.had { Some(since) } else { since.checked_add(limit) }
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.family.waits(false);
        }
    }
}
