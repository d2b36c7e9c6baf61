//! Real peers in Python: pyzmq, and txZMQ on Twisted.
//!
//! The virtual environment is made at the first use, which takes a moment.
//! Without Python the tests fail, unless `ACTIX_ZMQ_SKIP_INTEROP=1` is set.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::process::Process;
use super::{eventually, loudly};

/// Which side listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binds {
    Python,
    We,
}

/// The Python of the virtual environment, or nothing if these tests are to be skipped.
///
/// To be called before the test's deadline runs.
pub(crate) fn interpreter() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        if std::env::var("ACTIX_ZMQ_SKIP_INTEROP").is_ok_and(|value| value == "1") {
            loudly("ACTIX_ZMQ_SKIP_INTEROP=1: NO TEST WITH PYZMQ OR TXZMQ IS RUN");
            return None;
        }
        let script = directory().join("venv.sh");
        let made = Command::new(&script).output();
        let made = made.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        assert!(
            made.status.success(),
            "*** NO PYTHON FOR THE REAL PEERS; ACTIX_ZMQ_SKIP_INTEROP=1 skips these tests ***\n{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let stdout = String::from_utf8(made.stdout).unwrap();
        Some(stdout.trim_end().into())
    });
    python.as_deref()
}

/// A peer in Python; killed when dropped.
pub(crate) struct Peer(Process);

impl Peer {
    pub(crate) fn start(
        library: &str,
        role: &str,
        method: &str,
        endpoint: &str,
        more: &[&str],
    ) -> Self {
        let python = interpreter().expect("asked before");
        let mut command = Command::new(python);
        command
            .arg(directory().join("peer.py"))
            .args(["--lib", library, "--role", role])
            .args(["--method", method, "--endpoint", endpoint])
            .args(more);
        Self(Process::start(&mut command))
    }

    /// Starts another script of `tests/python`.
    pub(crate) fn script(name: &str, arguments: &[&str]) -> Process {
        let mut command = Command::new(interpreter().expect("asked before"));
        Process::start(command.arg(directory().join(name)).args(arguments))
    }

    /// The endpoint where it listens.
    pub(crate) async fn ready(&mut self) -> String {
        self.0.line("ready ").await
    }

    /// The frames of the next line with this word.
    pub(crate) async fn next(&mut self, word: &str) -> Vec<Vec<u8>> {
        let line = self.0.line(word).await;
        line.split('\t').skip(1).map(from_hex).collect()
    }

    /// The decimal number in a frame of the next line with this word.
    pub(crate) async fn number(&mut self, word: &str, frame: usize) -> u32 {
        // Only that frame: some carry much ballast.
        let line = self.0.line(word).await;
        let digits = from_hex(line.split('\t').nth(1 + frame).unwrap());
        std::str::from_utf8(&digits).unwrap().parse().unwrap()
    }

    /// Ends it with SIGKILL, whatever it is doing.
    pub(crate) fn kill(self) {}

    /// Stops it (SIGSTOP), and returns when it does nothing any more.
    pub(crate) async fn stop(&self) {
        self.0.signal("STOP");
        eventually("it is stopped", async || self.0.state() == 'T').await;
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn go_on(&self) {
        self.0.signal("CONT");
    }

    /// Has it send a message.
    pub(crate) fn send<F: AsRef<[u8]>>(&mut self, frames: impl IntoIterator<Item = F>) {
        let fields: Vec<String> = frames.into_iter().map(|frame| to_hex(frame.as_ref())).collect();
        self.0.write(&fields.join("\t"));
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

fn to_hex(frame: &[u8]) -> String {
    if frame.is_empty() {
        return "-".to_owned();
    }
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(field: &str) -> Vec<u8> {
    if field == "-" {
        return Vec::new();
    }
    let digits = field.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}
