//! The factory's settings.

use std::time::Duration;

use actix::{Actor, Addr};

use super::Factory;
use crate::options::ContextOptions;

/// Settings of a [`Factory`], all of which hold from its start on.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct FactoryBuilder {
    options: ContextOptions,
    linger: Duration,
    signals: Option<Duration>,
}

impl Default for FactoryBuilder {
    fn default() -> Self {
        Self {
            options: ContextOptions::default(),
            linger: Duration::from_millis(100),
            signals: None,
        }
    }
}

impl FactoryBuilder {
    /// How many threads libzmq uses for the network: one per gigabyte a second
    /// and direction is its rule of thumb. 0 serves `inproc://` alone.
    ///
    /// # Default
    /// 1
    #[doc(alias = "ZMQ_IO_THREADS")]
    pub const fn io_threads(mut self, threads: u16) -> Self {
        self.options.io_threads = threads;
        self
    }

    /// How many sockets may be open at a time, from 1 to 65,471.
    ///
    /// # Default
    /// 1,023
    #[doc(alias = "ZMQ_MAX_SOCKETS")]
    pub const fn max_sockets(mut self, sockets: u32) -> Self {
        self.options.max_sockets = sockets;
        self
    }

    /// How long libzmq goes on sending what it has accepted after a socket
    /// is closed; a socket's own [`linger`](crate::Blueprint::linger) comes first.
    ///
    /// # Default
    /// 100 ms, as txZMQ
    #[doc(alias = "ZMQ_LINGER")]
    pub const fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Shuts down within this time on SIGINT or SIGTERM, and then stops the
    /// current actix `System`, so that `System::run` returns; of several
    /// factories, the last one to end does that. A `main` that awaits something
    /// else awaits [`Ended`](crate::Ended).
    ///
    /// From then on the signals do not end the process by themselves. Leave it
    /// off where something else handles them, such as actix-web's server.
    ///
    /// # Default
    /// Off
    pub const fn shutdown_on_signal(mut self, within: Duration) -> Self {
        self.signals = Some(within);
        self
    }

    /// Starts the factory on the current arbiter.
    ///
    /// The context is made when the first socket is opened, and a failure to
    /// make it is that [`Open`](crate::Open)'s error.
    ///
    /// # Panics
    /// Outside an actix `System` or a tokio `LocalSet`, as every `Actor::start`.
    #[must_use = "without its address nothing can be opened"]
    pub fn start(self) -> Addr<Factory> {
        Factory::new(self.options, self.linger, self.signals).start()
    }
}
