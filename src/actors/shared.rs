//! What a socket actor and its factory share: counters, gauges, and orders
//! that do not queue behind data.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use actix::{Message, Recipient};
use futures::channel::oneshot;
use futures::task::AtomicWaker;

use crate::counters::{Counter, Counters};
use crate::endpoint::{Endpoint, Transport};
use crate::kinds::SocketType;
use crate::latency::Recent;
#[cfg(feature = "metrics")]
use crate::latency::Times;
use crate::messages::{
    EndpointStatus, SocketEvent, SocketId, SocketReport, SocketState, SocketStatus,
};
use crate::options::QueueLimits;
#[cfg(feature = "metrics")]
use crate::tally::Served;

/// The factory shuts down: what comes through the mailbox after this is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastCall;

impl Message for LastCall {
    type Result = ();
}

/// What the sockets of one factory have in common.
#[derive(Debug, Default)]
pub(crate) struct Family {
    /// Goes up with every further watcher.
    pub(crate) version: AtomicUsize,
    /// Everyone who watches all sockets of the factory, by the version that came with them.
    pub(crate) watchers: Mutex<Vec<(usize, Recipient<SocketEvent>)>>,
    members: Mutex<Vec<Weak<Shared>>>,
    /// How many sockets have somebody who waits for peers.
    waiting: AtomicUsize,
    /// The inproc endpoints that are gone while somebody is connected to them, and since when.
    absent: Mutex<Vec<(Endpoint, Instant)>>,
}

impl Family {
    pub(crate) fn watch(&self, recipient: Recipient<SocketEvent>) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        // Each time that it would grow: looked through once per watcher, on average.
        if watchers.len() == watchers.capacity() {
            watchers.retain(|(_, watcher)| watcher.connected());
        }
        watchers.push((self.version.fetch_add(1, Ordering::AcqRel) + 1, recipient));
    }

    pub(crate) fn join(&self, member: &Arc<Shared>) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.retain(|member| member.strong_count() > 0);
        members.push(Arc::downgrade(member));
    }

    fn members(&self) -> Vec<Arc<Shared>> {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.iter().filter_map(Weak::upgrade).collect()
    }

    /// Somebody waits for peers, or not any more.
    pub(crate) fn waits(&self, on: bool) {
        if on {
            self.waiting.fetch_add(1, Ordering::AcqRel);
        } else {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Who waits for peers within the process looks again.
    pub(crate) fn stir(&self) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.members().iter().for_each(|member| member.wake());
        }
    }

    /// How many sockets are at the other side of a door within the process.
    fn neighbours(&self, of: SocketId, door: &EndpointStatus) -> usize {
        let other = match door {
            EndpointStatus::Bound(endpoint) => EndpointStatus::Connected(endpoint.clone()),
            EndpointStatus::Connected(endpoint) => EndpointStatus::Bound(endpoint.clone()),
        };
        self.members().iter().filter(|member| member.id != of && member.has(&other)).count()
    }

    /// An inproc endpoint has gone with its socket.
    pub(crate) fn lost(&self, endpoint: &Endpoint, at: Instant) {
        let members = self.members();
        let is_wanted =
            |endpoint: &Endpoint| members.iter().any(|one| one.is_connected_to(endpoint));
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        absent.retain(|(other, _)| other != endpoint && is_wanted(other));
        if is_wanted(endpoint) {
            absent.push((endpoint.clone(), at));
        }
    }

    /// An inproc endpoint is there. If it was gone before, whoever was connected
    /// to it is told: libzmq does not reconnect within a process.
    pub(crate) fn found(&self, endpoint: &Endpoint) {
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = absent.iter().position(|(other, _)| other == endpoint) else { return };
        let (_, gone) = absent.swap_remove(at);
        drop(absent);
        for member in self.members() {
            let mut rebound = member.rebound.lock().unwrap_or_else(PoisonError::into_inner);
            rebound.push((endpoint.clone(), gone));
            drop(rebound);
            member.has_rebound.store(true, Ordering::Release);
            member.wake();
        }
    }
}

/// An order to close, from outside the mailbox.
#[derive(Debug)]
struct CloseOrder {
    deadline: Instant,
    /// When libzmq's lingering is to end; without, the socket's own linger says.
    linger_until: Option<Instant>,
    waiting: Vec<oneshot::Sender<SocketReport>>,
}

