//! STREAM.

use super::{Kind, Queues, Receives, Routes, SocketType, sealed};
use crate::messages::ReceivedFrom;

/// Talks with TCP peers that know nothing of ZeroMQ.
///
/// | | |
/// |---|---|
/// | Compatible peers | any TCP program |
/// | Direction | send and receive |
/// | Pattern | – |
/// | Outgoing routing | to the named peer |
/// | Incoming routing | fair-queued |
/// | Action in mute state | a message waits for its peer alone; one for a peer that is not there is given back |
///
/// A body is one frame of bytes. TCP keeps no borders between them: what was
/// sent in one piece may arrive in two. An empty frame that is *received*
/// says that the peer has connected or has gone; one that is *sent* cuts it
/// off. The only transport is `tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {}

impl sealed::Sealed for Stream {}
impl Kind for Stream {
    const TYPE: SocketType = SocketType::Stream;
}
impl Routes for Stream {
    const FRAMES: Option<usize> = Some(1);
}
impl Queues for Stream {}
impl Receives for Stream {
    type Delivery = ReceivedFrom;
}
