//! One actor timer for whatever is due first.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, AsyncContext, Context, SpawnHandle};

use super::shared::Shared;

/// The timer that is set, if one is.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<(Instant, SpawnHandle)>);

impl Alarm {
    /// Has the actor take a turn at this time, unless one comes before anyway.
    pub(crate) fn set<A>(
        &mut self,
        due: Option<Instant>,
        ctx: &mut Context<A>,
        shared: &Arc<Shared>,
    ) where
        A: Actor<Context = Context<A>>,
    {
        let Some(due) = due else { return };
        let now = Instant::now();
        // One that is over has been heard.
        if let Some((at, handle)) = self.0.filter(|(at, _)| *at > now) {
            if at <= due {
                return;
            }
            ctx.cancel_future(handle);
        }
        let shared = Arc::clone(shared);
        // The turn's own item may have been polled already in this round.
        let wake = move |_: &mut A, _: &mut Context<A>| shared.wake();
        self.0 = Some((due, ctx.run_later(due.saturating_duration_since(now), wake)));
    }
}
