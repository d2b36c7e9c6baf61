//! Changing a socket while it runs.

use std::time::Duration;

use actix::{Message, Recipient};

use super::{SocketEvent, SocketReport};
use crate::endpoint::{Endpoint, IntoEndpoint};
use crate::error::Result;
use crate::multipart::Frame;
use crate::options::{OptionName, SocketOption};

macro_rules! endpoint_command {
    ($(#[$doc:meta])* $name:ident -> $result:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub(crate) Result<Endpoint>);

        impl $name {
            /// Names the endpoint. A text that is none is reported when the
            /// message is handled.
            #[must_use]
            pub fn new(endpoint: impl IntoEndpoint) -> Self {
                Self(endpoint.into_endpoint().map_err(Into::into))
            }
        }

        impl Message for $name {
            type Result = Result<$result>;
        }
    };
}

endpoint_command! {
    /// Listens at one more endpoint (`zmq_bind(3)`). The result is the
    /// endpoint as resolved: `tcp://127.0.0.1:*` becomes a port.
    ///
    /// A restart listens there again, at the same port. libzmq frees a port in
    /// the background: for a moment after [`Unbind`] or [`Close`] it is still
    /// in use, and a bind may be repeated.
    ///
    /// # Errors
    /// [`InvalidEndpoint`](crate::ErrorKind::InvalidEndpoint),
    /// [`AddressInUse`](crate::ErrorKind::AddressInUse),
    /// [`AddressUnavailable`](crate::ErrorKind::AddressUnavailable),
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied), all with the endpoint;
    /// [`Restarting`](crate::ErrorKind::Restarting) or [`Closed`](crate::ErrorKind::Closed)
    /// when the socket is not up.
    Bind -> Endpoint
}

endpoint_command! {
    /// Connects to one more endpoint (`zmq_connect(3)`). Success means that
    /// libzmq tries from now on, not that a peer is there.
    ///
    /// # Errors
    /// As [`Bind`].
    Connect -> ()
}

/// Connects to one more endpoint, and gives the peer there a routing id of this
/// side's choice (`ZMQ_CONNECT_ROUTING_ID`): a ROUTER can send to it before it
/// has said anything, and a STREAM knows which connection is which. Whatever
/// routing id the peer has set for itself, this one holds.
///
/// A socket that has other endpoints beside such connections, or had a peer of
/// that id before, is opened again for this, as by [`Restart`]: libzmq aborts the
/// process when it has not forgotten another peer with the id. So name peers in
/// the blueprint where you can.
///
/// It cannot go together with [`immediate`](crate::Blueprint::immediate).
///
/// # Errors
/// [`RoutingIdInUse`](crate::ErrorKind::RoutingIdInUse) when another peer has
/// the id (libzmq would abort the process); if that is a peer of a ROUTER, it
/// receives a message of one empty frame, for libzmq can be asked in no other
/// way./// [`InvalidOption`](crate::ErrorKind::InvalidOption) for an id that is empty,
/// longer than 255 bytes or begins with NUL; otherwise as [`Connect`].
#[derive(Debug)]
pub struct ConnectAs {
    pub(crate) endpoint: Result<Endpoint>,
    pub(crate) peer: Frame,
}

impl ConnectAs {
    /// Names the endpoint, and the peer there.
    #[must_use]
    pub fn new(endpoint: impl IntoEndpoint, peer: impl Into<Frame>) -> Self {
        Self { endpoint: endpoint.into_endpoint().map_err(Into::into), peer: peer.into() }
    }
}

impl Message for ConnectAs {
    type Result = Result<()>;
}

endpoint_command! {
    /// Stops listening at an endpoint, named as it was bound or as it was
    /// resolved (`zmq_unbind(3)`).
    ///
    /// libzmq ends the connections that came in there, too, and drops what is
    /// unsent on them. On a socket that sends messages of several frames, have all
    /// read that has arrived before you send this: until then libzmq aborts the
    /// process when a peer goes that a message is half sent to.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when the socket is not bound there;
    /// [`Restarting`](crate::ErrorKind::Restarting) or [`Closed`](crate::ErrorKind::Closed)
    /// when the socket is not up.
    Unbind -> ()
}

