//! Many deliveries in one mailbox message, with credit.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use actix::{Message, Recipient};
use futures::task::AtomicWaker;

use super::{Decoder, Gone, Outlet};
use crate::codec::Undecodable;

/// The largest batch; a smaller window makes it smaller.
const LARGEST: usize = 256;

/// Several deliveries at once, in the order of their arrival.
///
/// The socket counts them as handled when the batch, or the iterator made of
/// it, is dropped. Keep it for as long as the work takes, and the socket reads
/// no faster than you work.
pub struct Batch<T> {
    items: Vec<T>,
    credit: Option<Credit>,
}

impl<T> Batch<T> {
    /// A batch that no socket waits for, to call a handler in a test.
    #[must_use]
    pub const fn new(items: Vec<T>) -> Self {
        Self { items, credit: None }
    }
}

impl<T> Deref for Batch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T: fmt::Debug> fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}

impl<T: 'static> Message for Batch<T> {
    type Result = ();
}

impl<T> IntoIterator for Batch<T> {
    type Item = T;
    type IntoIter = BatchIter<T>;

    fn into_iter(self) -> BatchIter<T> {
        BatchIter { items: self.items.into_iter(), _credit: self.credit }
    }
}

impl<'a, T> IntoIterator for &'a Batch<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// The deliveries of a [`Batch`], one by one; counted as handled when it is dropped.
pub struct BatchIter<T> {
    items: std::vec::IntoIter<T>,
    _credit: Option<Credit>,
}

impl<T> Iterator for BatchIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<T> ExactSizeIterator for BatchIter<T> {}

impl<T: fmt::Debug> fmt::Debug for BatchIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.items.as_slice()).finish()
    }
}

/// Gives its deliveries' credit back when dropped.
struct Credit {
    deliveries: usize,
    ledger: Arc<Ledger>,
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.ledger.unhandled.fetch_sub(self.deliveries, Ordering::AcqRel);
        self.ledger.waker.wake();
    }
}

#[derive(Default)]
struct Ledger {
    unhandled: AtomicUsize,
    waker: AtomicWaker,
}

pub(super) struct Batches<C, T: Send + 'static> {
    recipient: Recipient<Batch<T>>,
    decoder: PhantomData<fn(C)>,
    window: usize,
    held: Vec<T>,
    /// Deliveries that went to a mailbox which was closed.
    lost: usize,
    ledger: Arc<Ledger>,
}

impl<C, T: Send + 'static> Batches<C, T> {
    pub(super) fn new(recipient: Recipient<Batch<T>>, window: usize) -> Self {
        Self {
            recipient,
            decoder: PhantomData,
            window,
            held: Vec::new(),
            lost: 0,
            ledger: Arc::default(),
        }
    }

    fn hand_over(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let room = self.held.len();
        let items = std::mem::replace(&mut self.held, Vec::with_capacity(room));
        let deliveries = items.len();
        self.ledger.unhandled.fetch_add(deliveries, Ordering::AcqRel);
        let credit = Some(Credit { deliveries, ledger: Arc::clone(&self.ledger) });
        if !self.recipient.connected() {
            self.lost += deliveries;
        }
        // The mailbox's own capacity is not asked: the window bounds it.
        self.recipient.do_send(Batch { items, credit });
    }

    fn unhandled(&self) -> usize {
        self.ledger.unhandled.load(Ordering::Acquire) + self.held.len()
    }
}

impl<D, T, C> Outlet<D> for Batches<C, T>
where
    T: Send + 'static,
    C: Decoder<D, Into = T>,
{
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        if !self.recipient.connected() {
            return Poll::Ready(Err(Gone { unconfirmed: self.unhandled() + self.lost }));
        }
        let room = self.window.saturating_sub(self.unhandled());
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        // What is held back cannot be handled, so it would be waited for in vain.
        self.hand_over();
        self.ledger.waker.register(cx.waker());
        match self.window.saturating_sub(self.unhandled()) {
            0 => Poll::Pending,
            room => Poll::Ready(Ok(room)),
        }
    }

    fn deliver(&mut self, delivery: D) -> Result<(), Undecodable> {
        self.held.push(C::decode(delivery)?);
        if self.held.len() >= LARGEST.min(self.window) {
            self.hand_over();
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.hand_over();
    }

    fn set_window(&mut self, deliveries: usize) {
        self.window = deliveries;
    }
}
