//! What a program imports with `*`, actix's own prelude included.
//!
//! Import this one alone: actix's prelude has a `Request` of its own (the
//! future of `Addr::send`), which [`Request`] stands in for here.

pub use actix::prelude::*;

pub use crate::codec::{Codec, Decode, Encode, Json, MessagePack};
pub use crate::deliver::{Batch, Receiver, Values};
pub use crate::messages::{
    Admission, Bind, Captured, Close, Connect, ConnectAs, ConnectionChange, ConnectionEvent,
    Disconnect, Ended, EventKind, Feed, GetOption, IncomingRequest, Many, Open, OpenProxy, Pause,
    Publish, Pulled, Push, Received, ReceivedFrom, Request, Restart, Resume, SendMessage, SendTo,
    SetOption, Shutdown, SocketEvent, Statistics, Status, Subscribe, Subscription, TopicMessage,
    Unbind, Unsubscribe, WaitConnected, WaitSubscribers, Watch,
};
pub use crate::{
    Counter, DealerSocket, Error, ErrorKind, Factory, Frame, Multipart, OptionName, Overflow,
    PairSocket, Proxy, PubSocket, PullSocket, PushSocket, QueueLimits, RepSocket, ReplySocket,
    ReqSocket, RequestSocket, RestartPolicy, RouterSocket, SocketOption, StreamSocket, SubSocket,
    Topic, TopicFraming, XPubSocket, XSubSocket,
};
