//! The one generic actor: a mailbox, timers and a life around the engine's pump.

mod life;
mod turn;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, fut};
use futures::channel::oneshot;

use super::alarm::Alarm;
use super::connections::Connections;
use super::events::Events;
use super::open::{Live, NamedArbiter, Opening, Origin};
use super::outgoing::{Batches, Feeds, Outbound, Outgoing};
use super::parked::{Accepting, Sender};
use super::pattern::{Inbound, Pattern, Surroundings, Ticket};
use super::shared::Shared;
use super::waiting::Waiting;
use crate::blueprint::{Blueprint, Plan};
use crate::endpoint::IntoEndpoint;
use crate::engine::backoff::Backoff;
use crate::engine::queue::Queue;
use crate::engine::slots::Slots;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds;
use crate::messages::SocketState;
use crate::multipart::{Frame, Multipart};
use crate::sys;

/// Messages from the mailbox between two turns of the pump. Actix empties a
/// mailbox without a pause; this keeps a flood from starving the socket, the
/// timers and the arbiter.
const HANDLED_PER_TURN: usize = 128;

/// How many messages wait in the mailbox before senders wait, too.
const MAILBOX: usize = 1_024;

/// A ZeroMQ socket as an actor.
///
/// Described by a [`Blueprint`], opened by the [`Factory`](crate::Factory).
/// The type parameter says what it is; use the aliases
/// [`PubSocket`](crate::PubSocket), [`SubSocket`](crate::SubSocket),
/// [`PushSocket`](crate::PushSocket), [`PullSocket`](crate::PullSocket),
/// [`RequestSocket`](crate::RequestSocket) and [`ReplySocket`](crate::ReplySocket).
///
/// The factory keeps it alive. Once the factory is gone, it lives as long as
/// somebody holds its address.
pub struct Socket<K: Pattern> {
    inbound: K::Inbound,
    around: Surroundings,
    queue: Queue<Ticket>,
    slots: Slots<Sender>,
    batches: Batches,
    feeds: Feeds<K>,
    /// Messages and bytes that libzmq took before they were queued, not counted yet.
    sent_now: (u64, u64),
    opening: Opening,
    live: Option<Live>,
    /// Keeps a named arbiter running as long as somebody may send to this actor.
    _arbiter: Option<Arc<NamedArbiter>>,
    opener: Option<oneshot::Sender<Result<()>>>,
    retry_first: bool,
    backoff: Backoff,
    reopen_at: Option<Instant>,
    /// Messages read from a socket that was then replaced.
    stash: VecDeque<Multipart>,
    handled: usize,
    /// The mailbox has told that nothing more is to come, as far as it is to be heard.
    last_call: bool,
    /// How many more messages that libzmq has received a closing socket delivers.
    draining: u64,
    alarm: Alarm,
    /// Whether it was up before it failed: then its next opening is a restart.
    was_up: bool,
    connections: Connections,
    names: Vec<Frame>,
    waiting: Waiting,
    ending: ErrorKind,
}

impl<K: Pattern> Socket<K> {
    /// Describes a socket without endpoints; they can follow, here or at runtime.
    #[expect(clippy::new_ret_no_self, reason = "the actor itself is made by the factory")]
    pub fn new() -> Blueprint<K> {
        Blueprint::new()
    }

    /// Describes a socket that listens at an endpoint.
    pub fn bind(endpoint: impl IntoEndpoint) -> Blueprint<K> {
        Blueprint::new().bind(endpoint)
    }

    /// Describes a socket that connects to an endpoint.
    pub fn connect(endpoint: impl IntoEndpoint) -> Blueprint<K> {
        Blueprint::new().connect(endpoint)
    }

    /// The actor itself, made on its own arbiter.
    pub(crate) fn build(
        blueprint: Blueprint<K>,
        origin: Origin,
        shared: Arc<Shared>,
        opener: oneshot::Sender<Result<()>>,
    ) -> Self {
        let events = Events::new(Arc::clone(&shared), blueprint.watchers);
        Self {
            inbound: K::inbound(blueprint.setup),
            batches: Batches::new(Arc::clone(&shared)),
            around: Surroundings::new(shared, events),
            queue: Queue::new(blueprint.limits),
            slots: Slots::default(),
            feeds: Feeds::default(),
            sent_now: (0, 0),
            opening: Opening {
                context: Some(origin.context),
                options: blueprint.options,
                linger: blueprint.linger.unwrap_or(origin.linger),
                endpoints: blueprint.endpoints,
                wiring: K::WIRING,
                monitored: blueprint.monitored,
                busy_poll: blueprint.busy_poll,
            },
            live: None,
            _arbiter: origin.arbiter,
            opener: Some(opener),
            retry_first: blueprint.retry_first,
            backoff: Backoff::new(blueprint.restart.at_least(K::WIRING.pause())),
            reopen_at: None,
            stash: VecDeque::new(),
            handled: 0,
            last_call: false,
            draining: 0,
            alarm: Alarm::default(),
            was_up: false,
            connections: Connections::new(K::WIRING.raw == sys::SocketType::Stream),
            names: Vec::new(),
            waiting: Waiting::default(),
            ending: ErrorKind::Closed,
        }
    }

    pub(crate) fn state(&self) -> SocketState {
        self.around.shared.state()
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.around.shared
    }

    pub(crate) const fn inbound(&self) -> &K::Inbound {
        &self.inbound
    }

    pub(crate) const fn inbound_mut(&mut self) -> &mut K::Inbound {
        &mut self.inbound
    }

    pub(crate) const fn queue_mut(&mut self) -> &mut Queue<Ticket> {
        &mut self.queue
    }

    pub(crate) const fn batches(&self) -> &Batches {
        &self.batches
    }

