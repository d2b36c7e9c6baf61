//! The protocol of the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::future::join_all;
use tokio::time::timeout_at;

use super::super::shared::Shared;
use crate::messages::ShutdownReport;
use crate::sys;

/// What libzmq's own threads may need to close what no longer lingers.
const GRACE: Duration = Duration::from_millis(100);

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
        // What is handed over in the last moment still has to leave libzmq, an
        // arbiter that does not answer must leave time to say so, and the end
        // of the linger must leave libzmq time to terminate.
        let grace = GRACE.min(total / 8);
        let reserve = linger.min(total / 4);
        let before = |time: Duration| deadline.checked_sub(time).unwrap_or(began);
        let linger_until = before(grace);
        let flush_until = before(grace + reserve);
        let answer_until = before(grace + reserve / 2);
        let close = |sends: bool, answer_until: Instant| {
            let orders: Vec<_> = sockets
                .iter()
                .filter(|socket| socket.socket_type.sends() == sends)
                .map(|socket| socket.order_close(flush_until, Some(linger_until)))
                .collect();
            async move { timeout_at(answer_until.into(), join_all(orders)).await.is_ok() }
        };
        // Who only receives goes last: what is flushed may be for it.
        let senders_closed = close(true, flush_until + (answer_until - flush_until) / 2).await;
        let all_closed = close(false, answer_until).await && senders_closed;
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
