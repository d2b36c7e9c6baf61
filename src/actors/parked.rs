//! Answers that come later, without a task or a future per message.

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Message};

use crate::engine::slots::Slots;
use crate::error::Result;

/// Who waits for a message to be accepted.
pub(crate) type Sender = OneshotSender<Result<()>>;

/// The response of a send: known now, or parked until libzmq has the message.
pub struct Accepting(State);

enum State {
    Now(Result<()>),
    Later { slots: Slots<Sender>, key: usize },
}

impl Accepting {
    pub(crate) const fn now(result: Result<()>) -> Self {
        Self(State::Now(result))
    }

    pub(crate) const fn later(slots: Slots<Sender>, key: usize) -> Self {
        Self(State::Later { slots, key })
    }
}

impl std::fmt::Debug for Accepting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepting").finish_non_exhaustive()
    }
}

impl<A, M> MessageResponse<A, M> for Accepting
where
    A: Actor,
    M: Message<Result = Result<()>>,
{
    fn handle(self, _ctx: &mut A::Context, sender: Option<OneshotSender<M::Result>>) {
        let Some(sender) = sender else { return };
        match self.0 {
            // Nobody minds if the asker is gone.
            State::Now(result) => drop(sender.send(result)),
            State::Later { slots, key } => slots.park(key, sender),
        }
    }
}
