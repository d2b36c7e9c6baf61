//! Two ends of one connection: each talks, and prints what it hears.
//!
//! In two terminals:
//!
//! ```console
//! $ cargo run --example pair -- --method bind
//! $ cargo run --example pair -- --method connect
//! ```

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::Parser;
use support::{Lines, Method, Outcome, announce, fields, millis, temporary, up_to};

/// Talks with one other, and with nobody else
///
/// Prints one line per message heard: which end said it, and its number,
/// separated by a tab. A third one is not heard until one of the two has left.
/// Everything else goes to stderr, where `ready ENDPOINT` tells the port that a
/// wildcard became.
#[derive(Parser)]
struct Args {
    /// How to meet the other end
    #[arg(short, long, value_enum, default_value = "connect")]
    method: Method,
    /// Where to meet it
    #[arg(short, long, default_value_t = temporary("actix-zmq-pair"))]
    endpoint: String,
    /// End after so many messages said and as many heard, instead of at Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Milliseconds before each message
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
    interval: Duration,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| talk(zmq, args).await).await
}

async fn talk(zmq: Addr<Factory>, args: Args) -> Outcome {
    let (mut lines, enough) = Lines::new(args.count);
    let pair = PairSocket::new().on_message(move |Received(frames): Received| {
        lines.print(&fields(frames.iter()));
    });
    let pair = zmq.send(Open(args.method.attach(pair, &args.endpoint))).await??;
    announce(&zmq).await?;
    let end = match args.method {
        Method::Bind => "bind",
        Method::Connect => "connect",
    };
    let say = async {
        for number in up_to(args.count) {
            sleep(args.interval).await;
            // Resolves when libzmq takes it: the end that binds waits for the other.
            pair.send(SendMessage([end.to_owned(), number.to_string()])).await??;
        }
        Ok(())
    };
    enough.beside(say).await
}
