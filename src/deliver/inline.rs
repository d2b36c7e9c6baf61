//! A closure on the socket's own task.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
        // The closure's own state is its author's business after a panic; ours
        // is not touched by it.
        catch_unwind(AssertUnwindSafe(|| (self.closure)(value)))
            .map_err(|panic| Refusal::Panicked(text_of(panic.as_ref())))
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a text".to_owned()
    }
}
