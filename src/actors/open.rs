//! Opening a libzmq socket as its blueprint says, the first time and every time after.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_rt::Arbiter;

use super::pattern::{Inbound, Wiring};
use crate::blueprint::Plan;
use crate::endpoint::{Endpoint, Transport};
use crate::engine::fd::Fd;
use crate::engine::monitor::Monitor;
use crate::engine::port::Port;
use crate::engine::pump::Pump;
use crate::error::{Error, ErrorKind, Result};
use crate::multipart::{Frame, Multipart};
use crate::options::{SocketOptions, millis};
use crate::sys::option::OptionId;
use crate::sys::{self, Socket};

/// How many received messages are taken along from a socket that is replaced or closed.
pub(crate) const RESCUED: usize = 10_000;

/// An arbiter of the factory's, stopped when its last socket is gone.
pub(crate) struct NamedArbiter(pub(crate) Arbiter);

impl Drop for NamedArbiter {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What the factory gives a socket to live on.
pub(crate) struct Origin {
    pub(crate) context: sys::Context,
    pub(crate) linger: Duration,
    /// Keeps a named arbiter running for as long as a socket is on it.
    pub(crate) arbiter: Option<Arc<NamedArbiter>>,
}

/// What it takes to open the socket.
pub(crate) struct Opening {
    /// Given up when the socket is closed for good.
    pub(crate) context: Option<sys::Context>,
    pub(crate) options: SocketOptions,
    pub(crate) linger: Duration,
    pub(crate) endpoints: Vec<Plan>,
    pub(crate) wiring: Wiring,
    /// Whether libzmq is to tell of the connections.
    pub(crate) monitored: bool,
    /// For how long after a message libzmq is asked again without sleeping.
    pub(crate) busy_poll: Duration,
}

/// An open socket and its pump.
pub(crate) struct Live {
    pub(crate) pump: Pump<Socket, Fd>,
    /// Dropped after the socket, which has stopped it by then.
    pub(crate) monitor: Option<Monitor>,
}

impl Opening {
    /// Where neighbours within the process find this socket.
    pub(crate) fn doors(&self) -> impl Iterator<Item = &Endpoint> {
        let bound = self.endpoints.iter().filter(|plan| plan.bind).map(|plan| &plan.given);
        bound.filter(|given| given.transport() == Transport::Inproc)
    }

    /// A socket with its options and endpoints, for whoever moves its messages.
    pub(crate) fn assemble(&mut self) -> Result<Socket> {
        self.set_up(|_| Ok(())).map(|(socket, _)| socket)
    }

    /// Options, subscriptions, connects with those that name their peers first,
    /// binds: in this order.
    fn set_up(
        &mut self,
        opened: impl FnOnce(&Socket) -> Result<()>,
    ) -> Result<(Socket, Option<Monitor>)> {
        let Some(context) = &self.context else { return Err(Error::new(ErrorKind::Closed)) };
        // Before the socket, so that it is dropped after it, also on an error.
        let mut monitor = None;
        let socket = Socket::open(context, self.wiring.raw)
            .map_err(|errno| Error::from_errno(errno).detail("no further socket can be opened"))?;
        self.configure(&socket)?;
        if self.monitored {
            monitor = Some(Monitor::start(context, &socket)?);
        }
        opened(&socket)?;
        // First those that give their peers a name: nobody else has it yet.
        let (named, others): (Vec<_>, Vec<_>) = self
            .endpoints
            .iter_mut()
            .filter(|plan| !plan.bind)
            .partition(|plan| plan.peer.is_some());
        for plan in named.into_iter().chain(others) {
            match &plan.peer {
                Some(peer) => connect_as(&socket, &plan.given, peer)?,
                None => connect(&socket, &plan.given)?,
            }
            plan.connected = Some(Instant::now());
        }
        for plan in self.endpoints.iter_mut().filter(|plan| plan.bind) {
            plan.resolved = Some(bind(&socket, monitor.as_mut(), plan.endpoint())?);
        }
        Ok((socket, monitor))
    }

    /// An open socket, registered with the reactor.
    pub(crate) fn open(&mut self, inbound: &mut impl Inbound) -> Result<Live> {
        let (socket, monitor) = self.set_up(|socket| inbound.opened(socket))?;
        let fd = socket.fd().map_err(Error::from_errno)?;
        let wakeup = Fd::new(fd)
            .map_err(|error| Error::from_io(error).detail("the descriptor cannot be watched"))?;
        let Wiring { sends, receives, .. } = self.wiring;
        let pump = Pump::new(socket, wakeup, sends, receives).busy(self.busy_poll);
        Ok(Live { pump, monitor })
    }