endpoint_command! {
    /// Leaves an endpoint (`zmq_disconnect(3)`). What libzmq had queued for it alone is lost.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when the socket is not connected there;
    /// [`Restarting`](crate::ErrorKind::Restarting) or [`Closed`](crate::ErrorKind::Closed)
    /// when the socket is not up.
    Disconnect -> ()
}

/// Ends a socket: nothing new is taken, queued messages and answers are handed
/// to libzmq, requests and the rest are given back, and the socket is closed
/// with its linger.
///
/// The result is the socket's report. Closing again gives the same report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Close {
    pub(crate) within: Option<Duration>,
}

impl Close {
    /// Ends the socket within its linger.
    #[must_use]
    pub const fn new() -> Self {
        Self { within: None }
    }

    /// Ends the socket within this time.
    #[must_use]
    pub const fn within(time: Duration) -> Self {
        Self { within: Some(time) }
    }
}

impl Message for Close {
    type Result = Result<SocketReport>;
}

/// Opens the socket again under the same address: options, endpoints,
/// subscriptions and unsent messages come back. Requests in flight end with
/// [`Restarted`](crate::ErrorKind::Restarted) unless they are idempotent.
///
/// Resolves when the restart has begun, which is done after the policy's
/// initial delay; [`EventKind::Up`](super::EventKind::Up) tells. It is no
/// failure, and does not count against the restart budget.
///
/// # Errors
/// [`Closed`](crate::ErrorKind::Closed) when the socket is closed, or
/// [`GaveUp`](crate::ErrorKind::GaveUp) when it was given up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restart;

impl Message for Restart {
    type Result = Result<()>;
}

/// Sends every [`SocketEvent`] from now on to a recipient; to a socket or
/// proxy, or to the [`Factory`](crate::Factory) for the events of all its sockets.
///
/// The socket or factory keeps the recipient, and so its actor, alive. An actor
/// that has heard enough stops itself (`ctx.stop()`), and is forgotten.
///
/// Events to one recipient go out one at a time. Up to 256 wait while it is
/// busy; beyond that the oldest are left out and
/// [`EventKind::Missed`](super::EventKind::Missed) tells how many.
#[derive(Clone, Debug)]
pub struct Watch(pub Recipient<SocketEvent>);

impl Message for Watch {
    type Result = ();
}

/// Waits until so many peers are connected and have shaken hands.
///
/// Resolves with the number of peers, which may be more. A peer of a STREAM
/// counts when it is connected, one within the process when it is there.
///
/// # Errors
/// [`TimedOut`](crate::ErrorKind::TimedOut) at the deadline;
/// [`Unsupported`](crate::ErrorKind::Unsupported) on a socket without
/// [`monitor`](crate::Blueprint::monitor); [`Closed`](crate::ErrorKind::Closed).
///
/// # Cancel safety
/// Dropping the future ends the wait and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitConnected {
    /// How many peers, at least.
    pub peers: usize,
    /// How long to wait.
    pub deadline: Duration,
}

impl WaitConnected {
    /// Waits for one peer, for so long.
    #[must_use]
    pub const fn within(deadline: Duration) -> Self {
        Self { peers: 1, deadline }
    }
}

impl Message for WaitConnected {
    type Result = Result<usize>;
}

/// Changes an option of a socket that runs, and of every socket that a restart
/// opens in its place.
///
/// [`OptionName::effect`](crate::OptionName::effect) says from when on it holds.
///
/// # Errors
/// [`InvalidOption`](crate::ErrorKind::InvalidOption) for an option that the
/// type does not have or a value that libzmq refuses,
/// [`Unsupported`](crate::ErrorKind::Unsupported) for one that the linked libzmq
/// lacks, [`Closed`](crate::ErrorKind::Closed). The option is as it was then.
#[derive(Clone, Debug, PartialEq)]
pub struct SetOption(pub SocketOption);

impl Message for SetOption {
    type Result = Result<()>;
}

/// Reads an option of a socket that is up, as libzmq has it.
///
/// # Errors
/// [`InvalidOption`](crate::ErrorKind::InvalidOption) for an option that the
/// type does not have, [`Unsupported`](crate::ErrorKind::Unsupported) for one
/// that the linked libzmq lacks or does not tell,
/// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) for a secret,
/// [`Restarting`](crate::ErrorKind::Restarting) or [`Closed`](crate::ErrorKind::Closed)
/// when the socket is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetOption(pub OptionName);

impl Message for GetOption {
    type Result = Result<SocketOption>;
}
