//! What a socket type does beside the pump: its part.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::channel::oneshot;

use super::events::Events;
use super::shared::Shared;
use crate::codec::Undecodable;
use crate::counters::Counter;
use crate::deliver::{Gone, Receiver};
use crate::engine::entries::Key;
pub(crate) use crate::engine::port::Admitted;
use crate::engine::port::Sends;
use crate::engine::queue::{Bound, Outcome, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::framing::TopicFraming;
use crate::kinds::{Kind, Receives};
use crate::messages::EventKind;
use crate::multipart::Multipart;
use crate::shield::shielded;
use crate::sys;
#[cfg(feature = "metrics")]
use crate::tally::Served;
use crate::topology::Setting;

/// What a queued message has on its back.
#[derive(Debug)]
pub(crate) enum Ticket {
    /// A parked sender's slot; for a publication also the topic's length.
    Send { slot: usize, topic: usize },
    /// The same, for one of many that were sent at once.
    Part { batch: usize, topic: usize },
    /// A request.
    Request(Key),
    /// Who wants to know that a reply left.
    Reply(Option<oneshot::Sender<Result<()>>>),
    /// The socket's own word to a broker, by that one's number.
    Word(usize),
}

/// What became of a message that libzmq has not accepted: the error for whoever
/// awaits it, what is counted, and the message. Nothing for one that it has.
pub(crate) fn refused(outcome: Outcome) -> Option<(Error, Counter, Multipart)> {
    let (kind, counter, frames, bound) = match outcome {
        Outcome::Accepted(_) => return None,
        Outcome::Unroutable(frames) => {
            return Some((Error::new(ErrorKind::Unroutable), Counter::Unroutable, frames));
        }
        Outcome::Rejected(frames, bound @ Bound::Peer(_)) => {
            (ErrorKind::PeerFull, Counter::Rejected, frames, bound)
        }
        Outcome::Rejected(frames, bound) => (ErrorKind::Full, Counter::Rejected, frames, bound),
        Outcome::Dropped(frames, bound) => (ErrorKind::Dropped, Counter::Dropped, frames, bound),
    };
    let unit = match bound {
        Bound::Messages(_) => "messages in the queue",
        Bound::Bytes(_) => "bytes in the queue",
        Bound::Waiting(_) => "awaited messages beyond the queue's bound",
        Bound::Peer(_) => "messages or bytes in the queue, of which some wait for this peer",
    };
    Some((Error::new(kind).with_limit(bound.limit()).detail(unit), counter, frames))
}

/// A socket type with its parts: how it opens, and what it does with what it
/// receives. Sealed, like [`Kind`].
pub trait Pattern: Kind {
    /// What the blueprint sets for this type alone.
    #[doc(hidden)]
    type Setup: Default + Send + 'static;
    /// The part beside the pump.
    #[doc(hidden)]
    type Inbound: Inbound + Unpin + 'static;
    /// How libzmq opens it.
    #[doc(hidden)]
    const WIRING: Wiring;

    #[doc(hidden)]
    fn inbound(setup: Self::Setup) -> Self::Inbound;

    /// Takes a setting of a configuration file; `false` for one that it does not have.
    #[doc(hidden)]
    fn configure(_setup: &mut Self::Setup, _setting: Setting) -> bool {
        false
    }

    /// Whether its messages are single frames, so that libzmq can keep the newest alone.
    #[doc(hidden)]
    fn conflates(_setup: &Self::Setup) -> bool {
        true
    }

    /// The figures of the service that is to be served.
    #[cfg(feature = "metrics")]
    #[doc(hidden)]
    fn served(_setup: &Self::Setup) -> Option<Served> {
        None
    }

    /// What is wrong with a setup, before anything starts.
    #[doc(hidden)]
    fn check(_setup: &Self::Setup) -> Result<()> {
        Ok(())
    }
}

/// A pattern with a receiver to set.
pub trait Receiving: Pattern + Receives {
    #[doc(hidden)]
    fn set_receiver(setup: &mut Self::Setup, receiver: Receiver<Self::Delivery>);
}

/// A setup that says how topics are framed.
pub trait Framed {
    /// How.
    fn framing(&mut self) -> &mut TopicFraming;
}

/// How a socket type runs on libzmq.
#[derive(Clone, Copy, Debug)]
pub struct Wiring {
    pub(crate) raw: sys::SocketType,
    pub(crate) sends: Sends,
    pub(crate) receives: bool,
    /// `ZMQ_ROUTER_MANDATORY`: an unknown peer is an error, not a silent drop.
    pub(crate) mandatory: bool,
}

impl Wiring {
    /// How long a restart waits at least. A PAIR that still holds its old
    /// connection turns the new one away, for good and without a word.
    pub(crate) const fn pause(self) -> Duration {
        match self.raw {
            sys::SocketType::Pair => Duration::from_millis(100),
            _ => Duration::ZERO,
        }
    }
}

/// Counters, events, and the failure that a receiver reported.
pub struct Surroundings {
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: Events,
    pub(crate) failure: Option<Error>,
    /// What was refused, dropped, and refused for a full peer, unawaited, since the last event about it.
    lost: (u64, u64, u64),
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Surroundings {
    pub(crate) const fn new(shared: Arc<Shared>, events: Events) -> Self {
        Self { shared, events, failure: None, lost: (0, 0, 0) }
    }

    /// Counts a message that nobody gets back.
    pub(crate) fn lost(&mut self, kind: ErrorKind) {
        self.count(Counter::Lost);
        match kind {
            ErrorKind::Full => self.lost.0 += 1,
            ErrorKind::Dropped => self.lost.1 += 1,
            ErrorKind::PeerFull => self.lost.2 += 1,
            // The others have events of their own.
            _ => {}
        }
    }

    /// One event for all that was lost since the last one.
    pub(crate) fn report_losses(&mut self) {
        let (full, dropped, peers) = std::mem::take(&mut self.lost);
        for (messages, reason) in
            [(full, ErrorKind::Full), (dropped, ErrorKind::Dropped), (peers, ErrorKind::PeerFull)]
        {
            if messages > 0 {
                self.events.emit(EventKind::Lost { reason, messages });
            }
        }
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.shared.count(counter, 1);
    }

    /// Counts what cannot be decoded, and tells of it with its frames.
    pub(crate) fn undecodable(&mut self, undecodable: Undecodable) {
        self.count(Counter::Undecodable);
        if self.events.is_watched() {
            self.events.emit(EventKind::Undecodable {
                reason: undecodable.error().to_string().into(),
                frames: undecodable.into_frames(),
            });
        }
    }

    /// What a receiver could not read.
    pub(crate) fn delivered(&mut self, outcome: std::result::Result<(), Undecodable>) {
        if let Err(undecodable) = outcome {
            self.undecodable(undecodable);
        }
    }

    /// Runs what may call a user's code. `None` when that panicked: the message
    /// is counted, and the reason kept.
    pub(crate) fn shielded<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> Option<R> {
        shielded(|| work(self)).map_err(|text| self.broke(text)).ok()
    }

    /// A user's code panicked.
    pub(crate) fn broke(&mut self, text: String) {
        self.count(Counter::Undelivered);
        self.failure = Some(Error::new(ErrorKind::Panicked).detail(text));
    }

    /// How many deliveries a receiver takes; one that is gone is told of.
    pub(crate) fn room<D: Send + 'static>(
        &mut self,
        receiver: &mut Receiver<D>,
        told: &mut bool,
        cx: &mut Context<'_>,
    ) -> usize {
        match receiver.poll_room(cx) {
            Poll::Ready(Ok(room)) => room,
            Poll::Ready(Err(gone)) => {
                self.gone(told, gone);
                0
            }
            Poll::Pending => 0,
        }
    }

    /// Tells once that a receiver is gone; nothing is read for it any more.
    pub(crate) fn gone(&mut self, told: &mut bool, gone: Gone) {
        if !*told {
            *told = true;
            self.shared.count(Counter::Undelivered, gone.unconfirmed as u64);
            self.events.emit(EventKind::ReceiverGone { unconfirmed: gone.unconfirmed });
        }
    }
}

/// What becomes of a socket in step whose last request nobody awaits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It is still awaited, or there is none.
    Nothing,
    /// libzmq tells a late reply from the next one's: the next may go.
    Release,
    /// libzmq would not: the socket must be opened again.
    Reopen,
}

