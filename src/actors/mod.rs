//! Who handles the messages: the one generic socket actor, one file of
//! handlers per pattern, and the factory.
//!
//! [`Socket<K>`] wraps the engine's pump and gives it Actix's life: a mailbox,
//! timers, events, restart. What a socket type does with what it receives is
//! its [`Pattern::Inbound`](pattern::Pattern), a small part beside the pump.

#![expect(
    private_interfaces,
    reason = "`Inbound` is public only because `Pattern` names it; both are sealed, and nobody \
              outside can call what they deal in"
)]

mod alarm;
mod call;
mod connections;
mod control;
mod events;
mod factory;
mod handing;
pub(crate) mod open;
mod outgoing;
mod pair;
mod parked;
mod pattern;
mod pipeline;
mod proxy;
mod publish;
mod reply;
mod request;
mod routed;
mod shared;
mod socket;
mod stream;
mod subscribe;
mod waiting;

#[cfg(feature = "web")]
pub(crate) use factory::Signals;
#[cfg(feature = "metrics")]
pub(crate) use factory::Sockets;
pub use factory::{Factory, FactoryBuilder};
pub(crate) use pattern::Framed;
pub use pattern::{Pattern, Receiving};
pub use proxy::{Proxy, ProxyBlueprint};
pub(crate) use publish::{Decide, PubSetup, Tells};
pub(crate) use reply::ReplySetup;
pub(crate) use request::RequestSetup;
#[cfg(feature = "metrics")]
pub(crate) use shared::Shared;
pub use socket::Socket;
pub(crate) use subscribe::SubSetup;

use crate::kinds;

/// Publishes to all subscribers: see [`kinds::Pub`].
pub type PubSocket = Socket<kinds::Pub>;
/// Receives what it subscribed to: see [`kinds::Sub`].
pub type SubSocket = Socket<kinds::Sub>;
/// Hands messages to its peers in turn: see [`kinds::Push`].
pub type PushSocket = Socket<kinds::Push>;
/// Collects messages from its peers: see [`kinds::Pull`].
pub type PullSocket = Socket<kinds::Pull>;
/// Asks, with any number of requests in flight: see [`kinds::Request`].
pub type RequestSocket = Socket<kinds::Request>;
/// Answers, in any order: see [`kinds::Reply`].
pub type ReplySocket = Socket<kinds::Reply>;
/// Asks one peer at a time, in lock-step: see [`kinds::Req`].
pub type ReqSocket = Socket<kinds::Req>;
/// Answers one request at a time, in lock-step: see [`kinds::Rep`].
pub type RepSocket = Socket<kinds::Rep>;
/// Sends to its peers in turn, and receives: see [`kinds::Dealer`].
pub type DealerSocket = Socket<kinds::Dealer>;
/// Sends to the peer that is named, and receives: see [`kinds::Router`].
pub type RouterSocket = Socket<kinds::Router>;
/// Talks with one other: see [`kinds::Pair`].
pub type PairSocket = Socket<kinds::Pair>;
/// Publishes, and hears of its subscribers: see [`kinds::XPub`].
pub type XPubSocket = Socket<kinds::XPub>;
/// Talks with plain TCP peers: see [`kinds::Stream`].
pub type StreamSocket = Socket<kinds::Stream>;
/// Receives what it subscribed to, and sends upstream: see [`kinds::XSub`].
pub type XSubSocket = Socket<kinds::XSub>;
