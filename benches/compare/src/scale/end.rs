//! The ends of the `scale` part.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Handler, System};
use actix_zmq::prelude::{
    Bind, Factory, Open, Overflow, PullSocket, Pulled, PushSocket, ReceivedFrom, Request,
    RequestSocket, RouterSocket, SendTo, SubSocket, TopicMessage,
};
use actix_zmq::{Batch, RequestSocket as Requests};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};

use crate::endpoint::{self, cpu, memory_kib, peak_kib};
use crate::peers::raw;
use crate::task::{Line, Peer};

const SOCKETS: usize = 100;
const IDLE: Duration = Duration::from_secs(10);

const REQUESTS: usize = 100_000;
const PINGS: usize = 20_000;
const PING: &[u8] = b"ping";
const BODY: usize = 64;

const PEERS: usize = 10_000;

const TOPICS: usize = 100_000;

const BACKLOG: usize = 1_000_000;

/// One end of the `scale` part.
#[derive(Args, Clone, Copy, Debug)]
pub struct ScaleEnd {
    pub part: Part,
    #[arg(long)]
    pub peer: Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Opens sockets in pairs, and does nothing.
    Idle,
    /// Answers pings, and nothing else.
    MuteServer,
    /// Asks the mute server.
    Requests,
    /// Answers everybody.
    EchoServer,
    /// Is many peers.
    Clients,
    /// Publishes when everybody has subscribed.
    Publisher,
    /// Subscribes to many topics.
    Subscriptions,
    /// Lets messages pile up before it reads them.
    Backlog,
    /// Sends the backlog.
    Pusher,
}

pub fn run(end: ScaleEnd) -> Result<()> {
    match (end.part, end.peer) {
        (Part::Idle, Peer::Raw) => raw_idle(),
        (Part::Idle, _) => System::new().block_on(our_idle()),
        (Part::MuteServer, _) => mute_server(),
        (Part::Requests, Peer::Raw) => bail!("raw sockets keep no requests"),
        (Part::Requests, _) => System::new().block_on(requests()),
        (Part::EchoServer, Peer::Raw) => raw_echo_server(),
        (Part::EchoServer, _) => System::new().block_on(our_echo_server()),
        (Part::Clients, _) => clients(),
        (Part::Publisher, _) => publisher(),
        (Part::Subscriptions, Peer::Raw) => raw_subscriptions(),
        (Part::Subscriptions, _) => System::new().block_on(our_subscriptions()),
        (Part::Backlog, Peer::Raw) => raw_backlog(),
        (Part::Backlog, _) => System::new().block_on(our_backlog()),
        (Part::Pusher, _) => pusher(),
    }
}

fn tell(figures: &[f64]) -> Result<()> {
    endpoint::print(&Line::Figures(figures.to_vec()))
}

/// A socket without high-water marks, and with room for everybody who knocks.
fn open(context: &zmq::Context, kind: zmq::SocketType) -> Result<zmq::Socket> {
    let socket = context.socket(kind)?;
    socket.set_sndhwm(0)?;
    socket.set_rcvhwm(0)?;
    socket.set_backlog(4_096)?;
    Ok(socket)
}

fn bind(context: &zmq::Context, kind: zmq::SocketType) -> Result<zmq::Socket> {
    let socket = open(context, kind)?;
    socket.bind("tcp://127.0.0.1:*")?;
    endpoint::announce(raw::last_endpoint(&socket)?)?;
    Ok(socket)
}

fn grown(before_kib: u64, count: usize) -> f64 {
    memory_kib().saturating_sub(before_kib) as f64 * 1_024.0 / count as f64
}

fn raw_idle() -> Result<()> {
    let context = zmq::Context::new();
    let mut pulls = Vec::new();
    let mut pushes = Vec::new();
    for _ in 0..SOCKETS / 2 {
        let pull = context.socket(zmq::PULL)?;
        pull.bind("tcp://127.0.0.1:*")?;
        let push = context.socket(zmq::PUSH)?;
        push.connect(&raw::last_endpoint(&pull)?)?;
        pulls.push(pull);
        pushes.push(push);
    }
    thread::sleep(Duration::from_secs(1));
    let mut items: Vec<_> = pulls.iter().map(|pull| pull.as_poll_item(zmq::POLLIN)).collect();
    let before = cpu();
    zmq::poll(&mut items, i64::try_from(IDLE.as_millis())?)?;
    tell(&[(cpu() - before).as_secs_f64() * 1e3])
}

async fn our_idle() -> Result<()> {
    let zmq = Factory::builder().start();
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS / 2 {
        let pull = zmq.send(Open(PullSocket::new().on_message(|_: Pulled| ()))).await??;
        let endpoint = pull.send(Bind::new("tcp://127.0.0.1:*")).await??;
        sockets.push((pull, zmq.send(Open(PushSocket::connect(endpoint))).await??));
    }
    actix::clock::sleep(Duration::from_secs(1)).await;
    let before = cpu();
    actix::clock::sleep(IDLE).await;
    tell(&[(cpu() - before).as_secs_f64() * 1e3])
}

