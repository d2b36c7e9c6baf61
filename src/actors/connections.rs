//! What libzmq's monitor tells of a socket's connections: counted, and told on.

use std::collections::{HashMap, VecDeque};
use std::mem::{Discriminant, discriminant};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use crate::engine::monitor::Notice;
use crate::messages::{ConnectionChange, ConnectionEvent, HandshakeFailure};
use crate::sys::{Breach, Sign, descriptors, peer_address};

/// Within which time events of one kind make a storm.
const WINDOW: Duration = Duration::from_millis(100);
/// How many of them are told one by one.
const BURST: u64 = 32;
/// How long connections are looked at after an endpoint was left, and how often.
const DOUBT: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(20);
/// How many kinds of events are remembered before those that are over are forgotten.
const REMEMBERED: usize = 64;

/// The connections of one socket.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Without handshake: a peer is one as soon as it is connected.
    raw: bool,
    open: HashMap<RawFd, Connection>,
    /// Those that have not shaken hands yet, oldest first, by endpoint: libzmq
    /// tells that one has, and not which.
    greeting: HashMap<String, VecDeque<RawFd>>,
    ready: usize,
    /// The last peer has gone since that was asked.
    emptied: bool,
    /// Waits for the end of its connection, which tells whose it was.
    failed: Option<(String, HandshakeFailure)>,
    storms: HashMap<(Discriminant<ConnectionChange>, String), Storm>,
    /// When the first of what is held back is due.
    held_until: Option<Instant>,
    told: Vec<ConnectionEvent>,
    /// When connections are looked at, of whose end libzmq does not tell, for it
    /// is silent about those that it ends itself: the next time, and the last.
    doubt: Option<(Instant, Instant)>,
}

#[derive(Debug)]
struct Connection {
    peer: Option<SocketAddr>,
    ready: bool,
    /// What its number stands for.
    identity: Option<u64>,
}

/// Events of one kind at one endpoint.
#[derive(Debug)]
struct Storm {
    until: Instant,
    seen: u64,
    /// What was held back, with its number.
    held: Option<ConnectionEvent>,
}

impl Connections {
    /// For a socket type with or without ZeroMQ's handshake.
    pub(crate) fn new(raw: bool) -> Self {
        Self { raw, ..Self::default() }
    }

    /// How many peers have shaken hands.
    pub(crate) const fn peers(&self) -> usize {
        self.ready
    }

    /// Whether there was a moment without a peer since the last call.
    pub(crate) const fn take_emptied(&mut self) -> bool {
        std::mem::replace(&mut self.emptied, false)
    }

    fn one_less(&mut self) {
        self.ready = self.ready.saturating_sub(1);
        self.emptied |= self.ready == 0;
    }

    /// The socket is gone, and its connections with it.
    pub(crate) fn reset(&mut self) {
        let storms = std::mem::take(&mut self.storms);
        self.told.extend(storms.into_values().filter_map(|storm| storm.held));
        self.open.clear();
        self.greeting.clear();
        self.ready = 0;
        self.failed = None;
        self.held_until = None;
        self.doubt = None;
    }

    /// Takes a notice of the monitor.
    pub(crate) fn note(&mut self, notice: Notice, now: Instant) {
        let Notice { sign, endpoint } = notice;
        if let Sign::HandshakeFailed(breach) = sign {
            self.tell_failure(None, now);
            self.failed = Some((endpoint, reason(breach)));
            return;
        }
        let (change, peer) = match sign {
            Sign::Connected(fd) => (ConnectionChange::Connected, self.opened(fd, &endpoint)),
            Sign::Accepted(fd) => (ConnectionChange::Accepted, self.opened(fd, &endpoint)),
            Sign::Disconnected(fd) => {
                let failed = self.failed.as_ref().is_some_and(|(at, _)| *at == endpoint);
                let peer = self.gone(fd, &endpoint, failed);
                self.tell_failure(peer, now);
                (ConnectionChange::Disconnected, peer)
            }
            Sign::HandshakeSucceeded => {
                (ConnectionChange::HandshakeSucceeded, self.greeted(&endpoint))
            }
            Sign::Listening => (ConnectionChange::Listening, None),
            Sign::BindFailed(errno) => (ConnectionChange::BindFailed { errno: errno.0 }, None),
            Sign::ConnectDelayed => (ConnectionChange::ConnectDelayed, None),
            Sign::ConnectRetried(after) => {
                let after = Duration::from_millis(after.into());
                (ConnectionChange::ConnectRetried { after }, None)
            }
            Sign::AcceptFailed(errno) => (ConnectionChange::AcceptFailed { errno: errno.0 }, None),
            Sign::Closed => (ConnectionChange::Closed, None),
            Sign::CloseFailed(errno) => (ConnectionChange::CloseFailed { errno: errno.0 }, None),
            Sign::HandshakeFailed(_) => return,
        };
        self.tell(ConnectionEvent { change, endpoint, peer, times: 1 }, now);
    }

