//! Sockets described by a configuration file.

mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::actors::{FactoryBuilder, Pattern};
use crate::blueprint::Blueprint;
use crate::endpoint::Endpoint;
use crate::engine::backoff::RestartPolicy;
use crate::error::{Error, ErrorKind, Result};
use crate::framing::TopicFraming;
use crate::kinds::{self, SocketType};
use crate::options::{ContextOptions, QueueLimits, SocketOption};

/// A context and any number of named sockets, as a configuration file in TOML,
/// YAML or JSON describes them.
///
/// It is checked as it is read, before anything starts: keys, values, endpoints
/// and their transports, options that the type does not have or the linked
/// libzmq lacks, two sockets that listen at one endpoint. The error is that of
/// the format's own crate, which says in which line.
///
/// That error shows the line itself: where it may be a secret, do not log it.
///
/// What only code can say is added to the [`blueprint`](Self::blueprint):
/// receivers, watchers, codecs.
///
/// # Keys of a socket
/// | Key | Value |
/// |---|---|
/// | `type` | `pub`, `sub`, `xpub`, `xsub`, `push`, `pull`, `request`, `reply`, `req`, `rep`, `dealer`, `router`, `pair`, `stream` |
/// | `bind`, `connect` | an endpoint, or a list of them |
/// | `endpoint` | the same; one with a wildcard is bound, and others are connected to, unless `method` says `bind` or `connect` |
/// | every [`OptionName`](crate::OptionName) | the option's value: times with their unit (`"500ms"`), sizes in bytes or with their unit (`"64 KiB"`), `"none"` where there may be none |
/// | `monitor`, `retry_first` | true or false: [`monitor`](Blueprint::monitor), [`open_with_retry`](Blueprint::open_with_retry) |
/// | `busy_poll` | a time: [`busy_poll`](Blueprint::busy_poll) |
/// | `arbiter` | a name: [`arbiter`](Blueprint::arbiter) |
/// | `queue` | `messages`, `bytes`, `waiting`, and `overflow`: `wait`, `reject`, `drop_newest` or `drop_oldest` ([`QueueLimits`]) |
/// | `restart` | `initial`, `max`, `window` (times), `factor`, `jitter`, `budget` ([`RestartPolicy`]) |
/// | `topics` | of SUB and XSUB: a list of prefixes |
/// | `framing` | of PUB, XPUB, SUB and XSUB: `frames`, `tagged` or `whole` ([`TopicFraming`]) |
/// | `timeout`, `max_in_flight`, `withdraw_unsent`, `unreachable_after` | of REQUEST and REQ |
/// | `correlate` | of REQ |
/// | `answer_within` | of REPLY and REP |
/// | `max_unanswered` | of REPLY |
///
/// # Keys of the context
/// `io_threads`, `max_sockets`, `max_message_size`, `ipv6`, `thread_scheduling`,
/// `thread_priority`, `thread_cpus`, `thread_name_prefix`, `linger`,
/// `shutdown_on_signal`: those of [`FactoryBuilder`].
///
/// # Examples
/// ```
/// use actix_zmq::prelude::*;
/// use actix_zmq::{Topology, kinds};
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let topology: Topology = toml::from_str(r#"
///     [context]
///     linger = "1s"
///
///     [sockets.jobs]
///     type = "push"
///     endpoint = "tcp://127.0.0.1:*"
///     heartbeat = "500ms"
///     queue = { messages = 10_000, overflow = "reject" }
///
///     [sockets.prices]
///     type = "sub"
///     connect = ["tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557"]
///     topics = ["prices."]
/// "#)?;
///
/// let zmq = topology.factory().start();
/// let jobs = zmq.send(Open(topology.blueprint::<kinds::Push>("jobs")?)).await??;
/// let prices = topology.blueprint::<kinds::Sub>("prices")?;
/// zmq.send(Open(prices.on_message(|price: TopicMessage| println!("{price:?}")))).await??;
///
/// let mistake = toml::from_str::<Topology>(r#"
///     [sockets.jobs]
///     type = "push"
///     heartbeet = "500ms"
/// "#);
/// let text = mistake.unwrap_err().to_string();
/// assert!(text.contains("line 4") && text.contains("heartbeet"), "{text}");
/// # zmq.send(Shutdown::within(std::time::Duration::from_secs(1))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Topology {
    context: ContextOptions,
    sockets: BTreeMap<String, Plan>,
}

/// A socket as described.
#[derive(Clone, Debug)]
struct Plan {
    socket_type: SocketType,
    items: Vec<Item>,
}

/// One thing that a description says.
#[derive(Clone, Debug)]
enum Item {
    Bind(Endpoint),
    Connect(Endpoint),
    Option(SocketOption),
    Common(Common),
    Own(Setting),
}

