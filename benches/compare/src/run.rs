//! The run: rounds, interleaved, each end a process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::catalogue::{Build, Column, Contender, RAW, Workload};
use crate::process::End;
use crate::results::{Results, Sample};
use crate::scale;
use crate::task::{Line, Peer, Report, Role, Sent};

/// What a whole end may take beside its measurement: a backlog has to be
/// received, and Python has to start.
const ALLOWED: Duration = Duration::from_secs(12);

/// How long a subscription has to reach the publisher.
const SUBSCRIBED: Duration = Duration::from_millis(150);

/// So many failures in one column, and it is not tried again.
const ENOUGH_FAILURES: usize = 2;

/// What to run, and with what.
pub struct Plan {
    pub rounds: usize,
    pub workloads: Vec<Workload>,
    pub contenders: Vec<Contender>,
    pub warm_up: u64,
    pub measure: u64,
    pub programs: Programs,
}

/// How each contender's end is started.
pub struct Programs {
    /// This program, by the libzmq that it is linked with.
    pub builds: HashMap<Build, PathBuf>,
    /// The Python that has the Python peers.
    pub python: Option<PathBuf>,
}

impl Programs {
    fn executable(&self, build: Build) -> Result<&Path> {
        self.builds.get(&build).map(PathBuf::as_path).context("not built")
    }

    /// Whether the contender can run here.
    pub fn have(&self, contender: Contender) -> bool {
        if contender.peer.is_python() {
            self.python.is_some()
        } else {
            self.builds.contains_key(&contender.build)
        }
    }

    /// Starts an end of the `scale` part.
    pub fn scale(&self, contender: Contender, arguments: &[&str]) -> Result<End> {
        let mut command = Command::new(self.executable(contender.build)?);
        command.arg("scale-end").args(["--peer", &contender.peer.key()]).args(arguments);
        End::start(command, scale::ALLOWED)
    }
}

impl Plan {
    /// Runs it all into the results.
    pub fn run(&self, results: &mut Results) -> Result<()> {
        let bar = ProgressBar::new(self.steps());
        bar.set_style(ProgressStyle::with_template(
            "{elapsed_precise} [{wide_bar}] {pos}/{len}, {eta} left  {msg}",
        )?);
        for round in 0..self.rounds {
            for &workload in &self.workloads {
                for column in workload.columns() {
                    self.column(round, workload, column, results, &bar);
                }
                if workload == Workload::Scale && round < scale::ROUNDS {
                    scale::run(self, results, &bar);
                }
            }
        }
        bar.finish_with_message("done");
        Ok(())
    }

    fn steps(&self) -> u64 {
        let steps = |workload: &Workload| {
            let contenders = self.contenders.iter().filter(|one| workload.has(**one)).count();
            if *workload == Workload::Scale {
                contenders * scale::PARTS.len() * self.rounds.min(scale::ROUNDS)
            } else {
                contenders * workload.columns().len() * self.rounds
            }
        };
        self.workloads.iter().map(steps).sum::<usize>() as u64
    }

    /// One round of one column: everybody once, raw among them.
    fn column(
        &self,
        round: usize,
        workload: Workload,
        column: &Column,
        results: &mut Results,
        bar: &ProgressBar,
    ) {
        let mut contenders: Vec<Contender> =
            self.contenders.iter().copied().filter(|one| workload.has(*one)).collect();
        // Nobody always has the same predecessor's heat.
        let first = round % contenders.len().max(1);
        contenders.rotate_left(first);
        let mut samples = Vec::with_capacity(contenders.len());
        for contender in contenders {
            bar.set_message(format!(
                "{}, {}, {}",
                workload.key(),
                workload.label(column),
                contender.key()
            ));
            let failures = results
                .cell(workload, column, contender)
                .map_or(0, |cell| cell.samples.iter().filter(|one| one.error.is_some()).count());
            if failures < ENOUGH_FAILURES {
                let sample = self.once(workload, column, contender).unwrap_or_else(|error| {
                    bar.suspend(|| {
                        let column = workload.label(column);
                        eprintln!("{contender}, {}, {column}: {error:#}", workload.key());
                    });
                    Sample { error: Some(format!("{error:#}")), ..Sample::default() }
                });
                samples.push((contender, sample));
            }
            bar.inc(1);
        }
        let figure_of = |wanted: Contender| {
            let found = samples.iter().find(|(contender, _)| *contender == wanted);
            found.and_then(|(_, sample)| sample.figure(workload))
        };
        let raw: HashMap<Build, f64> = [Build::Stock, Build::System, Build::Tuned]
            .into_iter()
            .filter_map(|build| Some((build, figure_of(Contender { peer: Peer::Raw, build })?)))
            .collect();
        for (contender, mut sample) in samples {
            let to = |build| Some(sample.figure(workload)? / raw.get(&build)?);
            (sample.ratio, sample.ratio_same_libzmq) = (to(RAW.build), to(contender.build));
            results.add(workload, column, contender, sample);
        }
    }

