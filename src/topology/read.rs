//! Reading a topology, whatever the format: what is wrong is found while it is
//! read, so that the format's own error says where.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor,
};

use super::{Common, Item, Plan, Setting, Topology};
use crate::endpoint::{Endpoint, Transport};
use crate::engine::backoff::RestartPolicy;
use crate::framing::TopicFraming;
use crate::kinds::SocketType;
use crate::options::{Bytes, ContextOptions, OptionName, Overflow, QueueLimits, Time};

impl<'de> Deserialize<'de> for Topology {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WholeVisitor)
    }
}

struct WholeVisitor;

impl<'de> Visitor<'de> for WholeVisitor {
    type Value = Topology;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with `context` and `sockets`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Topology, A::Error> {
        let mut topology = Topology::default();
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("`{key}` is said twice")));
            }
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
        fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
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
    ) -> Result<ContextOptions, D::Error> {
        let options = ContextOptions::deserialize(deserializer)?;
        options.checked().map_err(D::Error::custom)?;
        Ok(options)
    }
}

struct SocketsSeed;

impl<'de> DeserializeSeed<'de> for SocketsSeed {
    type Value = BTreeMap<String, Plan>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SocketsSeed {
    type Value = BTreeMap<String, Plan>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names to sockets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
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

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Plan, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SocketSeed<'_> {
    type Value = Plan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a socket: a map with a `type`, endpoints and options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plan, A::Error> {
        if self.known {
            return Err(A::Error::custom(format!("socket {:?} is described twice", self.name)));
        }
        let mut draft = Draft {
            socket_type: None,
            method: None,
            undecided: Vec::new(),
            items: Vec::new(),
            seen: BTreeSet::new(),
            bound: self.bound,
        };
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(KeySeed { key: &key, draft: &mut draft })?;
        }
        draft.decide()?;
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
    /// Endpoints of which `method` tells what to do.
    undecided: Vec<Endpoint>,
    /// The keys that there were.
    seen: BTreeSet<String>,
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

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        let Self { key, draft } = self;
        if !draft.seen.insert(key.to_owned()) {
            IgnoredAny::deserialize(value)?;
            return Err(D::Error::custom(format!("`{key}` is said twice")));
        }
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
            "bind" => draft.decided(endpoints::<D>(value)?, Method::Bind)?,
            "connect" => draft.decided(endpoints::<D>(value)?, Method::Connect)?,
            // `method` may follow: some formats sort their keys.
            "endpoint" => {
                draft.undecided = endpoints::<D>(value)?;
                return Ok(());
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
fn item<'de, D: Deserializer<'de>>(key: &str, value: D) -> Result<Item, D::Error> {
    Ok(match key {
        "monitor" => Item::Common(Common::Monitor(bool::deserialize(value)?)),
        "busy_poll" => Item::Common(Common::BusyPoll(Time::deserialize(value)?.0)),
        "retry_first" => Item::Common(Common::RetryFirst(bool::deserialize(value)?)),
        "arbiter" => Item::Common(Common::Arbiter(String::deserialize(value)?)),
        "queue" => Item::Common(Common::Queue(Queue::deserialize(value)?.into())),
        "restart" => Item::Common(Common::Restart(Restart::deserialize(value)?.into())),
        "topics" => Item::Own(Setting::Topics(Vec::deserialize(value)?)),
        "framing" => Item::Own(Setting::Framing(Framing::deserialize(value)?.into())),
        "timeout" => Item::Own(Setting::Timeout(Time::deserialize(value)?.0)),
        "max_in_flight" => Item::Own(Setting::MaxInFlight(usize::deserialize(value)?)),
        "unreachable_after" => Item::Own(Setting::UnreachableAfter(Time::deserialize(value)?.0)),
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

/// Reads one endpoint or several.
fn endpoints<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<Endpoint>, D::Error> {
    let endpoints = match OneOrMany::deserialize(value)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    };
    endpoints.iter().map(|text| Endpoint::parse(text).map_err(D::Error::custom)).collect()
}

impl Draft<'_> {
    /// Endpoints with what is to be done with them, if it can be.
    fn decided<E: serde::de::Error>(
        &mut self,
        endpoints: Vec<Endpoint>,
        method: Method,
    ) -> Result<Vec<Item>, E> {
        let mut items = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            items.push(match method {
                Method::Bind => {
                    endpoint.check_bind().map_err(E::custom)?;
                    let name = endpoint.as_str();
                    // Where the system chooses, it chooses another one each time.
                    let chosen = name.ends_with("://*")
                        || matches!(endpoint.transport(), Transport::Tcp | Transport::Ws)
                            && endpoint.port().is_none();
                    if !chosen && !self.bound.insert(name.to_owned()) {
                        return Err(E::custom(format!("two sockets listen at {name:?}")));
                    }
                    Item::Bind(endpoint)
                }
                Method::Connect => {
                    endpoint.check_connect().map_err(E::custom)?;
                    Item::Connect(endpoint)
                }
            });
        }
        Ok(items)
    }

    /// What was left open, when all is known.
    fn decide<E: serde::de::Error>(&mut self) -> Result<(), E> {
        for endpoint in std::mem::take(&mut self.undecided) {
            let method = match self.method {
                Some(method) => method,
                None if endpoint.is_wildcard() => Method::Bind,
                None => Method::Connect,
            };
            let items = self.decided(vec![endpoint], method)?;
            self.items.extend(items.into_iter().map(|item| ("endpoint".to_owned(), item)));
        }
        Ok(())
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
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
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
