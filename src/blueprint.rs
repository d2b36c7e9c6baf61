//! What it takes to build a socket, and to build it again.

use std::fmt;
use std::time::{Duration, Instant};

use actix::Recipient;
use actix_rt::ArbiterHandle;

use crate::actors::open;
use crate::actors::{
    Decide, Framed, Pattern, PubSetup, Receiving, ReplySetup, RequestSetup, SubSetup, Tells,
};
use crate::deliver::{Delivery, IntoReceiver, Receiver};
use crate::endpoint::{Endpoint, IntoEndpoint};
use crate::engine::backoff::RestartPolicy;
use crate::error::Error;
use crate::framing::TopicFraming;
use crate::keys::{CurvePublicKey, CurveSecretKey, Secret};
use crate::kinds::{
    self, Publishes, Queues, Receives, Replies, Reply, Req, Requests, Routes, Subscribes, XPub,
};
use crate::messages::{Admission, EndpointStatus, SocketEvent, Subscription, TopicMessage};
use crate::multipart::Frame;
use crate::options::table::option_table;
use crate::options::{GssapiName, Overflow, QueueLimits, SocketOption, SocketOptions};
use crate::topic::Topic;

/// Describes a socket: endpoints, options, bounds, receiver, policies.
///
/// Made by `PubSocket::bind(…)`, `SubSocket::connect(…)` and their like, and
/// given to the factory in [`Open`](crate::Open). Mistakes are reported
/// there, so that the description reads in one go.
#[must_use = "a blueprint does nothing until it is opened"]
pub struct Blueprint<K: Pattern> {
    pub(crate) mistake: Option<Error>,
    pub(crate) name: Option<String>,
    pub(crate) endpoints: Vec<Plan>,
    pub(crate) options: SocketOptions,
    pub(crate) linger: Option<Duration>,
    pub(crate) limits: QueueLimits,
    pub(crate) restart: RestartPolicy,
    pub(crate) retry_first: bool,
    pub(crate) placement: Placement,
    pub(crate) watchers: Vec<Recipient<SocketEvent>>,
    pub(crate) monitored: bool,
    pub(crate) busy_poll: Duration,
    pub(crate) setup: K::Setup,
}

/// An endpoint as it was asked for, and as it turned out.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) given: Endpoint,
    pub(crate) resolved: Option<Endpoint>,
    /// When libzmq was told to connect.
    pub(crate) connected: Option<Instant>,
    pub(crate) bind: bool,
    /// The routing id that the peer at the other end is known by.
    pub(crate) peer: Option<Frame>,
}

impl Plan {
    /// An endpoint as it was asked for.
    pub(crate) const fn new(given: Endpoint, bind: bool) -> Self {
        Self { given, resolved: None, connected: None, bind, peer: None }
    }

    /// Where it is, as far as that is known.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.resolved.as_ref().unwrap_or(&self.given)
    }

    /// Whether it was connected before an endpoint was gone, and so was cut off;
    /// later connections are alive.
    pub(crate) fn is_cut_off(&self, endpoint: &Endpoint, gone: Instant) -> bool {
        !self.bind && self.given == *endpoint && self.connected.is_some_and(|at| at < gone)
    }

    /// How it is told.
    pub(crate) fn status(&self) -> EndpointStatus {
        let endpoint = self.endpoint().clone();
        if self.bind {
            EndpointStatus::Bound(endpoint)
        } else {
            EndpointStatus::Connected(endpoint)
        }
    }
}

/// Which arbiter a socket runs on.
#[derive(Clone, Debug)]
pub(crate) enum Placement {
    Factory,
    Named(String),
    On(ArbiterHandle),
}

impl<K: Pattern> Blueprint<K> {
    pub(crate) fn new() -> Self {
        Self {
            mistake: None,
            name: None,
            endpoints: Vec::new(),
            options: SocketOptions::default(),
            linger: None,
            limits: QueueLimits::default(),
            restart: RestartPolicy::default(),
            retry_first: false,
            placement: Placement::Factory,
            watchers: Vec::new(),
            monitored: true,
            busy_poll: Duration::ZERO,
            setup: K::Setup::default(),
        }
    }

