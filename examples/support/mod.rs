//! What the console examples share: their flags, their lines, and their end.

#![allow(dead_code, reason = "each example uses its part of this")]
#![allow(clippy::print_stderr, reason = "diagnostics of console programs")]

use std::error::Error;
use std::io::{self, Write};
use std::num::ParseIntError;
use std::thread;
use std::time::{Duration, SystemTime};

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, EndpointStatus, Pattern, ShutdownReport};
use clap::ValueEnum;
use futures::FutureExt;
use futures::channel::oneshot;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// What `main` returns.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How long the end may take.
const GRACE: Duration = Duration::from_secs(1);

/// Longer than the default 100 ms: an example that ends right after its last
/// message may run beside busier programs.
const LINGER: Duration = Duration::from_millis(500);

/// Runs an example until its work is done or a signal ends it; then shuts down.
pub(crate) async fn run(work: impl AsyncFnOnce(Addr<Factory>) -> Outcome) -> Outcome {
    run_lingering(LINGER, work).await.map(drop)
}

/// As `run`, with so much time for what was sent last to leave, unless there
/// was a signal.
pub(crate) async fn run_lingering(
    linger: Duration,
    work: impl AsyncFnOnce(Addr<Factory>) -> Outcome,
) -> Outcome<ShutdownReport> {
    let mut signals = Signals::listen()?;
    let zmq = Factory::builder().linger(linger).shutdown_on_signal(GRACE).start();
    zmq.send(Watch(Diagnostics.start().recipient())).await?;
    let outcome = tokio::select! {
        outcome = work(zmq.clone()) => outcome,
        _ = zmq.send(Ended) => Ok(()),
    };
    // The signal that closed its sockets may have failed the work in any way.
    let outcome = if signals.received().now_or_never().is_some() { Ok(()) } else { outcome };
    shut_down(&zmq, linger.max(GRACE), outcome).await
}

/// Runs an example that has something left to do at a signal: its work hears
/// of it, and ends then. It tells by itself what befalls its sockets.
pub(crate) async fn run_through(
    work: impl AsyncFnOnce(Addr<Factory>, Signals) -> Outcome,
) -> Outcome {
    let signals = Signals::listen()?;
    let zmq = Factory::builder().linger(LINGER).start();
    let outcome = work(zmq.clone(), signals).await;
    shut_down(&zmq, GRACE, outcome).await.map(drop)
}

async fn shut_down(
    zmq: &Addr<Factory>,
    grace: Duration,
    outcome: Outcome,
) -> Outcome<ShutdownReport> {
    // After a signal this is the report of the shutdown that it began.
    let report = zmq.send(Shutdown::within(grace)).await?;
    eprint!("{report}");
    match outcome {
        // The signal came while the work awaited a socket: no failure.
        Err(error) if !is_closed(&*error) => Err(error),
        _ => Ok(report),
    }
}

/// SIGINT and SIGTERM, which do not end the process by themselves any more.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn is_closed(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(|error: &actix_zmq::Error| error.kind() == ErrorKind::Closed)
}

/// Tells where the sockets are: the port that a wildcard became, for example.
pub(crate) async fn announce(zmq: &Addr<Factory>) -> Outcome {
    for endpoint in zmq.send(Status).await?.into_iter().flat_map(|socket| socket.endpoints) {
        match endpoint {
            EndpointStatus::Bound(endpoint) => eprintln!("ready {endpoint}"),
            connected => eprintln!("connecting {}", connected.endpoint()),
        }
    }
    Ok(())
}

/// Tells on stderr what befalls the sockets.
struct Diagnostics;

impl Actor for Diagnostics {
    type Context = Context<Self>;
}

impl Handler<SocketEvent> for Diagnostics {
    type Result = ();

    fn handle(&mut self, event: SocketEvent, _ctx: &mut Context<Self>) {
        match event.kind {
            // The example `monitor` tells of connections.
            EventKind::Up { .. } | EventKind::Closed | EventKind::Connection(_) => {}
            kind => eprintln!("{} {}: {kind:?}", event.socket_type, event.socket),
        }
    }
}

