//! Answers that come later, without a task or a future per message.

use std::sync::Arc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Message};

use super::shared::Shared;
use crate::counters::Counter;
use crate::engine::slots::Slots;
use crate::error::{Error, Result};

/// Who waits for a message to be accepted.
pub(crate) type Sender = OneshotSender<Result<()>>;

/// The response of a send: done, a refusal, or parked until libzmq has the message.
pub struct Accepting(State);

enum State {
    Now,
    Refused(Error, Arc<Shared>),
    Later { slots: Slots<Sender>, key: usize },
}

impl Accepting {
    pub(crate) const fn now() -> Self {
        Self(State::Now)
    }

    pub(crate) const fn refused(error: Error, shared: Arc<Shared>) -> Self {
        Self(State::Refused(error, shared))
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
        match self.0 {
            State::Now => {
                if let Some(sender) = sender {
                    let _ = sender.send(Ok(()));
                }
            }
            State::Refused(error, shared) => {
                let told = sender.is_some_and(|sender| sender.send(Err(error)).is_ok());
                if !told {
                    shared.count(Counter::Lost, 1);
                }
            }
            State::Later { slots, key } => {
                if let Some(sender) = sender {
                    slots.park(key, sender);
                }
            }
        }
    }
}
