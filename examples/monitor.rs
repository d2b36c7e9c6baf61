//! A socket of any type, and everything that happens to it and its connections.
//!
//! In two terminals, with any other example or program as the peer:
//!
//! ```console
//! $ cargo run --example monitor -- --type pull --method bind --endpoint tcp://127.0.0.1:5570
//! $ cargo run --example push_pull -- --mode push --endpoint tcp://127.0.0.1:5570
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::io;

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, HandshakeFailure, Pattern, SocketStatus};
use clap::{Parser, ValueEnum};
use support::{Lines, Method, Outcome, Signals, announce, fields, print, temporary};

/// Opens a socket, and tells what happens to it and its connections
///
/// Prints one line per event: what happened, at which of the socket's
/// endpoints, the address of the other side, how often, and why, separated by
/// tabs, with `-` for what an event does not have. At the end come the number
/// of peers and the counters that are not zero. Messages are received and
/// dropped; requests are answered with themselves. Everything else goes to
/// stderr, where `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    /// The socket's type
    #[arg(short = 't', long = "type", value_enum, default_value = "pull")]
    kind: Kind,
    /// How to meet the peers
    #[arg(short, long, value_enum, default_value = "connect")]
    method: Method,
    /// Where to meet them
    #[arg(short, long, default_value_t = temporary("actix-zmq-monitor"))]
    endpoint: String,
    /// End after so many events instead of at Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Pub,
    Sub,
    Push,
    Pull,
    Request,
    Reply,
    Req,
    Rep,
    Dealer,
    Router,
    Pair,
    Xpub,
    Xsub,
    Stream,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run_through(async |zmq, signals| monitor(zmq, signals, args).await).await
}

async fn monitor(zmq: Addr<Factory>, mut signals: Signals, args: Args) -> Outcome {
    let (lines, enough) = Lines::new(args.count);
    let socket = open_any(&zmq, &args, Teller { lines }.start().recipient()).await?;
    announce(&zmq).await?;
    let told = enough.wait();
    tokio::pin!(told);
    let is_told = tokio::select! {
        () = &mut told => true,
        () = signals.received() => false,
    };
    // A closed socket has no status.
    let status = zmq.send(Status).await?.into_iter().next();
    if !is_told {
        // Its last event comes before the sums.
        socket.send(Close::new()).await??;
        told.await;
    }
    sum_up(status)?;
    Ok(())
}

/// Opens a socket of the wanted type, watched from its first event on.
async fn open_any(
    zmq: &Addr<Factory>,
    args: &Args,
    teller: Recipient<SocketEvent>,
) -> Outcome<Recipient<Close>> {
    let answer = |IncomingRequest { body, responder }: IncomingRequest| {
        // It fails only when the socket is closed, and then nobody waits.
        let _ = responder.reply(body);
    };
    match args.kind {
        Kind::Pub => open(zmq, args, teller, PubSocket::new()).await,
        Kind::Sub => {
            let sub = SubSocket::new().topic(Topic::all());
            open(zmq, args, teller, sub.on_message(|_: TopicMessage| {})).await
        }
        Kind::Push => open(zmq, args, teller, PushSocket::new()).await,
        Kind::Pull => open(zmq, args, teller, PullSocket::new().on_message(|_: Pulled| {})).await,
        Kind::Request => open(zmq, args, teller, RequestSocket::new()).await,
        Kind::Reply => open(zmq, args, teller, ReplySocket::new().on_message(answer)).await,
        Kind::Req => open(zmq, args, teller, ReqSocket::new()).await,
        Kind::Rep => open(zmq, args, teller, RepSocket::new().on_message(answer)).await,
        Kind::Dealer => {
            open(zmq, args, teller, DealerSocket::new().on_message(|_: Received| {})).await
        }
        Kind::Router => {
            open(zmq, args, teller, RouterSocket::new().on_message(|_: ReceivedFrom| {})).await
        }
        Kind::Pair => open(zmq, args, teller, PairSocket::new().on_message(|_: Received| {})).await,
        Kind::Xpub => {
            open(zmq, args, teller, XPubSocket::new().on_message(|_: Subscription| {})).await
        }
        Kind::Xsub => {
            let xsub = XSubSocket::new().topic(Topic::all());
            open(zmq, args, teller, xsub.on_message(|_: TopicMessage| {})).await
        }
        Kind::Stream => {
            open(zmq, args, teller, StreamSocket::new().on_message(|_: ReceivedFrom| {})).await
        }
    }
}

async fn open<K: Pattern>(
    zmq: &Addr<Factory>,
    args: &Args,
    teller: Recipient<SocketEvent>,
    socket: Blueprint<K>,
) -> Outcome<Recipient<Close>> {
    let socket = args.method.attach(socket, &args.endpoint).watch(teller);
    Ok(zmq.send(Open(socket)).await??.recipient())
}

