//! libzmq's performance tools, on actors. Each end understands libzmq's own.
//!
//! In two terminals; `inproc_thr` and `inproc_lat` need one:
//!
//! ```console
//! $ cargo run --release --example perf -- local_thr tcp://127.0.0.1:5555 16 1000000
//! $ cargo run --release --example perf -- remote_thr tcp://127.0.0.1:5555 16 1000000
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod figures;
mod receive;
mod send;
#[path = "../support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Pattern as SocketPattern, ShutdownReport};
use clap::{Parser, Subcommand, ValueEnum};
use figures::{Figures, Used};
use receive::{Echo, Tally, deliver};
use send::{Sender, ask};
use support::{Outcome, announce, print};

/// How long what was sent last may take to leave, once the work is done.
const LINGER: Duration = Duration::from_secs(60);
/// How long the other end may take to appear.
const APPEARANCE: Duration = Duration::from_secs(60);
/// The timeout of each of many requests: armed as a program would, and never due.
const ARMED: Duration = Duration::from_secs(60);
/// How long nothing may move once something has.
const PATIENCE: Duration = Duration::from_secs(3);

/// Measures throughput and latency, as libzmq's tools of the same names do
///
/// The lines of libzmq's tools go to stdout, and after them the CPU time of the
/// process per message or round trip, and the most memory that it had. Where
/// requests are counted their rate is another line, and so are the median, the
/// 99th and the 99.9th percentile of the time from a request to its reply;
/// `average latency` is half of that, as libzmq counts. Everything else goes to
/// stderr, where `ready ENDPOINT` tells the port that a wildcard became.
///
/// A message of another size, or one that is missing once nothing has moved for
/// 3 seconds, is an error.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
#[command(rename_all = "snake_case")]
enum Tool {
    /// Receive messages from remote_thr, and print the throughput
    LocalThr {
        /// Where to listen
        bind_to: String,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        receiving: Receiving,
        #[command(flatten)]
        pattern: ByPattern,
        #[command(flatten)]
        actor: ActorPlace,
    },
    /// Send messages to local_thr
    RemoteThr {
        /// Where local_thr listens
        connect_to: String,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        sending: Sending,
        #[command(flatten)]
        pattern: ByPattern,
        #[command(flatten)]
        actor: ActorPlace,
    },
    /// Answer remote_lat, one request after the other
    LocalLat {
        /// Where to listen
        bind_to: String,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        receiving: Receiving,
        #[command(flatten)]
        actor: ActorPlace,
    },
    /// Ask local_lat, one request after the other, and print the latency
    RemoteLat {
        /// Where local_lat listens
        connect_to: String,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        actor: ActorPlace,
    },
    /// Send and receive within the process, and print the throughput
    InprocThr {
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        receiving: Receiving,
        #[command(flatten)]
        sending: Sending,
        #[command(flatten)]
        pattern: ByPattern,
        #[command(flatten)]
        ends: EndsPlace,
    },
    /// Ask and answer within the process, and print the latency
    InprocLat {
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        receiving: Receiving,
        #[command(flatten)]
        ends: EndsPlace,
    },
    /// Answer req_cli, any number of requests at a time
    ReqSrv {
        /// Where to listen
        bind_to: String,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        receiving: Receiving,
        #[command(flatten)]
        actor: ActorPlace,
    },
    /// Ask req_srv, and print how fast it answers
    ReqCli {
        /// Where req_srv listens
        connect_to: String,
        #[command(flatten)]
        load: Load,
        /// How many requests are in flight at a time
        // Beyond our queue's bounds the server would refuse replies.
        #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        window: u32,
        #[command(flatten)]
        actor: ActorPlace,
    },
}

#[derive(Clone, Copy, clap::Args)]
struct Load {
    /// Bytes per message
    // The range of libzmq's tools.
    #[arg(value_parser = clap::value_parser!(u32).range(..=0x7fff_ffff))]
    message_size: u32,
    /// Messages, or round trips
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
}

impl Load {
    const fn size(self) -> usize {
        self.message_size as usize
    }
}

#[derive(Clone, Copy, clap::Args)]
struct Receiving {
    /// How messages reach their receiver
    #[arg(long, value_enum, default_value = "inline")]
    delivery: Way,
}

#[derive(Clone, Copy, clap::Args)]
struct Sending {
    /// How messages reach the socket
    #[arg(long, value_enum, default_value = "inline")]
    send: Way,
}

#[derive(Clone, Copy, clap::Args)]
struct ByPattern {
    /// What kind of sockets; the other end must be of the same
    #[arg(long, value_enum, default_value = "push-pull")]
    pattern: Pattern,
}

#[derive(Clone, Copy, clap::Args)]
struct ActorPlace {
    /// With 2, the socket is on another arbiter than whoever sends or receives;
    /// `inline` has nobody there
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u8).range(1..=2))]
    arbiters: u8,
    /// Microseconds after a message for which the socket asks again, awake
    #[arg(long, default_value = "0", value_name = "US")]
    busy_poll: u64,
}

