//! The protocol of the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::future::join_all;
use tokio::time::timeout_at;

use super::super::shared::Shared;
use crate::messages::ShutdownReport;
use crate::sys;

/// What it takes to shut down.
pub(super) struct Plan {
    pub(super) sockets: Vec<Arc<Shared>>,
    pub(super) context: Option<sys::Context>,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    pub(super) linger: Duration,
}

impl Plan {
    /// Flush, close, terminate, report; each within its part of the time.
    pub(super) async fn run(self) -> ShutdownReport {
        let Self { sockets, context, began, deadline, linger } = self;
        let total = deadline.saturating_duration_since(began);
        // What is handed over in the last moment still has to leave libzmq, and
        // an arbiter that does not answer must leave time to say so.
        let reserve = linger.min(total / 4);
        let flush_until = deadline.checked_sub(reserve).unwrap_or(began);
        let answer_until = deadline.checked_sub(reserve / 2).unwrap_or(began);
        let orders: Vec<_> =
            sockets.iter().map(|socket| socket.order_close(flush_until, Some(deadline))).collect();
        let all_closed = timeout_at(answer_until.into(), join_all(orders)).await.is_ok();
        let terminated = match context {
            None => all_closed,
            Some(context) => {
                let (tell, told) = oneshot::channel();
                context.on_terminated(move || {
                    // Too late is told by the deadline below.
                    let _ = tell.send(());
                });
                if !all_closed {
                    // Whoever has not answered finds its socket dead.
                    context.shutdown();
                }
                drop(context);
                timeout_at(deadline.into(), told).await.is_ok()
            }
        };
        report(&sockets, terminated, began)
    }
}

/// What is known of these sockets now.
pub(super) fn report(sockets: &[Arc<Shared>], terminated: bool, began: Instant) -> ShutdownReport {
    ShutdownReport {
        sockets: sockets.iter().map(|socket| socket.report()).collect(),
        terminated,
        took: began.elapsed(),
    }
}