    fn opened(&mut self, fd: RawFd, endpoint: &str) -> Option<SocketAddr> {
        let peer = peer_address(fd);
        let identity = descriptors::identity(fd);
        self.forget(fd);
        self.open.insert(fd, Connection { peer, ready: self.raw, identity });
        if self.raw {
            self.ready += 1;
        } else {
            self.greeting.entry(endpoint.to_owned()).or_default().push_back(fd);
        }
        peer
    }

    fn greeted(&mut self, endpoint: &str) -> Option<SocketAddr> {
        let greeting = self.greeting.get_mut(endpoint)?;
        let fd = greeting.pop_front()?;
        // Of several nobody knows which.
        let certain = greeting.is_empty();
        if certain {
            self.greeting.remove(endpoint);
        }
        let connection = self.open.get_mut(&fd)?;
        connection.ready = true;
        self.ready += 1;
        connection.peer.filter(|_| certain)
    }

    /// An endpoint was left: libzmq ends its connections, and does not tell.
    pub(crate) fn left(&mut self, now: Instant) {
        self.doubt = Some((now, now + DOUBT));
    }

    /// Forgets a connection of whose end nobody told.
    fn forget(&mut self, fd: RawFd) {
        if self.open.remove(&fd).is_some_and(|connection| connection.ready) {
            self.one_less();
        }
        self.greeting.retain(|_, greeting| {
            greeting.retain(|other| *other != fd);
            !greeting.is_empty()
        });
    }

    fn forget_those_that_are_gone(&mut self) {
        let is_gone = |(fd, connection): (&RawFd, &Connection)| {
            (descriptors::identity(*fd) != connection.identity).then_some(*fd)
        };
        let gone: Vec<RawFd> = self.open.iter().filter_map(is_gone).collect();
        gone.into_iter().for_each(|fd| self.forget(fd));
    }

    fn gone(&mut self, fd: RawFd, endpoint: &str, failed: bool) -> Option<SocketAddr> {
        let connection = self.open.remove(&fd)?;
        if connection.ready {
            self.one_less();
            if failed {
                // It was not this one that had shaken hands, but one behind it.
                self.greeted(endpoint);
            }
        } else if let Some(greeting) = self.greeting.get_mut(endpoint) {
            greeting.retain(|other| *other != fd);
            if greeting.is_empty() {
                self.greeting.remove(endpoint);
            }
        }
        connection.peer
    }

    fn tell_failure(&mut self, peer: Option<SocketAddr>, now: Instant) {
        if let Some((endpoint, reason)) = self.failed.take() {
            let change = ConnectionChange::HandshakeFailed { reason };
            self.tell(ConnectionEvent { change, endpoint, peer, times: 1 }, now);
        }
    }

    /// Tells at once, or together with others of its kind.
    fn tell(&mut self, event: ConnectionEvent, now: Instant) {
        if self.storms.len() >= REMEMBERED {
            self.storms.retain(|_, storm| storm.held.is_some() || storm.until > now);
        }
        let key = (discriminant(&event.change), event.endpoint.clone());
        let storm =
            self.storms.entry(key).or_insert(Storm { until: now + WINDOW, seen: 0, held: None });
        if now >= storm.until && storm.held.is_none() {
            (storm.until, storm.seen) = (now + WINDOW, 0);
        }
        storm.seen += 1;
        if storm.seen <= BURST {
            self.told.push(event);
            return;
        }
        let times = storm.held.as_ref().map_or(0, |held| held.times) + 1;
        storm.held = Some(ConnectionEvent { times, ..event });
        self.held_until = self.held_until.into_iter().chain([storm.until]).min();
    }

    /// Lets go of what was held back long enough.
    pub(crate) fn tend(&mut self, now: Instant) {
        if let Some((_, until)) = self.doubt.filter(|(next, _)| *next <= now) {
            self.forget_those_that_are_gone();
            self.doubt = (until > now).then_some((now + GLANCE, until));
        }
        if self.held_until.is_none_or(|at| at > now) {
            return;
        }
        for storm in self.storms.values_mut().filter(|storm| storm.until <= now) {
            if let Some(held) = storm.held.take() {
                self.told.push(held);
                // It may go on: the next of them are held back, too.
                storm.until = now + WINDOW;
            }
        }
        let held = self.storms.values().filter(|storm| storm.held.is_some());
        self.held_until = held.map(|storm| storm.until).min();
    }

    /// When there is something to tell that was held back, or to look at.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.held_until, self.doubt.map(|(next, _)| next)].into_iter().flatten().min()
    }

    /// What is to be told.
    pub(crate) fn take_told(&mut self) -> Vec<ConnectionEvent> {
        std::mem::take(&mut self.told)
    }
}

