//! Many workers behind one endpoint, some of which are killed in the middle.
//!
//! All at once, with three workers, of which one is killed:
//!
//! ```console
//! $ cargo run --release --example worker_pool
//! ```
//!
//! Or each in a terminal of its own, and `kill -9` as you like:
//!
//! ```console
//! $ cargo run --release --example worker_pool -- broker
//! $ cargo run --release --example worker_pool -- worker
//! $ cargo run --release --example worker_pool -- client
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::env;
use std::process::Stdio;
use std::time::{Duration, Instant};

use actix_zmq::prelude::*;
use actix_zmq::{AskBroker, Info};
use clap::{Parser, Subcommand};
use futures::StreamExt;
use futures::stream::iter;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use support::{Outcome, announce, millis, print};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Where clients come to.
const CLIENTS: &str = "tcp://127.0.0.1:5570";
/// Where workers come to.
const WORKERS: &str = "tcp://127.0.0.1:5571";

/// Spreads calls over workers, and loses none when one is killed
///
/// The client prints a summary: what was sent, answered, repeated and lost, and
/// how long it took. It ends with status 1 if any call is lost.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Start a broker, workers and a client, and kill one of the workers in the
    /// middle (without a subcommand, too)
    All {
        /// How many workers
        #[arg(long, value_parser = clap::value_parser!(u64).range(2..), default_value = "3")]
        workers: u64,
        #[command(flatten)]
        load: Load,
    },
    /// Stand between clients and workers
    Broker {
        /// Where to listen for clients
        #[arg(long, default_value = CLIENTS)]
        clients: String,
        /// Where to listen for workers
        #[arg(long, default_value = WORKERS)]
        workers: String,
    },
    /// Work
    Worker {
        /// Where the broker listens for workers
        #[arg(long, default_value = WORKERS)]
        workers: String,
        /// How many calls to take at a time
        #[arg(long, default_value = "8")]
        capacity: u32,
    },
    /// Have work done
    Client {
        /// Where the broker listens for clients
        #[arg(long, default_value = CLIENTS)]
        clients: String,
        #[command(flatten)]
        load: Load,
    },
}

#[derive(Clone, clap::Args)]
struct Load {
    /// How many calls
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), default_value = "5000")]
    count: u64,
    /// How many of them at a time
    #[arg(long, default_value = "64")]
    window: usize,
    /// Milliseconds that each takes
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "5")]
    work: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self { count: 5_000, window: 64, work: Duration::from_millis(5) }
    }
}

/// Something that takes a while.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "u64")]
struct Square {
    number: u64,
    takes: Duration,
}

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Square> for Worker {
    type Result = ResponseFuture<u64>;

    fn handle(&mut self, Square { number, takes }: Square, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            actix::clock::sleep(takes).await;
            number * number
        })
    }
}

#[actix::main]
async fn main() -> Outcome {
    let all = Role::All { workers: 3, load: Load::default() };
    let role = Args::parse().role.unwrap_or(all);
    support::run(async |zmq| match role {
        Role::All { workers, load } => all_at_once(zmq, workers, load).await,
        Role::Broker { clients, workers } => {
            let _broker = Broker::between(&*clients, &*workers).start(&zmq).await?;
            announce(&zmq).await?;
            std::future::pending().await
        }
        Role::Worker { workers, capacity } => {
            let service = Service::new("squares").route(Worker.start().recipient::<Square>());
            let worker = ReplySocket::join(&*workers).capacity(capacity);
            zmq.send(Open(worker.deliver_to(service))).await??;
            announce(&zmq).await?;
            std::future::pending().await
        }
        Role::Client { clients, load } => have_squared(&zmq, &clients, load, async |_| {}).await,
    })
    .await
}

