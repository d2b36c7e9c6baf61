//! What a run needs before it can start, and what is written down of it.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::catalogue::{Build, Contender};
use crate::results::Setting;
use crate::run::{Plan, Programs};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// The repository.
fn root() -> PathBuf {
    Path::new(PACKAGE).join("../..")
}

/// Where the published results are.
pub fn documents() -> PathBuf {
    root().join("docs/benchmarks")
}

/// Where this program was built.
pub fn target() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    program.ancestors().nth(2).map_or_else(|| root().join("target"), Path::to_owned)
}

/// The libzmq that is linked, and what was compiled into it.
pub fn libzmq() -> String {
    let (major, minor, patch) = zmq::version();
    let has: Vec<&str> =
        ["curve", "draft"].into_iter().filter(|what| zmq::has(what).unwrap_or(false)).collect();
    format!("libzmq {major}.{minor}.{patch} {}", has.join(" ")).trim_end().to_owned()
}

/// Builds and installs what the contenders run on; what cannot be had is left
/// out, loudly.
pub fn programs(contenders: &[Contender], setting: &mut Setting) -> Programs {
    let mut programs = Programs { builds: HashMap::new(), python: None };
    if let Ok(program) = env::current_exe() {
        programs.builds.insert(Build::Stock, program);
    }
    setting.versions.insert("stock".to_owned(), libzmq());
    let wanted = |build| contenders.iter().any(|contender| contender.build == build);
    let mut left_out = Vec::new();
    for other in [Build::System, Build::Tuned] {
        if !wanted(other) {
            continue;
        }
        match build(other) {
            Ok((program, version)) => {
                setting.versions.insert(other.key().to_owned(), version);
                programs.builds.insert(other, program);
            }
            Err(error) => left_out.push((format!("the {} libzmq", other.key()), error)),
        }
    }
    if contenders.iter().any(|contender| contender.peer.is_python()) {
        match python() {
            Ok(python) => programs.python = Some(python),
            Err(error) => left_out.push(("the Python peers".to_owned(), error)),
        }
    }
    for (what, error) in left_out {
        eprintln!("LEFT OUT: {what}: {error:#}");
        setting.skipped.insert(what, format!("{error:#}"));
    }
    programs
}

/// This program once more, on another libzmq.
fn build(build: Build) -> Result<(PathBuf, String)> {
    let config = root().join(format!("configs/{}-libzmq.toml", build.key()));
    ensure!(config.exists(), "there is no {}", config.display());
    let target = target().join(format!("compare-{}", build.key()));
    eprintln!("building on the {} libzmq …", build.key());
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--release", "--quiet", "--package", env!("CARGO_PKG_NAME")])
        .args(["--no-default-features", "--config"])
        .arg(&config)
        .arg("--target-dir")
        .arg(&target)
        .status()?;
    ensure!(built.success(), "it does not build");
    let program = target.join("release").join(env!("CARGO_PKG_NAME"));
    let version = output(Command::new(&program).arg("libzmq"))?;
    if build == Build::Tuned && !version.contains("draft") {
        bail!("{version} has no draft options");
    }
    Ok((program, version))
}

/// A Python with the Python peers.
fn python() -> Result<PathBuf> {
    let venv = target().join("compare-venv");
    let python = venv.join("bin/python");
    let wanted = Path::new(PACKAGE).join("src/peers/python/requirements.txt");
    let installed = venv.join("requirements.txt");
    if fs::read(&wanted)? != fs::read(&installed).unwrap_or_default() {
        eprintln!("installing the Python peers …");
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv).status();
        ensure!(made.context("python3")?.success(), "python3 makes no virtual environment");
        let pip = Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&wanted)
            .status()?;
        ensure!(pip.success(), "pip installs nothing");
        // Last, so that an interrupted installation is made again.
        fs::copy(&wanted, &installed)?;
    }
    Ok(python)
}

/// Writes down where and with what.
pub fn describe(setting: &mut Setting, plan: &Plan) {
    setting.date = chrono::Local::now().format("%Y-%m-%d").to_string();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    setting.cpu = model.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']).to_owned();
    setting.cores = std::thread::available_parallelism().map_or(0, usize::from);
    setting.kernel = output(Command::new("uname").arg("-srm")).unwrap_or_default();
    setting.rustc = output(Command::new("rustc").arg("--version")).unwrap_or_default();
    setting.rounds = plan.rounds;
    setting.measured_ms = plan.measure;
    setting.warm_up_ms = plan.warm_up;
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default();
    for name in ["actix", "tokio", "zmq", "tmq", "async_zmq", "zeromq", "rzmq", "omq-tokio"] {
        if let Some(version) = locked(&lock, name) {
            setting.versions.insert(name.to_owned(), version);
        }
    }
    if plan.programs.python.is_some() {
        let python =
            fs::read_to_string(Path::new(PACKAGE).join("src/peers/python/requirements.txt"));
        for (name, version) in python.unwrap_or_default().lines().filter_map(|l| l.split_once("=="))
        {
            setting.versions.insert(name.to_owned(), version.to_owned());
        }
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?} fails");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A crate's version in `Cargo.lock`.
fn locked(lock: &str, name: &str) -> Option<String> {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}