/// What every type has beside libzmq's options.
#[derive(Clone, Debug)]
enum Common {
    Monitor(bool),
    BusyPoll(Duration),
    RetryFirst(bool),
    Arbiter(String),
    Queue(QueueLimits),
    Restart(RestartPolicy),
}

/// What only some types have: their own `Setup` takes it or not.
#[derive(Clone, Debug)]
pub(crate) enum Setting {
    Topics(Vec<String>),
    Framing(TopicFraming),
    Timeout(Duration),
    MaxInFlight(usize),
    WithdrawUnsent(bool),
    UnreachableAfter(Duration),
    Correlate(bool),
    AnswerWithin(Duration),
    MaxUnanswered(usize),
}

impl Topology {
    /// The factory's settings.
    pub fn factory(&self) -> FactoryBuilder {
        FactoryBuilder::of(self.context.clone())
    }

    /// The sockets' names and types, in the order of their names.
    pub fn sockets(&self) -> impl Iterator<Item = (&str, SocketType)> {
        self.sockets.iter().map(|(name, plan)| (name.as_str(), plan.socket_type))
    }

    /// A socket as described, under its name; anything can be added or changed.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a name that is not there,
    /// [`InvalidOption`](ErrorKind::InvalidOption) for a socket of another type.
    pub fn blueprint<K: Pattern>(&self, name: &str) -> Result<Blueprint<K>> {
        let Some(plan) = self.sockets.get(name) else {
            let error = Error::new(ErrorKind::NotFound);
            return Err(error.detail(format!("the topology has no socket {name:?}")));
        };
        if plan.socket_type != K::TYPE {
            let error = Error::new(ErrorKind::InvalidOption);
            let detail = format!("socket {name:?} is a {}, not a {}", plan.socket_type, K::TYPE);
            return Err(error.detail(detail));
        }
        let mut blueprint = Blueprint::new().name(name);
        for item in plan.items.iter().cloned() {
            blueprint = match item {
                Item::Bind(endpoint) => blueprint.bind(endpoint),
                Item::Connect(endpoint) => blueprint.connect(endpoint),
                Item::Option(option) => blueprint.option(option),
                Item::Common(Common::Monitor(on)) => blueprint.monitor(on),
                Item::Common(Common::BusyPoll(time)) => blueprint.busy_poll(time),
                Item::Common(Common::RetryFirst(true)) => blueprint.open_with_retry(),
                Item::Common(Common::RetryFirst(false)) => blueprint.open_or_fail(),
                Item::Common(Common::Arbiter(arbiter)) => blueprint.arbiter(arbiter),
                Item::Common(Common::Queue(limits)) => {
                    blueprint.limits = limits;
                    blueprint
                }
                Item::Common(Common::Restart(policy)) => blueprint.restart(policy),
                Item::Own(setting) => {
                    K::configure(&mut blueprint.setup, setting);
                    blueprint
                }
            };
        }
        Ok(blueprint)
    }
}

/// Whether a type takes a setting of its own.
fn takes(socket_type: SocketType, setting: &Setting) -> bool {
    fn of<K: Pattern>(setting: &Setting) -> bool {
        K::configure(&mut K::Setup::default(), setting.clone())
    }
    match socket_type {
        SocketType::Pub => of::<kinds::Pub>(setting),
        SocketType::Sub => of::<kinds::Sub>(setting),
        SocketType::Push => of::<kinds::Push>(setting),
        SocketType::Pull => of::<kinds::Pull>(setting),
        SocketType::Request => of::<kinds::Request>(setting),
        SocketType::Reply => of::<kinds::Reply>(setting),
        SocketType::Req => of::<kinds::Req>(setting),
        SocketType::Rep => of::<kinds::Rep>(setting),
        SocketType::Dealer => of::<kinds::Dealer>(setting),
        SocketType::Router => of::<kinds::Router>(setting),
        SocketType::Pair => of::<kinds::Pair>(setting),
        SocketType::XPub => of::<kinds::XPub>(setting),
        SocketType::XSub => of::<kinds::XSub>(setting),
        SocketType::Stream => of::<kinds::Stream>(setting),
        SocketType::Proxy => false,
    }
}

impl Item {
    /// What is wrong with it on a socket of this type.
    fn check(&self, key: &str, socket_type: SocketType) -> std::result::Result<(), String> {
        let sends = |what: &str| -> std::result::Result<(), String> {
            match socket_type {
                SocketType::Sub | SocketType::Pull => {
                    Err(format!("a {socket_type} socket has no {what}"))
                }
                _ => Ok(()),
            }
        };
        match self {
            Self::Option(option) => option.check(socket_type).map_err(|error| error.to_string()),
            Self::Own(setting) if !takes(socket_type, setting) => {
                Err(format!("a {socket_type} socket has no `{key}`"))
            }
            Self::Common(Common::Queue(_)) => sends("outbound queue"),
            _ => Ok(()),
        }
    }
}
