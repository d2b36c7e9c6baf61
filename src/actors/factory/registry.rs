//! The sockets of a factory.

use std::sync::Arc;

use actix::Recipient;

use super::super::shared::{LastCall, Shared};
use crate::messages::{SocketId, SocketState};

/// Everything the factory has opened and that is not closed yet.
#[derive(Default)]
pub(crate) struct Registry {
    last: u64,
    entries: Vec<Entry>,
}

struct Entry {
    shared: Arc<Shared>,
    /// The socket lives at least as long as this address of it.
    last_call: Recipient<LastCall>,
}

impl Registry {
    pub(crate) const fn next_id(&mut self) -> SocketId {
        self.last += 1;
        SocketId(self.last)
    }

    pub(crate) fn add(&mut self, shared: Arc<Shared>, last_call: Recipient<LastCall>) {
        self.forget_closed();
        self.entries.push(Entry { shared, last_call });
    }

    /// The sockets that are not closed.
    pub(crate) fn shared(&mut self) -> Vec<Arc<Shared>> {
        self.forget_closed();
        self.entries.iter().map(|entry| Arc::clone(&entry.shared)).collect()
    }

    /// Tells every socket that what it has been sent by now was the last.
    pub(crate) fn last_call(&self) {
        for entry in &self.entries {
            entry.last_call.do_send(LastCall);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    fn forget_closed(&mut self) {
        self.entries.retain(|entry| entry.shared.state() != SocketState::Closed);
    }
}
