//! A tour in one process: three patterns, a timeout, a restart, and the end.
//!
//! ```console
//! $ cargo run --release --example quickstart
//! ```

#![allow(clippy::print_stdout, reason = "this program is here to be read")]

use std::error::Error;
use std::time::Duration;

use actix::clock::{sleep, timeout};
use actix_zmq::prelude::*;
use serde::{Deserialize, Serialize};

type Outcome = Result<(), Box<dyn Error>>;

#[actix::main]
async fn main() -> Outcome {
    let (major, minor, patch) = actix_zmq::libzmq_version();
    println!("actix-zmq on libzmq {major}.{minor}.{patch}");

    // The factory owns the ZeroMQ context and all sockets.
    let zmq = Factory::builder().shutdown_on_signal(Duration::from_secs(2)).start();
    let tour = tokio::select! {
        tour = timeout(Duration::from_secs(10), tour(&zmq)) => {
            tour.unwrap_or_else(|late| Err(late.into()))
        }
        // Ctrl-C came first.
        _ = zmq.send(Ended) => Ok(()),
    };

    println!("\n6. The end: everything is flushed, closed, and accounted for");
    let report = zmq.send(Shutdown::within(Duration::from_secs(2))).await?;
    for line in report.to_string().lines() {
        println!("   {line}");
    }
    match tour {
        Err(error) if is_closed(&*error) => Ok(()), // Ctrl-C came while a socket was at work.
        tour => tour,
    }
}

fn is_closed(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(|error: &actix_zmq::Error| error.kind() == ErrorKind::Closed)
}

async fn tour(zmq: &Addr<Factory>) -> Outcome {
    publish_and_subscribe(zmq).await?;
    let (jobs, worker) = push_and_pull(zmq).await?;
    let calculator = request_and_reply(zmq).await?;
    time_out(&calculator).await?;
    restart(&jobs, &worker).await
}

// Publish and subscribe: everyone who asked for a topic gets it.

#[derive(Serialize, Deserialize)]
struct Price {
    cents: u32,
}

/// Shows prices. A subscriber's message to an actor has the topic and the value.
#[derive(Default)]
struct Ticker {
    seen: usize,
}

impl Actor for Ticker {
    type Context = Context<Self>;
}

impl Handler<TopicMessage<Json<Price>>> for Ticker {
    type Result = ();

    fn handle(&mut self, message: TopicMessage<Json<Price>>, _ctx: &mut Context<Self>) {
        let TopicMessage { topic, body: Json(price) } = message;
        let topic = topic.as_str().unwrap_or("?");
        println!("   ticker: {topic} is at {}.{:02}", price.cents / 100, price.cents % 100);
        self.seen += 1;
    }
}

async fn publish_and_subscribe(zmq: &Addr<Factory>) -> Outcome {
    println!("\n1. Publish and subscribe: typed prices, chosen by topic");
    let publisher = zmq.send(Open(PubSocket::new().name("prices"))).await??;
    let endpoint = publisher.send(Bind::new("tcp://127.0.0.1:*")).await??;
    println!("   publisher: at {endpoint}");

    let ticker = Ticker::default().start();
    let subscriber = SubSocket::connect(&endpoint)
        .name("ticker")
        .topic("prices.")
        .deliver_to(ticker.clone().recipient::<TopicMessage<Json<Price>>>());
    zmq.send(Open(subscriber)).await??;

    // A publisher drops what nobody has subscribed to, and a new subscription
    // takes a moment to reach it: wait for it before the first price.
    let deadline = Duration::from_secs(10);
    let wait = WaitSubscribers { topic: "prices.EUR".into(), count: 1, deadline };
    publisher.send(wait).await??;
    publisher.send(Publish::new("prices.EUR", Json(Price { cents: 108 }))).await??;
    publisher.send(Publish::new("weather", "rain, which nobody asked for")).await??;
    publisher.send(Publish::new("prices.USD", Json(Price { cents: 100 }))).await??;
    publisher.send(Publish::new("prices.GBP", Json(Price { cents: 127 }))).await??;
    wait_for(3, &ticker.recipient()).await
}

// Push and pull: each message goes to one of the workers.

/// A message like any other in Actix; that it came over the network does not show.
#[derive(Serialize, Deserialize, Message)]
#[rtype(result = "()")]
struct Job {
    number: usize,
}