    fn plan(mut self, endpoint: impl IntoEndpoint, bind: bool) -> Self {
        let checked = endpoint.into_endpoint().and_then(|endpoint| {
            if bind {
                endpoint.check_bind()?;
            } else {
                endpoint.check_connect()?;
            }
            Ok(endpoint)
        });
        match checked {
            Ok(given) => self.endpoints.push(Plan::new(given, bind)),
            Err(error) => self = self.wrong(error.into()),
        }
        self
    }

    /// Keeps the first mistake for the opener.
    fn wrong(mut self, error: Error) -> Self {
        self.mistake.get_or_insert(error);
        self
    }

    /// Listens at one more endpoint. Wildcard ports are resolved and reported
    /// by [`Status`](crate::Status); a restart listens at the same one.
    pub fn bind(self, endpoint: impl IntoEndpoint) -> Self {
        self.plan(endpoint, true)
    }

    /// Connects to one more endpoint.
    pub fn connect(self, endpoint: impl IntoEndpoint) -> Self {
        self.plan(endpoint, false)
    }

    /// A name for reports and logs. By default, none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs the socket on a named arbiter of the factory, which starts it at
    /// its first use and stops it when its last socket is gone.
    ///
    /// # Default
    /// The factory's own arbiter.
    pub fn arbiter(mut self, name: impl Into<String>) -> Self {
        self.placement = Placement::Named(name.into());
        self
    }

    /// Runs the socket on an arbiter of yours.
    pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
        self.placement = Placement::On(arbiter);
        self
    }

    /// Sends the socket's events to a recipient, from the first on.
    pub fn watch(mut self, recipient: Recipient<SocketEvent>) -> Self {
        self.watchers.push(recipient);
        self
    }

    /// Has libzmq tell of the connections (`zmq_socket_monitor(3)`): as
    /// [`EventKind::Connection`](crate::EventKind::Connection), as
    /// [`SocketStatus::peers`](crate::SocketStatus::peers), and for
    /// [`WaitConnected`](crate::WaitConnected). It costs two more of libzmq's
    /// sockets, with the stock build four descriptors, and nothing per message.
    ///
    /// # Default
    /// On
    pub const fn monitor(mut self, on: bool) -> Self {
        self.monitored = on;
        self
    }

    /// For so long after a message the socket asks libzmq again and again before
    /// its arbiter may sleep, as network stacks poll their devices.
    ///
    /// It saves the wake-up of a thread, and burns a core instead as long as
    /// messages come closer together than this: for an arbiter of its own on a
    /// machine with a core to spare. Where libzmq's own threads have to share
    /// that core, it makes everything slower. The arbiter's other actors go on
    /// meanwhile. Figures are in `docs/benchmarks` of the repository.
    ///
    /// # Default
    /// Zero: never
    pub const fn busy_poll(mut self, time: Duration) -> Self {
        self.busy_poll = time;
        self
    }

    /// How and how often the socket is opened again after a failure.
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    /// A failure of the first opening is reported to the opener, and the socket is gone. The default.
    pub const fn open_or_fail(mut self) -> Self {
        self.retry_first = false;
        self
    }

    /// A failure of the first opening is retried by the restart policy; the
    /// opener gets the address at once, and watchers hear of it. What no retry
    /// can mend is still reported to the opener.
    pub const fn open_with_retry(mut self) -> Self {
        self.retry_first = true;
        self
    }

    /// Sets an option by its value; there is a setter of the same name for each.
    /// One that the type does not have, or a value out of its range, is told by
    /// [`Open`](crate::Open).
    pub fn option(mut self, option: SocketOption) -> Self {
        if let Err(error) = option.check(K::TYPE) {
            return self.wrong(error);
        }
        match option {
            SocketOption::Linger(linger) => self.linger = Some(linger),
            option => self.options.set(option),
        }
        self
    }

    /// Both high-water marks at once.
    pub fn hwm(self, messages: u32) -> Self {
        self.send_hwm(messages).receive_hwm(messages)
    }
}

