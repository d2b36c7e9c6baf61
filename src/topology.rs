//! Sockets described by a configuration file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor,
};

use crate::actors::{FactoryBuilder, Pattern};
use crate::blueprint::Blueprint;
use crate::endpoint::Endpoint;
use crate::engine::backoff::RestartPolicy;
use crate::error::{Error, ErrorKind, Result};
use crate::framing::TopicFraming;
use crate::kinds::{self, SocketType};
use crate::options::{
    Bytes, ContextOptions, OptionName, Overflow, QueueLimits, SocketOption, Time,
};

/// A context and any number of named sockets, as a configuration file in TOML,
/// YAML or JSON describes them.
///
/// It is checked as it is read, before anything starts: keys, values, endpoints
/// and their transports, options that the type does not have or the linked
/// libzmq lacks, two sockets that listen at one endpoint. The error is that of
/// the format's own crate, which says in which line.
///
/// What only code can say is added to the [`blueprint`](Self::blueprint):
/// receivers, watchers, codecs.
///
/// # Keys of a socket
/// | Key | Value |
/// |---|---|
/// | `type` | `pub`, `sub`, `xpub`, `xsub`, `push`, `pull`, `request`, `reply`, `req`, `rep`, `dealer`, `router`, `pair`, `stream` |
/// | `bind`, `connect` | an endpoint, or a list of them |
/// | `endpoint` | the same; one with a wildcard is bound, and others are connected to, unless `method` before it says `bind` or `connect` |
/// | every [`OptionName`] | the option's value: times with their unit (`"500ms"`), sizes in bytes or with their unit (`"64 KiB"`), `"none"` where there may be none |
/// | `linger` | a time |
/// | `monitor`, `retry_first` | true or false: [`monitor`](Blueprint::monitor), [`open_with_retry`](Blueprint::open_with_retry) |
/// | `arbiter` | a name: [`arbiter`](Blueprint::arbiter) |
/// | `queue` | `messages`, `bytes`, `waiting`, and `overflow`: `wait`, `reject`, `drop_newest` or `drop_oldest` ([`QueueLimits`]) |
/// | `restart` | `initial`, `max`, `window` (times), `factor`, `jitter`, `budget` ([`RestartPolicy`]) |
/// | `topics` | of SUB and XSUB: a list of prefixes |
/// | `framing` | of PUB, XPUB, SUB and XSUB: `frames`, `tagged` or `whole` ([`TopicFraming`]) |
/// | `timeout`, `max_in_flight`, `withdraw_unsent` | of REQUEST and REQ |
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
    Linger(Duration),
    Monitor(bool),
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
                Item::Common(Common::Linger(linger)) => blueprint.linger(linger),
                Item::Common(Common::Monitor(on)) => blueprint.monitor(on),
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

impl<'de> Deserialize<'de> for Topology {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(WholeVisitor)
    }
}

struct WholeVisitor;

impl<'de> Visitor<'de> for WholeVisitor {
    type Value = Topology;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with `context` and `sockets`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Topology, A::Error> {
        let mut topology = Topology::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "context" => topology.context = map.next_value_seed(ContextSeed)?,
                "sockets" => topology.sockets = map.next_value_seed(SocketsSeed)?,
                _ => return Err(unknown(&mut map, &key, "`context` or `sockets`")),
            }
        }
        Ok(topology)
    }
}

/// The error for a key that nobody knows, at its place.
fn unknown<'de, A: MapAccess<'de>>(map: &mut A, key: &str, expected: &str) -> A::Error {
    struct Refuse(String);
    impl<'de> DeserializeSeed<'de> for Refuse {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, value: D) -> std::result::Result<(), D::Error> {
            IgnoredAny::deserialize(value)?;
            Err(D::Error::custom(self.0))
        }
    }
    let text = format!("unknown key `{key}`, expected {expected}");
    match map.next_value_seed(Refuse(text.clone())) {
        Err(error) => error,
        Ok(()) => A::Error::custom(text),
    }
}

struct ContextSeed;

impl<'de> DeserializeSeed<'de> for ContextSeed {
    type Value = ContextOptions;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<ContextOptions, D::Error> {
        let options = ContextOptions::deserialize(deserializer)?;
        options.checked().map_err(D::Error::custom)?;
        Ok(options)
    }
}

