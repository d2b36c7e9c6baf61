//! What is behind the page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use actix_zmq::web::Broadcast;
use actix_zmq::{Blueprint, IntoReceiver, Pattern, Socket};
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryFutureExt};
use serde::{Deserialize, Serialize};

use crate::support::Outcome;

/// TCP on this machine, at a port that the system chooses.
const ANY_PORT: &str = "tcp://127.0.0.1:*";
/// How long a socket stays down that is killed, for people to see it.
const DOWN: Duration = Duration::from_millis(1_500);
/// How long a job takes.
const WORK: Duration = Duration::from_millis(2);
/// How many ticks may wait to be published.
pub(crate) const TICKS_QUEUED: usize = 200;
const TICK: Duration = Duration::from_millis(5);
const TICK_BYTES: usize = 4 * 1024;

/// The sockets, as HTTP's handlers know them.
pub(crate) struct World {
    /// Of the broker, and of each service that joins.
    clients: Vec<Client>,
    turn: AtomicUsize,
    pub(crate) jobs: Addr<PushSocket>,
    pub(crate) prices: Broadcast,
    pub(crate) gauges: Arc<Gauges>,
    /// Those that may be killed.
    pub(crate) sockets: Vec<(String, Recipient<Restart>)>,
    _broker: Addr<Broker>,
}

/// What the page shows beside the dashboard.
#[derive(Default)]
pub(crate) struct Gauges {
    pub(crate) jobs_done: AtomicU64,
    /// The number of the last tick that was sent, and of the last that was read.
    pub(crate) ticks_sent: AtomicU64,
    pub(crate) ticks_read: AtomicU64,
    /// Milliseconds that the reader takes for a tick.
    pub(crate) pace: AtomicU64,
}

impl World {
    pub(crate) async fn open(zmq: &Addr<Factory>, others: &[String]) -> Outcome<Self> {
        let gauges = Arc::<Gauges>::default();
        let mut sockets = Vec::new();

        // A typed service: a broker, and workers on arbiters of their own.
        let clients = RouterSocket::bind(ANY_PORT).name("broker: clients").monitor(true);
        let workers = RouterSocket::bind(ANY_PORT).name("broker: workers").monitor(true);
        let broker = Broker::over(clients, workers).start(zmq).await?;
        let workers = bound(zmq, "broker: workers").await?;
        for name in ["worker 1", "worker 2", "worker 3"] {
            let service = Service::new(name).route(Divider.start().recipient::<Divide>());
            let worker = ReplySocket::join(&*workers).capacity(8).arbiter(name).deliver_to(service);
            kill(&mut sockets, name, open(zmq, worker.name(name)).await?);
        }
        let caller = Client::socket(&*bound(zmq, "broker: clients").await?).name("caller");
        let caller = open(zmq, caller).await?;
        kill(&mut sockets, "caller", caller.clone());
        let retry = Retry::attempts(5).first(Duration::from_millis(100));
        let mut clients = vec![Client::new(caller).timeout(Duration::from_secs(10)).retry(retry)];
        // A socket for each, or nobody could tell whose calls wait for one that is away.
        for other in others {
            let socket = Client::socket(&**other).name(format!("caller: {other}"));
            let socket = socket.unreachable_after(Duration::from_millis(100));
            let client = Client::new(open(zmq, socket).await?);
            clients.push(client.timeout(Duration::from_secs(2)));
        }

        // A price feed, and the one subscription that all browsers share.
        let feed = open(zmq, PubSocket::bind(ANY_PORT).name("prices: feed").monitor(true)).await?;
        kill(&mut sockets, "prices: feed", feed.clone());
        let browsers = SubSocket::connect(&*bound(zmq, "prices: feed").await?);
        let browsers = browsers.name("prices: browsers").restart(policy()).monitor(true);
        let prices = Broadcast::of(browsers).allow("price.").open(zmq).await?;
        kill(&mut sockets, "prices: browsers", prices.socket().clone());
        actix::spawn(quote(feed));

        // A job queue, and who does the jobs.
        let jobs = PushSocket::bind(ANY_PORT).name("jobs: queue").hwm(16).monitor(true);
        let jobs = open(zmq, jobs.overflow(Overflow::Wait, 500)).await?;
        let worker = Worker(Arc::clone(&gauges)).start();
        let receiver = Json::<Job>::recipient(&worker).window(1);
        let worker = PullSocket::connect(&*bound(zmq, "jobs: queue").await?).hwm(16).monitor(true);
        let worker = open(zmq, worker.name("jobs: worker").deliver_to(receiver)).await?;
        kill(&mut sockets, "jobs: worker", worker);

        // Ticks that are not to be lost: who reads too slowly slows the publisher.
        let ticks = PubSocket::bind(ANY_PORT).name("ticks: publisher").hwm(8).no_drop(true);
        let ticks = ticks.overflow(Overflow::Wait, TICKS_QUEUED).send_buffer(32 * 1024);
        let ticks = open(zmq, ticks.monitor(true)).await?;
        let reader = Reader(Arc::clone(&gauges)).start();
        let receiver = reader.recipient::<TopicMessage>().into_receiver().window(1);
        let reader = SubSocket::connect(&*bound(zmq, "ticks: publisher").await?).topic("tick");
        let reader = reader.name("ticks: reader").hwm(8).receive_buffer(32 * 1024).monitor(true);
        kill(&mut sockets, "ticks: reader", open(zmq, reader.deliver_to(receiver)).await?);
        actix::spawn(tick(ticks, Arc::clone(&gauges)));

        let turn = AtomicUsize::new(0);
        Ok(Self { clients, turn, jobs, prices, gauges, sockets, _broker: broker })
    }