    /// One contender in one column, once.
    fn once(&self, workload: Workload, column: &Column, contender: Contender) -> Result<Sample> {
        let [one, other] = workload.ends(contender);
        let mut sender = self.start(workload, column, one)?;
        let mut receiver = self.start(workload, column, other)?;
        if matches!(one.1, Role::Client | Role::Caller) {
            receiver_first(&mut receiver, &mut sender)?;
            let report = report(&mut sender)?;
            let (p50, p99) = report.latency.unzip();
            return Ok(Sample {
                rate: Some(report.rate),
                cpu_ns: Some(report.cpu_ns),
                max_rss_kib: Some(report.max_rss_kib),
                p50_us: p50,
                p99_us: p99,
                ..Sample::default()
            });
        }
        if matches!(one.1, Role::Pub) {
            receiver_first(&mut sender, &mut receiver)?;
            match receiver.line()? {
                Line::Ready => thread::sleep(SUBSCRIBED),
                other => bail!("{other:?} before it is ready"),
            }
            sender.tell("go")?;
        } else {
            receiver_first(&mut receiver, &mut sender)?;
        }
        let sent = sent(&mut sender)?;
        receiver.tell(&format!("expect {}", sent.count))?;
        let report = report(&mut receiver)?;
        ensure!(report.count <= sent.count, "{} sent, {} received", sent.count, report.count);
        let lost = if report.stalled { 1.0 - report.count as f64 / sent.count as f64 } else { 0.0 };
        // Of the contender's own ends, not of the raw one's that serves it.
        let (sends, receives) = (one.0 == contender, other.0 == contender);
        let both = contender == RAW && matches!(workload, Workload::Receive | Workload::Send);
        let sends = if both { workload == Workload::Send } else { sends };
        let receives = if both { workload == Workload::Receive } else { receives };
        Ok(Sample {
            rate: Some(report.rate),
            lost,
            cpu_ns: Some(
                if sends { sent.cpu_ns } else { 0.0 } + if receives { report.cpu_ns } else { 0.0 },
            ),
            max_rss_kib: Some(if sends { sent.max_rss_kib } else { 0 }.max(if receives {
                report.max_rss_kib
            } else {
                0
            })),
            ..Sample::default()
        })
    }

    fn start(
        &self,
        workload: Workload,
        column: &Column,
        (contender, role): (Contender, Role),
    ) -> Result<End> {
        let mut command = match (contender.peer.is_python(), &self.programs.python) {
            (true, Some(python)) => {
                let mut command = Command::new(python);
                let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/src/peers/python");
                command.arg(format!("{scripts}/{}", script(contender.peer)?));
                command
            }
            (true, None) => bail!("there is no Python"),
            (false, _) => {
                let mut command = Command::new(self.programs.executable(contender.build)?);
                command.arg("endpoint");
                if contender.build == Build::Tuned {
                    command.arg("--large-batches");
                }
                command
            }
        };
        let figures = [
            ("--size", column.size.to_string()),
            ("--window", column.window.to_string()),
            ("--hwm", workload.hwm().to_string()),
            ("--warm-up", self.warm_up.to_string()),
            ("--measure", self.measure.to_string()),
            ("--limit", column.limit.to_string()),
            ("--peer", contender.peer.key()),
            ("--role", role_key(role).to_owned()),
        ];
        for (name, value) in figures {
            command.args([name, &value]);
        }
        End::start(command, ALLOWED + Duration::from_millis(self.warm_up + self.measure))
    }
}

/// The one that binds tells the one that connects where.
pub fn receiver_first(binds: &mut End, connects: &mut End) -> Result<()> {
    match binds.line()? {
        Line::Endpoint(endpoint) => connects.tell(&endpoint),
        other => bail!("{other:?} before an endpoint"),
    }
}

fn sent(end: &mut End) -> Result<Sent> {
    match end.line().context("the sender")? {
        Line::Sent(sent) => Ok(sent),
        other => bail!("{other:?} from a sender"),
    }
}

fn report(end: &mut End) -> Result<Report> {
    match end.line().context("the receiver")? {
        Line::Report(report) => Ok(report),
        other => bail!("{other:?} from a receiver"),
    }
}

fn script(peer: Peer) -> Result<&'static str> {
    Ok(match peer {
        Peer::Pyzmq => "pyzmq_blocking.py",
        Peer::PyzmqAsyncio => "pyzmq_asyncio.py",
        Peer::Aiozmq => "aiozmq_streams.py",
        Peer::Txzmq => "txzmq_twisted.py",
        peer => bail!("{peer} is not Python"),
    })
}

const fn role_key(role: Role) -> &'static str {
    match role {
        Role::Push => "push",
        Role::Pull => "pull",
        Role::Pub => "pub",
        Role::Sub => "sub",
        Role::Server => "server",
        Role::Client => "client",
        Role::Service => "service",
        Role::Caller => "caller",
    }
}
