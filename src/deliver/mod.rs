//! Who gets a received message, how, and how much of it at a time.
//!
//! | Way | Cost | For |
//! |---|---|---|
//! | [`Receiver::inline`], a closure on the socket's own task | least | hot paths, forwarding |
//! | `Recipient<Batch<T>>` | a mailbox message per batch | actors that take many |
//! | `Recipient<T>` | a mailbox message each | convenience |
//!
//! A recipient has *credit*: so many deliveries may be unhandled at a time.
//! When it is spent the socket is not read, libzmq's queue fills, and the peer
//! feels its high-water mark. No mailbox grows without bound.

mod batch;
mod each;
mod inline;

use std::fmt;
use std::task::{Context, Poll};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};

pub use batch::{Batch, BatchIter};
pub(crate) use each::let_go;

use crate::codec::{Codec, Undecodable};
use crate::multipart::Multipart;
use crate::shield::shielded;

/// How many deliveries a recipient may have unhandled, by default. With 4,096
/// a mailbox on another arbiter keeps up at half of raw libzmq's speed for
/// the smallest messages; with 512 at somewhat less.
const WINDOW: usize = 4_096;

/// A delivery: something that a socket's raw message can be decoded into.
pub trait Delivery: Message<Result = ()> + Send + Sized + 'static {
    /// The message as frames.
    type Raw: Send + 'static;

    /// Decodes the body.
    ///
    /// # Errors
    /// [`Undecodable`] with the frames.
    fn from_raw(raw: Self::Raw) -> Result<Self, Undecodable>;
}

/// A raw delivery that nobody has to answer, so that its value alone can be delivered.
pub trait OneWay: Send + 'static {
    /// The body's frames.
    fn into_body(self) -> Multipart;
}

/// Where the deliveries `D` of a socket go: a closure or a recipient, with a
/// decoder in front.
///
/// Most are made by conversion: `deliver_to` takes a `Recipient<M>` or a
/// `Recipient<Batch<M>>` of a delivery `M` such as
/// `Pulled` or `TopicMessage<Json<Price>>`. [`Values`] makes those that
/// deliver the bare value.
pub struct Receiver<D>(Box<dyn Outlet<D> + Send>);

impl<D: Send + 'static> Receiver<D> {
    /// Calls a closure, on the socket's own task, for each message.
    ///
    /// The closure must not block: it runs on the arbiter. If it panics, the
    /// message is lost and counted, and the socket restarts.
    #[must_use]
    pub fn inline<M, F>(closure: F) -> Self
    where
        M: Delivery<Raw = D>,
        F: FnMut(M) + Send + 'static,
    {
        Self(Box::new(inline::Inline::new(M::from_raw, closure)))
    }

    /// How many deliveries may be unhandled before the socket stops reading.
    ///
    /// No effect on a closure. At least 1.
    ///
    /// # Default
    /// 4,096
    #[must_use]
    pub fn window(mut self, deliveries: usize) -> Self {
        self.0.set_window(deliveries.max(1));
        self
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.0.poll_ready(cx)
    }

    /// Delivers one message; a panic in the user's closure or decoder is a refusal.
    pub(crate) fn deliver(&mut self, delivery: D) -> Result<(), Refusal> {
        shielded(|| self.0.deliver(delivery)).map_err(Refusal::Panicked)?
    }

    pub(crate) fn flush(&mut self) {
        self.0.flush();
    }
}

impl<D> fmt::Debug for Receiver<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// What becomes a [`Receiver`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot receive the deliveries of this socket",
    note = "give a `Recipient<M>` or `Recipient<Batch<M>>` of this socket's delivery: `Pulled`, `TopicMessage` or `IncomingRequest`, or a `Receiver`"
)]
pub trait IntoReceiver<D> {
    /// Makes the receiver.
    fn into_receiver(self) -> Receiver<D>;
}

impl<D> IntoReceiver<D> for Receiver<D> {
    fn into_receiver(self) -> Self {
        self
    }
}

impl<M: Delivery> IntoReceiver<M::Raw> for Recipient<M> {
    fn into_receiver(self) -> Receiver<M::Raw> {
        Receiver(Box::new(each::Each::new(self, M::from_raw, WINDOW)))
    }
}

impl<M: Delivery> IntoReceiver<M::Raw> for Recipient<Batch<M>> {
    fn into_receiver(self) -> Receiver<M::Raw> {
        Receiver(Box::new(batch::Batches::new(self, M::from_raw, WINDOW)))
    }
}

/// Deliveries of the bare value in a codec: `Json::<Price>::recipient(&ticker)`.
pub trait Values: Codec {
    /// Delivers values one by one to an actor that handles them.
    #[must_use]
    fn recipient<D, A>(actor: &Addr<A>) -> Receiver<D>
    where
        D: OneWay,
        Self: crate::codec::Decode,
        Self::Value: Message + Send + 'static,
        <Self::Value as Message>::Result: Send,
        A: Actor + Handler<Self::Value>,
        A::Context: ToEnvelope<A, Self::Value>,
    {
        Receiver(Box::new(each::Each::new(actor.clone().recipient(), value::<Self, D>, WINDOW)))
    }

    /// Delivers values in batches to an actor that handles those.
    #[must_use]
    fn batches<D, A>(actor: &Addr<A>) -> Receiver<D>
    where
        D: OneWay,
        Self: crate::codec::Decode,
        Self::Value: Send + 'static,
        A: Actor + Handler<Batch<Self::Value>>,
        A::Context: ToEnvelope<A, Batch<Self::Value>>,
    {
        Receiver(Box::new(batch::Batches::new(actor.clone().recipient(), value::<Self, D>, WINDOW)))
    }

    /// Calls a closure with each value, as [`Receiver::inline`] does with messages.
    #[must_use]
    fn each<D, F>(closure: F) -> Receiver<D>
    where
        D: OneWay,
        Self: crate::codec::Decode,
        Self::Value: Send + 'static,
        F: FnMut(Self::Value) + Send + 'static,
    {
        Receiver(Box::new(inline::Inline::new(value::<Self, D>, closure)))
    }
}

impl<C: Codec> Values for C {}

fn value<C, D>(raw: D) -> Result<C::Value, Undecodable>
where
    C: Codec + crate::codec::Decode,
    D: OneWay,
{
    C::decode(raw.into_body()).map(C::into_value)
}

/// The mechanism behind a [`Receiver`].
trait Outlet<D> {
    /// Whether another delivery may be made; if not, the task is woken when it may.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;
    /// Delivers one message; only after `poll_ready` was ready.
    fn deliver(&mut self, delivery: D) -> Result<(), Refusal>;
    /// Hands over what is held back.
    fn flush(&mut self) {}
    fn set_window(&mut self, _deliveries: usize) {}
}

/// The receiver cannot take anything any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Deliveries that were never confirmed as handled.
    pub(crate) unconfirmed: usize,
}

/// Why a delivery failed.
#[derive(Debug)]
pub(crate) enum Refusal {
    Undecodable(Undecodable),
    Panicked(String),
}

/// A decoder from the raw delivery.
type Decoder<D, T> = fn(D) -> Result<T, Undecodable>;

#[cfg(test)]
mod tests;
