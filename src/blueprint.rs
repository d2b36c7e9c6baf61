//! What it takes to build a socket, and to build it again.

use std::fmt;
use std::time::{Duration, Instant};

use actix::Recipient;
use actix_rt::ArbiterHandle;

use crate::actors::{Framed, Pattern, Receiving, ReplySetup, RequestSetup, SubSetup};
use crate::deliver::{Delivery, IntoReceiver, Receiver};
use crate::endpoint::{Endpoint, IntoEndpoint};
use crate::engine::backoff::RestartPolicy;
use crate::error::{Error, ErrorKind};
use crate::framing::TopicFraming;
use crate::kinds::{
    Dealer, Publishes, Queues, Receives, Replies, Reply, Req, Requests, Router, Subscribes, XPub,
};
use crate::messages::{SocketEvent, TopicMessage};
use crate::options::{OptionValue, Overflow, QueueLimits, SocketOptions};
use crate::sys::option::OptionId;
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
            Ok(given) => self.endpoints.push(Plan { given, resolved: None, connected: None, bind }),
            Err(error) => self = self.wrong(error.into()),
        }
        self
    }

    /// Keeps the first mistake for the opener.
    fn wrong(mut self, error: Error) -> Self {
        self.mistake.get_or_insert(error);
        self
    }

    fn wrong_option(self, detail: &'static str) -> Self {
        self.wrong(Error::new(ErrorKind::InvalidOption).detail(detail))
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

    /// How long libzmq goes on sending what it has accepted after the socket is closed.
    ///
    /// # Default
    /// As the factory says: 100 ms.
    #[doc(alias = "ZMQ_LINGER")]
    pub const fn linger(mut self, linger: Duration) -> Self {
        self.linger = Some(linger);
        self
    }

    /// How many messages libzmq holds per peer before it takes no more; 0 is no limit.
    ///
    /// # Default
    /// 1,000 (txZMQ sets 0)
    #[doc(alias = "ZMQ_SNDHWM")]
    pub fn send_hwm(mut self, messages: u32) -> Self {
        self.options.set_int(OptionId::SNDHWM, messages);
        self
    }

    /// How many messages libzmq holds per peer before it reads no more; 0 is no limit.
    ///
    /// # Default
    /// 1,000 (txZMQ sets 0)
    #[doc(alias = "ZMQ_RCVHWM")]
    pub fn receive_hwm(mut self, messages: u32) -> Self {
        self.options.set_int(OptionId::RCVHWM, messages);
        self
    }

    /// Both high-water marks at once.
    pub fn hwm(self, messages: u32) -> Self {
        self.send_hwm(messages).receive_hwm(messages)
    }

    /// The name under which a ROUTER peer knows this socket: 1 to 255 bytes,
    /// not starting with NUL.
    ///
    /// # Default
    /// The peer makes one up.
    #[doc(alias = "ZMQ_ROUTING_ID")]
    #[doc(alias = "ZMQ_IDENTITY")]
    pub fn routing_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        let id = id.into();
        if id.is_empty() || id.len() > 255 || id.first() == Some(&0) {
            return self
                .wrong_option("a routing id has 1 to 255 bytes and does not start with NUL");
        }
        self.options.set(OptionId::ROUTING_ID, OptionValue::Bytes(id));
        self
    }

    /// Waits so long before libzmq reconnects.
    ///
    /// # Default
    /// 100 ms
    #[doc(alias = "ZMQ_RECONNECT_IVL")]
    pub fn reconnect_interval(mut self, interval: Duration) -> Self {
        self.options.set_millis(OptionId::RECONNECT_IVL, interval);
        self
    }

    /// Doubles the interval at each attempt up to this.
    ///
    /// # Default
    /// The interval stays the same.
    #[doc(alias = "ZMQ_RECONNECT_IVL_MAX")]
    pub fn reconnect_interval_max(mut self, interval: Duration) -> Self {
        self.options.set_millis(OptionId::RECONNECT_IVL_MAX, interval);
        self
    }

    /// Sends a heartbeat so often, and takes a peer for gone that does not
    /// answer within the same time. Works where TCP keepalive does not.
    ///
    /// # Default
    /// None
    #[doc(alias = "ZMQ_HEARTBEAT_IVL")]
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.options.set_millis(OptionId::HEARTBEAT_IVL, interval);
        self
    }

    /// Takes a peer for gone that does not answer a heartbeat within this time.
    ///
    /// # Default
    /// The heartbeat's interval
    #[doc(alias = "ZMQ_HEARTBEAT_TIMEOUT")]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.options.set_millis(OptionId::HEARTBEAT_TIMEOUT, timeout);
        self
    }

    /// Disconnects a peer that sends a larger message, in bytes.
    ///
    /// # Default
    /// No limit
    #[doc(alias = "ZMQ_MAXMSGSIZE")]
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.options.set(OptionId::MAXMSGSIZE, OptionValue::Int64(bytes));
        self
    }

    /// Allows IPv6 addresses beside IPv4.
    ///
    /// # Default
    /// Off
    #[doc(alias = "ZMQ_IPV6")]
    pub fn ipv6(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::IPV6, on);
        self
    }

    /// How many connections may wait to be accepted.
    ///
    /// # Default
    /// 100
    #[doc(alias = "ZMQ_BACKLOG")]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.options.set_int(OptionId::BACKLOG, connections);
        self
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

    /// Sends only to peers that are connected, so that messages wait in our
    /// queue, where they can be withdrawn, and not in libzmq's.
    ///
    /// On a REQUEST socket that connects, think twice: with this option libzmq
    /// forgets, when a connection ends, replies that had arrived over it and
    /// were not read yet. Their requests end by their timeout.
    ///
    /// # Default
    /// Off: libzmq queues for a peer that it is still connecting to.
    #[doc(alias = "ZMQ_IMMEDIATE")]
    pub fn immediate(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::IMMEDIATE, on);
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
        K::set_receiver(&mut self.setup, receiver.into_receiver());
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