fn mute_server() -> Result<()> {
    let socket = bind(&zmq::Context::new(), zmq::ROUTER)?;
    loop {
        let frames = socket.recv_multipart(0)?;
        if frames.last().is_some_and(|body| body == PING) {
            socket.send_multipart(frames, 0)?;
        }
    }
}

async fn requests() -> Result<()> {
    let zmq = Factory::builder().start();
    let client = RequestSocket::connect(endpoint::hear()?.as_str());
    let client = client.timeout(Duration::from_secs(120)).hwm(0);
    let client = zmq.send(Open(client)).await??;
    // Once for everything to be allocated that will be needed.
    pings(&client).await?;
    let alone = pings(&client).await?;

    let mut waiting = Vec::with_capacity(REQUESTS);
    let memory = memory_kib();
    for _ in 0..REQUESTS / 8 {
        for _ in 0..8 {
            let mut request = Box::pin(client.send(Request::new(vec![b'x'; BODY])));
            let _ = futures::poll!(&mut request);
            waiting.push(request);
        }
        // So they have all left: nothing is in a queue.
        client.send(Request::new(PING)).await??;
    }
    let each = grown(memory, REQUESTS);
    // What the caller holds is the caller's: the future, and where it is.
    let held = waiting.first().map_or(0, |one| size_of_val(&**one) + size_of_val(one));
    let among_others = pings(&client).await?;
    tell(&[each - held as f64, (among_others - alone) * 1e6])
}

/// The CPU time of a ping in seconds, with 64 of them in flight.
async fn pings(client: &Addr<Requests>) -> Result<f64> {
    let before = cpu();
    let mut answers =
        stream::iter(0..PINGS).map(|_| client.send(Request::new(PING))).buffer_unordered(64);
    while let Some(answer) = answers.next().await {
        answer??;
    }
    Ok((cpu() - before).as_secs_f64() / PINGS as f64)
}

fn raw_echo_server() -> Result<()> {
    let socket = bind(&zmq::Context::new(), zmq::ROUTER)?;
    let before = memory_kib();
    watch_memory(before);
    loop {
        let frames = socket.recv_multipart(0)?;
        socket.send_multipart(frames, 0)?;
    }
}

async fn our_echo_server() -> Result<()> {
    let zmq = Factory::builder().start();
    let echo = Echo { through: None }.start();
    let router = RouterSocket::new().hwm(0).backlog(4_096).overflow(Overflow::Wait, PEERS);
    let router = router.deliver_to(echo.clone().recipient::<ReceivedFrom>());
    let router = zmq.send(Open(router)).await??;
    echo.send(Through(router.clone())).await?;
    let endpoint = router.send(Bind::new("tcp://127.0.0.1:*")).await??;
    let before = memory_kib();
    endpoint::announce(endpoint.to_string())?;
    watch_memory(before);
    std::future::pending().await
}

