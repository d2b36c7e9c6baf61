//! One socket without actors: when to read, when to write, when to park.
//!
//! # The readiness contract
//!
//! libzmq offers one descriptor per socket (`ZMQ_FD`) that signals *edges of
//! libzmq's mailbox*, not messages. Any call that processes that mailbox
//! consumes the edge, for both directions. From this follow the rules that
//! [`pump`] keeps and its tests script:
//!
//! 1. One owner: only the pump touches the socket's data path, and whoever
//!    else touches the socket does so on the same task, before the pump's turn.
//! 2. The descriptor is registered for READABLE only; room to send is
//!    announced as readability too.
//! 3. Stale readiness is cleared *before* `ZMQ_EVENTS` is read, and reading
//!    `ZMQ_EVENTS` is the last libzmq call before parking. A turn that called
//!    anything else, even if it failed with `EAGAIN`, reads it again.
//! 4. `ZMQ_POLLOUT` is waited for only where it is exact ([`port::Sends::WhenWritable`]).
//!    Elsewhere a send is attempted, at most once a turn for what has been
//!    refused, and again at the next wake or after [`pump::RETRY`].
//! 5. A turn has a budget and then yields through tokio's defer list, so that
//!    a flooded socket does not starve its arbiter.

pub(crate) mod backoff;
pub(crate) mod deadlines;
pub(crate) mod entries;
pub(crate) mod fd;
pub(crate) mod monitor;
pub(crate) mod port;
pub(crate) mod pump;
pub(crate) mod queue;
pub(crate) mod slots;
pub(crate) mod tap;

#[cfg(test)]
mod fake;
