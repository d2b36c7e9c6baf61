//! Dealers that ask by their own name, and a router that answers by name.
//!
//! In two terminals; more dealers share the router, each under its own id:
//!
//! ```console
//! $ cargo run --example router_dealer -- --mode router --method bind
//! $ cargo run --example router_dealer -- --mode dealer --id ada
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, ValueEnum};
use support::{Lines, Method, Outcome, announce, fields, millis, print, temporary, up_to};

/// How many replies a request gets. No request/reply socket could do that.
const REPLIES: u64 = 3;

/// Asks for three replies, or gives them
///
/// The dealer prints one line per reply: the request's number and the reply's.
/// The router prints one line per request that it has answered: who asked, and
/// what. A peer that is not there is a line, too, with its id and why: the
/// router begins with one, and a dealer that left early makes another. The
/// parts of a line are separated by tabs. Everything else goes to stderr, where
/// `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    /// Which end this is
    #[arg(short = 'M', long, value_enum, default_value = "dealer")]
    mode: Mode,
    /// How to meet the other end
    #[arg(short, long, value_enum, default_value = "connect")]
    method: Method,
    /// Where to meet it
    #[arg(short, long, default_value_t = temporary("actix-zmq-router-dealer"))]
    endpoint: String,
    /// The name under which the router knows this dealer
    #[arg(long, default_value_t = format!("dealer-{}", std::process::id()))]
    id: String,
    /// Whom the router tries to greet before anybody can be there
    #[arg(long, value_name = "ID", default_value = "nobody")]
    greet: String,
    /// End after so many requests instead of at Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Milliseconds before each request
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
    interval: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Answer each request three times
    Router,
    /// Make requests
    Dealer,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.mode {
        Mode::Router => route(zmq, args).await,
        Mode::Dealer => deal(zmq, args).await,
    })
    .await
}

async fn deal(zmq: Addr<Factory>, args: Args) -> Outcome {
    let replies = args.count.map(|requests| requests.saturating_mul(REPLIES));
    let (mut lines, enough) = Lines::new(replies);
    let dealer = DealerSocket::new().routing_id(args.id);
    let dealer = dealer.on_message(move |Received(frames): Received| {
        lines.print(&fields(frames.iter()));
    });
    let dealer = zmq.send(Open(args.method.attach(dealer, &args.endpoint))).await??;
    announce(&zmq).await?;
    let ask = async {
        for number in up_to(args.count) {
            sleep(args.interval).await;
            dealer.send(SendMessage(number.to_string())).await??;
        }
        Ok(())
    };
    enough.beside(ask).await
}

async fn route(zmq: Addr<Factory>, args: Args) -> Outcome {
    let (lines, enough) = Lines::new(args.count);
    // The socket wants to know its receiver, and the receiver the socket. The
    // context is an address before there is an actor; its mailbox keeps what
    // arrives meanwhile.
    let desk = Context::<Desk>::new();
    // A dealer that comes back under its id is the same dealer.
    let router = RouterSocket::new().handover(true).deliver_to(desk.address().recipient());
    let router = zmq.send(Open(args.method.attach(router, &args.endpoint))).await??;
    tell(&router, SendTo::new(args.greet, "welcome".into())).await?;
    desk.run(Desk { router, lines });
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Sends a message to a peer; that it is not there is an event like others.
async fn tell(router: &Addr<RouterSocket>, message: SendTo) -> Outcome {
    let peer = message.peer.clone();
    match router.send(message).await? {
        Err(error) if error.kind() == ErrorKind::Unroutable => {
            print(&format!("{}\t{}", fields([&peer]), error.kind()))?;
        }
        sent => sent?,
    }
    Ok(())
}

/// Answers requests.
struct Desk {
    router: Addr<RouterSocket>,
    lines: Lines,
}

impl Actor for Desk {
    type Context = Context<Self>;
}

impl Handler<ReceivedFrom> for Desk {
    // One request at a time: those that come meanwhile wait where they are
    // counted, in the mailbox, and beyond its window in the socket.
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, asked: ReceivedFrom, _ctx: &mut Context<Self>) -> Self::Result {
        let router = self.router.clone();
        let ReceivedFrom { peer, body } = asked;
        let line = fields(std::iter::once(&peer).chain(body.iter()));
        let answer = async move {
            for number in 1..=REPLIES {
                let mut reply = body.clone();
                reply.push(format!("{number}/{REPLIES}"));
                tell(&router, SendTo::new(peer.clone(), reply)).await?;
            }
            Outcome::Ok(())
        };
        AtomicResponse::new(Box::pin(answer.into_actor(self).map(move |answered, desk, _ctx| {
            match answered {
                Ok(()) => {
                    desk.lines.print(&line);
                }
                Err(error) => eprintln!("not answered: {error}"),
            }
        })))
    }
}
