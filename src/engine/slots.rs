//! Places where whoever waits for an answer is parked.
//!
//! A handler reserves a place and returns; the waiting half arrives a moment
//! later, and the answer when libzmq has taken the message. No task and no
//! future per message.

use std::cell::RefCell;
use std::rc::Rc;

use slab::Slab;

/// A table of parked waiters, shared by the handlers and the pump of one socket.
pub(crate) struct Slots<W>(Rc<RefCell<Slab<Option<W>>>>);

impl<W> Slots<W> {
    /// Reserves a place.
    pub(crate) fn reserve(&self) -> usize {
        self.0.borrow_mut().insert(None)
    }

    /// Parks a waiter in a reserved place; a place that is gone drops it.
    pub(crate) fn park(&self, key: usize, waiter: W) {
        if let Some(place) = self.0.borrow_mut().get_mut(key) {
            *place = Some(waiter);
        }
    }

    /// Whether somebody waits in this place.
    pub(crate) fn is_waiting(&self, key: usize) -> bool {
        self.0.borrow().get(key).is_some_and(Option::is_some)
    }

    /// Frees the place and hands out who waited there.
    pub(crate) fn take(&self, key: usize) -> Option<W> {
        self.0.borrow_mut().try_remove(key).flatten()
    }
}

impl<W> Clone for Slots<W> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<W> Default for Slots<W> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Slab::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn a_waiter_is_handed_out_once() {
        let slots = Slots::default();
        let key = slots.reserve();
        assert!(!slots.is_waiting(key));
        slots.park(key, "waiter");
        assert!(slots.is_waiting(key));
        assert_eq!(slots.take(key), Some("waiter"));
        assert_eq!(slots.take(key), None);
        slots.park(key, "too late");
        assert_eq!(slots.take(key), None);
    }
}
