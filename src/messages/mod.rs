//! What crosses a mailbox: plain data.
//!
//! Commands are verbs ([`Publish`], [`Push`], [`Request`], [`Bind`]…),
//! deliveries are nouns ([`TopicMessage`], [`Pulled`], [`IncomingRequest`]),
//! events are participles ([`EventKind`]).

mod bulk;
mod control;
mod event;
mod lifecycle;
mod pipeline;
mod proxy;
mod pubsub;
mod reqrep;
mod routed;

pub use bulk::{Feed, Many, Unsent};
pub use control::{
    Bind, Close, Connect, ConnectAs, Disconnect, GetOption, Restart, SetOption, Unbind,
    WaitConnected, Watch,
};
pub use event::{ConnectionChange, ConnectionEvent, EventKind, HandshakeFailure, SocketEvent};
pub use lifecycle::{
    Count, Ended, EndpointStatus, Open, Shutdown, ShutdownReport, SocketId, SocketReport,
    SocketState, SocketStatus, Status,
};
pub use pipeline::{Pulled, Push};
pub use proxy::{Captured, OpenProxy, Pause, ProxyStatistics, Resume, SideStatistics, Statistics};
pub use pubsub::{
    Admission, Publish, Subscribe, Subscription, TopicMessage, Unsubscribe, WaitSubscribers,
};
pub(crate) use reqrep::{Answer, Answered, ReplyDesk, Timeout};
pub use reqrep::{IncomingRequest, Request, Responder};
pub use routed::{Received, ReceivedFrom, SendMessage, SendTo};