/// The broker and the client here, the workers in processes of their own.
async fn all_at_once(zmq: Addr<Factory>, workers: u64, load: Load) -> Outcome {
    let clients = RouterSocket::bind("tcp://127.0.0.1:*").name("clients");
    let backend = RouterSocket::bind("tcp://127.0.0.1:*").name("workers");
    let broker = Broker::over(clients, backend).start(&zmq).await?;
    let (clients, backend) = (bound(&zmq, "clients").await?, bound(&zmq, "workers").await?);
    let mut children = Vec::new();
    for _ in 0..workers {
        children.push(worker_process(&backend).await?);
    }
    let half = load.count / 2;
    have_squared(&zmq, &clients, load, async |answered| {
        if answered == half
            && let Some(mut child) = children.pop()
        {
            // SIGKILL, as `kill -9`.
            let killed = child.kill().await;
            eprintln!("a worker is killed: {killed:?}");
        }
    })
    .await?;
    let report = broker.send(AskBroker).await?;
    print(&format!("resent by the broker\t{}", report.resent))?;
    print(&format!("workers left\t{}", report.workers.len()))?;
    Ok(())
}

/// Starts this program as a worker. It ends with its parent.
async fn worker_process(workers: &str) -> Outcome<Child> {
    let mut child = Command::new(env::current_exe()?)
        .args(["worker", "--workers", workers])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stderr = child.stderr.take().ok_or("no stderr")?;
    // Its first line tells that it has begun.
    let _connecting = BufReader::new(stderr).lines().next_line().await?;
    Ok(child)
}

async fn bound(zmq: &Addr<Factory>, name: &str) -> Outcome<String> {
    let sockets = zmq.send(Status).await?;
    let socket = sockets.into_iter().find(|socket| socket.name.as_deref() == Some(name));
    let endpoint = socket.and_then(|socket| socket.endpoints.into_iter().next());
    Ok(endpoint.ok_or("it is not bound")?.endpoint().to_string())
}

/// Makes the calls, and tells after each how many are answered.
async fn have_squared(
    zmq: &Addr<Factory>,
    clients: &str,
    load: Load,
    mut meanwhile: impl AsyncFnMut(u64),
) -> Outcome {
    let socket = Client::socket(clients).unreachable_after(Duration::from_secs(10));
    let socket = zmq.send(Open(socket.name("client"))).await??;
    let client = Client::new(socket).timeout(Duration::from_secs(30)).retry(Retry::attempts(3));
    // The first worker that answers tells that there are some.
    let info = client.call(Info {}).await?;
    eprintln!("served by {}", info.name);

    let bar = ProgressBar::new(load.count).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} calls, {per_sec}, {elapsed}",
    )?);
    let began = Instant::now();
    let calls = iter(1..=load.count).map(|number| {
        let client = &client;
        let square = Square { number, takes: load.work };
        async move {
            let asked = Instant::now();
            let answer = client.send(Call::new(square).idempotent()).await;
            (number, answer, asked.elapsed())
        }
    });
    let mut calls = std::pin::pin!(calls.buffer_unordered(load.window.max(1)));
    let mut latency = Histogram::<u64>::new_with_max(60_000_000, 3)?;
    let (mut answered, mut lost) = (0, 0);
    while let Some((number, answer, took)) = calls.next().await {
        match answer {
            Ok(square) if square == number * number => answered += 1,
            Ok(other) => return Err(format!("{number} squared is not {other}").into()),
            Err(error) => {
                lost += 1;
                bar.suspend(|| eprintln!("{number}: {error}"));
            }
        }
        latency.saturating_record(u64::try_from(took.as_micros())?);
        bar.inc(1);
        meanwhile(answered).await;
    }
    bar.finish();
    print(&format!("sent\t{}", load.count))?;
    print(&format!("answered\t{answered}"))?;
    // All that was sent beyond one request for each call, and the first question.
    let sent = zmq.send(Status).await?;
    let sent = sent.iter().find(|socket| socket.name.as_deref() == Some("client"));
    let sent = sent.map_or(0, |socket| socket.count(Counter::Sent));
    print(&format!("retried\t{}", sent.saturating_sub(load.count + 1)))?;
    print(&format!("lost\t{lost}"))?;
    print(&format!("seconds\t{:.1}", began.elapsed().as_secs_f64()))?;
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        let microseconds = latency.value_at_quantile(quantile);
        print(&format!("{name}\t{:.1} ms", microseconds as f64 / 1_000.0))?;
    }
    if lost > 0 { Err(format!("{lost} calls are lost").into()) } else { Ok(()) }
}