#[derive(Clone, Copy, clap::Args)]
struct EndsPlace {
    /// With 2, each end is on an arbiter of its own, as libzmq's are on threads
    #[arg(long, default_value = "2", value_parser = clap::value_parser!(u8).range(1..=2))]
    arbiters: u8,
}

/// How a message gets from one actor to another.
#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// Without a mailbox: the socket calls a closure, or takes from a stream
    Inline,
    /// Many in one mailbox message
    Batch,
    /// One mailbox message each
    Each,
}

#[derive(Clone, Copy, ValueEnum)]
enum Pattern {
    /// PUSH and PULL, as libzmq's tools
    PushPull,
    /// PUB and SUB, topic and body, without loss
    PubSub,
}

#[actix::main]
async fn main() -> Outcome {
    let tool = Args::parse().tool;
    let mut figures = None;
    let report = support::run_lingering(LINGER, async |zmq| {
        figures = Some(tool.run(&zmq).await?);
        Ok(())
    })
    .await?;
    // Without any, a signal was first.
    figures.map_or(Ok(()), |figures| conclude(&figures, &report))
}

/// Prints the figures, if they are those of all messages.
fn conclude(figures: &Figures, report: &ShutdownReport) -> Outcome {
    let sent: u64 = report.sockets.iter().map(|socket| socket.sent).sum();
    if sent != figures.sent {
        return Err(format!("{sent} of {} messages sent, the others are lost", figures.sent).into());
    }
    figures.lines()?.iter().try_for_each(|line| print(line))?;
    Ok(())
}

impl Tool {
    async fn run(self, zmq: &Addr<Factory>) -> Outcome<Figures> {
        match self {
            Self::LocalThr { bind_to, load, receiving, pattern, actor } => {
                let place = actor.into();
                let received = receive(zmq, &place, &bind_to, load, receiving, pattern).await?;
                announce(zmq).await?;
                let used = Used::now()?;
                let took = watched(zmq, received.outcome()).await?;
                Ok(Figures::throughput(load, took, used).sent(0))
            }
            Self::RemoteThr { connect_to, load, sending, pattern, actor } => {
                let place = actor.into();
                let sender = Sender::open(zmq, &place, &connect_to, load, pattern).await?;
                announce(zmq).await?;
                sender.wait().await?;
                let used = Used::now()?;
                watched(zmq, sender.send(sending.send, load)).await?;
                Ok(Figures::of(load, used).sent(load.count))
            }
            Self::LocalLat { bind_to, load, receiving, actor } => {
                let (echo, done) = Echo::new(load);
                let socket = RepSocket::bind(bind_to);
                answer(zmq, &actor.into(), socket, receiving, echo).await?;
                serve(zmq, load, done).await
            }
            Self::ReqSrv { bind_to, load, receiving, actor } => {
                let (echo, done) = Echo::new(load);
                let socket = ReplySocket::bind(bind_to);
                answer(zmq, &actor.into(), socket, receiving, echo).await?;
                serve(zmq, load, done).await
            }
            Self::RemoteLat { connect_to, load, actor } => {
                let socket = Place::from(actor).put(ReqSocket::connect(connect_to));
                let socket = zmq.send(Open(socket)).await??;
                announce(zmq).await?;
                socket.send(WaitConnected::within(APPEARANCE)).await??;
                let used = Used::now()?;
                let asked = watched(zmq, ask(socket, load, 1)).await?;
                Ok(Figures::latency(load, asked, used).sent(load.count))
            }
            Self::ReqCli { connect_to, load, window, actor } => {
                let socket = RequestSocket::connect(connect_to).timeout(ARMED);
                let socket = Place::from(actor).put(socket);
                let socket = zmq.send(Open(socket)).await??;
                announce(zmq).await?;
                socket.send(WaitConnected::within(APPEARANCE)).await??;
                let used = Used::now()?;
                let asked = watched(zmq, ask(socket, load, window)).await?;
                Ok(Figures::requests(load, window, asked, used).sent(load.count))
            }
            Self::InprocThr { load, receiving, sending, pattern, ends } => {
                let there = ends.other_end();
                let endpoint = "inproc://thr_test";
                let here = Place::HERE;
                let received = receive(zmq, &here, endpoint, load, receiving, pattern).await?;
                let sender = Sender::open(zmq, &there, endpoint, load, pattern).await?;
                announce(zmq).await?;
                sender.wait().await?;
                let used = Used::now()?;
                let sent = there.run(async move { sender.send(sending.send, load).await });
                let both = async { tokio::try_join!(received.outcome(), sent) };
                let (took, ()) = watched(zmq, both).await?;
                Ok(Figures::throughput(load, took, used).sent(load.count))
            }
            Self::InprocLat { load, receiving, ends } => {
                let there = ends.other_end();
                let endpoint = "inproc://lat_test";
                let (echo, done) = Echo::new(load);
                answer(zmq, &Place::HERE, RepSocket::bind(endpoint), receiving, echo).await?;
                let socket = zmq.send(Open(there.put(ReqSocket::connect(endpoint)))).await??;
                announce(zmq).await?;
                socket.send(WaitConnected::within(APPEARANCE)).await??;
                let used = Used::now()?;
                let asked = there.run(async move { ask(socket, load, 1).await });
                let both = async { tokio::try_join!(asked, done.outcome()) };
                let (asked, _) = watched(zmq, both).await?;
                // Requests and replies.
                Ok(Figures::latency(load, asked, used).sent(load.count.saturating_mul(2)))
            }
        }
    }
}