struct SocketsSeed;

impl<'de> DeserializeSeed<'de> for SocketsSeed {
    type Value = BTreeMap<String, Plan>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SocketsSeed {
    type Value = BTreeMap<String, Plan>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names to sockets")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut sockets = BTreeMap::new();
        let mut bound = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let known = sockets.contains_key(&name);
            let plan = map.next_value_seed(SocketSeed { name: &name, known, bound: &mut bound })?;
            sockets.insert(name, plan);
        }
        Ok(sockets)
    }
}

/// One socket's description.
struct SocketSeed<'a> {
    name: &'a str,
    known: bool,
    /// Where sockets of this topology listen already.
    bound: &'a mut BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for SocketSeed<'_> {
    type Value = Plan;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Plan, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SocketSeed<'_> {
    type Value = Plan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a socket: a map with a `type`, endpoints and options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Plan, A::Error> {
        if self.known {
            return Err(A::Error::custom(format!("socket {:?} is described twice", self.name)));
        }
        let mut draft =
            Draft { socket_type: None, method: None, items: Vec::new(), bound: self.bound };
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(KeySeed { key: &key, draft: &mut draft })?;
        }
        let Some(socket_type) = draft.socket_type else {
            return Err(A::Error::custom(format!("socket {:?} has no `type`", self.name)));
        };
        Ok(Plan { socket_type, items: draft.items.into_iter().map(|(_, item)| item).collect() })
    }
}

/// What is known of a socket so far.
struct Draft<'a> {
    socket_type: Option<SocketType>,
    method: Option<Method>,
    items: Vec<(String, Item)>,
    bound: &'a mut BTreeSet<String>,
}

/// One key's value. Whatever is wrong with it is found while it is read, so
/// that the error is at its place.
struct KeySeed<'a, 'b> {
    key: &'a str,
    draft: &'a mut Draft<'b>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> std::result::Result<(), D::Error> {
        let Self { key, draft } = self;
        let items = match key {
            "type" => {
                let socket_type = TypeName::deserialize(value)?.0;
                draft.socket_type = Some(socket_type);
                // What was said before is checked now.
                for (key, item) in &draft.items {
                    item.check(key, socket_type).map_err(D::Error::custom)?;
                }
                return Ok(());
            }
            "method" => {
                draft.method = Some(Method::deserialize(value)?);
                return Ok(());
            }
            "bind" => draft.endpoints::<D>(value, |_| Method::Bind)?,
            "connect" => draft.endpoints::<D>(value, |_| Method::Connect)?,
            "endpoint" => {
                let method = draft.method;
                draft.endpoints::<D>(value, |endpoint| match method {
                    Some(method) => method,
                    None if endpoint.is_wildcard() => Method::Bind,
                    None => Method::Connect,
                })?
            }
            _ => vec![item::<D>(key, value)?],
        };
        for item in items {
            if let Some(socket_type) = draft.socket_type {
                item.check(key, socket_type).map_err(D::Error::custom)?;
            }
            draft.items.push((key.to_owned(), item));
        }
        Ok(())
    }
}

/// Reads the value of a key that is neither a type nor an endpoint.
fn item<'de, D: Deserializer<'de>>(key: &str, value: D) -> std::result::Result<Item, D::Error> {
    Ok(match key {
        "linger" => Item::Common(Common::Linger(Time::deserialize(value)?.0)),
        "monitor" => Item::Common(Common::Monitor(bool::deserialize(value)?)),
        "retry_first" => Item::Common(Common::RetryFirst(bool::deserialize(value)?)),
        "arbiter" => Item::Common(Common::Arbiter(String::deserialize(value)?)),
        "queue" => Item::Common(Common::Queue(Queue::deserialize(value)?.into())),
        "restart" => Item::Common(Common::Restart(Restart::deserialize(value)?.into())),
        "topics" => Item::Own(Setting::Topics(Vec::deserialize(value)?)),
        "framing" => Item::Own(Setting::Framing(Framing::deserialize(value)?.into())),
        "timeout" => Item::Own(Setting::Timeout(Time::deserialize(value)?.0)),
        "max_in_flight" => Item::Own(Setting::MaxInFlight(usize::deserialize(value)?)),
        "withdraw_unsent" => Item::Own(Setting::WithdrawUnsent(bool::deserialize(value)?)),
        "correlate" => Item::Own(Setting::Correlate(bool::deserialize(value)?)),
        "answer_within" => Item::Own(Setting::AnswerWithin(Time::deserialize(value)?.0)),
        "max_unanswered" => Item::Own(Setting::MaxUnanswered(usize::deserialize(value)?)),
        _ => match key.parse::<OptionName>() {
            Ok(name) => {
                let option = name.deserialize(value)?;
                name.check_support()
                    .and_then(|()| option.check_value())
                    .map_err(D::Error::custom)?;
                Item::Option(option)
            }
            Err(unknown) => {
                IgnoredAny::deserialize(value)?;
                return Err(D::Error::custom(unknown));
            }
        },
    })
}

