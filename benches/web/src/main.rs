//! Prints what ZeroMQ costs between an HTTP handler and a worker.
//!
//! The same handler three times: it asks an actor in its own process, a worker
//! in another process over ZeroMQ with this crate, and that worker with
//! blocking sockets in `web::block`, as one would with pyzmq. `wrk` asks them
//! in turns, round by round; the figures are medians of the rounds, the ratios
//! medians of each round's ratio to the actor.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a console program")]

mod front;
mod worker;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

/// Prints what ZeroMQ costs between an HTTP handler and a worker
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    /// How often each handler is asked
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How many HTTP connections ask at a time
    #[arg(long, default_value_t = 64)]
    connections: u16,
    /// Seconds of a measurement
    #[arg(long, default_value_t = 2)]
    seconds: u16,
    /// Write the table into docs/benchmarks/web.md, too
    #[arg(long)]
    write: bool,
}

#[derive(Subcommand)]
enum Part {
    /// The worker
    #[command(hide = true)]
    Worker,
    /// The web server in front of it
    #[command(hide = true)]
    Front { typed: String, plain: String },
}

/// The handlers, the first of which the others are compared with.
const HANDLERS: [(&str, &str); 3] = [
    ("local", "an actor in the same process"),
    ("zmq", "`Client::call`: request/reply over TCP, a worker in another process"),
    ("block", "`web::block` with a blocking REQ socket for each thread, the same worker"),
];

fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.part {
        Some(Part::Worker) => worker::run(),
        Some(Part::Front { typed, plain }) => front::run(typed, plain),
        None => measure(&cli),
    }
}

/// One run of `wrk`.
struct Run {
    per_second: f64,
    p50: String,
    p99: String,
}

fn measure(cli: &Cli) -> Result<()> {
    ensure!(
        Command::new("wrk").arg("-v").output().is_ok(),
        "`wrk` is not installed (Debian and Ubuntu: apt-get install wrk)"
    );
    let mut worker = Part::start(&["worker"])?;
    let (typed, plain) = (worker.line()?, worker.line()?);
    let mut front = Part::start(&["front", &typed, &plain])?;
    let at = front.line()?;

    let steps = u64::from(cli.rounds) * HANDLERS.len() as u64;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
    let bar = ProgressBar::new(steps).with_style(style);
    let mut runs: Vec<Vec<Run>> = HANDLERS.iter().map(|_| Vec::new()).collect();
    for (path, _) in HANDLERS {
        load(&at, path, cli.connections, 1)?;
    }
    for _ in 0..cli.rounds {
        for ((path, _), runs) in HANDLERS.iter().zip(&mut runs) {
            bar.set_message(*path);
            runs.push(load(&at, path, cli.connections, cli.seconds)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();

    let table = table(cli, &runs)?;
    println!("{table}");
    if cli.write {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks/web.md");
        std::fs::write(&file, page(&table)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn load(at: &str, path: &str, connections: u16, seconds: u16) -> Result<Run> {
    let url = format!("http://{at}/{path}");
    let (connections, seconds) = (format!("-c{connections}"), format!("-d{seconds}s"));
    let output =
        Command::new("wrk").args(["-t1", "--latency", &connections, &seconds, &url]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {text}");
    ensure!(!text.contains("Non-2xx"), "not all were answered with 200: {text}");
    let after = |start: &str| -> Result<String> {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(start));
        Ok(line.with_context(|| format!("no {start} in {text}"))?.trim().to_owned())
    };
    Ok(Run { per_second: after("Requests/sec:")?.parse()?, p50: after("50%")?, p99: after("99%")? })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn table(cli: &Cli, runs: &[Vec<Run>]) -> Result<String> {
    let mut table = String::new();
    writeln!(
        table,
        "| The handler asks | Requests/s | Ratio [least–most] | p50 | p99 |\n|---|---|---|---|---|"
    )?;
    let Some((local, _)) = runs.split_first() else { return Ok(table) };
    let mut shares = Vec::new();
    for ((_, what), runs) in HANDLERS.iter().zip(runs) {
        let ratios: Vec<f64> =
            runs.iter().zip(local).map(|(one, local)| one.per_second / local.per_second).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        let ratio = median(ratios);
        shares.push(ratio);
        let per_second = median(runs.iter().map(|run| run.per_second).collect());
        // The percentiles of the run in the middle.
        let middle = runs.iter().min_by(|a, b| {
            (a.per_second - per_second).abs().total_cmp(&(b.per_second - per_second).abs())
        });
        let (p50, p99) = middle.map_or(("", ""), |run| (&*run.p50, &*run.p99));
        writeln!(
            table,
            "| {what} | {per_second:.0} | {ratio:.2} [{least:.2}–{most:.2}] | {p50} | {p99} |"
        )?;
    }
    let cost = shares.get(1).map_or(f64::NAN, |share| 100.0 * (1.0 - share));
    writeln!(
        table,
        "\nOf the throughput with an actor, ZeroMQ and the second process cost {cost:.0} %."
    )?;
    writeln!(
        table,
        "{} rounds of {} s, {} connections, {} processors shared by wrk, the server and the worker.",
        cli.rounds,
        cli.seconds,
        cli.connections,
        std::thread::available_parallelism()?,
    )?;
    Ok(table)
}

fn page(table: &str) -> String {
    format!(
        "# What ZeroMQ costs behind a web handler\n\n\
         Written by `cargo run --release -p actix-zmq-web-cost -- --write`. The same handler adds two numbers \
         in three ways; `wrk` asks it over loopback, in turns.\n\n{table}"
    )
}

/// A part of this program in a process of its own, killed when it is dropped.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Part {
    fn start(args: &[&str]) -> Result<Running> {
        let mut child =
            Command::new(std::env::current_exe()?).args(args).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no output")?;
        Ok(Running { child, lines: BufReader::new(output).lines() })
    }
}

impl Running {
    fn line(&mut self) -> Result<String> {
        Ok(self.lines.next().context("it has ended")??)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
