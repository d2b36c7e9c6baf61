//! A broker between any number of clients and servers.
//!
//! After `request-reply-broker` of tx0mq's `demo` and the ZeroMQ guide. In
//! three terminals, or more:
//!
//! ```console
//! $ cargo run --example broker -- broker
//! $ cargo run --example broker -- server
//! $ cargo run --example broker -- client
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, Subcommand};
use support::{Lines, Outcome, announce, fields, millis, print, up_to};

/// Where clients come to.
const FRONTEND: &str = "ipc:///tmp/broker_frontend.ipc";
/// Where servers come to.
const BACKEND: &str = "ipc:///tmp/broker_backend.ipc";

/// Passes requests on to servers in turn, and their replies back
///
/// The broker never looks into a message: REQ and REP programs in any language
/// may take part. Requests wait in it while there is no server. It prints one
/// line per reply that it has passed back, the client one per reply, and the
/// server one per request: the frames, separated by tabs. Everything else goes
/// to stderr, where `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Stand between clients and servers
    Broker {
        /// Where to listen for clients
        #[arg(short, long, default_value = FRONTEND)]
        frontend: String,
        /// Where to listen for servers
        #[arg(short, long, default_value = BACKEND)]
        backend: String,
        /// End after so many replies instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Make requests
    Client {
        /// Where the broker listens for clients
        #[arg(short, long, default_value = FRONTEND)]
        endpoint: String,
        /// Who asks
        #[arg(long, default_value_t = format!("client-{}", std::process::id()))]
        name: String,
        /// End after so many requests instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Milliseconds before each request
        #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
        interval: Duration,
    },
    /// Answer requests
    Server {
        /// Where the broker listens for servers
        #[arg(short, long, default_value = BACKEND)]
        endpoint: String,
        /// Who answers
        #[arg(long, default_value_t = format!("server-{}", std::process::id()))]
        name: String,
        /// End after so many requests instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.role {
        Role::Broker { frontend, backend, count } => broke(zmq, frontend, backend, count).await,
        Role::Client { endpoint, name, count, interval } => {
            ask(zmq, endpoint, name, count, interval).await
        }
        Role::Server { endpoint, name, count } => serve(zmq, endpoint, name, count).await,
    })
    .await
}

async fn broke(
    zmq: Addr<Factory>,
    frontend: String,
    backend: String,
    count: Option<u64>,
) -> Outcome {
    let (lines, enough) = Lines::new(count);
    // Each direction has an actor of its own, so that requests without a server
    // hold up no reply. Each needs the socket that the other one listens to:
    // hence addresses first, and actors when there are sockets.
    let requests = Context::<Requests>::new();
    let replies = Context::<Replies>::new();
    let clients = RouterSocket::bind(frontend).deliver_to(requests.address().recipient());
    let servers = DealerSocket::bind(backend).deliver_to(replies.address().recipient());
    let clients = zmq.send(Open(clients)).await??;
    let servers = zmq.send(Open(servers)).await??;
    requests.run(Requests { servers });
    replies.run(Replies { clients, lines });
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Passes requests on to the server whose turn it is.
struct Requests {
    servers: Addr<DealerSocket>,
}

impl Actor for Requests {
    type Context = Context<Self>;
}

impl Handler<ReceivedFrom> for Requests {
    // The next one when libzmq has taken this one. Without servers the mailbox
    // fills up to its window, then the clients feel it: no queue has no end.
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, asked: ReceivedFrom, _ctx: &mut Context<Self>) -> Self::Result {
        let servers = self.servers.clone();
        // The client's routing id goes along, in front of whatever it sent.
        let frames: Multipart = std::iter::once(asked.peer).chain(asked.body).collect();
        let pass = async move { passed(servers.send(SendMessage(frames)).await) };
        AtomicResponse::new(Box::pin(pass.into_actor(self).map(|_passed, _broker, _ctx| ())))
    }
}

/// Passes replies back to the client that asked.
struct Replies {
    clients: Addr<RouterSocket>,
    lines: Lines,
}

impl Actor for Replies {
    type Context = Context<Self>;
}

impl Handler<Received> for Replies {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Received(frames): Received, _ctx: &mut Context<Self>) -> Self::Result {
        let clients = self.clients.clone();
        let mut frames = frames.into_iter();
        let peer = frames.next().unwrap_or_default();
        let body: Multipart = frames.collect();
        let line = fields(parts(&body));
        let pass = async move { passed(clients.send(SendTo { peer, body }).await) };
        AtomicResponse::new(Box::pin(pass.into_actor(self).map(move |passed, broker, _ctx| {
            if passed {
                broker.lines.print(&line);
            }
        })))
    }
}

/// A message's frames without its envelope, which an empty frame ends.
fn parts(frames: &[Frame]) -> impl Iterator<Item = &Frame> {
    let envelope = frames.iter().position(|frame| frame.is_empty()).map_or(0, |empty| empty + 1);
    frames.iter().skip(envelope)
}

/// What could not be passed is told: a client that has gone, for example.
fn passed(outcome: Result<actix_zmq::Result<()>, MailboxError>) -> bool {
    match outcome {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            eprintln!("not passed: {error}");
            false
        }
        Err(error) => {
            eprintln!("not passed: {error}");
            false
        }
    }
}

async fn ask(
    zmq: Addr<Factory>,
    endpoint: String,
    name: String,
    count: Option<u64>,
    interval: Duration,
) -> Outcome {
    // Without a timeout: a request waits until there are a broker and a server.
    let client = zmq.send(Open(RequestSocket::connect(endpoint))).await??;
    announce(&zmq).await?;
    for number in up_to(count) {
        sleep(interval).await;
        let reply = client.send(Request::new([name.clone(), number.to_string()])).await??;
        print(&fields(reply.iter()))?;
    }
    Ok(())
}

async fn serve(zmq: Addr<Factory>, endpoint: String, name: String, count: Option<u64>) -> Outcome {
    let (lines, enough) = Lines::new(count);
    let server = Server { name, lines }.start();
    zmq.send(Open(ReplySocket::connect(endpoint).deliver_to(server.recipient()))).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Prints requests, and answers with the request and its own name.
struct Server {
    name: String,
    lines: Lines,
}

impl Actor for Server {
    type Context = Context<Self>;
}

impl Handler<IncomingRequest> for Server {
    type Result = ();

    fn handle(&mut self, request: IncomingRequest, _ctx: &mut Context<Self>) {
        let IncomingRequest { mut body, responder } = request;
        if self.lines.print(&fields(body.iter())) {
            body.push(self.name.as_str());
            // It fails only when the socket is closed, and then nobody waits.
            let _ = responder.reply(body);
        }
    }
}