/// The part of a socket type that takes what is received, and what else is
/// its own: subscriptions, requests in flight, routes.
pub trait Inbound {
    /// How many messages may be read; if none, the task is woken when one may.
    fn room(&mut self, cx: &mut Context<'_>, around: &mut Surroundings) -> usize {
        let _ = (cx, around);
        usize::MAX
    }

    /// Takes a received message. A user's code that it calls may panic.
    fn accept(&mut self, message: Multipart, around: &mut Surroundings);

    /// What was decided on the subscription that was accepted last.
    fn admitted(&mut self) -> Option<Admitted> {
        None
    }

    /// How many subscribers would get a message with this topic, where that is known.
    fn subscribers(&self, topic: &[u8]) -> Option<usize> {
        let _ = topic;
        None
    }

    /// Whether nothing is to be sent for now.
    fn holds(&self, shared: &Shared) -> bool {
        let _ = shared;
        false
    }

    /// The last peer has gone; another one may have come since.
    fn left_alone(&mut self) {}

    /// Takes an answer that came when nothing was asked any more.
    fn late(&mut self, message: Multipart, around: &mut Surroundings) {
        let _ = (message, around);
    }

    /// What was sent in step is not awaited any more.
    fn abandoned(&mut self) -> Abandoned {
        Abandoned::Nothing
    }

