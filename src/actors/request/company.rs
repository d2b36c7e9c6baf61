//! Whether anybody is there to answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::shared::Shared;
use crate::engine::entries::Key;

/// What a requester that fails fast knows of its peers.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// Kept to be told of peers within the process, and to say when not any more.
    shared: Option<Arc<Shared>>,
    had: bool,
    alone_since: Option<Instant>,
    /// A reply has come since the last look: there may be more to read.
    replied: bool,
    /// What had left when the last peer went, and is not known to be answered.
    suspects: Vec<Key>,
}

impl Company {
    pub(super) const fn replied(&mut self) {
        self.replied = true;
    }

    /// The last peer has gone, whoever has come since. What had left is lost,
    /// but for what the peer has answered before: that is read first.
    pub(super) fn left(&mut self, sent: Vec<Key>) {
        self.suspects.extend(sent);
        self.replied = true;
    }

    /// Looks whether anybody is there. `true` when the last peer has just gone.
    pub(super) fn look(&mut self, shared: &Arc<Shared>, now: Instant) -> bool {
        if self.shared.is_none() {
            shared.family.waits(true);
            self.shared = Some(Arc::clone(shared));
        }
        // Without a monitor nobody knows.
        if shared.peers() != Some(0) {
            self.had = true;
            self.alone_since = None;
            return false;
        }
        self.alone_since.get_or_insert(now);
        std::mem::take(&mut self.had)
    }

    /// What is lost with a peer, when all that it has sent is read.
    pub(super) fn lost(&mut self) -> Vec<Key> {
        if std::mem::take(&mut self.replied) {
            Vec::new()
        } else {
            std::mem::take(&mut self.suspects)
        }
    }

    /// Whether nobody has come for too long.
    pub(super) fn is_alone(&self, now: Instant, limit: Duration) -> bool {
        self.alone_since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
    }

    /// When to look again, while there are requests.
    pub(super) fn next_look(&self, now: Instant, limit: Duration) -> Option<Instant> {
        if !self.suspects.is_empty() {
            return Some(now);
        }
        self.alone_since?.checked_add(limit)
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.family.waits(false);
        }
    }
}
