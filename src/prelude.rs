//! What a program imports with `*`, actix's own prelude included.
//!
//! Import this one alone: actix's prelude has a `Request` of its own (the
//! future of `Addr::send`), which [`Request`] stands in for here.

pub use actix::prelude::*;

#[cfg(feature = "json")]
pub use crate::codec::Json;
#[cfg(feature = "messagepack")]
pub use crate::codec::MessagePack;
#[cfg(feature = "postcard")]
pub use crate::codec::Postcard;
pub use crate::codec::{Codec, Decode, Encode, Format, OrRaw, Stamped};
pub use crate::deliver::{Batch, Receiver, Values};
pub use crate::messages::{
    Admission, Bind, Captured, Close, Connect, ConnectAs, ConnectionChange, ConnectionEvent,
    Disconnect, Ended, EventKind, Feed, GetOption, IncomingRequest, Many, Open, OpenProxy, Pause,
    Publish, Pulled, Push, Received, ReceivedFrom, Request, Restart, Resume, SendMessage, SendTo,
    SetOption, Shutdown, SocketEvent, Statistics, Status, Subscribe, Subscription, TopicMessage,
    Unbind, Unsubscribe, WaitConnected, WaitSubscribers, Watch,
};
pub use crate::{
    Broker, Call, Client, Counter, DealerSocket, Error, ErrorKind, Factory, Frame, Multipart,
    OptionName, Overflow, PairSocket, Proxy, PubSocket, PullSocket, PushSocket, QueueLimits,
    Remote, RemoteRecipient, RepSocket, ReplySocket, ReqSocket, RequestSocket, RestartPolicy,
    Retry, Route, RouterSocket, Service, SocketOption, StreamSocket, SubSocket, Topic,
    TopicFraming, XPubSocket, XSubSocket,
};