/// Prints the number of peers, and every counter that is not zero.
fn sum_up(status: Option<SocketStatus>) -> io::Result<()> {
    // Nothing of a socket that was given up.
    let Some(status) = status else { return Ok(()) };
    print(&format!("peers\t{}", status.peers.unwrap_or_default()))?;
    status.counts().iter().try_for_each(|(counter, value)| print(&format!("{counter}\t{value}")))
}

/// Tells what happens, until there is nothing more to tell.
struct Teller {
    lines: Lines,
}

impl Actor for Teller {
    type Context = Context<Self>;
}

impl Handler<SocketEvent> for Teller {
    type Result = ();

    fn handle(&mut self, event: SocketEvent, ctx: &mut Context<Self>) {
        self.lines.print(&Row::of(&event.kind).line());
        if matches!(event.kind, EventKind::Closed) {
            ctx.stop();
        }
    }
}

/// An event as it is printed.
struct Row {
    what: &'static str,
    endpoint: Option<String>,
    peer: Option<String>,
    times: u64,
    reason: Option<String>,
}

impl Row {
    fn of(event: &EventKind) -> Self {
        let once = |what| Self { what, endpoint: None, peer: None, times: 1, reason: None };
        let because = |what, reason: String| Self { reason: Some(reason), ..once(what) };
        match event {
            EventKind::Up { endpoints } => {
                let endpoints: Vec<_> = endpoints.iter().map(AsRef::as_ref).collect();
                Self { endpoint: Some(endpoints.join(" ")), ..once("up") }
            }
            EventKind::Connection(event) => {
                let (what, reason) = change(event.change);
                Self {
                    what,
                    endpoint: Some(event.endpoint.clone()),
                    peer: event.peer.map(|peer| peer.to_string()),
                    times: event.times,
                    reason,
                }
            }
            EventKind::Down { reason } => because("down", reason.to_string()),
            EventKind::Restarting { attempt, after } => {
                because("restarting", format!("attempt {attempt} after {after:?}"))
            }
            EventKind::GaveUp { reason } => because("gave-up", reason.to_string()),
            EventKind::Closed => once("closed"),
            EventKind::Undecodable { reason, .. } => because("undecodable", reason.to_string()),
            EventKind::ReceiverGone { .. } => once("receiver-gone"),
            EventKind::Unroutable { peer } => {
                Self { peer: Some(fields(peer.iter())), ..once("unroutable") }
            }
            EventKind::Lost { reason, messages } => {
                Self { times: *messages, ..because("lost", reason.to_string()) }
            }
            EventKind::Missed { events } => Self { times: *events, ..once("missed") },
            // There may be more of them one day.
            other => because("other", format!("{other:?}")),
        }
    }

    fn line(self) -> String {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let [endpoint, peer, reason] = [self.endpoint, self.peer, self.reason].map(or_none);
        let columns = [self.what.to_owned(), endpoint, peer, self.times.to_string(), reason];
        fields(&columns.map(Frame::from))
    }
}

/// What happened to a connection, in a word, and why.
fn change(change: ConnectionChange) -> (&'static str, Option<String>) {
    match change {
        ConnectionChange::Listening => ("listening", None),
        ConnectionChange::BindFailed { errno } => ("bind-failed", Some(system(errno))),
        ConnectionChange::Connected => ("connected", None),
        ConnectionChange::ConnectDelayed => ("connect-delayed", None),
        ConnectionChange::ConnectRetried { after } => {
            ("connect-retried", Some(format!("after {after:?}")))
        }
        ConnectionChange::Accepted => ("accepted", None),
        ConnectionChange::AcceptFailed { errno } => ("accept-failed", Some(system(errno))),
        ConnectionChange::Disconnected => ("disconnected", None),
        // Not the socket's end, which is `closed`.
        ConnectionChange::Closed => ("descriptor-closed", None),
        ConnectionChange::CloseFailed { errno } => ("close-failed", Some(system(errno))),
        ConnectionChange::HandshakeSucceeded => ("handshake-succeeded", None),
        ConnectionChange::HandshakeFailed { reason } => {
            let reason = match reason {
                HandshakeFailure::System { errno: 0 } => "closed by the other side".to_owned(),
                HandshakeFailure::System { errno } => system(errno),
                HandshakeFailure::MechanismMismatch => "mechanisms differ".to_owned(),
                HandshakeFailure::Cryptographic => "keys do not fit".to_owned(),
                HandshakeFailure::Protocol { code } => format!("breach of protocol {code:#x}"),
                HandshakeFailure::Denied { status } => format!("denied with status {status}"),
                other => format!("{other:?}"),
            };
            ("handshake-failed", Some(reason))
        }
        other => ("other", Some(format!("{other:?}"))),
    }
}

/// The operating system's words for its error.
fn system(errno: i32) -> String {
    io::Error::from_raw_os_error(errno).to_string()
}
