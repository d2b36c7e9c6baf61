//! A publisher of the time, and a subscriber that prints what it hears.
//!
//! In two terminals:
//!
//! ```console
//! $ cargo run --example pub_sub -- --mode publisher --method bind
//! $ cargo run --example pub_sub -- --mode subscriber
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, ValueEnum};
use support::{Lines, Method, Outcome, announce, fields, millis, now, temporary, up_to};

/// Publishes the time, or prints what is published
///
/// The subscriber prints one line per message: tag and message, separated by a
/// tab. It takes txZMQ's single frames (tag, NUL, message) and the common two
/// frames alike; the publisher sends txZMQ's. Everything else goes to stderr,
/// where `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    /// Which end this is
    #[arg(short = 'M', long, value_enum, default_value = "subscriber")]
    mode: Mode,
    /// How to meet the other end
    #[arg(short, long, value_enum, default_value = "connect")]
    method: Method,
    /// Where to meet it
    #[arg(short, long, default_value_t = temporary("actix-zmq-pub-sub"))]
    endpoint: String,
    /// The tag to publish under, or the beginning of the tags to hear
    #[arg(long, default_value = "")]
    topic: String,
    /// End after so many messages instead of at Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Milliseconds between two messages, and before the first
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
    interval: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Publish the time
    Publisher,
    /// Print what is published
    Subscriber,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.mode {
        Mode::Publisher => publish(zmq, args).await,
        Mode::Subscriber => subscribe(zmq, args).await,
    })
    .await
}

async fn publish(zmq: Addr<Factory>, args: Args) -> Outcome {
    let publisher = PubSocket::new().framing(TopicFraming::tagged());
    let publisher = zmq.send(Open(args.method.attach(publisher, &args.endpoint))).await??;
    announce(&zmq).await?;
    for _ in up_to(args.count) {
        // The pause comes first: it lets subscribers join before the first message.
        sleep(args.interval).await;
        let time = now();
        eprintln!("publishing {time}");
        publisher.send(Publish::new(args.topic.as_str(), time)).await??;
    }
    Ok(())
}

async fn subscribe(zmq: Addr<Factory>, args: Args) -> Outcome {
    let (lines, enough) = Lines::new(args.count);
    let printer = Printer(lines).start();
    let subscriber = SubSocket::new().topic(args.topic).deliver_to(printer.recipient());
    zmq.send(Open(args.method.attach(subscriber, &args.endpoint))).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Prints what the subscriber hears.
struct Printer(Lines);

impl Actor for Printer {
    type Context = Context<Self>;
}

impl Handler<TopicMessage> for Printer {
    type Result = ();

    fn handle(&mut self, message: TopicMessage, _ctx: &mut Context<Self>) {
        let TopicMessage { topic, body } = message;
        self.0.print(&fields(std::iter::once(&topic).chain(body.iter())));
    }
}
