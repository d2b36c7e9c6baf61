//! actix-zmq, in each way that it has.

use std::iter;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Addr, Arbiter, Context, Handler, Message, System};
use actix_zmq::prelude::{
    Bind, Call, Factory, Feed, IncomingRequest, Many, MessagePack, Open, PubSocket, Publish,
    PullSocket, Pulled, Push, PushSocket, ReplySocket, Request, RequestSocket, Route, Service,
    SubSocket, TopicMessage, Values,
};
use actix_zmq::{Batch, Blueprint, Delivery, Frame, Pattern, Receiving, Socket, kinds};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::channel::oneshot;
use futures::stream;
use serde::{Deserialize, Serialize};

use crate::endpoint::{self, Pacer};
use crate::task::{LARGE_BATCH, Peer, Role, TOPIC, Task, Way};

/// How many messages go in a batch, or before one is awaited, so that the
/// queue's bound of 1,000 is never passed.
const WINDOW: usize = 512;

/// Armed for each request, and never due.
const TIMEOUT: Duration = Duration::from_secs(60);

const ANY_PORT: &str = "tcp://127.0.0.1:*";

pub fn run(task: &Task) -> Result<()> {
    System::new().block_on(role(task))
}

async fn role(task: &Task) -> Result<()> {
    let way = task.peer.way().context("not one of ours")?;
    let zmq = Factory::builder().start();
    match task.role {
        Role::Pub if task.peer == Peer::Typed => {
            let socket = bind(&zmq, tuned(PubSocket::new(), task)).await?;
            endpoint::hear_async().await?;
            let quote = Quote::of(task.size);
            let topic = Frame::from_static(TOPIC.as_bytes());
            let one = move || Publish::new(topic.clone(), MessagePack(quote.clone()));
            send(socket, one, way, task).await
        }
        Role::Sub if task.peer == Peer::Typed => {
            let sub = SubSocket::connect(endpoint::hear()?.as_str()).topic(TOPIC);
            let quotes = Quotes.start();
            let sub = tuned(sub, task).deliver_to(MessagePack::<Quote>::recipient(&quotes));
            let _socket = zmq.send(Open(sub)).await??;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            std::future::pending().await
        }
        Role::Service => {
            let service = Service::new("orders");
            let service = match way {
                Way::Each => service.route(Orders.start().recipient::<Order>()),
                _ => service.route(Route::inline(|order: Order| order)),
            };
            let _socket = bind(&zmq, tuned(ReplySocket::new(), task).deliver_to(service)).await?;
            std::future::pending().await
        }
        Role::Caller => {
            let request = RequestSocket::connect(endpoint::hear()?.as_str()).timeout(TIMEOUT);
            let socket = zmq.send(Open(tuned(request, task))).await??;
            endpoint::watch_client(task);
            for _ in 0..task.window {
                let socket = socket.clone();
                actix::spawn(async move {
                    while let Ok(Ok(_)) = socket.send(Call::new(Order::example())).await {
                        endpoint::count(1);
                    }
                });
            }
            std::future::pending().await
        }
        Role::Push => {
            let push = tuned(PushSocket::connect(endpoint::hear()?.as_str()), task);
            let socket = zmq.send(Open(push)).await??;
            let body = Bytes::from(task.body());
            send(socket, move || Push(body.clone()), way, task).await
        }
        Role::Pull => {
            let pull = deliver::<_, Pulled>(tuned(PullSocket::new(), task), way);
            bind(&zmq, pull).await?;
            endpoint::watch_receiver(task);
            std::future::pending().await
        }
        Role::Pub => {
            let socket = bind(&zmq, tuned(PubSocket::new(), task)).await?;
            endpoint::hear_async().await?;
            let body = Bytes::from(task.body());
            let topic = Frame::from_static(TOPIC.as_bytes());
            send(socket, move || Publish::new(topic.clone(), body.clone()), way, task).await
        }
        Role::Sub => {
            let sub = SubSocket::connect(endpoint::hear()?.as_str()).topic(TOPIC);
            let sub = deliver::<_, TopicMessage>(tuned(sub, task), way);
            let _socket = zmq.send(Open(sub)).await??;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            std::future::pending().await
        }
        Role::Server => {
            let reply = tuned(ReplySocket::new(), task);
            let _socket = match way {
                Way::Each => bind(&zmq, reply.deliver_to(Echo.start().recipient())).await?,
                _ => bind(&zmq, reply.on_message(echo)).await?,
            };
            std::future::pending().await
        }
        Role::Client => {
            let request = RequestSocket::connect(endpoint::hear()?.as_str()).timeout(TIMEOUT);
            let socket = zmq.send(Open(tuned(request, task))).await??;
            let body = Bytes::from(task.body());
            endpoint::watch_client(task);
            if task.window == 1 {
                loop {
                    let began = Instant::now();
                    socket.send(Request::new(body.clone())).await??;
                    endpoint::round_trip(began.elapsed());
                    endpoint::count(1);
                }
            }
            for _ in 0..task.window {
                let (socket, body) = (socket.clone(), body.clone());
                actix::spawn(async move {
                    while let Ok(Ok(_)) = socket.send(Request::new(body.clone())).await {
                        endpoint::count(1);
                    }
                });
            }
            std::future::pending().await
        }
    }
}

