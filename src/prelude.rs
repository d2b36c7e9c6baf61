//! What a program imports with `*`, actix's own prelude included.
//!
//! Import this one alone: actix's prelude has a `Request` of its own (the
//! future of `Addr::send`), which [`Request`] stands in for here.

pub use actix::prelude::*;

pub use crate::codec::{Codec, Decode, Encode, Json, MessagePack};
pub use crate::deliver::{Batch, Receiver, Values};
pub use crate::messages::{
    Bind, Close, Connect, Disconnect, Ended, EventKind, IncomingRequest, Open, Publish, Pulled,
    Push, Received, ReceivedFrom, Request, Restart, SendMessage, SendTo, Shutdown, SocketEvent,
    Status, Subscribe, Subscription, TopicMessage, Unbind, Unsubscribe, Watch,
};
pub use crate::{
    Counter, DealerSocket, Error, ErrorKind, Factory, Frame, Multipart, Overflow, PairSocket,
    PubSocket, PullSocket, PushSocket, QueueLimits, RepSocket, ReplySocket, ReqSocket,
    RequestSocket, RestartPolicy, RouterSocket, StreamSocket, SubSocket, Topic, TopicFraming,
    XPubSocket, XSubSocket,
};
