//! A heartbeater that knows which hearts beat, and hearts that do.
//!
//! After `heartbeat` of tx0mq's `pyzmq` examples. In two terminals, or more:
//!
//! ```console
//! $ cargo run --example heartbeat -- heartbeater
//! $ cargo run --example heartbeat -- heart --id ada
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use actix_zmq::prelude::*;
use clap::{Parser, Subcommand};
use support::{Lines, Outcome, announce, fields, millis};

/// Where beats are published.
const BEATS: &str = "tcp://127.0.0.1:5555";
/// Where hearts echo them.
const ECHOES: &str = "tcp://127.0.0.1:5556";

/// What beats are published under; hearts may hear other things some day.
const TOPIC: &str = "beat";

/// Beats, and tells which hearts beat along
///
/// The heartbeater publishes a number, which each heart sends back, under its
/// id. The heartbeater prints one line per event: `new`, `alive` (at each beat)
/// or `failed`, and the heart's id. A heart prints one line per beat. The parts
/// of a line are separated by tabs. Everything else goes to stderr, where
/// `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Beat, and watch the hearts
    Heartbeater {
        /// Where to publish beats, and, given again, to hear their echoes
        #[arg(short, long, default_values = [BEATS, ECHOES])]
        endpoint: Vec<String>,
        /// How many beats a heart may miss in a row before it has failed
        #[arg(long, value_name = "BEATS", default_value = "1")]
        patience: u64,
        /// End after so many lines instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Milliseconds between two beats, and before the first; 0 is taken for 1
        #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
        interval: Duration,
    },
    /// Beat along
    Heart {
        /// Where beats are published, and, given again, where to echo them
        #[arg(short, long, default_values = [BEATS, ECHOES])]
        endpoint: Vec<String>,
        /// The name under which the heartbeater knows this heart
        #[arg(long, default_value_t = format!("heart-{}", std::process::id()))]
        id: String,
        /// End after so many beats instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.role {
        Role::Heartbeater { endpoint, patience, count, interval } => {
            watch(zmq, both(endpoint), patience, count, interval).await
        }
        Role::Heart { endpoint, id, count } => beat(zmq, both(endpoint), id, count).await,
    })
    .await
}

/// The two endpoints, of which the last ones may be left out.
fn both(endpoints: Vec<String>) -> [String; 2] {
    let mut endpoints = endpoints.into_iter();
    [BEATS, ECHOES].map(|default| endpoints.next().unwrap_or_else(|| default.to_owned()))
}

async fn beat(
    zmq: Addr<Factory>,
    [beats, echoes]: [String; 2],
    id: String,
    count: Option<u64>,
) -> Outcome {
    let (mut lines, enough) = Lines::new(count);
    // Both sockets on an arbiter of their own, and a closure between them: the
    // heart beats whatever the rest of the program is busy with.
    let echo = DealerSocket::connect(echoes)
        .routing_id(id)
        .arbiter("heart")
        // The heartbeater says nothing here.
        .on_message(|_: Received| {});
    let echo = zmq.send(Open(echo)).await??;
    let beats = SubSocket::connect(beats).topic(TOPIC).arbiter("heart").on_message(
        move |beat: TopicMessage| {
            let line = fields(std::iter::once(&beat.topic).chain(beat.body.iter()));
            // One that is refused is told as a `Lost` event, and is a beat missed.
            echo.do_send(SendMessage(beat.body));
            lines.print(&line);
        },
    );
    zmq.send(Open(beats)).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

async fn watch(
    zmq: Addr<Factory>,
    [beats, echoes]: [String; 2],
    patience: u64,
    count: Option<u64>,
    interval: Duration,
) -> Outcome {
    let (lines, enough) = Lines::new(count);
    let beats = zmq.send(Open(PubSocket::bind(beats))).await??;
    let heartbeater = Heartbeater {
        beats,
        // A timer cannot be due all the time.
        interval: interval.max(Duration::from_millis(1)),
        patience,
        number: 0,
        hearts: HashMap::new(),
        lines,
    };
    let heartbeater = heartbeater.start();
    // A heart that comes back under its id is heard at once.
    let echoes = RouterSocket::bind(echoes).handover(true).deliver_to(heartbeater.recipient());
    zmq.send(Open(echoes)).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Beats, and keeps a list of the hearts that beat along.
struct Heartbeater {
    beats: Addr<PubSocket>,
    interval: Duration,
    patience: u64,
    /// Of the last beat.
    number: u64,
    /// The last beat that each heart echoed.
    hearts: HashMap<Frame, u64>,
    lines: Lines,
}

impl Actor for Heartbeater {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(self.interval, |heartbeater, _ctx| heartbeater.beat());
    }
}

impl Heartbeater {
    /// Judges the hearts by their echoes of the last beat, and beats again.
    fn beat(&mut self) {
        let Self { number, patience, lines, .. } = self;
        self.hearts.retain(|heart, echoed| {
            let missed = number.saturating_sub(*echoed);
            if missed == 0 {
                lines.print(&format!("alive\t{}", fields([heart])));
            } else if missed > *patience {
                lines.print(&format!("failed\t{}", fields([heart])));
            }
            missed <= *patience
        });
        self.number += 1;
        // A PUB takes what it is given; only a closed one does not.
        self.beats.do_send(Publish::new(TOPIC, self.number.to_string()));
    }
}

impl Handler<ReceivedFrom> for Heartbeater {
    type Result = ();

    fn handle(&mut self, echo: ReceivedFrom, _ctx: &mut Context<Self>) {
        let ReceivedFrom { peer, body } = echo;
        let number = body.into_first().as_str().and_then(|number| number.parse::<u64>().ok());
        // Of beats that are still to come only a heart of another kind can tell.
        match number.filter(|number| *number <= self.number) {
            None => eprintln!("no echo of a beat, from {}", fields([&peer])),
            Some(number) => match self.hearts.get_mut(&peer) {
                Some(echoed) => *echoed = number.max(*echoed),
                None => {
                    self.lines.print(&format!("new\t{}", fields([&peer])));
                    self.hearts.insert(peer, number);
                }
            },
        }
    }
}