impl<K: Publishes + Pattern> Blueprint<K> {
    /// Keeps messages in our queue, under its overflow policy, instead of
    /// dropping them for a subscriber that is at its high-water mark. The
    /// slowest subscriber then sets the pace.
    ///
    /// # Default
    /// Off, as libzmq
    #[doc(alias = "ZMQ_XPUB_NODROP")]
    pub fn no_drop(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::XPUB_NODROP, on);
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
    pub fn verbose(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::XPUB_VERBOSE, on);
        self
    }

    /// Tells of every subscription and of every end of one.
    ///
    /// # Default
    /// Off: of the first one to a topic, and of the end of the last
    #[doc(alias = "ZMQ_XPUB_VERBOSER")]
    pub fn verboser(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::XPUB_VERBOSER, on);
        self
    }

    /// Sends this frame to each new subscriber that has subscribed to a prefix of it.
    ///
    /// # Default
    /// None
    #[doc(alias = "ZMQ_XPUB_WELCOME_MSG")]
    pub fn welcome(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.options.set(OptionId::XPUB_WELCOME_MSG, OptionValue::Bytes(message.into()));
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
    /// that nobody waits for. Together with [`immediate`](Self::immediate),
    /// requests wait in our queue while no server is connected.
    ///
    /// # Default
    /// On
    pub const fn withdraw_unsent(mut self, on: bool) -> Self {
        self.setup.withdraw = on;
        self
    }

    /// How many requests may be in flight; more are refused with [`ErrorKind::Full`].
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
    /// How many requests may be unanswered before the socket reads no more. At least 1.
    ///
    /// # Default
    /// 65,536
    pub fn max_unanswered(mut self, requests: usize) -> Self {
        self.setup.max_unanswered = requests.max(1);
        self
    }

    /// Lets a peer take over the routing id of another: after a client with a
    /// set routing id was cut off, its next connection is served at once.
    ///
    /// # Default
    /// Off: the second peer with one routing id is not heard
    #[doc(alias = "ZMQ_ROUTER_HANDOVER")]
    pub fn handover(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::ROUTER_HANDOVER, on);
        self
    }
}

impl Blueprint<Router> {
    /// Lets a peer take over the routing id of another: after a client with a
    /// set routing id was cut off, its next connection is served at once.
    ///
    /// # Default
    /// Off: the second peer with one routing id is not heard
    #[doc(alias = "ZMQ_ROUTER_HANDOVER")]
    pub fn handover(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::ROUTER_HANDOVER, on);
        self
    }

    /// Greets every peer that it is connected with by a message of one empty
    /// frame, so that a ROUTER on the other side learns of this one.
    ///
    /// # Default
    /// Off
    #[doc(alias = "ZMQ_PROBE_ROUTER")]
    pub fn probe(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::PROBE_ROUTER, on);
        self
    }
}

impl Blueprint<Dealer> {
    /// Greets every peer that it is connected with by a message of one empty
    /// frame, so that a ROUTER on the other side learns of this socket.
    ///
    /// # Default
    /// Off
    #[doc(alias = "ZMQ_PROBE_ROUTER")]
    pub fn probe(mut self, on: bool) -> Self {
        self.options.set_flag(OptionId::PROBE_ROUTER, on);
        self
    }
}

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