const fn reason(breach: Breach) -> HandshakeFailure {
    match breach {
        Breach::System(errno) => HandshakeFailure::System { errno: errno.0 },
        Breach::Mechanism => HandshakeFailure::MechanismMismatch,
        Breach::Cryptographic => HandshakeFailure::Cryptographic,
        Breach::Protocol(code) => HandshakeFailure::Protocol { code },
        Breach::Denied(status) => HandshakeFailure::Denied { status },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Errno;

    fn notice(sign: Sign) -> Notice {
        Notice { sign, endpoint: "tcp://127.0.0.1:1".to_owned() }
    }

    /// Descriptors that no process has.
    const A: RawFd = 1_000_001;
    const B: RawFd = 1_000_002;

    #[test]
    fn peers_are_counted_from_handshake_to_end() {
        let mut connections = Connections::new(false);
        let now = Instant::now();
        connections.note(notice(Sign::Accepted(A)), now);
        assert_eq!(connections.peers(), 0);
        connections.note(notice(Sign::HandshakeSucceeded), now);
        connections.note(notice(Sign::Accepted(B)), now);
        assert_eq!(connections.peers(), 1);
        // Of an unfit type: gone without a word.
        connections.note(notice(Sign::Disconnected(B)), now);
        assert_eq!(connections.peers(), 1);
        connections.note(notice(Sign::Disconnected(A)), now);
        assert_eq!(connections.peers(), 0);
        connections.note(notice(Sign::Disconnected(A)), now);
        assert_eq!(connections.peers(), 0);
    }

    #[test]
    fn a_silent_connection_is_not_a_peer_however_many_come_after_it() {
        let mut connections = Connections::new(false);
        let now = Instant::now();
        connections.note(notice(Sign::Accepted(A)), now);
        connections.note(notice(Sign::Accepted(B)), now);
        connections.note(notice(Sign::HandshakeSucceeded), now);
        assert_eq!(connections.peers(), 1);
        connections.note(notice(Sign::HandshakeFailed(Breach::System(Errno(0)))), now);
        connections.note(notice(Sign::Disconnected(A)), now);
        assert_eq!(connections.peers(), 1);
        connections.note(notice(Sign::Disconnected(B)), now);
        assert_eq!(connections.peers(), 0);
    }

    #[test]
    fn a_raw_peer_counts_at_once() {
        let mut connections = Connections::new(true);
        let now = Instant::now();
        connections.note(notice(Sign::Accepted(A)), now);
        assert_eq!(connections.peers(), 1);
        connections.note(notice(Sign::Disconnected(A)), now);
        assert_eq!(connections.peers(), 0);
    }

    #[test]
    fn a_failed_handshake_is_told_with_the_end_of_its_connection() {
        let mut connections = Connections::new(false);
        let now = Instant::now();
        connections.note(notice(Sign::Accepted(A)), now);
        connections.note(notice(Sign::HandshakeFailed(Breach::Mechanism)), now);
        assert_eq!(connections.take_told().len(), 1);
        connections.note(notice(Sign::Disconnected(A)), now);
        let told: Vec<_> = connections.take_told().iter().map(|event| event.change).collect();
        let reason = HandshakeFailure::MechanismMismatch;
        let failed = ConnectionChange::HandshakeFailed { reason };
        assert_eq!(told, [failed, ConnectionChange::Disconnected]);
    }

    #[test]
    fn endpoints_that_are_quiet_are_forgotten() {
        let mut connections = Connections::new(false);
        let start = Instant::now();
        for number in 0..10_000_u32 {
            let notice = Notice { sign: Sign::Listening, endpoint: number.to_string() };
            connections.note(notice, start + number * WINDOW);
            connections.take_told();
        }
        assert!(connections.storms.len() <= REMEMBERED + 1, "{}", connections.storms.len());
        assert_eq!(connections.next_deadline(), None);
    }

    #[test]
    fn a_storm_is_told_in_numbers() {
        let mut connections = Connections::new(false);
        let start = Instant::now();
        for _ in 0..1_000 {
            connections.note(notice(Sign::AcceptFailed(Errno::MFILE)), start);
        }
        assert_eq!(connections.take_told().len() as u64, BURST);
        let due = connections.next_deadline();
        assert_eq!(due, Some(start + WINDOW));
        connections.tend(start);
        assert!(connections.take_told().is_empty());
        connections.tend(start + WINDOW);
        let told: Vec<_> = connections.take_told().iter().map(|event| event.times).collect();
        assert_eq!(told, [1_000 - BURST]);
        // It goes on: held back until the window's end, and told with its number.
        connections.note(notice(Sign::AcceptFailed(Errno::MFILE)), start + WINDOW);
        assert!(connections.take_told().is_empty());
        connections.tend(start + 2 * WINDOW);
        assert_eq!(connections.take_told().len(), 1);
        assert_eq!(connections.next_deadline(), None);
        // It is over: the next one is told at once.
        connections.note(notice(Sign::AcceptFailed(Errno::MFILE)), start + 4 * WINDOW);
        assert_eq!(connections.take_told().len(), 1);
    }
}
