//! An end as seen by the one who starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::task::Line;

/// A process that is killed when it is dropped.
pub struct End {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    complaint: Option<JoinHandle<String>>,
    deadline: Instant,
}

impl End {
    /// Starts it; it has so long for everything.
    pub fn start(mut command: Command, allowed: Duration) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let stdin = child.stdin.take().context("no stdin")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut stderr = child.stderr.take().context("no stderr")?;
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        let complaint = Some(thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        }));
        let deadline = Instant::now() + allowed;
        Ok(Self { child, stdin, lines, complaint, deadline })
    }

    /// Tells it something.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush()).map_err(|error| {
            let complaint = self.complaint();
            anyhow!("{error}: {complaint}")
        })
    }

    /// What it says next.
    pub fn line(&mut self) -> Result<Line> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => serde_json::from_str(&line).with_context(|| format!("not a line: {line}")),
            Err(RecvTimeoutError::Timeout) => bail!("times out"),
            Err(RecvTimeoutError::Disconnected) => bail!("ends early: {}", self.complaint()),
        }
    }

    /// The beginning of what it had to say on stderr, once it has ended.
    fn complaint(&mut self) -> String {
        let _ = self.child.kill();
        let text = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).take(2).collect();
        if lines.is_empty() { "without a word".to_owned() } else { lines.join(" ") }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
