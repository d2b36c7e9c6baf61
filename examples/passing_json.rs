//! A pool of workers that JSON is passed to, in turn.
//!
//! After `passing_json` of j2labs' `zmq_examples`; its Python programs and
//! this one understand each other. In two terminals, or more:
//!
//! ```console
//! $ cargo run --example passing_json -- server
//! $ cargo run --example passing_json -- client
//! ```

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use support::{Lines, Outcome, announce, millis, print, up_to};

/// A file in the working directory.
const ENDPOINT: &str = "ipc://./*:5678";

/// Passes JSON to a pool of workers
///
/// The server waits while there is no worker, and starts with the first one;
/// several get the messages in turn. They meet at the file `*:5678` in the
/// working directory: the original's `ipc://*:5678` is written `ipc://./*:5678`
/// here, because libzmq 4 takes a leading `*` for a wildcard and drops the rest.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Pass a greeting to the next worker, again and again
    Server {
        /// Where to listen
        #[arg(short, long, default_value = ENDPOINT)]
        endpoint: String,
        /// End after so many messages instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Milliseconds between two messages
        #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
        interval: Duration,
    },
    /// Be a worker: print what is passed
    Client {
        /// Where the server listens
        #[arg(short, long, default_value = ENDPOINT)]
        endpoint: String,
        /// End after so many messages instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

/// What is passed. Received, it is an Actix message like any other.
#[derive(Serialize, Deserialize, Message)]
#[rtype(result = "()")]
struct Greeting {
    code: u16,
    text: String,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.role {
        Role::Server { endpoint, count, interval } => serve(zmq, endpoint, count, interval).await,
        Role::Client { endpoint, count } => work(zmq, endpoint, count).await,
    })
    .await
}

async fn serve(
    zmq: Addr<Factory>,
    endpoint: String,
    count: Option<u64>,
    interval: Duration,
) -> Outcome {
    let server = zmq.send(Open(PushSocket::bind(endpoint))).await??;
    announce(&zmq).await?;
    for _ in up_to(count) {
        print("Hello world?")?;
        let greeting = Greeting { code: 200, text: "hello world".to_owned() };
        // Resolves when libzmq takes it: while there is no worker, this waits.
        server.send(Push(Json(greeting))).await??;
        sleep(interval).await;
    }
    Ok(())
}

async fn work(zmq: Addr<Factory>, endpoint: String, count: Option<u64>) -> Outcome {
    let (lines, enough) = Lines::new(count);
    let worker = Worker(lines).start();
    let client = PullSocket::connect(endpoint).deliver_to(Json::<Greeting>::recipient(&worker));
    zmq.send(Open(client)).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Prints what is passed to it.
struct Worker(Lines);

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Greeting> for Worker {
    type Result = ();

    fn handle(&mut self, greeting: Greeting, _ctx: &mut Context<Self>) {
        self.0.print(&format!("{} :: {}", greeting.code, greeting.text));
    }
}
