//! What may be around a value: the time, or nothing that can be read.

use std::time::{Duration, SystemTime};

use actix::Message;
use serde::{Deserialize, Serialize};

use super::{Decode, Undecodable};
use crate::multipart::Multipart;

/// A value with the time when it was sent: `{"timestamp": …, "data": …}` in JSON,
/// as programs around txZMQ write it.
///
/// # Examples
/// ```
/// use actix_zmq::{Json, Publish, Stamped};
///
/// let publish = Publish::new("prices.EUR", Json(Stamped::now(108)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Stamped<T> {
    /// Seconds since 1970, with their fraction.
    pub timestamp: f64,
    /// The value.
    pub data: T,
}

impl<T> Stamped<T> {
    /// A value that is sent now.
    pub fn now(data: T) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self { timestamp: since.unwrap_or_default().as_secs_f64(), data }
    }

    /// How long ago it was sent, by this machine's clock; zero if that is in the future.
    #[must_use]
    pub fn age(&self) -> Duration {
        let sent = Duration::try_from_secs_f64(self.timestamp).unwrap_or_default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(sent)
    }
}

impl<T: 'static> Message for Stamped<T> {
    type Result = ();
}

/// A value if it is one, and else the frames with the reason: for topics on
/// which both kinds arrive. Nothing that is received in it counts as undecodable.
///
/// # Examples
/// ```
/// use actix_zmq::{Json, OrRaw, SubSocket, TopicMessage};
///
/// let news = SubSocket::connect("tcp://127.0.0.1:5556").topic("").on_message(
///     |TopicMessage { topic, body }: TopicMessage<OrRaw<Json<u32>>>| match body {
///         OrRaw::Value(Json(number)) => println!("{topic:?}: {number}"),
///         OrRaw::Raw(raw) => println!("{topic:?}: {:?}, as {raw}", raw.frames()),
///     },
/// );
/// ```
#[derive(Debug)]
pub enum OrRaw<C> {
    /// What the frames are.
    Value(C),
    /// The frames, and why they are none.
    Raw(Undecodable),
}

impl<C: Decode> Decode for OrRaw<C> {
    fn decode(frames: Multipart) -> Result<Self, Undecodable> {
        Ok(C::decode(frames).map_or_else(Self::Raw, Self::Value))
    }
}
