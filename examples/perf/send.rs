//! Who sends the messages, and who asks.

use std::time::Instant;

use actix::dev::ToEnvelope;
use actix_zmq::prelude::*;
use futures::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;

use crate::figures::Asked;
use crate::support::Outcome;
use crate::{APPEARANCE, ByPattern, Load, Pattern, Place, Way};

/// Below this libzmq is given a copy anyway.
const COPIED: usize = 1024;
/// How many messages may be on their way to libzmq, and how many bytes: within
/// the bounds of the queue, so that it refuses nothing.
const WINDOW: usize = 512;
const WINDOW_BYTES: usize = 32 * 1024 * 1024;
/// What is published is published under this topic.
const TOPIC: &str = "perf";

/// The sending socket.
pub(crate) enum Sender {
    Push(Addr<PushSocket>),
    Pub(Addr<PubSocket>),
}

impl Sender {
    pub(crate) async fn open(
        zmq: &Addr<Factory>,
        place: &Place,
        endpoint: &str,
        load: Load,
        ByPattern { pattern }: ByPattern,
    ) -> Outcome<Self> {
        let mut limits = QueueLimits::default();
        limits.bytes = limits.bytes.max(load.size());
        Ok(match pattern {
            Pattern::PushPull => {
                let socket = place.put(PushSocket::connect(endpoint)).queue(limits);
                Self::Push(zmq.send(Open(socket)).await??)
            }
            Pattern::PubSub => {
                let socket = place.put(PubSocket::connect(endpoint)).queue(limits).no_drop(true);
                Self::Pub(zmq.send(Open(socket)).await??)
            }
        })
    }

    /// Waits for who receives it: a publisher drops what nobody wants yet.
    pub(crate) async fn wait(&self) -> Outcome {
        match self {
            Self::Push(socket) => {
                socket.send(WaitConnected::within(APPEARANCE)).await??;
            }
            Self::Pub(socket) => {
                let topic = TOPIC.into();
                socket.send(WaitSubscribers { topic, count: 1, deadline: APPEARANCE }).await??;
            }
        }
        Ok(())
    }

    /// Sends; resolves when libzmq has accepted all.
    pub(crate) async fn send(self, way: Way, load: Load) -> Outcome {
        let size = load.size();
        match self {
            Self::Push(socket) => send(&socket, way, load, move || Push(body(size))).await,
            Self::Pub(socket) => {
                send(&socket, way, load, move || Publish::new(TOPIC, body(size))).await
            }
        }
    }
}

async fn send<A, M>(
    socket: &Addr<A>,
    way: Way,
    load: Load,
    message: impl Fn() -> M + Send + 'static,
) -> Outcome
where
    A: Actor<Context: ToEnvelope<A, M> + ToEnvelope<A, Many<M>> + ToEnvelope<A, Feed<M>>>
        + Handler<M>
        + Handler<Many<M>>
        + Handler<Feed<M>>,
    M: Message<Result = actix_zmq::Result<()>> + Send + 'static,
{
    let window = (WINDOW_BYTES / load.size().max(1)).clamp(1, WINDOW);
    // While one half is on its way, the other is made.
    let half = (window / 2).max(1);
    match way {
        Way::Inline => {
            let messages = stream::iter((0..load.count).map(move |_| message()));
            socket.send(Feed::new(messages)).await??;
            Ok(())
        }
        Way::Batch => batches(socket, load, half, message).await,
        Way::Each => each(socket, load, half, message).await,
    }
}

/// Many in one mailbox message.
async fn batches<A, M>(
    socket: &Addr<A>,
    load: Load,
    half: usize,
    message: impl Fn() -> M,
) -> Outcome
where
    A: Actor<Context: ToEnvelope<A, Many<M>>> + Handler<Many<M>>,
    M: Send + 'static,
{
    let mut left = load.count as usize;
    let mut before = None;
    while left > 0 {
        let many = half.min(left);
        left -= many;
        let accepted = socket.send((0..many).map(|_| message()).collect::<Many<M>>());
        if let Some(before) = before.replace(accepted) {
            before.await??;
        }
    }
    if let Some(last) = before {
        last.await??;
    }
    Ok(())
}

/// One mailbox message each. The last of each half is awaited, and vouches for
/// those before it.
async fn each<A, M>(socket: &Addr<A>, load: Load, half: usize, message: impl Fn() -> M) -> Outcome
where
    A: Actor<Context: ToEnvelope<A, M>> + Handler<M>,
    M: Message<Result = actix_zmq::Result<()>> + Send + 'static,
{
    let count = load.count as usize;
    let mut before = None;
    for number in 1..=count {
        if number % half != 0 && number != count {
            socket.do_send(message());
            continue;
        }
        let accepted = socket.send(message());
        if let Some(before) = before.replace(accepted) {
            before.await??;
        }
    }
    if let Some(last) = before {
        last.await??;
    }
    Ok(())
}

/// Asks, with so many requests in flight.
pub(crate) async fn ask<A>(socket: Addr<A>, load: Load, window: u32) -> Outcome<Asked>
where
    A: Actor<Context: ToEnvelope<A, Request>> + Handler<Request>,
{
    let size = load.size();
    let mut times = Histogram::new(3)?;
    let started = Instant::now();
    let requests = stream::iter(0..load.count).map(|_| {
        let asked = Instant::now();
        let reply = socket.send(Request::new(body(size)));
        async move {
            let reply = reply.await??;
            Outcome::Ok((reply, asked.elapsed()))
        }
    });
    let mut replies = requests.buffer_unordered(window as usize);
    while let Some((reply, took)) = replies.try_next().await? {
        if !matches!(&reply[..], [only] if only.len() == size) {
            return Err("message of incorrect size received".into());
        }
        times.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))?;
    }
    Ok(Asked { took: started.elapsed(), times })
}

/// A message of its own each time, as libzmq's tools make it.
fn body(size: usize) -> Multipart {
    static ZEROS: [u8; COPIED] = [0; COPIED];
    let frame = match ZEROS.get(..size) {
        Some(zeros) => Frame::from_static(zeros),
        None => Frame::from(vec![0; size]),
    };
    frame.into()
}