/// High-water marks, and where it can be had the larger batches of libzmq's.
fn tuned<K: Pattern>(blueprint: Blueprint<K>, task: &Task) -> Blueprint<K> {
    let blueprint = blueprint.hwm(task.hwm);
    if task.large_batches {
        blueprint.in_batch_size(LARGE_BATCH).out_batch_size(LARGE_BATCH)
    } else {
        blueprint
    }
}

async fn bind<K: Pattern>(zmq: &Addr<Factory>, blueprint: Blueprint<K>) -> Result<Addr<Socket<K>>> {
    let socket = zmq.send(Open(blueprint)).await??;
    endpoint::announce(socket.send(Bind::new(ANY_PORT)).await??.to_string())?;
    Ok(socket)
}

/// What takes messages one by one, many at once, and from a stream.
trait Takes<M>:
    Actor<Context = Context<Self>> + Handler<M> + Handler<Many<M>> + Handler<Feed<M>>
where
    M: Message<Result = actix_zmq::Result<()>> + 'static,
{
}

impl<S, M> Takes<M> for S
where
    S: Actor<Context = Context<S>> + Handler<M> + Handler<Many<M>> + Handler<Feed<M>>,
    M: Message<Result = actix_zmq::Result<()>> + 'static,
{
}

/// Sends as fast as libzmq takes it.
async fn send<S, M>(
    socket: Addr<S>,
    one: impl Fn() -> M + Send + Sync + 'static,
    way: Way,
    task: &Task,
) -> Result<()>
where
    S: Takes<M>,
    M: Message<Result = actix_zmq::Result<()>> + Send + 'static,
{
    let pacer = Pacer::new(task);
    match way {
        Way::Inline => feed(socket, one, pacer).await,
        Way::Batch => many(socket, one, pacer).await,
        Way::BatchOther => elsewhere(many(socket, one, pacer)).await,
        Way::Each => each(socket, one, pacer).await,
        Way::EachOther => elsewhere(each(socket, one, pacer)).await,
    }
}

/// Runs it on another arbiter.
async fn elsewhere(sends: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let (tell, told) = oneshot::channel();
    Arbiter::new().spawn(async move {
        let _ = tell.send(sends.await);
    });
    told.await?
}

/// A stream that the socket asks.
async fn feed<S, M>(
    socket: Addr<S>,
    one: impl Fn() -> M + Send + Sync + 'static,
    pacer: Pacer,
) -> Result<()>
where
    S: Takes<M>,
    M: Message<Result = actix_zmq::Result<()>> + Send + 'static,
{
    let (give_back, given_back) = oneshot::channel();
    let mut kept = Some((pacer, give_back));
    let messages = iter::from_fn(move || {
        if kept.as_mut()?.0.one() {
            return Some(one());
        }
        let (pacer, give_back) = kept.take()?;
        let _ = give_back.send(pacer);
        None
    });
    socket.send(Feed::new(stream::iter(messages))).await??;
    given_back.await?.finish_async().await
}

/// A mailbox message for many, and the next on its way before that is done.
async fn many<S, M>(
    socket: Addr<S>,
    one: impl Fn() -> M + Send + Sync + 'static,
    mut pacer: Pacer,
) -> Result<()>
where
    S: Takes<M>,
    M: Message<Result = actix_zmq::Result<()>> + Send + 'static,
{
    let mut next = || Many::from_iter((0..pacer.many(WINDOW)).map(|_| one()));
    let mut before = socket.send(next());
    loop {
        let messages = next();
        if messages.0.is_empty() {
            before.await??;
            return pacer.finish_async().await;
        }
        let after = socket.send(messages);
        before.await??;
        before = after;
    }
}

