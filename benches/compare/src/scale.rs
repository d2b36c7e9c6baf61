//! The figures that are no rates: what sockets cost idle, what requests, peers
//! and subscriptions cost by the ten thousand, and what a backlog holds.

pub mod end;

use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::ProgressBar;

use crate::catalogue::{Contender, RAW, Workload};
use crate::process::End;
use crate::results::Results;
use crate::run::{Plan, receiver_first};
use crate::task::Line;

/// What an end may take.
pub const ALLOWED: Duration = Duration::from_secs(60);

/// In how many rounds: these figures hardly differ, and take their time.
pub const ROUNDS: usize = 3;

/// What a figure should not exceed.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    Nothing,
    Figure(f64),
    /// So many times raw's.
    Raw(f64),
}

/// A figure's name, its unit, and its aim.
pub type Named = (&'static str, &'static str, Aim);

/// A part: its ends, and what the figures are called.
pub type Part = (fn(&Plan, Contender) -> Result<Vec<f64>>, &'static [Named]);

/// All parts, for each contender.
pub const PARTS: [Part; 5] = [
    (idle, &[("100 idle sockets: CPU time in 10 s", "ms", Aim::Figure(1.0))]),
    (
        requests,
        &[
            (
                "100,000 requests in flight: memory each, beside the payload",
                "B",
                Aim::Figure(200.0),
            ),
            (
                "100,000 requests in flight: CPU time more for an unrelated one",
                "µs",
                Aim::Figure(1.0),
            ),
        ],
    ),
    (
        peers,
        &[
            ("10,000 peers on one ROUTER: memory each", "B", Aim::Nothing),
            (
                "10,000 peers on one ROUTER: time each, to connect and be answered",
                "µs",
                Aim::Nothing,
            ),
        ],
    ),
    (
        subscriptions,
        &[
            ("100,000 subscriptions on one SUB: memory each", "B", Aim::Nothing),
            (
                "100,000 subscriptions on one SUB: time each, until the last one holds",
                "µs",
                Aim::Nothing,
            ),
        ],
    ),
    (
        backlog,
        &[(
            "A backlog of 1,000,000 messages of 64 B: peak memory of the receiver",
            "MiB",
            Aim::Raw(1.2),
        )],
    ),
];

/// All figures, in the order of their table.
pub fn named() -> impl Iterator<Item = Named> {
    PARTS.iter().flat_map(|(_, names)| names.iter().copied())
}

/// One round of it.
pub fn run(plan: &Plan, results: &mut Results, bar: &ProgressBar) {
    for &contender in plan.contenders.iter().filter(|one| Workload::Scale.has(**one)) {
        for (part, names) in PARTS {
            bar.set_message(format!("scale, {}", contender.key()));
            let figures = part(plan, contender);
            for (at, (name, unit, _)) in names.iter().enumerate() {
                match &figures {
                    Ok(figures) => {
                        if let Some(&figure) = figures.get(at) {
                            results.add_figure(name, contender, unit, Ok(figure));
                        }
                    }
                    Err(error) => {
                        let error = anyhow::anyhow!("{error:#}");
                        bar.suspend(|| eprintln!("{contender}, {name}: {error}"));
                        results.add_figure(name, contender, unit, Err(error));
                    }
                }
            }
            bar.inc(1);
        }
    }
}

fn figures(end: &mut End) -> Result<Vec<f64>> {
    match end.line()? {
        Line::Figures(figures) => Ok(figures),
        other => bail!("{other:?} for a figure"),
    }
}

fn idle(plan: &Plan, contender: Contender) -> Result<Vec<f64>> {
    figures(&mut plan.programs.scale(contender, &["idle"])?)
}

fn requests(plan: &Plan, contender: Contender) -> Result<Vec<f64>> {
    if !contender.is_ours() {
        // Nothing is kept of a request there.
        return Ok(Vec::new());
    }
    let mut server = plan.programs.scale(RAW, &["mute-server"])?;
    let mut client = plan.programs.scale(contender, &["requests"])?;
    receiver_first(&mut server, &mut client)?;
    figures(&mut client)
}

fn peers(plan: &Plan, contender: Contender) -> Result<Vec<f64>> {
    let mut server = plan.programs.scale(contender, &["echo-server"])?;
    let mut clients = plan.programs.scale(RAW, &["clients"])?;
    receiver_first(&mut server, &mut clients)?;
    let each = figures(&mut clients)?;
    server.tell("how much")?;
    Ok([figures(&mut server)?, each].concat())
}

fn subscriptions(plan: &Plan, contender: Contender) -> Result<Vec<f64>> {
    let mut publisher = plan.programs.scale(RAW, &["publisher"])?;
    let mut subscriber = plan.programs.scale(contender, &["subscriptions"])?;
    receiver_first(&mut publisher, &mut subscriber)?;
    figures(&mut subscriber)
}

fn backlog(plan: &Plan, contender: Contender) -> Result<Vec<f64>> {
    let mut receiver = plan.programs.scale(contender, &["backlog"])?;
    let mut sender = plan.programs.scale(RAW, &["pusher"])?;
    receiver_first(&mut receiver, &mut sender)?;
    figures(&mut receiver)
}
