//! The sockets of a factory.

use std::any::Any;
use std::sync::Arc;

use super::super::shared::Shared;
use crate::messages::{SocketId, SocketState};

/// Everything the factory has opened and that is not closed yet.
#[derive(Default)]
pub(crate) struct Registry {
    last: u64,
    entries: Vec<Entry>,
}

struct Entry {
    shared: Arc<Shared>,
    /// The socket's address: it lives at least as long as this.
    _address: Box<dyn Any>,
}

impl Registry {
    pub(crate) const fn next_id(&mut self) -> SocketId {
        self.last += 1;
        SocketId(self.last)
    }

    pub(crate) fn add(&mut self, shared: Arc<Shared>, address: Box<dyn Any>) {
        self.forget_closed();
        self.entries.push(Entry { shared, _address: address });
    }

    /// The sockets that are not closed.
    pub(crate) fn shared(&mut self) -> Vec<Arc<Shared>> {
        self.forget_closed();
        self.entries.iter().map(|entry| Arc::clone(&entry.shared)).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    fn forget_closed(&mut self) {
        self.entries.retain(|entry| entry.shared.state() != SocketState::Closed);
    }
}
