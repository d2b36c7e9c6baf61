//! The factory's settings.

use std::time::Duration;

use actix::{Actor, Addr};

use super::Factory;
use crate::options::ContextOptions;

/// Settings of a [`Factory`], all of which hold from its start on.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `start`"]
pub struct FactoryBuilder {
    options: ContextOptions,
}

impl FactoryBuilder {
    pub(crate) const fn of(options: ContextOptions) -> Self {
        Self { options }
    }

    /// The largest message that any socket may send, in bytes.
    ///
    /// # Default
    /// 2 GiB
    #[doc(alias = "ZMQ_MAX_MSGSZ")]
    pub const fn max_message_size(mut self, bytes: u32) -> Self {
        self.options.max_message_size = Some(bytes);
        self
    }

    /// Allows IPv6 addresses beside IPv4 on every socket that does not say otherwise.
    ///
    /// # Default
    /// Off
    #[doc(alias = "ZMQ_IPV6")]
    pub const fn ipv6(mut self, on: bool) -> Self {
        self.options.ipv6 = on;
        self
    }

    /// The system's scheduling policy for libzmq's threads, by its number
    /// (`sched(7)`). Like all options of threads it is
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the linked libzmq
    /// would ignore it, as the one that Cargo compiles does.
    ///
    /// # Default
    /// As the system says
    #[doc(alias = "ZMQ_THREAD_SCHED_POLICY")]
    pub const fn thread_scheduling(mut self, policy: u16) -> Self {
        self.options.thread_scheduling = Some(policy);
        self
    }

    /// The priority of libzmq's threads within their scheduling policy.
    ///
    /// # Default
    /// As the system says
    #[doc(alias = "ZMQ_THREAD_PRIORITY")]
    pub const fn thread_priority(mut self, priority: u16) -> Self {
        self.options.thread_priority = Some(priority);
        self
    }

    /// Has libzmq's threads run on these processors only, counted from 0.
    ///
    /// # Default
    /// On any
    #[doc(alias = "ZMQ_THREAD_AFFINITY_CPU_ADD")]
    #[doc(alias = "ZMQ_THREAD_AFFINITY_CPU_REMOVE")]
    pub fn thread_cpus(mut self, cpus: impl IntoIterator<Item = u16>) -> Self {
        self.options.thread_cpus = cpus.into_iter().collect();
        self
    }

    /// A number in front of the names of libzmq's threads.
    ///
    /// # Default
    /// None
    #[doc(alias = "ZMQ_THREAD_NAME_PREFIX")]
    pub const fn thread_name_prefix(mut self, prefix: u16) -> Self {
        self.options.thread_name_prefix = Some(prefix);
        self
    }

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

    /// How many sockets may be open at a time, from 1 to 65,471. A socket with
    /// [`monitor`](crate::Blueprint::monitor) is three of libzmq's, of which there
    /// are 65,535 at most; a proxy counts as one.
    ///
    /// # Default
    /// 1,023
    #[doc(alias = "ZMQ_MAX_SOCKETS")]
    pub const fn max_sockets(mut self, sockets: u32) -> Self {
        self.options.max_sockets = sockets;
        self
    }

    /// How long libzmq goes on sending what it has accepted after a socket
    /// is closed, 20 ms at least; a socket's own [`linger`](crate::Blueprint::linger)
    /// comes first.
    ///
    /// # Default
    /// 100 ms, as txZMQ
    #[doc(alias = "ZMQ_LINGER")]
    pub const fn linger(mut self, linger: Duration) -> Self {
        self.options.linger = linger;
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
        self.options.shutdown_on_signal = Some(within);
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
        Factory::new(self.options).start()
    }
}