/// Tells how much memory a peer takes, when asked.
fn watch_memory(before_kib: u64) {
    thread::spawn(move || {
        while endpoint::hear().is_ok() {
            if tell(&[grown(before_kib, PEERS)]).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
}

fn clients() -> Result<()> {
    let endpoint = endpoint::hear()?;
    let server = endpoint.strip_prefix("tcp://").context("not over TCP")?;
    let context = zmq::Context::new();
    let socket = open(&context, zmq::DEALER)?;
    let began = Instant::now();
    for peer in 0..PEERS {
        // A DEALER connects once to an endpoint, and each of these is another:
        // all of 127.0.0.0/8 is this machine.
        let source = format!("127.1.{}.{}", peer / 250, peer % 250 + 1);
        socket.connect(&format!("tcp://{source}:0;{server}"))?;
    }
    // One each, as a DEALER deals in turns.
    for peer in 0..PEERS {
        socket.send(&u32::try_from(peer)?.to_le_bytes()[..], 0)?;
    }
    let mut answered = HashSet::new();
    while answered.len() < PEERS {
        ensure!(answered.insert(socket.recv_bytes(0)?), "an answer came twice");
    }
    tell(&[began.elapsed().as_secs_f64() * 1e6 / PEERS as f64])?;
    // The peers are to stay while the server is asked.
    while endpoint::hear().is_ok() {}
    Ok(())
}

fn topic(number: usize) -> String {
    format!("topic.{number:06}")
}

fn publisher() -> Result<()> {
    let socket = bind(&zmq::Context::new(), zmq::XPUB)?;
    for _ in 0..TOPICS {
        socket.recv_bytes(0)?;
    }
    socket.send(&topic(TOPICS - 1), zmq::SNDMORE)?;
    socket.send("the last one holds", 0)?;
    while endpoint::hear().is_ok() {}
    Ok(())
}

fn raw_subscriptions() -> Result<()> {
    let endpoint = endpoint::hear()?;
    let context = zmq::Context::new();
    let socket = open(&context, zmq::SUB)?;
    let (memory, began) = (memory_kib(), Instant::now());
    for number in 0..TOPICS {
        socket.set_subscribe(topic(number).as_bytes())?;
    }
    socket.connect(&endpoint)?;
    socket.recv_multipart(0)?;
    tell(&[grown(memory, TOPICS), began.elapsed().as_secs_f64() * 1e6 / TOPICS as f64])
}

async fn our_subscriptions() -> Result<()> {
    let endpoint = endpoint::hear()?;
    let zmq = Factory::builder().start();
    let (memory, began) = (memory_kib(), Instant::now());
    let (heard, last) = futures::channel::oneshot::channel();
    let mut heard = Some(heard);
    let mut sub = SubSocket::connect(endpoint.as_str()).hwm(0);
    for number in 0..TOPICS {
        sub = sub.topic(topic(number));
    }
    let sub = sub.on_message(move |_: TopicMessage| {
        if let Some(heard) = heard.take() {
            let _ = heard.send(());
        }
    });
    let _sub = zmq.send(Open(sub)).await??;
    last.await?;
    tell(&[grown(memory, TOPICS), began.elapsed().as_secs_f64() * 1e6 / TOPICS as f64])
}

fn pusher() -> Result<()> {
    let context = zmq::Context::new();
    let socket = open(&context, zmq::PUSH)?;
    socket.connect(&endpoint::hear()?)?;
    let body = [b'x'; BODY];
    for _ in 0..BACKLOG {
        socket.send(&body[..], 0)?;
    }
    while endpoint::hear().is_ok() {}
    Ok(())
}

/// Whether a backlog is complete: it has come to something, and grows no more.
struct Growth {
    began: u64,
    last: u64,
    since: Instant,
}

impl Growth {
    const STEP: Duration = Duration::from_millis(20);

    fn new() -> Self {
        let now = memory_kib();
        Self { began: now, last: now, since: Instant::now() }
    }

    fn is_over(&mut self) -> bool {
        let now = memory_kib();
        if now > self.last {
            (self.last, self.since) = (now, Instant::now());
        }
        self.last > self.began + 32 * 1_024 && self.since.elapsed() > Duration::from_millis(500)
    }
}

fn raw_backlog() -> Result<()> {
    let socket = bind(&zmq::Context::new(), zmq::PULL)?;
    let mut growth = Growth::new();
    while !growth.is_over() {
        thread::sleep(Growth::STEP);
    }
    let mut message = zmq::Message::new();
    for _ in 0..BACKLOG {
        socket.recv(&mut message, 0)?;
    }
    tell(&[peak_kib() as f64 / 1_024.0])
}

async fn our_backlog() -> Result<()> {
    let zmq = Factory::builder().start();
    let (tell_all, all) = futures::channel::oneshot::channel();
    let dam = Dam { held: Some(Vec::new()), received: 0, all: Some(tell_all) }.start();
    let pull = PullSocket::new().hwm(0).deliver_to(dam.clone().recipient::<Batch<Pulled>>());
    let pull = zmq.send(Open(pull)).await??;
    let endpoint = pull.send(Bind::new("tcp://127.0.0.1:*")).await??;
    endpoint::announce(endpoint.to_string())?;
    let mut growth = Growth::new();
    while !growth.is_over() {
        actix::clock::sleep(Growth::STEP).await;
    }
    dam.send(Release).await?;
    all.await?;
    tell(&[peak_kib() as f64 / 1_024.0])
}

/// Keeps the credit that it was given, until it is told not to.
struct Dam {
    held: Option<Vec<Batch<Pulled>>>,
    received: usize,
    all: Option<futures::channel::oneshot::Sender<()>>,
}

impl Actor for Dam {
    type Context = actix::Context<Self>;
}

impl Handler<Batch<Pulled>> for Dam {
    type Result = ();

    fn handle(&mut self, batch: Batch<Pulled>, _: &mut Self::Context) {
        self.received += batch.len();
        if let Some(held) = &mut self.held {
            held.push(batch);
        }
        if self.received == BACKLOG
            && let Some(all) = self.all.take()
        {
            let _ = all.send(());
        }
    }
}

#[derive(actix::Message)]
#[rtype(result = "()")]
struct Release;

impl Handler<Release> for Dam {
    type Result = ();

    fn handle(&mut self, _: Release, _: &mut Self::Context) {
        self.held = None;
    }
}

/// Sends back what comes.
struct Echo {
    through: Option<Addr<RouterSocket>>,
}

impl Actor for Echo {
    type Context = actix::Context<Self>;
}

#[derive(actix::Message)]
#[rtype(result = "()")]
struct Through(Addr<RouterSocket>);

impl Handler<Through> for Echo {
    type Result = ();

    fn handle(&mut self, Through(router): Through, _: &mut Self::Context) {
        self.through = Some(router);
    }
}

impl Handler<ReceivedFrom> for Echo {
    type Result = ();

    fn handle(&mut self, message: ReceivedFrom, _: &mut Self::Context) {
        if let Some(router) = &self.through {
            router.do_send(SendTo { peer: message.peer, body: message.body });
        }
    }
}