async fn receive(
    zmq: &Addr<Factory>,
    place: &Place,
    endpoint: &str,
    load: Load,
    receiving: Receiving,
    ByPattern { pattern }: ByPattern,
) -> Outcome<receive::Done> {
    let (tally, done) = Tally::new(load);
    match pattern {
        Pattern::PushPull => {
            let socket = place.put(PullSocket::bind(endpoint));
            zmq.send(Open(deliver::<_, Pulled, _>(socket, receiving.delivery, tally))).await??;
        }
        Pattern::PubSub => {
            let socket = place.put(SubSocket::bind(endpoint)).topic(Topic::all());
            let socket = deliver::<_, TopicMessage, _>(socket, receiving.delivery, tally);
            zmq.send(Open(socket)).await??;
        }
    }
    Ok(done)
}

async fn answer<K>(
    zmq: &Addr<Factory>,
    place: &Place,
    socket: Blueprint<K>,
    receiving: Receiving,
    echo: Echo,
) -> Outcome
where
    K: actix_zmq::Receiving + actix_zmq::kinds::Receives<Delivery = IncomingRequest>,
{
    let socket = deliver::<_, IncomingRequest, _>(place.put(socket), receiving.delivery, echo);
    zmq.send(Open(socket)).await??;
    Ok(())
}

async fn serve(zmq: &Addr<Factory>, load: Load, done: receive::Done) -> Outcome<Figures> {
    announce(zmq).await?;
    let used = Used::now()?;
    watched(zmq, done.outcome()).await?;
    Ok(Figures::of(load, used).sent(load.count))
}

/// Waits for the end of the work, but not when nothing moves any more: the other
/// end has died, or messages are lost.
async fn watched<T>(zmq: &Addr<Factory>, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let stopped = async {
        let mut before = (0, 0);
        loop {
            sleep(PATIENCE).await;
            let (mut received, mut sent) = (0, 0);
            let sockets = zmq.send(Status).await?;
            if sockets.is_empty() {
                return Outcome::<Infallible>::Err("the socket is closed".into());
            }
            for socket in sockets {
                received += socket.count(Counter::Received);
                sent += socket.count(Counter::Sent);
            }
            if (received, sent) != (0, 0) && (received, sent) == before {
                let moved = format!("{received} messages received and {sent} sent");
                return Err(format!("{moved}, and no more: lost").into());
            }
            before = (received, sent);
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        lost = stopped => lost.map(|never| match never {}),
    }
}

/// Where a socket runs, and how it waits.
struct Place {
    at: At,
    busy_poll: Duration,
}

/// Which arbiter a socket runs on.
enum At {
    /// That of whoever sends or receives.
    Here,
    /// Another than that.
    Apart,
    /// Together with its own end.
    On(Arbiter),
}

impl From<ActorPlace> for Place {
    fn from(place: ActorPlace) -> Self {
        let at = if place.arbiters == 1 { At::Here } else { At::Apart };
        Self { at, busy_poll: Duration::from_micros(place.busy_poll) }
    }
}

impl EndsPlace {
    fn other_end(self) -> Place {
        let at = if self.arbiters == 1 { At::Here } else { At::On(Arbiter::new()) };
        Place { at, busy_poll: Duration::ZERO }
    }
}

impl Place {
    const HERE: Self = Self { at: At::Here, busy_poll: Duration::ZERO };

    fn put<K: SocketPattern>(&self, socket: Blueprint<K>) -> Blueprint<K> {
        let socket = socket.busy_poll(self.busy_poll);
        match &self.at {
            At::Here => socket,
            At::Apart => socket.arbiter("socket"),
            At::On(arbiter) => socket.on(arbiter.handle()),
        }
    }

    /// Runs one end's work where its socket is.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        let At::On(arbiter) = &self.at else { return work.await };
        let (tell, told) = futures::channel::oneshot::channel();
        arbiter.spawn(async move {
            // It fails when nobody waits for it any more.
            let _ = tell.send(work.await.map_err(|error| error.to_string()));
        });
        Ok(told.await??)
    }
}
