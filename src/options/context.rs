//! The context's settings.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer};

use super::value;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{self, CtxOption, Need};

/// What is set on the context before it starts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ContextOptions {
    /// `ZMQ_IO_THREADS`
    pub(crate) io_threads: u16,
    /// `ZMQ_MAX_SOCKETS`
    pub(crate) max_sockets: u32,
    /// `ZMQ_MAX_MSGSZ`
    pub(crate) max_message_size: Option<u32>,
    /// `ZMQ_IPV6`, for every socket that does not say otherwise.
    pub(crate) ipv6: bool,
    /// `ZMQ_THREAD_SCHED_POLICY`
    pub(crate) thread_scheduling: Option<u16>,
    /// `ZMQ_THREAD_PRIORITY`
    pub(crate) thread_priority: Option<u16>,
    /// `ZMQ_THREAD_AFFINITY_CPU_ADD`
    pub(crate) thread_cpus: Vec<u16>,
    /// `ZMQ_THREAD_NAME_PREFIX`
    pub(crate) thread_name_prefix: Option<u16>,
    /// How long libzmq goes on sending after a socket is closed.
    #[serde(deserialize_with = "value::duration")]
    pub(crate) linger: Duration,
    /// Within which time a signal ends everything.
    #[serde(deserialize_with = "some_duration")]
    pub(crate) shutdown_on_signal: Option<Duration>,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self {
            io_threads: 1,
            max_sockets: 1023,
            max_message_size: None,
            ipv6: false,
            thread_scheduling: None,
            thread_priority: None,
            thread_cpus: Vec::new(),
            thread_name_prefix: None,
            linger: Duration::from_millis(100),
            shutdown_on_signal: None,
        }
    }
}

impl ContextOptions {
    /// What goes to libzmq, in order.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption) for a number out of its range,
    /// [`Unsupported`](ErrorKind::Unsupported) for what the linked libzmq lacks.
    pub(crate) fn checked(&self) -> Result<sys::ContextSettings> {
        let most = sys::context::SOCKET_LIMIT - sys::context::CLOSING;
        let max_sockets = i32::try_from(self.max_sockets).unwrap_or(i32::MAX);
        if !(1..=most).contains(&max_sockets) {
            let error = Error::new(ErrorKind::InvalidOption);
            return Err(error.detail(format!("max_sockets: {max_sockets}, of 1 to {most}")));
        }
        let mut others = Vec::new();
        if let Some(bytes) = self.max_message_size {
            others.push((CtxOption::MaxMessageSize, i32::try_from(bytes).unwrap_or(i32::MAX)));
        }
        if self.ipv6 {
            others.push((CtxOption::Ipv6, 1));
        }
        let threads = [
            (CtxOption::ThreadScheduling, self.thread_scheduling),
            (CtxOption::ThreadPriority, self.thread_priority),
            (CtxOption::ThreadNamePrefix, self.thread_name_prefix),
        ];
        let cpus = self.thread_cpus.iter().map(|cpu| (CtxOption::ThreadCpu, *cpu));
        let threads: Vec<_> = threads
            .into_iter()
            .filter_map(|(option, value)| Some((option, value?)))
            .chain(cpus)
            .collect();
        if let (false, Some(remedy)) = (threads.is_empty(), Need::Configured.lacking()) {
            let error = Error::new(ErrorKind::Unsupported);
            return Err(error.detail(format!("options of I/O threads: {remedy}")));
        }
        others.extend(threads.into_iter().map(|(option, value)| (option, i32::from(value))));
        Ok(sys::ContextSettings { io_threads: i32::from(self.io_threads), max_sockets, others })
    }
}

fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Duration>, D::Error> {
    value::duration(deserializer).map(Some)
}

/// A time in a configuration file.
pub(crate) struct Time(pub(crate) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        value::duration(deserializer).map(Self)
    }
}

/// A number of bytes in a configuration file.
pub(crate) struct Bytes(pub(crate) usize);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let bytes = value::size(deserializer)?;
        Ok(Self(usize::try_from(bytes).unwrap_or(usize::MAX)))
    }
}