    fn configure(&self, socket: &Socket) -> Result<()> {
        set_linger(socket, self.linger).map_err(Error::from_errno)?;
        if self.wiring.mandatory {
            socket.set_i32(OptionId::ROUTER_MANDATORY, 1).map_err(Error::from_errno)?;
        }
        self.options.iter().try_for_each(|option| option.set(socket))
    }
}

/// Every socket's linger is set, and has an end.
pub(crate) fn set_linger(socket: &Socket, linger: Duration) -> std::result::Result<(), sys::Errno> {
    socket.set_i32(OptionId::LINGER, millis(linger))
}

/// Binds, and tells the endpoint as resolved.
fn bind(socket: &Socket, monitor: Option<&mut Monitor>, endpoint: &Endpoint) -> Result<Endpoint> {
    check_family(socket, endpoint)?;
    check_authenticator(socket, endpoint)?;
    let at = |errno| Error::from_errno(errno).at(endpoint.as_str());
    socket.bind(endpoint.as_str()).map_err(|errno| {
        match monitor.and_then(Monitor::why_not_bound).unwrap_or(errno) {
            sys::Errno::NODEV => at(sys::Errno::NODEV).detail(
                "there is no such interface, or this libzmq was built without interface names, \
                 as the stock one is: bind an address or `*`",
            ),
            errno => at(errno),
        }
    })?;
    // A descriptor that was given for the first one is used up.
    if socket.get_i32(OptionId::USE_FD).is_ok_and(|fd| fd >= 0) {
        socket.set_i32(OptionId::USE_FD, -1).map_err(at)?;
    }
    let resolved = socket.last_endpoint().map_err(at)?;
    // libzmq names some endpoints in ways that it does not take back.
    Ok(Endpoint::parse(&resolved).unwrap_or_else(|_| endpoint.clone()))
}

/// Connects, in the background.
pub(crate) fn connect(socket: &Socket, endpoint: &Endpoint) -> Result<()> {
    check_family(socket, endpoint)?;
    socket
        .connect(endpoint.as_str())
        .map_err(|errno| Error::from_errno(errno).at(endpoint.as_str()))
}

/// Connects, in the background, and gives the peer there a routing id.
///
/// libzmq aborts the process when another peer has that id, or had it and is not
/// forgotten yet, which nothing tells. So this is done on a socket that nobody
/// else can have come to, and with ids that it has not had before.
fn connect_as(socket: &Socket, endpoint: &Endpoint, peer: &Frame) -> Result<()> {
    check_family(socket, endpoint)?;
    let at = |errno| Error::from_errno(errno).at(endpoint.as_str());
    if socket.get_i32(OptionId::IMMEDIATE) == Ok(1) {
        let error = Error::new(ErrorKind::InvalidOption).at(endpoint.as_str());
        return Err(error.detail("with `immediate` libzmq does not name the peer"));
    }
    socket.set_bytes(OptionId::CONNECT_ROUTING_ID, peer).map_err(at)?;
    socket.connect(endpoint.as_str()).map_err(at)
}

/// The error for a routing id that another peer has.
pub(crate) fn id_in_use(peer: &Frame) -> Error {
    Error::new(ErrorKind::RoutingIdInUse).with_peer(peer.clone().into_bytes())
}

/// Whether a routing id may be given to a peer.
///
/// # Errors
/// [`InvalidOption`](ErrorKind::InvalidOption)
pub(crate) fn check_id(peer: &Frame) -> Result<()> {
    if peer.is_empty() || peer.len() > 255 || peer.first() == Some(&0) {
        let error = Error::new(ErrorKind::InvalidOption);
        return Err(error.detail("a routing id has 1 to 255 bytes and does not start with NUL"));
    }
    Ok(())
}

/// Without `ZMQ_IPV6` libzmq tries in vain, and says nothing, where there is an
/// IPv6 address.
fn check_family(socket: &Socket, endpoint: &Endpoint) -> Result<()> {
    if endpoint.is_ipv6() && socket.get_i32(OptionId::IPV6) == Ok(0) {
        let error = Error::new(ErrorKind::InvalidOption).at(endpoint.as_str());
        return Err(error.detail("an IPv6 address needs `Blueprint::ipv6(true)`"));
    }
    Ok(())
}

/// libzmq asks whoever is bound here who may come in (RFC 27/ZAP), and aborts
/// the process when that is not a ROUTER or a REP.
fn check_authenticator(socket: &Socket, endpoint: &Endpoint) -> Result<()> {
    if endpoint.as_str() == "inproc://zeromq.zap.01" && !socket.is_router() {
        let error = Error::new(ErrorKind::InvalidEndpoint).at(endpoint.as_str());
        return Err(error.detail("only REPLY, REP and ROUTER can be authenticators"));
    }
    Ok(())
}

impl Live {
    /// Binds to one more endpoint, and tells it as resolved.
    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> Result<Endpoint> {
        bind(self.pump.port_ref(), self.monitor.as_mut(), endpoint)
    }

    /// Shortens the linger of a socket that is about to be closed.
    pub(crate) fn set_linger(&mut self, linger: Duration) {
        // After a shutdown of the context the option is out of reach, and moot.
        let _ = set_linger(self.pump.port(), linger);
    }

    /// Frees a name of this process at once, not when libzmq gets around to it.
    pub(crate) fn leave(&self, endpoint: &Endpoint) {
        // It may never have been bound.
        let _ = self.pump.port_ref().unbind(endpoint.as_str());
    }

    /// Connects again to an endpoint of the same process that was gone.
    pub(crate) fn reconnect(&mut self, endpoint: &Endpoint) -> Result<()> {
        let socket = self.pump.port();
        // The dead connection may have been forgotten already.
        let _ = socket.disconnect(endpoint.as_str());
        connect(socket, endpoint)
    }

    /// Whether a peer of a ROUTER has this routing id.
    pub(crate) fn has_peer(&mut self, peer: &Frame) -> Result<bool> {
        let socket = self.pump.port();
        Ok(socket.is_router() && socket.has_peer(peer).map_err(Error::from_errno)?)
    }

    /// Connects to one more endpoint, and gives the peer there a routing id.
    pub(crate) fn connect_as(&mut self, endpoint: &Endpoint, peer: &Frame) -> Result<()> {
        connect_as(self.pump.port_ref(), endpoint, peer)
    }

    /// Reads what libzmq has received and would lose with the socket.
    pub(crate) fn rescue(&mut self, stash: &mut VecDeque<Multipart>) {
        while stash.len() < RESCUED {
            let mut message = Multipart::place();
            match Port::receive(self.pump.port(), &mut message) {
                Ok(Some(_)) => stash.push_back(message),
                Ok(None) | Err(_) => break,
            }
        }
    }
}