    /// Hands over what was held back for a batch.
    fn flush(&mut self) {}

    /// A turn begins: registers the task with everything that may have news for it.
    fn register(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Offers what receivers have answered meanwhile, or queues it.
    fn take_answers(
        &mut self,
        queue: &mut Queue<Ticket>,
        around: &mut Surroundings,
        offer: &mut dyn FnMut(&mut Multipart) -> bool,
    ) {
        let _ = (queue, around, offer);
    }

    /// The turn is over.
    fn leave(&mut self, now: Instant, around: &Surroundings) {
        let _ = (now, around);
    }

    /// Ends what is due or given up.
    fn tend(&mut self, now: Instant, queue: &mut Queue<Ticket>, around: &mut Surroundings) {
        let _ = (now, queue, around);
    }

    /// When `tend` has something to do at the latest.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Sets up a socket that has just been opened, before its endpoints.
    fn opened(&mut self, socket: &sys::Socket) -> Result<()> {
        let _ = socket;
        Ok(())
    }

    /// A request or reply has left the queue, one way or another.
    fn done(&mut self, ticket: Ticket, outcome: Outcome, around: &mut Surroundings) {
        let _ = (ticket, outcome, around);
    }

    /// The application's part of a framed message, to be given back.
    fn unframed(&self, topic: usize, frames: Multipart) -> Multipart {
        let _ = topic;
        frames
    }

    /// Takes what is urgent among the messages read from a socket that is replaced.
    fn rescued(&mut self, stash: &mut VecDeque<Multipart>, around: &mut Surroundings) {
        let _ = (stash, around);
    }

    /// The socket is gone. Whether it will come back decides what is worth keeping.
    fn interrupted(
        &mut self,
        comes_back: bool,
        queue: &mut Queue<Ticket>,
        around: &mut Surroundings,
    ) {
        let _ = (comes_back, queue, around);
    }

    /// Nothing new is taken from now on.
    fn closing(&mut self, kind: ErrorKind, queue: &mut Queue<Ticket>, around: &mut Surroundings) {
        let _ = (kind, queue, around);
    }

    /// The socket is closed: whoever still waits is told.
    fn closed(&mut self, around: &mut Surroundings) {
        let _ = around;
    }

    /// Whether somebody waits for what becomes of a queued request or reply.
    fn is_awaited(&self, ticket: &Ticket) -> bool {
        let _ = ticket;
        true
    }

    /// Requests that are open in either direction.
    fn in_flight(&self) -> usize {
        0
    }

    /// Whether closing should wait for something that may still be sent.
    fn is_busy(&self) -> bool {
        false
    }

    /// Whether peers may still send what a socket that closes has to take.
    fn is_held(&self, now: Instant) -> bool {
        let _ = now;
        false
    }
}
