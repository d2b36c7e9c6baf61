//! An actor in one process, called from another.
//!
//! In two terminals, or on two machines:
//!
//! ```console
//! $ cargo run --example remote_actor -- --mode serve -e tcp://127.0.0.1:5555
//! $ cargo run --example remote_actor -- --mode call -e tcp://127.0.0.1:5555
//! ```
//!
//! Start the caller first, or end the server in the middle: calls wait for a
//! moment, are made again, and fail at the end with the reason.

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use support::{Lines, Outcome, announce, millis, print, up_to};

/// Divides by an actor elsewhere
///
/// The caller prints one line per call: the quotient, `refused` with the
/// handler's own error, or `failed` with the library's. The server prints one
/// line per call that it handles. Everything else goes to stderr, where
/// `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    /// Which end this is
    #[arg(short = 'M', long, value_enum, default_value = "serve")]
    mode: Mode,
    /// Where the actor is served
    #[arg(short, long, default_value = "tcp://127.0.0.1:5555")]
    endpoint: String,
    /// End after so many calls instead of at Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Milliseconds before each call
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "500")]
    interval: Duration,
    /// Milliseconds that a call may take, all attempts together
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "2000")]
    timeout: Duration,
    /// How often a call is made at most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), default_value = "3")]
    attempts: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Run the actor, and serve it
    Serve,
    /// Call it
    Call,
}

/// What both ends know: a message and its result.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Result<f64, DivisionByZero>")]
struct Divide {
    dividend: f64,
    divisor: f64,
}

/// The handler's own error. It crosses as it is.
#[derive(Debug, Serialize, Deserialize)]
struct DivisionByZero {
    dividend: f64,
}

/// An actor like any other: nothing in it knows of ZeroMQ.
struct Divider(Lines);

impl Actor for Divider {
    type Context = Context<Self>;
}

impl Handler<Divide> for Divider {
    type Result = Result<f64, DivisionByZero>;

    fn handle(&mut self, divide: Divide, _ctx: &mut Context<Self>) -> Self::Result {
        let Divide { dividend, divisor } = divide;
        self.0.print(&format!("{dividend} / {divisor}"));
        if divisor == 0.0 { Err(DivisionByZero { dividend }) } else { Ok(dividend / divisor) }
    }
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.mode {
        Mode::Serve => serve(zmq, args).await,
        Mode::Call => call(zmq, args).await,
    })
    .await
}

async fn serve(zmq: Addr<Factory>, args: Args) -> Outcome {
    let (lines, enough) = Lines::new(args.count);
    let divider = Divider(lines).start();
    let service = Service::new("divider").route(divider.recipient::<Divide>());
    zmq.send(Open(ReplySocket::bind(&*args.endpoint).deliver_to(service))).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

async fn call(zmq: Addr<Factory>, args: Args) -> Outcome {
    let socket = zmq.send(Open(Client::socket(&*args.endpoint))).await??;
    let retry = Retry::attempts(args.attempts).first(Duration::from_millis(100));
    let divider = Client::new(socket).timeout(args.timeout).retry(retry);
    for number in up_to(args.count) {
        sleep(args.interval).await;
        // Every third one by zero.
        let divide = Divide { dividend: number as f64, divisor: (number % 3) as f64 };
        // Dividing twice does no harm: whatever goes wrong, it may be repeated.
        match divider.send(Call::new(divide).idempotent()).await {
            Ok(Ok(quotient)) => print(&format!("{quotient}"))?,
            Ok(Err(refusal)) => print(&format!("refused\t{refusal:?}"))?,
            Err(error) => print(&format!("failed\t{error}"))?,
        }
    }
    Ok(())
}
