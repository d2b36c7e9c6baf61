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
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::Instant;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};

pub use batch::{Batch, BatchIter};
pub(crate) use each::let_go;

use crate::codec::{Codec, Undecodable};
use crate::error::Error;
use crate::multipart::Multipart;
use crate::tally::Served;

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
pub struct Receiver<D> {
    outlet: Box<dyn Outlet<D> + Send>,
    /// What is wrong with it, for the opener.
    mistake: Option<Error>,
    /// The figures of a service.
    served: Option<Served>,
}

impl<D> Receiver<D> {
    /// A receiver of this mechanism.
    pub(crate) fn of(outlet: impl Outlet<D> + Send + 'static) -> Self {
        Self { outlet: Box::new(outlet), mistake: None, served: None }
    }

    /// With a mistake in it, or none.
    pub(crate) fn mistaken(mut self, mistake: Option<Error>) -> Self {
        self.mistake = mistake;
        self
    }

    /// A service, with its figures.
    pub(crate) fn serving(mut self, served: Served) -> Self {
        self.served = Some(served);
        self
    }

    #[cfg(feature = "metrics")]
    pub(crate) const fn served(&self) -> Option<&Served> {
        self.served.as_ref()
    }

    pub(crate) const fn take_mistake(&mut self) -> Option<Error> {
        self.mistake.take()
    }
}

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
        Self::of(inline::Inline::<Whole<M>, _>::new(closure))
    }

    /// How many deliveries may be unhandled before the socket stops reading.
    ///
    /// No effect on a closure. At least 1.
    ///
    /// # Default
    /// 4,096
    #[must_use]
    pub fn window(mut self, deliveries: usize) -> Self {
        self.outlet.set_window(deliveries.max(1));
        self
    }

    /// How many deliveries may be made, at least one when it is ready.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        self.outlet.poll_room(cx)
    }

    /// Delivers one message. The user's closure or decoder may panic.
    pub(crate) fn deliver(&mut self, delivery: D) -> Result<(), Undecodable> {
        self.outlet.deliver(delivery)
    }

    pub(crate) fn flush(&mut self) {
        self.outlet.flush();
    }

    /// Goes on with what was delivered before; see [`Outlet::tend`].
    pub(crate) fn tend(&mut self, cx: &mut Context<'_>) {
        self.outlet.tend(cx);
    }

    /// When `tend` has something to do, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.outlet.next_deadline()
    }

    /// Whether what can be answered is, by itself, in time.
    pub(crate) fn answers_all(&self) -> bool {
        self.outlet.answers_all()
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
        Receiver::of(each::Each::<Whole<M>, _>::new(self, WINDOW))
    }
}

impl<M: Delivery> IntoReceiver<M::Raw> for Recipient<Batch<M>> {
    fn into_receiver(self) -> Receiver<M::Raw> {
        Receiver::of(batch::Batches::<Whole<M>, _>::new(self, WINDOW))
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
        let recipient = actor.clone().recipient();
        Receiver::of(each::Each::<Value<Self>, _>::new(recipient, WINDOW))
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
        let recipient = actor.clone().recipient();
        Receiver::of(batch::Batches::<Value<Self>, _>::new(recipient, WINDOW))
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
        Receiver::of(inline::Inline::<Value<Self>, _>::new(closure))
    }
}

impl<C: Codec> Values for C {}

/// How a delivery becomes what the receiver takes.
trait Decoder<D> {
    type Into;

    fn decode(delivery: D) -> Result<Self::Into, Undecodable>;
}

/// The message, with a body that is decoded.
struct Whole<M>(PhantomData<fn(M)>);

impl<M: Delivery> Decoder<M::Raw> for Whole<M> {
    type Into = M;

    #[inline]
    fn decode(delivery: M::Raw) -> Result<M, Undecodable> {
        M::from_raw(delivery)
    }
}

/// The value in the body alone.
struct Value<C>(PhantomData<fn(C)>);

impl<D: OneWay, C: Codec + crate::codec::Decode> Decoder<D> for Value<C> {
    type Into = C::Value;

    #[inline]
    fn decode(delivery: D) -> Result<C::Value, Undecodable> {
        C::decode(delivery.into_body()).map(C::into_value)
    }
}

/// The mechanism behind a [`Receiver`].
pub(crate) trait Outlet<D> {
    /// How many deliveries may be made, at least one; if none may, the task is
    /// woken when one may.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>>;
    /// Delivers one message; only where there is room for it.
    fn deliver(&mut self, delivery: D) -> Result<(), Undecodable>;
    /// Hands over what is held back.
    fn flush(&mut self) {}
    fn set_window(&mut self, _deliveries: usize) {}
    /// Goes on with what was delivered before, each turn; the task is woken when
    /// there is more to do.
    fn tend(&mut self, _cx: &mut Context<'_>) {}
    /// When `tend` has something to do, at the latest.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }
    /// Whether what can be answered is, by itself, in time.
    fn answers_all(&self) -> bool {
        false
    }
}

/// The receiver cannot take anything any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Deliveries that were never confirmed as handled.
    pub(crate) unconfirmed: usize,
}

#[cfg(test)]
mod tests;