/// Which end of a connection listens is a matter of taste in ZeroMQ.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Method {
    /// Listen at the endpoint
    Bind,
    /// Connect to the endpoint
    Connect,
}

impl Method {
    /// Puts a socket of any type at an endpoint.
    pub(crate) fn attach<K: Pattern>(self, socket: Blueprint<K>, endpoint: &str) -> Blueprint<K> {
        match self {
            Self::Bind => socket.bind(endpoint),
            Self::Connect => socket.connect(endpoint),
        }
    }
}

/// An ipc endpoint in the directory for temporary files.
pub(crate) fn temporary(name: &str) -> String {
    format!("ipc://{}", std::env::temp_dir().join(name).display())
}

/// Parses a number of milliseconds.
pub(crate) fn millis(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_millis)
}

/// The numbers of the messages that `--count` allows.
pub(crate) fn up_to(count: Option<u64>) -> impl Iterator<Item = u64> {
    1..=count.unwrap_or(u64::MAX)
}

/// The time as Python's `str(time.time())` gives it.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:06}", since.as_secs(), since.subsec_micros())
}

/// Prints a line for each message received, and tells when there have been enough.
pub(crate) struct Lines {
    left: Option<u64>,
    enough: Option<oneshot::Sender<Unprinted>>,
}

/// Nobody reads what is printed any more.
struct Unprinted;

impl Lines {
    pub(crate) fn new(count: Option<u64>) -> (Self, Enough) {
        let (enough, told) = oneshot::channel();
        (Self { left: count, enough: Some(enough) }, Enough(told))
    }

    /// Prints one more line; `false` when there have been enough.
    pub(crate) fn print(&mut self, line: &str) -> bool {
        if self.left == Some(0) {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        let printed = print(line);
        if let Err(error) = &printed {
            eprintln!("stdout: {error}");
            self.left = Some(0);
            if let Some(enough) = self.enough.take() {
                // It fails when nobody waits for the end.
                let _ = enough.send(Unprinted);
            }
        }
        if self.left == Some(0) {
            // Dropping it tells that all went well.
            self.enough = None;
        }
        printed.is_ok()
    }
}

/// The end of what [`Lines`] prints.
pub(crate) struct Enough(oneshot::Receiver<Unprinted>);

impl Enough {
    /// Waits until enough lines are printed, or nobody is left to print or to read any.
    pub(crate) async fn wait(self) {
        // Each way is an end.
        let _ = self.0.await;
    }

    /// Waits for an end of both, and not for the work when nobody reads what is printed.
    pub(crate) async fn beside(self, work: impl Future<Output = Outcome>) -> Outcome {
        let printed = async {
            match self.0.await {
                Ok(Unprinted) => Err(None),
                Err(_dropped) => Ok(()),
            }
        };
        let work = async { work.await.map_err(Some) };
        match tokio::try_join!(printed, work) {
            Err(Some(error)) => Err(error),
            Err(None) | Ok(_) => Ok(()),
        }
    }
}

/// The lines of the standard input, read on a thread of their own: reading a
/// terminal blocks. It runs ahead by one line, and the program's end does not
/// wait for it.
pub(crate) fn stdin_lines() -> io::Result<mpsc::Receiver<io::Result<String>>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        for line in io::stdin().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Prints a line now. Unlike `println!`, it reports a reader that has gone.
pub(crate) fn print(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Frames as one line of text, separated by tabs.
pub(crate) fn fields<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> String {
    let frames: Vec<_> = frames.into_iter().map(|frame| readable(frame)).collect();
    frames.join("\t")
}

/// A frame holds any bytes: what would break the line, or is no text, is escaped.
fn readable(frame: &[u8]) -> String {
    let mut text = String::new();
    for chunk in frame.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() {
                text.extend(char.escape_default());
            } else {
                text.push(char);
            }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}
