//! A requester that asks with the time, and a replier that echoes it.
//!
//! In two terminals:
//!
//! ```console
//! $ cargo run --example req_rep -- --mode rep --method bind
//! $ cargo run --example req_rep -- --mode req
//! ```

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, ValueEnum};
use support::{Lines, Method, Outcome, announce, fields, millis, now, print, temporary, up_to};

/// Asks for an echo of the time, or echoes what is asked
///
/// The requester prints one line per request: the frames of the reply,
/// separated by tabs, or the word `timeout`. The replier prints the frames of
/// each request and sends them back. Everything else goes to stderr, where
/// `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    /// Which end this is
    #[arg(short = 'M', long, value_enum, default_value = "rep")]
    mode: Mode,
    /// How to meet the other end
    #[arg(short, long, value_enum, default_value = "connect")]
    method: Method,
    /// Where to meet it
    #[arg(short, long, default_value_t = temporary("actix-zmq-req-rep"))]
    endpoint: String,
    /// End after so many requests instead of at Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Milliseconds before each request
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
    interval: Duration,
    /// Milliseconds to wait for a reply
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "950")]
    timeout: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Ask for an echo of the time
    Req,
    /// Echo what is asked
    Rep,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.mode {
        Mode::Req => request(zmq, args).await,
        Mode::Rep => reply(zmq, args).await,
    })
    .await
}

async fn request(zmq: Addr<Factory>, args: Args) -> Outcome {
    // Every request ends: with its reply, or when its time is up.
    let requester = RequestSocket::new().timeout(args.timeout);
    let requester = zmq.send(Open(args.method.attach(requester, &args.endpoint))).await??;
    announce(&zmq).await?;
    for _ in up_to(args.count) {
        sleep(args.interval).await;
        match requester.send(Request::new(now())).await? {
            Err(error) if error.kind() == ErrorKind::TimedOut => print("timeout")?,
            reply => print(&fields(reply?.iter()))?,
        }
    }
    Ok(())
}

async fn reply(zmq: Addr<Factory>, args: Args) -> Outcome {
    let (lines, enough) = Lines::new(args.count);
    let echo = Echo(lines).start();
    let replier = ReplySocket::new().deliver_to(echo.recipient());
    zmq.send(Open(args.method.attach(replier, &args.endpoint))).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Prints what is asked, and answers with the same frames.
struct Echo(Lines);

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Handler<IncomingRequest> for Echo {
    type Result = ();

    fn handle(&mut self, request: IncomingRequest, _ctx: &mut Context<Self>) {
        let IncomingRequest { body, responder } = request;
        if self.0.print(&fields(body.iter())) {
            // It fails only when the socket is closed, and then nobody waits.
            let _ = responder.reply(body);
        }
    }
}