    /// All that serve divisions, another one first each time.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.clients.len();
        self.clients.iter().cycle().skip(first).take(self.clients.len())
    }
}

fn policy() -> RestartPolicy {
    RestartPolicy::default().initial(DOWN).jitter(0.0)
}

async fn open<K: Pattern>(zmq: &Addr<Factory>, socket: Blueprint<K>) -> Outcome<Addr<Socket<K>>> {
    Ok(zmq.send(Open(socket.restart(policy()))).await??)
}

fn kill<A>(sockets: &mut Vec<(String, Recipient<Restart>)>, name: &str, socket: Addr<A>)
where
    A: Actor<Context = Context<A>> + Handler<Restart>,
{
    sockets.push((name.to_owned(), socket.recipient()));
}

/// Where the socket with this name listens.
async fn bound(zmq: &Addr<Factory>, name: &str) -> Outcome<String> {
    let all = zmq.send(Status).await?;
    let named = all.iter().filter(|socket| socket.name.as_deref() == Some(name));
    let endpoint = named.flat_map(|socket| &socket.endpoints).next();
    Ok(endpoint.ok_or("not bound")?.endpoint().to_string())
}

/// The message of examples/python, too.
#[derive(Clone, Copy, Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Result<f64, DivisionError>")]
#[serde(rename = "math.divide")]
pub(crate) struct Divide {
    pub(crate) dividend: f64,
    pub(crate) divisor: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum DivisionError {
    ByZero { dividend: f64 },
}

struct Divider;

impl Actor for Divider {
    type Context = Context<Self>;
}

impl Handler<Divide> for Divider {
    type Result = Result<f64, DivisionError>;

    fn handle(&mut self, divide: Divide, _: &mut Context<Self>) -> Self::Result {
        let Divide { dividend, divisor } = divide;
        if divisor == 0.0 {
            Err(DivisionError::ByZero { dividend })
        } else {
            Ok(dividend / divisor)
        }
    }
}

/// Publishes prices that go up and down, ten times a second.
async fn quote(feed: Addr<PubSocket>) {
    let mut prices = [("price.EUR", 108.0), ("price.GBP", 127.0), ("price.CHF", 112.0)];
    loop {
        for (topic, price) in &mut prices {
            *price += (fastrand::f64() - 0.5) * 0.6;
            let text = format!("{price:.2}");
            // While the socket is killed, prices are refused, and the next ones are better.
            match feed.send(Publish::new(*topic, text)).await {
                Ok(_published_or_refused) => {}
                Err(_ended) => return,
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "()")]
pub(crate) struct Job {
    pub(crate) number: u64,
}

struct Worker(Arc<Gauges>);

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Job> for Worker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Job, _: &mut Context<Self>) -> Self::Result {
        let gauges = Arc::clone(&self.0);
        Box::pin(async move {
            sleep(WORK).await;
            gauges.jobs_done.fetch_add(1, Ordering::Relaxed);
        })
    }
}

/// Publishes ticks, as many as the queue takes.
async fn tick(ticks: Addr<PubSocket>, gauges: Arc<Gauges>) {
    let mut under_way = FuturesUnordered::new();
    for number in 1_u64.. {
        let mut body = vec![0; TICK_BYTES];
        body.splice(..8, number.to_be_bytes());
        let sent = ticks.send(Publish::new("tick", body));
        under_way.push(sent.map_ok(move |sent| sent.map(|_| number)));
        let pause = sleep(TICK);
        tokio::pin!(pause);
        let mut paused = false;
        // A little more than may wait, so that the bound is seen to hold.
        while !paused || under_way.len() > TICKS_QUEUED + 20 {
            tokio::select! {
                () = &mut pause, if !paused => paused = true,
                Some(sent) = under_way.next() => match sent {
                    Ok(Ok(number)) => {
                        gauges.ticks_sent.fetch_max(number, Ordering::Relaxed);
                    }
                    // While the socket is killed.
                    Ok(Err(_refused)) => {}
                    Err(_ended) => return,
                },
            }
        }
    }
}

struct Reader(Arc<Gauges>);

impl Actor for Reader {
    type Context = Context<Self>;
}

impl Handler<TopicMessage> for Reader {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, tick: TopicMessage, _: &mut Context<Self>) -> Self::Result {
        let gauges = Arc::clone(&self.0);
        let number = tick.body.first().and_then(|body| body.first_chunk().copied());
        Box::pin(async move {
            let pace = gauges.pace.load(Ordering::Relaxed);
            if pace > 0 {
                sleep(Duration::from_millis(pace)).await;
            }
            gauges
                .ticks_read
                .store(u64::from_be_bytes(number.unwrap_or_default()), Ordering::Relaxed);
        })
    }
}
