//! SIGINT and SIGTERM.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use actix_rt::System;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The factories of each system, by its number, that end with a signal.
static ENDING: Mutex<BTreeMap<usize, Ending>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
struct Ending {
    factories: usize,
    signalled: bool,
}

/// A factory that ends with a signal. The last one's end stops the system: one
/// that has nothing to flush must not cut the others short.
pub(super) struct Participant(Option<System>);

impl Participant {
    pub(super) fn join() -> Self {
        let system = System::try_current();
        if let Some(system) = &system {
            let mut ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
            ending.entry(system.id()).or_default().factories += 1;
        }
        Self(system)
    }

    /// The factory has ended, because of a signal.
    pub(super) fn ended(self) {
        let Some(system) = &self.0 else { return };
        let mut ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        ending.entry(system.id()).or_default().signalled = true;
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        let Some(system) = &self.0 else { return };
        let mut all = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        let ending = all.entry(system.id()).or_default();
        ending.factories = ending.factories.saturating_sub(1);
        if ending.factories == 0 {
            if ending.signalled {
                system.stop();
            }
            all.remove(&system.id());
        }
    }
}

/// The signals that end a process. Once they are watched, they do not end it by
/// themselves any more.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Nothing, when they cannot be watched.
    pub(crate) fn watch() -> Option<Self> {
        let watched = signal(SignalKind::interrupt()).and_then(|interrupt| {
            let terminate = signal(SignalKind::terminate())?;
            Ok(Self { interrupt, terminate })
        });
        watched.inspect_err(|error| tracing::error!(%error, "signals cannot be watched")).ok()
    }

    /// The next one's name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.interrupt.recv() => "SIGINT",
            Some(()) = self.terminate.recv() => "SIGTERM",
            else => std::future::pending().await,
        }
    }
}