impl<K: Pattern + Queues> Blueprint<K> {
    /// The bounds of the outbound queue and the policy at them.
    pub const fn queue(mut self, limits: QueueLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The policy at the bounds of the outbound queue, and its bound in messages.
    pub const fn overflow(mut self, policy: Overflow, messages: usize) -> Self {
        self.limits.overflow = policy;
        self.limits.messages = messages;
        self
    }
}

impl<K: Receiving + Receives> Blueprint<K> {
    /// Delivers to a recipient, one by one or in batches, or to a [`Receiver`].
    ///
    /// # Examples
    /// ```
    /// use actix::prelude::*;
    /// use actix_zmq::{Batch, Json, PullSocket, Pulled};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Job { id: u64 }
    ///
    /// fn blueprints(
    ///     frames: Recipient<Pulled>,
    ///     values: Recipient<Pulled<Json<Job>>>,
    ///     many: Recipient<Batch<Pulled<Json<Job>>>>,
    /// ) {
    ///     let one = PullSocket::bind("tcp://127.0.0.1:*").deliver_to(frames);
    ///     let two = PullSocket::bind("tcp://127.0.0.1:*").deliver_to(values);
    ///     let three = PullSocket::bind("tcp://127.0.0.1:*").deliver_to(many);
    /// }
    /// ```
    pub fn deliver_to(mut self, receiver: impl IntoReceiver<K::Delivery>) -> Self {
        let mut receiver = receiver.into_receiver();
        if let Some(mistake) = receiver.take_mistake() {
            self = self.wrong(mistake);
        }
        K::set_receiver(&mut self.setup, receiver);
        self
    }

    /// Calls a closure for each message, on the socket's own task; see [`Receiver::inline`].
    pub fn on_message<M, F>(self, closure: F) -> Self
    where
        M: Delivery<Raw = K::Delivery>,
        F: FnMut(M) + Send + 'static,
    {
        self.deliver_to(Receiver::inline(closure))
    }
}

impl<K: Pattern> Blueprint<K>
where
    K::Setup: Framed,
{
    /// How topic and body become frames, and received frames topic and body.
    ///
    /// # Default
    /// [`TopicFraming::Frames`], which also reads txZMQ's tagged frames
    pub fn framing(mut self, framing: TopicFraming) -> Self {
        *self.setup.framing() = framing;
        self
    }
}

impl<K: Publishes + Pattern<Setup = PubSetup>> Blueprint<K> {
    /// Keeps count of who subscribes to what, for
    /// [`WaitSubscribers`](crate::WaitSubscribers): some 100 bytes for each
    /// subscription of each subscriber.
    ///
    /// # Default
    /// On
    pub const fn count_subscribers(mut self, on: bool) -> Self {
        self.setup.counts = on;
        self
    }
}

impl Blueprint<XPub> {
    /// Tells of every subscription, also of those to a topic that somebody has
    /// subscribed to already.
    ///
    /// # Default
    /// Off: of the first one to a topic
    #[doc(alias = "ZMQ_XPUB_VERBOSE")]
    pub const fn verbose(mut self, on: bool) -> Self {
        self.setup.tells = if on { Tells::Subscriptions } else { Tells::Changes };
        self
    }

    /// Tells of every subscription and of every end of one.
    ///
    /// # Default
    /// Off: of the first one to a topic, and of the end of the last
    #[doc(alias = "ZMQ_XPUB_VERBOSER")]
    pub const fn verboser(mut self, on: bool) -> Self {
        self.setup.tells = if on { Tells::Everything } else { Tells::Changes };
        self
    }

    /// Has a closure decide on every subscription and every end of one, instead
    /// of libzmq: a subscriber gets what is admitted, and is told nothing.
    ///
    /// The closure runs on the socket's own task and must not take long. It is
    /// asked before the receiver hears of the subscription. A panic in it
    /// refuses the subscription, and the socket is opened again.
    ///
    /// # Default
    /// libzmq admits everything
    ///
    /// # Examples
    /// ```
    /// use actix_zmq::{Admission, Subscription, XPubSocket};
    ///
    /// let blueprint = XPubSocket::bind("tcp://127.0.0.1:*")
    ///     .manual(|subscription| match subscription {
    ///         Subscription::Subscribed(topic) if topic.starts_with(b"secret.") => Admission::Refuse,
    ///         // Whoever wants everything gets what is public.
    ///         Subscription::Subscribed(topic) if topic.is_empty() => {
    ///             Admission::Instead(vec!["public.".into()])
    ///         }
    ///         _ => Admission::Admit,
    ///     })
    ///     .on_message(|subscription: Subscription| println!("{subscription:?}"));
    /// ```
    #[doc(alias = "ZMQ_XPUB_MANUAL")]
    pub fn manual<F>(mut self, decide: F) -> Self
    where
        F: FnMut(&Subscription) -> Admission + Send + 'static,
    {
        self.setup.manual = Some(Decide::new(decide));
        self
    }
}

impl<K: Subscribes + Pattern<Setup = SubSetup>> Blueprint<K> {
    /// Subscribes to a prefix or an exact topic. Without any, nothing arrives.
    pub fn topic(mut self, topic: impl Into<Topic>) -> Self {
        self.setup.topics.push((topic.into(), None));
        self
    }