/// One socket, as seen from outside its actor.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: SocketId,
    pub(crate) name: Option<String>,
    pub(crate) socket_type: SocketType,
    pub(crate) counters: Counters,
    pub(crate) family: Arc<Family>,
    limits: QueueLimits,
    has_rebound: AtomicBool,
    rebound: Mutex<Vec<(Endpoint, Instant)>>,
    state: AtomicU8,
    queued: AtomicUsize,
    queued_bytes: AtomicUsize,
    in_flight: AtomicUsize,
    /// Whether the connections are counted, and how many have shaken hands.
    monitored: bool,
    peers: AtomicUsize,
    /// Whether any endpoint is within the process.
    within: AtomicBool,
    endpoints: Mutex<Vec<EndpointStatus>>,
    order: Mutex<Option<CloseOrder>>,
    /// How long requests took, of those that make any.
    latency: Option<Mutex<Recent>>,
    /// The figures of the service that it serves.
    #[cfg(feature = "metrics")]
    pub(crate) served: Option<Served>,
    report: Mutex<Option<SocketReport>>,
    waker: AtomicWaker,
}

impl Shared {
    pub(crate) fn new(
        id: SocketId,
        name: Option<String>,
        socket_type: SocketType,
        limits: QueueLimits,
        monitored: bool,
        family: Arc<Family>,
    ) -> Self {
        Self {
            id,
            name,
            socket_type,
            counters: Counters::default(),
            family,
            has_rebound: AtomicBool::new(false),
            rebound: Mutex::new(Vec::new()),
            limits,
            state: AtomicU8::new(0),
            queued: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            monitored,
            peers: AtomicUsize::new(0),
            within: AtomicBool::new(false),
            endpoints: Mutex::new(Vec::new()),
            order: Mutex::new(None),
            latency: asks(socket_type).then(|| Mutex::new(Recent::new(Instant::now()))),
            #[cfg(feature = "metrics")]
            served: None,
            report: Mutex::new(None),
            waker: AtomicWaker::new(),
        }
    }

    /// With the figures of a service.
    #[cfg(feature = "metrics")]
    pub(crate) fn serving(self, served: Option<Served>) -> Self {
        Self { served, ..self }
    }

    pub(crate) fn count(&self, counter: Counter, amount: u64) {
        self.counters.add(counter, amount);
    }

    pub(crate) fn state(&self) -> SocketState {
        match self.state.load(Ordering::Acquire) {
            0 => SocketState::Opening,
            1 => SocketState::Up,
            2 => SocketState::Down,
            3 => SocketState::Closing,
            _ => SocketState::Closed,
        }
    }

    pub(crate) fn set_state(&self, state: SocketState) {
        let number = match state {
            SocketState::Opening => 0,
            SocketState::Up => 1,
            SocketState::Down => 2,
            SocketState::Closing => 3,
            SocketState::Closed => 4,
        };
        self.state.store(number, Ordering::Release);
    }

    pub(crate) fn set_gauges(&self, queued: usize, bytes: usize, in_flight: usize) {
        self.queued.store(queued, Ordering::Relaxed);
        self.queued_bytes.store(bytes, Ordering::Relaxed);
        self.in_flight.store(in_flight, Ordering::Relaxed);
    }

    /// How long requests took since the opening, of those that make any.
    #[cfg(feature = "metrics")]
    pub(crate) fn times(&self) -> Option<Times> {
        let latency = self.latency.as_ref()?;
        Some(latency.lock().unwrap_or_else(PoisonError::into_inner).all().clone())
    }

    /// Requests were answered, after such times.
    pub(crate) fn took(&self, times: impl Iterator<Item = Duration>, now: Instant) {
        if let Some(latency) = &self.latency {
            latency.lock().unwrap_or_else(PoisonError::into_inner).record(times, now);
        }
    }

    pub(crate) fn set_endpoints(&self, endpoints: Vec<EndpointStatus>) {
        let is_within = |one: &EndpointStatus| one.endpoint().transport() == Transport::Inproc;
        self.within.store(endpoints.iter().any(is_within), Ordering::Release);
        *self.endpoints.lock().unwrap_or_else(PoisonError::into_inner) = endpoints;
        self.family.stir();
    }

    pub(crate) fn set_peers(&self, peers: usize) {
        self.peers.store(peers, Ordering::Relaxed);
    }

