//! A closure on the socket's own task.

use std::task::{Context, Poll};

use super::{Decoder, Gone, Outlet, Refusal};

pub(super) struct Inline<D, T, F> {
    decode: Decoder<D, T>,
    closure: F,
}

impl<D, T, F> Inline<D, T, F> {
    pub(super) const fn new(decode: Decoder<D, T>, closure: F) -> Self {
        Self { decode, closure }
    }
}

impl<D, T, F: FnMut(T)> Outlet<D> for Inline<D, T, F> {
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn deliver(&mut self, delivery: D) -> Result<(), Refusal> {
        let value = (self.decode)(delivery).map_err(Refusal::Undecodable)?;
        (self.closure)(value);
        Ok(())
    }
}