    pub(crate) const fn feeds_mut(&mut self) -> &mut Feeds<K> {
        &mut self.feeds
    }

    pub(crate) const fn events_mut(&mut self) -> &mut Events {
        &mut self.around.events
    }

    pub(crate) const fn endpoints_mut(&mut self) -> &mut Vec<Plan> {
        &mut self.opening.endpoints
    }

    /// The routing ids that were given to peers of this libzmq socket and must not be again.
    pub(crate) const fn names_mut(&mut self) -> &mut Vec<Frame> {
        &mut self.names
    }

    pub(crate) const fn opening_mut(&mut self) -> &mut Opening {
        &mut self.opening
    }

    pub(crate) const fn connections_mut(&mut self) -> &mut Connections {
        &mut self.connections
    }

    pub(crate) const fn waiting_mut(&mut self) -> &mut Waiting {
        &mut self.waiting
    }

    pub(crate) const fn linger(&self) -> Duration {
        self.opening.linger
    }

    /// Counts a handled message, and lets others run when it was many.
    pub(crate) fn breathe(&mut self, ctx: &mut Context<Self>) {
        self.breathe_after(1, ctx);
    }

    /// Counts what is handled at once.
    pub(crate) fn breathe_after(&mut self, messages: usize, ctx: &mut Context<Self>) {
        let before = self.handled / HANDLED_PER_TURN;
        self.handled += messages;
        // Again and again: the turn may have to wait for another item of the context.
        if self.handled / HANDLED_PER_TURN != before {
            // The mailbox rests until the pump has had its turn and the
            // arbiter's other tasks theirs.
            ctx.wait(fut::wrap_future::<_, Self>(tokio::task::yield_now()).map(|(), _, _| ()));
        }
    }

    /// What has come through the mailbox by now is the last to be taken once
    /// the socket is ordered to close.
    pub(crate) const fn last_call(&mut self) {
        self.last_call = true;
    }

    /// Refuses new work on a socket that is closing or closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        match self.state() {
            SocketState::Closing | SocketState::Closed => Err(Error::new(self.ending)),
            SocketState::Opening | SocketState::Up | SocketState::Down => Ok(()),
        }
    }

    /// A message as this socket sends it, unless it is closing.
    pub(crate) fn framed(&self, message: impl Outgoing<K>) -> Result<Outbound> {
        let Outbound { frames, topic } = message.framed(&self.inbound)?;
        match self.check_open() {
            Ok(()) => Ok(Outbound { frames, topic }),
            Err(error) => Err(error.with_message(self.inbound.unframed(topic, frames))),
        }
    }

    /// Gives a message to libzmq at once, where none waits before it. `false`
    /// when libzmq does not take it: then it is as it was.
    pub(crate) fn send_now(&mut self, frames: &mut Multipart) -> bool {
        let Some(live) = self.live.as_mut().filter(|_| self.queue.is_empty()) else { return false };
        // The turn that follows in the same poll makes up for the edge that this
        // consumes, and finds out what has failed.
        let taken = live.pump.send_now(frames);
        if let Some(bytes) = taken {
            self.sent_now.0 += 1;
            self.sent_now.1 += bytes;
        }
        taken.is_some()
    }

    /// Sends a message, or queues it; whoever sent it wants to know when libzmq has it.
    pub(crate) fn send(&mut self, message: impl Outgoing<K>) -> Accepting {
        let Outbound { mut frames, topic } = match self.framed(message) {
            Ok(framed) => framed,
            Err(error) => return self.refuse(error),
        };
        if self.send_now(&mut frames) {
            return Accepting::now();
        }
        let slot = self.slots.reserve();
        self.queue.push(frames, Ticket::Send { slot, topic });
        Accepting::later(self.slots.clone(), slot)
    }

    /// The response to a message that is refused at once.
    pub(crate) fn refuse(&self, error: Error) -> Accepting {
        Accepting::refused(error, Arc::clone(&self.around.shared))
    }

    /// Runs a libzmq call on the open socket. The pump's turn follows in the same poll.
    pub(crate) fn with_socket<T>(
        &mut self,
        call: impl FnOnce(&sys::Socket) -> std::result::Result<T, sys::Errno>,
    ) -> Result<T> {
        self.with_live(|live| call(live.pump.port_ref()).map_err(Error::from_errno))
    }

    /// Does something with the open socket. The pump's turn follows in the same poll.
    pub(crate) fn with_live<T>(&mut self, work: impl FnOnce(&mut Live) -> Result<T>) -> Result<T> {
        self.check_open()?;
        match &mut self.live {
            Some(live) => work(live),
            None => Err(Error::new(ErrorKind::Restarting)),
        }
    }

    pub(crate) fn publish_endpoints(&self) {
        self.around.shared.set_endpoints(self.opening.endpoints.iter().map(Plan::status).collect());
    }
}

impl Socket<kinds::Reply> {
    /// Describes a worker of a broker; see [`Blueprint::join`].
    pub fn join(endpoint: impl IntoEndpoint) -> Blueprint<kinds::Reply> {
        Blueprint::new().join(endpoint)
    }
}

impl<K: Pattern> Actor for Socket<K> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // What bounds a socket is its queue. Actix has whoever sends beyond the
        // mailbox's capacity wait in line and wakes them one by one, which costs
        // more than to take what they send.
        ctx.set_mailbox_capacity(MAILBOX);
        self.publish_endpoints();
        self.open();
        ctx.spawn(turn::Driver);
    }
}

impl<K: Pattern> Drop for Socket<K> {
    fn drop(&mut self) {
        // The arbiter ends before the socket was closed: the same, at once.
        self.close(ErrorKind::Closed);
    }
}

impl<K: Pattern> fmt::Debug for Socket<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.around.shared.id)
            .field("type", &K::TYPE)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
