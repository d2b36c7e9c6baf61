//! Runs actix-zmq beside the raw `zmq` crate and its peers, and writes the
//! tables and plots of `docs/benchmarks`. See there for the method.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a console program")]

mod catalogue;
mod endpoint;
mod peers;
mod plot;
mod process;
mod report;
mod results;
mod run;
mod scale;
mod setting;
mod stats;
mod task;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use crate::catalogue::{Contender, RAW, Workload};
use crate::results::Results;
use crate::run::Plan;

/// Runs actix-zmq beside the raw `zmq` crate and its peers
///
/// Without arguments everything, in under half an hour on two cores. A part
/// replaces the same part of the earlier results and leaves the others.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    end: Option<End>,
    /// How often everybody runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// What to measure; all by default
    #[arg(long, value_enum, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Whom to measure, by name as in `results.json`; all by default, raw always
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Milliseconds of a measurement
    #[arg(long, default_value_t = 400)]
    measure: u64,
    /// Milliseconds before it, which do not count
    #[arg(long, default_value_t = 150)]
    warm_up: u64,
    /// Two rounds of shorter measurements, into `target/compare-quick`
    #[arg(long)]
    quick: bool,
    /// Where the results go [default: docs/benchmarks]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only write tables and plots again, from the results that are there
    #[arg(long)]
    report_only: bool,
}

#[derive(Subcommand)]
enum End {
    /// One end of a workload
    #[command(hide = true)]
    Endpoint(task::Task),
    /// One end of the `scale` part
    #[command(hide = true)]
    ScaleEnd(scale::end::ScaleEnd),
    /// Tells which libzmq this is
    #[command(hide = true)]
    Libzmq,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.end {
        Some(End::Endpoint(task)) => peers::run(&task),
        Some(End::ScaleEnd(end)) => scale::end::run(end),
        Some(End::Libzmq) => {
            println!("{}", setting::libzmq());
            Ok(())
        }
        None => compare(&cli),
    }
}

fn compare(cli: &Cli) -> Result<()> {
    let out = cli.out.clone().unwrap_or_else(|| {
        if cli.quick { setting::target().join("compare-quick") } else { setting::documents() }
    });
    fs::create_dir_all(&out)?;
    let file = out.join("results.json");
    let earlier = Results::read(&file)?;
    let results = if cli.report_only {
        earlier
    } else {
        let results = measure(cli)?.merged_into(earlier);
        results.write(&file)?;
        results
    };
    for workload in report::TABLES {
        if !report::measured(&results, workload).is_empty() {
            plot::draw(&results, workload, &out.join(format!("{}.svg", workload.key())))?;
        }
    }
    fs::write(out.join("README.md"), report::page(&results))?;
    eprintln!("written to {}", out.display());
    Ok(())
}

fn measure(cli: &Cli) -> Result<Results> {
    let mut contenders = Contender::all();
    for name in &cli.peers {
        let known = contenders.iter().any(|contender| contender.key() == *name);
        ensure!(known, "there is no `{name}`, but {}", names(&contenders));
    }
    if !cli.peers.is_empty() {
        contenders.retain(|one| {
            // Beside ours on another libzmq, raw on the same.
            let wanted = |key: &String| cli.peers.contains(key);
            *one == RAW
                || wanted(&one.key())
                || one.peer == RAW.peer
                    && Contender::all()
                        .iter()
                        .any(|other| other.build == one.build && wanted(&other.key()))
        });
    }
    let mut results = Results::default();
    let programs = setting::programs(&contenders, &mut results.setting);
    contenders.retain(|contender| programs.have(*contender));
    let workloads = if cli.workloads.is_empty() {
        Workload::value_variants().to_vec()
    } else {
        cli.workloads.clone()
    };
    let (rounds, measure) =
        if cli.quick { (2, 250) } else { (usize::from(cli.rounds), cli.measure) };
    let plan = Plan { rounds, workloads, contenders, warm_up: cli.warm_up, measure, programs };
    setting::describe(&mut results.setting, &plan);
    plan.run(&mut results)?;
    Ok(results)
}

fn names(contenders: &[Contender]) -> String {
    contenders.iter().map(|contender| contender.key()).collect::<Vec<_>>().join(", ")
}