    /// Subscribes, and delivers what matches to a receiver of its own: the
    /// longest match wins.
    pub fn topic_to(
        mut self,
        topic: impl Into<Topic>,
        receiver: impl IntoReceiver<TopicMessage>,
    ) -> Self {
        self.setup.topics.push((topic.into(), Some(receiver.into_receiver())));
        self
    }
}

impl<K: Routes + Pattern> Blueprint<K> {
    /// Connects to one more endpoint, and gives the peer there a routing id of
    /// this side's choice, so that it can be sent to at once; see
    /// [`ConnectAs`](crate::ConnectAs).
    #[doc(alias = "ZMQ_CONNECT_ROUTING_ID")]
    pub fn connect_as(mut self, endpoint: impl IntoEndpoint, peer: impl Into<Frame>) -> Self {
        let peer = peer.into();
        if self.endpoints.iter().any(|plan| plan.peer.as_ref() == Some(&peer)) {
            return self.wrong(open::id_in_use(&peer));
        }
        if let Err(error) = open::check_id(&peer) {
            return self.wrong(error);
        }
        let before = self.endpoints.len();
        self = self.plan(endpoint, false);
        if let Some(plan) = self.endpoints.get_mut(before) {
            plan.peer = Some(peer);
        }
        self
    }
}

impl<K: Requests + Pattern<Setup = RequestSetup>> Blueprint<K> {
    /// How long a request waits for its reply, unless it says otherwise.
    ///
    /// # Default
    /// For ever, as txZMQ
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.setup.timeout = Some(timeout);
        self
    }

    /// Takes a request back that timed out or was cancelled before it left
    /// our queue, so that a server which returns is not flooded with requests
    /// that nobody waits for. Together with
    /// [`unreachable_after`](Self::unreachable_after), requests wait in our queue
    /// while no server is connected.
    ///
    /// # Default
    /// On
    pub const fn withdraw_unsent(mut self, on: bool) -> Self {
        self.setup.withdraw = on;
        self
    }

    /// Fails requests fast when nobody is there to answer them. While no peer is
    /// connected, a request waits in the queue so long for one, and then ends with
    /// [`Unreachable`](crate::ErrorKind::Unreachable); and those that had left
    /// when the last peer went end at once with
    /// [`PeerLost`](crate::ErrorKind::PeerLost), or are sent again to the next
    /// one if they are idempotent.
    ///
    /// It needs the [`monitor`](Self::monitor). Where there are several peers, and one of them goes, the requests that it
    /// had wait for their timeouts: libzmq does not tell which those were.
    ///
    /// # Default
    /// Off: requests wait for their timeouts
    pub const fn unreachable_after(mut self, time: Duration) -> Self {
        self.setup.unreachable_after = Some(time);
        self
    }

    /// How many requests may be in flight; more are refused with
    /// [`Full`](crate::ErrorKind::Full).
    ///
    /// # Default
    /// 262,144
    pub const fn max_in_flight(mut self, requests: usize) -> Self {
        self.setup.max_in_flight = requests;
        self
    }
}