impl Draft<'_> {
    fn endpoints<'de, D: Deserializer<'de>>(
        &mut self,
        value: D,
        method: impl Fn(&Endpoint) -> Method,
    ) -> std::result::Result<Vec<Item>, D::Error> {
        let endpoints = match OneOrMany::deserialize(value)? {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        let mut items = Vec::with_capacity(endpoints.len());
        for text in endpoints {
            let endpoint = Endpoint::parse(&text).map_err(D::Error::custom)?;
            items.push(match method(&endpoint) {
                Method::Bind => {
                    endpoint.check_bind().map_err(D::Error::custom)?;
                    let name = endpoint.as_str().to_owned();
                    if !endpoint.is_wildcard() && !self.bound.insert(name) {
                        return Err(D::Error::custom(format!("two sockets listen at {text:?}")));
                    }
                    Item::Bind(endpoint)
                }
                Method::Connect => {
                    endpoint.check_connect().map_err(D::Error::custom)?;
                    Item::Connect(endpoint)
                }
            });
        }
        Ok(items)
    }
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    Bind,
    Connect,
}

#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "an endpoint, or a list of endpoints")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A socket type by its name in small letters.
struct TypeName(SocketType);

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(value: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(value)?;
        let found = SocketType::ALL.iter().find(|one| one.to_string().eq_ignore_ascii_case(&name));
        found
            .map(|socket_type| Self(*socket_type))
            .ok_or_else(|| D::Error::custom(format!("no socket type is called {name:?}")))
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Framing {
    Frames,
    Tagged,
    Whole,
}

impl From<Framing> for TopicFraming {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Frames => Self::Frames,
            Framing::Tagged => Self::tagged(),
            Framing::Whole => Self::Whole,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Queue {
    messages: Option<usize>,
    bytes: Option<Bytes>,
    waiting: Option<usize>,
    overflow: Option<Policy>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Wait,
    Reject,
    DropNewest,
    DropOldest,
}

impl From<Queue> for QueueLimits {
    fn from(queue: Queue) -> Self {
        let limits = Self::default();
        Self {
            messages: queue.messages.unwrap_or(limits.messages),
            bytes: queue.bytes.map_or(limits.bytes, |bytes| bytes.0),
            waiting: queue.waiting.unwrap_or(limits.waiting),
            overflow: queue.overflow.map_or(limits.overflow, |policy| match policy {
                Policy::Wait => Overflow::Wait,
                Policy::Reject => Overflow::Reject,
                Policy::DropNewest => Overflow::DropNewest,
                Policy::DropOldest => Overflow::DropOldest,
            }),
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Restart {
    initial: Option<Time>,
    max: Option<Time>,
    window: Option<Time>,
    factor: Option<f64>,
    jitter: Option<f64>,
    budget: Option<u32>,
}

impl From<Restart> for RestartPolicy {
    fn from(restart: Restart) -> Self {
        let mut policy = Self::default();
        if let Some(Time(initial)) = restart.initial {
            policy = policy.initial(initial);
        }
        if let Some(Time(max)) = restart.max {
            policy = policy.max(max);
        }
        if let Some(Time(window)) = restart.window {
            policy = policy.window(window);
        }
        if let Some(factor) = restart.factor {
            policy = policy.factor(factor);
        }
        if let Some(jitter) = restart.jitter {
            policy = policy.jitter(jitter);
        }
        match restart.budget {
            Some(budget) => policy.budget(budget),
            None => policy,
        }
    }
}
