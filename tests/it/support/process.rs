//! Other processes: real peers, and this test binary itself in another role.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

/// Tells a child of this test binary what to do.
const ROLE: &str = "ACTIX_ZMQ_CHILD";
/// Gives it an argument.
const ARGUMENT: &str = "ACTIX_ZMQ_CHILD_ARGUMENT";

/// A running process. Dropped before its end, it is killed.
///
/// Its waits have no deadline of their own: the test has.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: UnboundedReceiver<String>,
    seen: Vec<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = unbounded();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        let stdin = child.stdin.take();
        Self { child, stdin, lines, seen: Vec::new() }
    }

    /// Starts this test binary again, to run the ignored test `test` alone,
    /// in a role; `before` is shell code that runs first.
    pub(crate) fn child_of(test: &str, role: &str, argument: &str, before: &str) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{before} exec \"$@\""))
            .arg("sh")
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ARGUMENT, argument);
        Self::start(&mut command)
    }

    /// The next line of either output that starts so, without that start.
    pub(crate) async fn line(&mut self, start: &str) -> String {
        while let Some(line) = self.lines.next().await {
            let wanted = line.strip_prefix(start).map(str::to_owned);
            self.seen.push(line);
            if let Some(rest) = wanted {
                return rest;
            }
        }
        panic!("no {start:?} but the end, after {:#?}", self.seen);
    }

    /// Writes a line to its stdin.
    pub(crate) fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap_or_else(|error| panic!("{error}: {:#?}", self.seen));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }

    /// What the system says of it: `R`, `S`, `T`, as in `proc(5)`.
    pub(crate) fn state(&self) -> char {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        // The name before it is in brackets, and may have some of its own.
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap()
    }

    /// Waits until it ends by itself; the result is also all that it printed.
    pub(crate) async fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = loop {
            // There is no descriptor to wait for without another dependency.
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        // Its pipes are closed with it.
        while let Some(line) = self.lines.next().await {
            self.seen.push(line);
        }
        (status, std::mem::take(&mut self.seen))
    }

    /// Waits until it ends by itself, with status 0.
    pub(crate) async fn success(self) -> Vec<String> {
        let (status, seen) = self.end().await;
        assert!(status.success(), "{status} after {seen:#?}");
        seen
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child is to do; nothing in a run that starts ignored tests by hand.
pub(crate) fn role() -> Option<(String, String)> {
    Some((std::env::var(ROLE).ok()?, std::env::var(ARGUMENT).ok()?))
}

/// Tells the parent something, at the start of a line even under libtest.
pub(crate) fn tell(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn read_lines(pipe: impl Read + Send + 'static, sender: UnboundedSender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.unbounded_send(line).is_err() {
                return;
            }
        }
    });
}
