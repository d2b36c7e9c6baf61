//! A pusher of time and host name, and a puller that prints what it gets.
//!
//! In two terminals; more pullers share the work:
//!
//! ```console
//! $ cargo run --example push_pull -- --mode push --method bind
//! $ cargo run --example push_pull -- --mode pull
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::process::Command;
use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, ValueEnum};
use support::{Lines, Method, Outcome, announce, fields, millis, now, temporary, up_to};

/// Pushes the time and the host's name, or prints what is pushed
///
/// The puller prints one line per message: its frames, separated by tabs.
/// Everything else goes to stderr, where `ready ENDPOINT` tells the port that a
/// wildcard became.
#[derive(Parser)]
struct Args {
    /// Which end this is
    #[arg(short = 'M', long, value_enum, default_value = "pull")]
    mode: Mode,
    /// How to meet the other end
    #[arg(short, long, value_enum, default_value = "connect")]
    method: Method,
    /// Where to meet it
    #[arg(short, long, default_value_t = temporary("actix-zmq-push-pull"))]
    endpoint: String,
    /// End after so many messages instead of at Ctrl-C; skipped ones do not count
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Milliseconds between two messages, and before the first
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
    interval: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Push the time and the host's name
    Push,
    /// Print what is pushed
    Pull,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.mode {
        Mode::Push => push(zmq, args).await,
        Mode::Pull => pull(zmq, args).await,
    })
    .await
}

async fn push(zmq: Addr<Factory>, args: Args) -> Outcome {
    let host = host_name();
    // Now or not at all: without room for a message to wait in our queue, or
    // (`immediate`) in libzmq's for a peer that is not there yet.
    let pusher = PushSocket::new().overflow(Overflow::Reject, 0).immediate(true);
    let pusher = zmq.send(Open(args.method.attach(pusher, &args.endpoint))).await??;
    announce(&zmq).await?;
    for _ in up_to(args.count) {
        loop {
            sleep(args.interval).await;
            let time = now();
            eprintln!("pushing {time} {host}");
            match pusher.send(Push([time, host.clone()])).await? {
                Err(error) if error.kind() == ErrorKind::Full => {
                    eprintln!("Skipping, no pull consumers...");
                }
                pushed => break pushed?,
            }
        }
    }
    Ok(())
}

async fn pull(zmq: Addr<Factory>, args: Args) -> Outcome {
    let (lines, enough) = Lines::new(args.count);
    let printer = Printer(lines).start();
    let puller = PullSocket::new().deliver_to(printer.recipient());
    zmq.send(Open(args.method.attach(puller, &args.endpoint))).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Prints what the puller gets.
struct Printer(Lines);

impl Actor for Printer {
    type Context = Context<Self>;
}

impl Handler<Pulled> for Printer {
    type Result = ();

    fn handle(&mut self, Pulled(frames): Pulled, _ctx: &mut Context<Self>) {
        self.0.print(&fields(frames.iter()));
    }
}

/// The host's name, which the standard library cannot tell but `uname` can.
fn host_name() -> String {
    match Command::new("uname").arg("-n").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => "localhost".to_owned(),
    }
}