/// A mailbox message each.
async fn each<S, M>(
    socket: Addr<S>,
    one: impl Fn() -> M + Send + Sync + 'static,
    mut pacer: Pacer,
) -> Result<()>
where
    S: Takes<M>,
    M: Message<Result = actix_zmq::Result<()>> + Send + 'static,
{
    loop {
        let lot = pacer.many(WINDOW);
        if lot == 0 {
            return pacer.finish_async().await;
        }
        for _ in 1..lot {
            socket.do_send(one());
        }
        socket.send(one()).await??;
    }
}

/// Has what arrives counted.
fn deliver<K, M>(blueprint: Blueprint<K>, way: Way) -> Blueprint<K>
where
    K: Receiving + kinds::Receives,
    M: Delivery<Raw = K::Delivery>,
{
    let here = || Counter::<M>(PhantomData).start();
    let there =
        || Counter::<M>::start_in_arbiter(&Arbiter::new().handle(), |_| Counter(PhantomData));
    match way {
        Way::Inline => blueprint.on_message(|_: M| endpoint::count(1)),
        Way::Batch => blueprint.deliver_to(here().recipient::<Batch<M>>()),
        Way::BatchOther => blueprint.deliver_to(there().recipient::<Batch<M>>()),
        Way::Each => blueprint.deliver_to(here().recipient::<M>()),
        Way::EachOther => blueprint.deliver_to(there().recipient::<M>()),
    }
}

/// A value of some length.
#[derive(Clone, Debug, Message, Serialize, Deserialize)]
#[rtype(result = "()")]
struct Quote {
    cents: u32,
    note: String,
}

impl Quote {
    /// In MessagePack of about this many bytes.
    fn of(size: usize) -> Self {
        Self { cents: 108, note: "x".repeat(size.saturating_sub(16)) }
    }
}

struct Quotes;

impl Actor for Quotes {
    type Context = Context<Self>;
}

impl Handler<Quote> for Quotes {
    type Result = ();

    fn handle(&mut self, _: Quote, _: &mut Context<Self>) {
        endpoint::count(1);
    }
}

/// What is called; it comes back as it is.
#[derive(Clone, Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Order")]
struct Order {
    id: u64,
    symbol: String,
    cents: u32,
    quantity: u32,
}

impl Order {
    fn example() -> Self {
        Self { id: 7, symbol: "EURUSD".to_owned(), cents: 10_825, quantity: 1_000 }
    }
}

impl<A, M> MessageResponse<A, M> for Order
where
    A: Actor,
    M: Message<Result = Self>,
{
    fn handle(self, _: &mut A::Context, asker: Option<OneshotSender<Self>>) {
        if let Some(asker) = asker {
            let _ = asker.send(self);
        }
    }
}

struct Orders;

impl Actor for Orders {
    type Context = Context<Self>;
}

impl Handler<Order> for Orders {
    type Result = Order;

    fn handle(&mut self, order: Order, _: &mut Context<Self>) -> Order {
        order
    }
}

#[cfg(test)]
mod tests {
    use actix_zmq::codec::Format;

    use super::*;
    use crate::task::CALL_BODY;

    #[test]
    fn raw_sends_as_many_bytes_as_a_call_has() {
        assert_eq!(MessagePack::to_bytes(&Order::example()).unwrap().len(), CALL_BODY);
        assert_eq!(<Order as actix_zmq::Remote>::wire_name(), "Order");
        let quote = MessagePack::to_bytes(&Quote::of(256)).unwrap();
        assert!((250..262).contains(&quote.len()), "{}", quote.len());
    }
}

struct Counter<M>(PhantomData<fn(M)>);

impl<M: 'static> Actor for Counter<M> {
    type Context = Context<Self>;
}

impl<M: Delivery> Handler<M> for Counter<M> {
    type Result = ();

    fn handle(&mut self, _: M, _: &mut Context<Self>) {
        endpoint::count(1);
    }
}

impl<M: Delivery> Handler<Batch<M>> for Counter<M> {
    type Result = ();

    fn handle(&mut self, batch: Batch<M>, _: &mut Context<Self>) {
        endpoint::count(batch.len());
    }
}

struct Echo;

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Handler<IncomingRequest> for Echo {
    type Result = ();

    fn handle(&mut self, request: IncomingRequest, _: &mut Context<Self>) {
        echo(request);
    }
}

fn echo(request: IncomingRequest) {
    let IncomingRequest { body, responder } = request;
    if let Err(error) = responder.reply(body) {
        eprintln!("{error}");
    }
}