    /// How many peers there are; nothing where the connections are not counted.
    /// libzmq tells of none within the process: the family knows them.
    pub(crate) fn peers(&self) -> Option<usize> {
        let within = || -> usize {
            if !self.within.load(Ordering::Acquire) {
                return 0;
            }
            let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let doors =
                endpoints.iter().filter(|one| one.endpoint().transport() == Transport::Inproc);
            doors.map(|door| self.family.neighbours(self.id, door)).sum()
        };
        self.monitored.then(|| self.peers.load(Ordering::Relaxed) + within())
    }

    fn has(&self, door: &EndpointStatus) -> bool {
        let is_open = matches!(self.state(), SocketState::Up | SocketState::Closing);
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        is_open && endpoints.contains(door)
    }

    fn is_connected_to(&self, endpoint: &Endpoint) -> bool {
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints
            .iter()
            .any(|one| matches!(one, EndpointStatus::Connected(other) if other == endpoint))
    }

    pub(crate) fn status(&self) -> SocketStatus {
        // Before the literal below, whose locks last until its end.
        let peers = self.peers();
        let latency = self.latency.as_ref().map(|latency| {
            latency.lock().unwrap_or_else(PoisonError::into_inner).summary(Instant::now())
        });
        SocketStatus {
            id: self.id,
            name: self.name.clone(),
            socket_type: self.socket_type,
            state: self.state(),
            endpoints: self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            restarts: self.counters.get(Counter::Restarts),
            queued: self.queued.load(Ordering::Relaxed),
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
            limits: self.limits.clone(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            peers,
            latency,
            counts: self.counters.snapshot(),
        }
    }

    /// Registers the actor's task, to be woken by orders.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Has the actor take another turn.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Orders the socket to close; the receiver resolves with its report.
    ///
    /// An earlier deadline than that of an order under way replaces it.
    pub(crate) fn order_close(
        &self,
        deadline: Instant,
        linger_until: Option<Instant>,
    ) -> oneshot::Receiver<SocketReport> {
        let (tell, told) = oneshot::channel();
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(report) = report {
            // Nobody minds if the asker is gone.
            let _ = tell.send(report);
            return told;
        }
        match order.as_mut() {
            Some(order) => {
                order.deadline = order.deadline.min(deadline);
                let ends = [order.linger_until, linger_until];
                order.linger_until = ends.into_iter().flatten().min();
                order.waiting.push(tell);
            }
            None => *order = Some(CloseOrder { deadline, linger_until, waiting: vec![tell] }),
        }
        drop(order);
        self.wake();
        told
    }

    /// By when the socket was ordered to be closed.
    pub(crate) fn close_deadline(&self) -> Option<Instant> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.as_ref().map(|order| order.deadline)
    }

    /// The inproc endpoints that are there again, and since when they were gone.
    pub(crate) fn take_rebound(&self) -> Vec<(Endpoint, Instant)> {
        if !self.has_rebound.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.rebound.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// By when libzmq is to be done with the socket.
    pub(crate) fn linger_until(&self) -> Option<Instant> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.as_ref().and_then(|order| order.linger_until)
    }

    /// Files the report and tells everyone who waits for it. The first report stays.
    pub(crate) fn closed(&self, report: SocketReport) {
        self.set_state(SocketState::Closed);
        self.set_gauges(0, 0, 0);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filed = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let report = filed.get_or_insert(report).clone();
        drop(filed);
        let waiting = order.take().map(|order| order.waiting).unwrap_or_default();
        drop(order);
        for asker in waiting {
            let _ = asker.send(report.clone());
        }
    }

    /// The report, from the last known figures if the socket has not filed one.
    pub(crate) fn report(&self) -> SocketReport {
        let filed = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        filed
            .clone()
            .unwrap_or_else(|| self.report_now(self.queued.load(Ordering::Relaxed) as u64, false))
    }

    pub(crate) fn report_now(&self, still_queued: u64, confirmed: bool) -> SocketReport {
        SocketReport {
            id: self.id,
            name: self.name.clone(),
            socket_type: self.socket_type,
            sent: self.counters.get(Counter::Sent),
            returned: self.counters.get(Counter::Returned),
            dropped: self.counters.get(Counter::Lost),
            still_queued,
            unanswered: self.counters.get(Counter::Unanswered) + self.counters.get(Counter::Reaped),
            confirmed,
        }
    }
}

/// Whether sockets of this type make requests.
const fn asks(socket_type: SocketType) -> bool {
    matches!(socket_type, SocketType::Request | SocketType::Req)
}
