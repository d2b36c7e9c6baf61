//! What it takes to open a proxy.

use std::fmt;
use std::time::Duration;

use actix::Recipient;

use crate::actors::pattern::{Pattern, Wiring};
use crate::blueprint::{Blueprint, Placement, Plan};
use crate::deliver::{IntoReceiver, Receiver};
use crate::engine::backoff::RestartPolicy;
use crate::error::{Error, ErrorKind};
use crate::messages::{Captured, SocketEvent};
use crate::options::SocketOptions;

/// Describes a proxy: its two sides, and who hears of what goes through.
#[must_use = "a blueprint does nothing until it is opened"]
pub struct ProxyBlueprint {
    pub(in crate::actors) mistake: Option<Error>,
    pub(in crate::actors) name: Option<String>,
    pub(in crate::actors) restart: RestartPolicy,
    pub(super) watchers: Vec<Recipient<SocketEvent>>,
    pub(super) capture: Option<Receiver<Captured>>,
    pub(super) sides: [Side; 2],
}

/// One of the two sockets.
pub(super) struct Side {
    pub(super) options: SocketOptions,
    pub(super) linger: Option<Duration>,
    pub(super) endpoints: Vec<Plan>,
    pub(super) wiring: Wiring,
}

impl Side {
    fn of<K: Pattern>(blueprint: Blueprint<K>) -> (Self, Option<Error>) {
        let placed = matches!(blueprint.placement, Placement::Factory);
        let misplaced = || {
            let error = Error::new(ErrorKind::InvalidOption);
            error.detail("a proxy has a thread of its own, and no arbiter")
        };
        let unnamed = blueprint.endpoints.iter().all(|plan| plan.peer.is_none());
        let named = || {
            let error = Error::new(ErrorKind::InvalidOption);
            error.detail("nobody sends to a peer by its name through a proxy")
        };
        let mistake = blueprint.mistake.or_else(|| (!placed).then(misplaced));
        let mistake = mistake.or_else(|| (!unnamed).then(named));
        let side = Self {
            options: blueprint.options,
            linger: blueprint.linger,
            endpoints: blueprint.endpoints,
            // What libzmq's proxy cannot send must not end it.
            wiring: Wiring { mandatory: false, ..K::WIRING },
        };
        (side, mistake)
    }
}

impl ProxyBlueprint {
    pub(super) fn new<F: Pattern, B: Pattern>(
        frontend: Blueprint<F>,
        backend: Blueprint<B>,
    ) -> Self {
        let (frontend, wrong) = Side::of(frontend);
        let (backend, also_wrong) = Side::of(backend);
        Self {
            mistake: wrong.or(also_wrong),
            name: None,
            restart: RestartPolicy::default(),
            watchers: Vec::new(),
            capture: None,
            sides: [frontend, backend],
        }
    }

    /// A name for reports and logs. By default, none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Hands a copy of everything that goes through, in both directions, to a
    /// receiver. One that is slow slows the proxy: nothing is left out.
    ///
    /// # Default
    /// Nobody hears of it.
    pub fn capture(mut self, receiver: impl IntoReceiver<Captured>) -> Self {
        self.capture = Some(receiver.into_receiver());
        self
    }

    /// Sends the proxy's events to a recipient, from the first on.
    pub fn watch(mut self, recipient: Recipient<SocketEvent>) -> Self {
        self.watchers.push(recipient);
        self
    }

    /// How and how often the proxy is opened again after a failure.
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }
}

impl fmt::Debug for ProxyBlueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBlueprint").field("name", &self.name).finish_non_exhaustive()
    }
}