/// Does jobs.
#[derive(Default)]
struct Worker {
    done: usize,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Job> for Worker {
    type Result = ();

    fn handle(&mut self, job: Job, _ctx: &mut Context<Self>) {
        self.done += 1;
        // Of the many jobs of part 5, it tells some.
        if job.number <= 3 || job.number.is_multiple_of(50) {
            println!("   worker: job {} done", job.number);
        }
    }
}

async fn push_and_pull(
    zmq: &Addr<Factory>,
) -> Result<(Addr<PushSocket>, Addr<Worker>), Box<dyn Error>> {
    println!("\n2. Push and pull: typed jobs, each for one worker");
    let jobs = zmq.send(Open(PushSocket::new().name("jobs"))).await??;
    let endpoint = jobs.send(Bind::new("tcp://127.0.0.1:*")).await??;

    let worker = Worker::default().start();
    let puller =
        PullSocket::connect(&endpoint).name("worker").deliver_to(Json::<Job>::recipient(&worker));
    zmq.send(Open(puller)).await??;

    // Resolves when libzmq has taken the job: this waits for the worker.
    for number in 1..=3 {
        jobs.send(Push(Json(Job { number }))).await??;
    }
    wait_for(3, &worker.clone().recipient()).await?;
    Ok((jobs, worker))
}

// Request and reply: every request ends exactly once.

#[derive(Serialize, Deserialize)]
struct Add {
    a: i32,
    b: i32,
}

/// Adds.
struct Calculator;

impl Actor for Calculator {
    type Context = Context<Self>;
}

impl Handler<IncomingRequest<Json<Add>>> for Calculator {
    type Result = ();

    fn handle(&mut self, request: IncomingRequest<Json<Add>>, _ctx: &mut Context<Self>) {
        let Json(Add { a, b }) = request.body;
        // What does not fit is never answered: part 4 waits for that.
        let Some(sum) = a.checked_add(b) else { return };
        if let Err(error) = request.responder.reply(Json(sum)) {
            println!("   calculator: {error}");
        }
    }
}

async fn request_and_reply(zmq: &Addr<Factory>) -> Result<Addr<RequestSocket>, Box<dyn Error>> {
    println!("\n3. Request and reply: typed on both ends");
    let calculator = Calculator.start();
    let server = ReplySocket::bind("inproc://calculator").name("calculator");
    zmq.send(Open(server.deliver_to(calculator.recipient()))).await??;
    let client = RequestSocket::connect("inproc://calculator").name("client");
    let client = zmq.send(Open(client)).await??;

    for (a, b) in [(1, 2), (20, 22)] {
        let request = Request::new(Json(Add { a, b })).expect::<Json<i32>>();
        let Json(sum) = client.send(request).await??;
        println!("   client: {a} + {b} = {sum}");
    }
    Ok(client)
}

async fn time_out(client: &Addr<RequestSocket>) -> Outcome {
    println!("\n4. A request that is never answered");
    let too_large = Request::new(Json(Add { a: i32::MAX, b: 1 }))
        .expect::<Json<i32>>()
        .timeout(Duration::from_millis(200));
    match client.send(too_large).await? {
        Ok(Json(sum)) => println!("   client: {sum}, to our surprise"),
        Err(error) if error.kind() == ErrorKind::TimedOut => println!("   client: {error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

// A restart: the same address, the same port, and what was queued.

/// Tells what happens to a socket.
struct Observer;

impl Actor for Observer {
    type Context = Context<Self>;
}

impl Handler<SocketEvent> for Observer {
    type Result = ();

    fn handle(&mut self, event: SocketEvent, _ctx: &mut Context<Self>) {
        let socket = event.socket_type;
        match event.kind {
            EventKind::Down { reason } => println!("   {socket} is down: {reason}"),
            EventKind::Restarting { attempt, after } => {
                let why =
                    if attempt == 0 { "on demand".into() } else { format!("attempt {attempt}") };
                println!("   {socket} restarts in {after:.0?}, {why}");
            }
            EventKind::Up { endpoints } => {
                let endpoints: Vec<_> = endpoints.iter().map(AsRef::as_ref).collect();
                println!("   {socket} is up again at {}", endpoints.join(", "));
            }
            // The example `monitor` tells of connections.
            EventKind::Closed | EventKind::Connection(_) => {}
            other => println!("   {socket}: {other:?}"),
        }
    }
}

async fn restart(jobs: &Addr<PushSocket>, worker: &Addr<Worker>) -> Outcome {
    println!("\n5. A socket that is restarted under traffic");
    jobs.send(Watch(Observer.start().recipient())).await?;
    let done = worker.send(Seen).await?;
    let traffic = async {
        for number in done + 1..=200 {
            jobs.send(Push(Json(Job { number }))).await??;
            sleep(Duration::from_millis(1)).await;
        }
        Outcome::Ok(())
    };
    let accident = async {
        wait_for(done + 60, &worker.clone().recipient()).await?;
        jobs.send(Restart).await??;
        Outcome::Ok(())
    };
    tokio::try_join!(traffic, accident)?;
    wait_for(200, &worker.clone().recipient()).await?;
    println!("   worker: all {} jobs done, none lost", 200 - done);
    Ok(())
}

// What the tour needs to go on when a part has happened.

/// Asks an actor how much it has seen.
#[derive(Message)]
#[rtype(result = "usize")]
struct Seen;

impl Handler<Seen> for Ticker {
    type Result = usize;

    fn handle(&mut self, _: Seen, _ctx: &mut Context<Self>) -> usize {
        self.seen
    }
}

impl Handler<Seen> for Worker {
    type Result = usize;

    fn handle(&mut self, _: Seen, _ctx: &mut Context<Self>) -> usize {
        self.done
    }
}

/// Waits until an actor has seen so much; `main` sets the deadline.
async fn wait_for(count: usize, actor: &Recipient<Seen>) -> Outcome {
    while actor.send(Seen).await? < count {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
