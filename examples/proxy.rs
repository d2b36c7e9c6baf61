//! A proxy, between whose two sockets a thread of its own moves the messages.
//!
//! Here it does the work of `broker`, between its clients and servers. In
//! three terminals:
//!
//! ```console
//! $ cargo run --example proxy -- --capture -f tcp://127.0.0.1:5571 -b tcp://127.0.0.1:5572
//! $ cargo run --example broker -- server --endpoint tcp://127.0.0.1:5572
//! $ cargo run --example broker -- client --endpoint tcp://127.0.0.1:5571
//! ```
//!
//! Type `pause`, `resume`, `statistics` or `stop` at the proxy.

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::future::pending;
use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use actix_zmq::{ProxyBlueprint, SideStatistics};
use clap::{Parser, ValueEnum};
use support::{Lines, Outcome, announce, fields, millis, print, stdin_lines, temporary};

/// Moves messages between those at its frontend and those at its backend
///
/// Prints a line `statistics` at every interval, when asked to, and before it
/// ends: the messages that the frontend received and sent, and those that the
/// backend received and sent. With `--capture`, also a line `message` for all
/// that goes through, in both directions: its frames, routing ids and
/// subscriptions included. All is separated by tabs. The lines `pause`,
/// `resume`, `statistics` and `stop` of the standard input steer it; `paused`
/// and `resumed` tell when it is done. Everything else goes to stderr, where
/// `ready ENDPOINT` tells the port that a wildcard became: first the
/// frontend's, then the backend's.
#[derive(Parser)]
struct Args {
    /// What it moves
    #[arg(short, long, value_enum, default_value = "queue")]
    kind: Kind,
    /// Where to listen for clients, publishers, or those that push
    #[arg(short, long, default_value_t = temporary("actix-zmq-proxy-frontend"))]
    frontend: String,
    /// Where to listen for servers, subscribers, or those that pull
    #[arg(short, long, default_value_t = temporary("actix-zmq-proxy-backend"))]
    backend: String,
    /// Print every message that goes through
    #[arg(long)]
    capture: bool,
    /// End after so many messages captured, instead of at `stop` or Ctrl-C
    #[arg(long, requires = "capture", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Pause when so many messages are captured; a few more may be through by then
    #[arg(long, requires = "capture", value_parser = clap::value_parser!(u64).range(1..))]
    pause_after: Option<u64>,
    /// Milliseconds before each line of statistics
    #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
    interval: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Requests to servers in turn, and their replies back
    Queue,
    /// Publications to subscribers, and their subscriptions back
    Forwarder,
    /// What is pushed to those that pull, in turn
    Streamer,
}

impl Kind {
    fn between(self, frontend: String, backend: String) -> ProxyBlueprint {
        match self {
            Self::Queue => Proxy::queue(RouterSocket::bind(frontend), DealerSocket::bind(backend)),
            Self::Forwarder => {
                Proxy::forwarder(XSubSocket::bind(frontend), XPubSocket::bind(backend))
            }
            Self::Streamer => {
                Proxy::streamer(PullSocket::bind(frontend), PushSocket::bind(backend))
            }
        }
    }
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| between(zmq, args).await).await
}

async fn between(zmq: Addr<Factory>, args: Args) -> Outcome {
    let (lines, enough) = Lines::new(args.count);
    let blueprint = args.kind.between(args.frontend, args.backend);
    // The proxy wants to know who prints, and who prints the proxy: hence the
    // address first, and the actor when there is a proxy.
    let captor = Context::<Captor>::new();
    let proxy = if args.capture {
        let blueprint = blueprint.capture(captor.address().recipient::<Captured>());
        let proxy = zmq.send(OpenProxy(blueprint)).await??;
        captor.run(Captor { proxy: proxy.clone(), lines, pause_in: args.pause_after });
        proxy
    } else {
        zmq.send(OpenProxy(blueprint)).await??
    };
    announce(&zmq).await?;
    let captured = async {
        if args.capture {
            enough.wait().await;
        } else {
            pending::<()>().await;
        }
    };
    tokio::select! {
        () = captured => {}
        stopped = steer(&proxy) => stopped?,
        failed = report(&proxy, args.interval) => failed?,
    }
    tell_statistics(&proxy).await
}

/// Does what is typed, until that is to stop. The end of the input is no end.
async fn steer(proxy: &Addr<Proxy>) -> Outcome {
    let mut typed = stdin_lines()?;
    while let Some(command) = typed.recv().await {
        match command?.trim() {
            "pause" => pause(proxy).await?,
            "resume" => {
                proxy.send(Resume).await??;
                print("resumed")?;
            }
            "statistics" => tell_statistics(proxy).await?,
            "stop" => return Ok(()),
            _ => eprintln!("pause, resume, statistics, or stop?"),
        }
    }
    pending().await
}

/// Pauses the proxy, and tells when it has paused.
async fn pause(proxy: &Addr<Proxy>) -> Outcome {
    proxy.send(Pause).await??;
    // It takes commands in turn: with the answer to this one, the first is done.
    proxy.send(Statistics).await??;
    print("paused")?;
    Ok(())
}

/// Prints the statistics again and again.
async fn report(proxy: &Addr<Proxy>, interval: Duration) -> Outcome {
    loop {
        sleep(interval).await;
        tell_statistics(proxy).await?;
    }
}

async fn tell_statistics(proxy: &Addr<Proxy>) -> Outcome {
    let statistics = match proxy.send(Statistics).await? {
        // A failed proxy is opened again: there is nothing to tell meanwhile.
        Err(error) if error.kind() == ErrorKind::Restarting => return Ok(()),
        statistics => statistics?,
    };
    let side = |side: SideStatistics| format!("{}\t{}", side.received, side.sent);
    print(&format!("statistics\t{}\t{}", side(statistics.frontend), side(statistics.backend)))?;
    Ok(())
}

/// Prints what goes through, and pauses the proxy after some of it.
struct Captor {
    proxy: Addr<Proxy>,
    lines: Lines,
    pause_in: Option<u64>,
}

impl Actor for Captor {
    type Context = Context<Self>;
}

impl Handler<Captured> for Captor {
    type Result = ();

    fn handle(&mut self, Captured(frames): Captured, ctx: &mut Context<Self>) {
        self.lines.print(&format!("message\t{}", fields(frames.iter())));
        self.pause_in = self.pause_in.map(|messages| messages.saturating_sub(1));
        if self.pause_in == Some(0) {
            self.pause_in = None;
            // Beside the messages, not before the next one: what is through
            // already is printed meanwhile, and holds up no command.
            let proxy = self.proxy.clone();
            let pause = async move {
                if let Err(error) = pause(&proxy).await {
                    eprintln!("not paused: {error}");
                }
            };
            ctx.spawn(pause.into_actor(self));
        }
    }
}