impl Blueprint<Req> {
    /// Puts a request id in front of each request and takes no reply without it
    /// (`ZMQ_REQ_CORRELATE`, and with it `ZMQ_REQ_RELAXED`). A request that is
    /// given up then costs nothing; without, the socket is opened again. The
    /// peer must repeat all frames up to the empty one, as REP and REPLY do.
    ///
    /// # Default
    /// Off: the wire is that of a plain REQ
    #[doc(alias = "ZMQ_REQ_CORRELATE")]
    #[doc(alias = "ZMQ_REQ_RELAXED")]
    pub const fn correlate(mut self, on: bool) -> Self {
        self.setup.correlate = on;
        self
    }
}

impl<K: Replies + Pattern<Setup = ReplySetup>> Blueprint<K> {
    /// How old an unanswered request may grow before its route is given up.
    ///
    /// # Default
    /// 60 s
    pub const fn answer_within(mut self, age: Duration) -> Self {
        self.setup.answer_within = age;
        self
    }
}

impl Blueprint<Reply> {
    /// Works for a broker: connects to the endpoint at which a
    /// [`Broker`](crate::Broker), or any queue of RFC 6/PPP, takes workers, and
    /// serves the requests that it sends. The worker presents itself with its
    /// [`capacity`](Self::capacity), says every [`worker_heartbeat`](Self::worker_heartbeat)
    /// that it is there, and presents itself again when the broker is back after
    /// a silence. When it closes, it first tells the broker to send its requests
    /// elsewhere, and answers those that it has.
    ///
    /// It may work for several brokers, and have endpoints of its own.
    pub fn join(mut self, endpoint: impl IntoEndpoint) -> Self {
        let peer = Frame::from(format!("broker-{}", self.setup.brokers.len()));
        let before = self.endpoints.len();
        self = self.plan(endpoint, false);
        if let Some(plan) = self.endpoints.get_mut(before) {
            plan.peer = Some(peer.clone());
            self.setup.brokers.push(peer);
        }
        self
    }

    /// Of a worker: how many requests a broker may give it at a time. At least 1.
    ///
    /// # Default
    /// 64
    pub fn capacity(mut self, requests: u32) -> Self {
        self.setup.worker.capacity = requests.max(1);
        self
    }

    /// Of a worker: how often it says that it is there. Both ends must agree
    /// within a factor of three. At least 10 ms.
    ///
    /// # Default
    /// 1 s, the guide's
    pub fn worker_heartbeat(mut self, interval: Duration) -> Self {
        self.setup.worker.heartbeat = interval.max(Duration::from_millis(10));
        self
    }

    /// How many requests may be unanswered before the socket reads no more. At least 1.
    ///
    /// # Default
    /// 65,536
    pub fn max_unanswered(mut self, requests: usize) -> Self {
        self.setup.max_unanswered = requests.max(1);
        self
    }
}

/// Which types have the options of a group.
macro_rules! group {
    ($(#[$doc:meta])* Configured [$($kind:ident),+]) => {
        $(#[$doc])*
        #[doc(hidden)]
        pub trait Configured: Pattern {}
        impl<K: Pattern> Configured for K {}
    };
    ($(#[$doc:meta])* $group:ident [$($kind:ident),+]) => {
        $(#[$doc])*
        #[doc(hidden)]
        #[diagnostic::on_unimplemented(
            message = "a `{Self}` socket does not have this option",
            label = "libzmq does not know the option for this type"
        )]
        pub trait $group: Pattern {}
        $(impl $group for kinds::$kind {})+
    };
}

macro_rules! setters {
    ($(
        $(#[$group_doc:meta])*
        $group:ident [$($kind:ident),+] {$(
            $(#[$doc:meta])*
            $variant:ident($value:ty) as $encoding:ident,
            $setter:ident($argument:ty),
            $id:ident $zmq:literal,
            $effect:ident, $need:ident;
        )+}
    )+) => {$(
        group! { $(#[$group_doc])* $group [$($kind),+] }

        impl<K: $group> Blueprint<K> {$(
            $(#[$doc])*
            #[doc(alias = $zmq)]
            pub fn $setter(self, value: $argument) -> Self {
                self.option(SocketOption::$variant(value.into()))
            }
        )+}
    )+};
}

option_table!(setters);

impl<K: Pattern> fmt::Debug for Blueprint<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("type", &K::TYPE)
            .field("name", &self.name)
            .field("endpoints", &self.endpoints)
            .field("mistake", &self.mistake)
            .finish_non_exhaustive()
    }
}
