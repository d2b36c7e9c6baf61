//! A mailbox message each, with credit.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix::dev::RecipientRequest;
use actix::{Message, Recipient};

use super::{Decoder, Gone, Outlet};
use crate::codec::Undecodable;

/// Every so many deliveries one asks to be told when it is handled. A mailbox
/// is first in, first out, so its answer vouches for all before it.
const CONFIRMATIONS_PER_WINDOW: usize = 16;

pub(super) struct Each<C, T>
where
    T: Message + Send + 'static,
    T::Result: Send,
{
    recipient: Recipient<T>,
    decoder: PhantomData<fn(C)>,
    window: usize,
    unconfirmed: usize,
    since_confirmation: usize,
    /// Confirmations under way, oldest first, and how many deliveries each vouches for.
    confirmations: VecDeque<(Pin<Box<RecipientRequest<T>>>, usize)>,
    /// Deliveries that will not be confirmed any more.
    lost: usize,
}

impl<C, T> Each<C, T>
where
    T: Message + Send + 'static,
    T::Result: Send,
{
    pub(super) fn new(recipient: Recipient<T>, window: usize) -> Self {
        Self {
            recipient,
            decoder: PhantomData,
            window,
            unconfirmed: 0,
            since_confirmation: 0,
            confirmations: VecDeque::new(),
            lost: 0,
        }
    }

    const fn stride(&self) -> usize {
        let stride = self.window / CONFIRMATIONS_PER_WINDOW;
        if stride == 0 { 1 } else { stride }
    }

    /// Takes the confirmations that have come; the task is woken for the next one.
    fn settle(&mut self, cx: &mut Context<'_>) {
        while let Some((request, vouches_for)) = self.confirmations.front_mut() {
            let Poll::Ready(answer) = request.as_mut().poll(cx) else { break };
            let deliveries = *vouches_for;
            self.confirmations.pop_front();
            self.settled(deliveries, answer.is_ok());
        }
    }

    fn hand_over(&mut self, value: T) {
        self.unconfirmed += 1;
        self.since_confirmation += 1;
        if self.since_confirmation < self.stride() {
            // The mailbox's own capacity is not asked: the window bounds it.
            self.recipient.do_send(value);
            return;
        }
        let mut request = Box::pin(self.recipient.send(value));
        // The first poll is what puts the message into a mailbox that is full;
        // the waker comes later, when there is something to wait for.
        let mut unwatched = Context::from_waker(Waker::noop());
        match request.as_mut().poll(&mut unwatched) {
            Poll::Pending => self.confirmations.push_back((request, self.since_confirmation)),
            Poll::Ready(answer) => self.settled(self.since_confirmation, answer.is_ok()),
        }
        self.since_confirmation = 0;
    }

    /// Credit comes back either way: a handler may have thrown its answer away.
    const fn settled(&mut self, deliveries: usize, is_confirmed: bool) {
        self.unconfirmed = self.unconfirmed.saturating_sub(deliveries);
        if !is_confirmed {
            self.lost += deliveries;
        }
    }
}

impl<D, C, T> Outlet<D> for Each<C, T>
where
    C: Decoder<D, Into = T>,
    T: Message + Send + 'static,
    T::Result: Send,
{
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        if !self.recipient.connected() {
            // What was handled before the mailbox closed has been answered.
            self.settle(cx);
            return Poll::Ready(Err(Gone { unconfirmed: self.unconfirmed + self.lost }));
        }
        if self.unconfirmed >= self.window {
            self.settle(cx);
        }
        match self.window.saturating_sub(self.unconfirmed) {
            0 => Poll::Pending,
            room => Poll::Ready(Ok(room)),
        }
    }

    fn deliver(&mut self, delivery: D) -> Result<(), Undecodable> {
        self.hand_over(C::decode(delivery)?);
        Ok(())
    }

    fn set_window(&mut self, deliveries: usize) {
        self.window = deliveries;
    }
}

impl<C, T> Drop for Each<C, T>
where
    T: Message + Send + 'static,
    T::Result: Send,
{
    fn drop(&mut self) {
        for (request, _) in self.confirmations.drain(..) {
            let_go(request);
        }
    }
}

/// Gives up waiting for an answer, and not the message itself: Actix discards
/// a message whose sender has stopped waiting before it was handled.
pub(crate) fn let_go<T>(request: Pin<Box<RecipientRequest<T>>>)
where
    T: Message + Send + 'static,
    T::Result: Send,
{
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(request)),
        // Without a runtime there is nobody to wait in its place: a few bytes
        // are left behind at the end of a program.
        Err(_) => std::mem::forget(request),
    }
}
