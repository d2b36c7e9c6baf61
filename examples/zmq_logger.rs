//! A program whose log others can listen to, and one that does.
//!
//! After `zmqlogger` of tx0mq's `pyzmq` examples, with `tracing`. In two
//! terminals:
//!
//! ```console
//! $ cargo run --example zmq_logger -- source
//! $ cargo run --example zmq_logger -- sink --level warn --level error
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, Subcommand};
use support::{Lines, Outcome, announce, fields, millis, temporary, up_to};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, debug, error, info, trace, warn};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};

/// How many events may wait to be published.
const BACKLOG: usize = 1_024;

/// Publishes a program's log, or prints what is published
///
/// The source logs something at each level in turn. An event is two frames, the
/// level, which is the topic, and the text. The sink prints one line per event:
/// level and text, separated by a tab. What nobody listens to is lost.
/// Everything else goes to stderr, where `ready ENDPOINT` tells the port that a
/// wildcard became.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Log, and publish the log
    Source {
        /// Where to listen for sinks
        #[arg(short, long, default_value_t = temporary("actix-zmq-logger"))]
        endpoint: String,
        /// End after so many events instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Milliseconds before each event
        #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
        interval: Duration,
    },
    /// Print events
    Sink {
        /// Where the source listens
        #[arg(short, long, default_value_t = temporary("actix-zmq-logger"))]
        endpoint: String,
        /// Events of this level: trace, debug, info, warn or error; may be given several times
        /// [default: all]
        #[arg(short, long)]
        level: Vec<Level>,
        /// End after so many events instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.role {
        Role::Source { endpoint, count, interval } => log(zmq, endpoint, count, interval).await,
        Role::Sink { endpoint, level, count } => listen(zmq, endpoint, level, count).await,
    })
    .await
}

async fn log(
    zmq: Addr<Factory>,
    endpoint: String,
    count: Option<u64>,
    interval: Duration,
) -> Outcome {
    let sinks = zmq.send(Open(PubSocket::bind(endpoint))).await??;
    let (layer, mut log) = Forward::new();
    let lost = layer.lost.clone();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    announce(&zmq).await?;
    tokio::select! {
        outcome = publish(&mut log, &sinks) => outcome?,
        () = work(count, interval) => {
            // What is logged by now still goes out.
            log.close();
            publish(&mut log, &sinks).await?;
        }
    }
    eprintln!("{} events lost", lost.load(Ordering::Relaxed));
    Ok(())
}

/// What any program does: it knows `tracing`, and nothing of sockets.
async fn work(count: Option<u64>, interval: Duration) {
    for number in up_to(count) {
        sleep(interval).await;
        match number % 5 {
            1 => trace!("event {number}"),
            2 => debug!(number, "another event"),
            3 => info!("event {number}"),
            4 => warn!("event {number}"),
            _ => error!("event {number}"),
        }
    }
}

/// Publishes the log until it is closed.
async fn publish(log: &mut mpsc::Receiver<Entry>, sinks: &Addr<PubSocket>) -> Outcome {
    while let Some((level, text)) = log.recv().await {
        sinks.send(Publish::new(level.as_str(), text)).await??;
    }
    Ok(())
}

type Entry = (Level, String);

/// Takes events from any thread, and never holds one up: it counts what finds no room.
struct Forward {
    log: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Forward {
    fn new() -> (Self, mpsc::Receiver<Entry>) {
        let (log, entries) = mpsc::channel(BACKLOG);
        (Self { log, lost: Arc::default() }, entries)
    }
}

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _context: LayerContext<'_, S>) {
        let metadata = event.metadata();
        // The sockets log, too. An event about the event before would have no end.
        if metadata.target().starts_with("actix_zmq") {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        if self.log.try_send((*metadata.level(), text.0)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An event as text: its message, and its fields behind it.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { " " };
        // Writing to a string does not fail; a value whose `Debug` does is cut off.
        let _ = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name}={value:?}"),
        };
    }
}

async fn listen(
    zmq: Addr<Factory>,
    endpoint: String,
    levels: Vec<Level>,
    count: Option<u64>,
) -> Outcome {
    let (mut lines, enough) = Lines::new(count);
    let source = SubSocket::connect(endpoint).on_message(move |event: TopicMessage| {
        let TopicMessage { topic, body } = event;
        lines.print(&fields(std::iter::once(&topic).chain(body.iter())));
    });
    let source = if levels.is_empty() {
        source.topic(Topic::all())
    } else {
        levels.iter().fold(source, |source, level| source.topic(Topic::exact(level.as_str())))
    };
    zmq.send(Open(source)).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}
