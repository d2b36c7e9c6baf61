//! A closure on the socket's own task.

use std::marker::PhantomData;
use std::task::{Context, Poll};

use super::{Decoder, Gone, Outlet};
use crate::codec::Undecodable;

pub(super) struct Inline<C, F> {
    closure: F,
    decoder: PhantomData<fn(C)>,
}

impl<C, F> Inline<C, F> {
    pub(super) const fn new(closure: F) -> Self {
        Self { closure, decoder: PhantomData }
    }
}

impl<D, C, F> Outlet<D> for Inline<C, F>
where
    C: Decoder<D>,
    F: FnMut(C::Into),
{
    fn poll_room(&mut self, _cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        Poll::Ready(Ok(usize::MAX))
    }

    fn deliver(&mut self, delivery: D) -> Result<(), Undecodable> {
        (self.closure)(C::decode(delivery)?);
        Ok(())
    }
}
