//! Bounds, and what happens at them.

/// What happens to a message for which the outbound queue has no room.
///
/// A message counts as *accepted* when libzmq has taken it; until then it is
/// in the queue of this crate, which this policy bounds.
///
/// | Whoever is used to | sets |
/// |---|---|
/// | txZMQ, where `send` raises `Again` | `Reject` with [`QueueLimits::messages`] 0 |
/// | tx0mq, which queues | `Reject` with a large bound |
/// | ZeroMQ, which blocks | `Wait`, and awaits the send |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Whoever awaits the send waits for room, up to [`QueueLimits::waiting`]
    /// at a time; a message that nobody awaits (`do_send`) is rejected and
    /// counted. A reply counts as awaited, by its peer.
    #[default]
    Wait,
    /// The newest message is refused with [`ErrorKind::Full`](crate::ErrorKind::Full) and given back.
    Reject,
    /// The newest message is dropped: counted, and given back with
    /// [`ErrorKind::Dropped`](crate::ErrorKind::Dropped) to whoever awaits it.
    DropNewest,
    /// The oldest message is dropped: counted, and given back with
    /// [`ErrorKind::Dropped`](crate::ErrorKind::Dropped) to whoever awaits it.
    DropOldest,
}

/// The bounds of the outbound queue and the policy at them.
///
/// They come on top of libzmq's own high-water mark: a message enters this
/// queue first and leaves it when libzmq takes it. Bounds are checked after
/// libzmq was offered what it takes, so a bound of 0 means "now or not at all".
/// One burst from the mailbox (at most 128 messages) may exceed them for the
/// moment until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// How many messages may wait. By default, 1,000.
    pub messages: usize,
    /// How many bytes the waiting messages may have together. By default, 64 MiB.
    pub bytes: usize,
    /// How many awaited sends may wait beyond these bounds with
    /// [`Overflow::Wait`]. By default, 10,000; together at most as many bytes again.
    pub waiting: usize,
    /// What happens beyond the bounds. By default, [`Overflow::Wait`].
    pub overflow: Overflow,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages: 1_000,
            bytes: 64 * 1024 * 1024,
            waiting: 10_000,
            overflow: Overflow::default(),
        }
    }
}
