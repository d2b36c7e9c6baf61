//! SIGINT and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves with the signal's name, or with nothing when signals cannot be watched.
pub(super) async fn received() -> Option<&'static str> {
    let watched = signal(SignalKind::interrupt()).and_then(|interrupt| {
        signal(SignalKind::terminate()).map(|terminate| (interrupt, terminate))
    });
    let (mut interrupt, mut terminate) = match watched {
        Ok(both) => both,
        Err(error) => {
            tracing::error!(%error, "signals cannot be watched");
            return None;
        }
    };
    tokio::select! {
        _ = interrupt.recv() => Some("SIGINT"),
        _ = terminate.recv() => Some("SIGTERM"),
    }
}
