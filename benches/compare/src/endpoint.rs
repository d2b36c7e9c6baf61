//! One end of a workload, in a process of its own: how it talks to whoever
//! started it, and how it measures.
//!
//! An end that binds prints its endpoint, an end that connects reads it from
//! stdin. A sender prints how much it sent; the receiver is told, and prints
//! its report when so much has come or nothing more does.

use std::io::{self, BufRead, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use nix::sys::resource::{UsageWho, getrusage};

use crate::task::{Line, Report, Sent, Task};

/// How often the count is read: twice in a hundred of the shortest measurement.
const SAMPLE: Duration = Duration::from_millis(5);

/// When nothing came for so long, nothing more comes.
const STALLED: Duration = Duration::from_secs(2);

/// How long a receiver may lag behind a sender that has sent all.
const CATCH_UP: Duration = Duration::from_millis(300);

static COUNT: AtomicU64 = AtomicU64::new(0);
static EXPECTED: AtomicU64 = AtomicU64::new(u64::MAX);
static ROUND_TRIPS: Mutex<Option<Histogram<u64>>> = Mutex::new(None);

/// Counts messages; one thread of a process does.
pub fn count(messages: usize) {
    // No read-modify-write, as there is one writer.
    COUNT.store(COUNT.load(Ordering::Relaxed) + messages as u64, Ordering::Relaxed);
}

/// Keeps how long a round trip took.
pub fn round_trip(took: Duration) {
    let Ok(mut kept) = ROUND_TRIPS.lock() else { return };
    if let Some(histogram) = kept.as_mut() {
        histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Prints a line for whoever started this.
pub fn print(line: &Line) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Tells where this end listens.
pub fn announce(endpoint: impl Into<String>) -> Result<()> {
    print(&Line::Endpoint(endpoint.into()))
}

/// Tells that this end has subscribed.
pub fn ready() -> Result<()> {
    print(&Line::Ready)
}

/// The next line from whoever started this: an endpoint, or the word to go.
pub fn hear() -> Result<String> {
    let mut line = String::new();
    let bytes = io::stdin().lock().read_line(&mut line)?;
    anyhow::ensure!(bytes > 0, "nobody is there any more");
    Ok(line.trim().to_owned())
}

/// [`hear`], for a runtime that has a connection to tend meanwhile.
pub async fn hear_async() -> Result<String> {
    tokio::task::spawn_blocking(hear).await?
}

/// CPU time of the process.
pub fn cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let micros = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Duration::from_micros(u64::try_from(micros[0] + micros[1]).unwrap_or(0))
}

/// Peak memory of the process in KiB. That of `getrusage` would be the peak of
/// the process that started this one, if that is larger.
pub fn peak_kib() -> u64 {
    status_kib("VmHWM:")
}

/// Memory of the process in KiB.
pub fn memory_kib() -> u64 {
    status_kib("VmRSS:")
}

fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// When a sender has sent enough.
pub struct Pacer {
    began: Instant,
    cpu: Duration,
    until: Duration,
    limit: u64,
    sent: u64,
}

impl Pacer {
    pub fn new(task: &Task) -> Self {
        let (until, limit) = (task.duration(), task.limit);
        Self { began: Instant::now(), cpu: cpu(), until, limit, sent: 0 }
    }

    /// Whether to send one more.
    pub fn one(&mut self) -> bool {
        self.many(1) == 1
    }

    /// How many more to send, at most so many.
    pub fn many(&mut self, most: usize) -> usize {
        // The clock is read for every 64th message or every lot.
        let lot = self.sent.is_multiple_of(64) || most > 1;
        if self.sent >= self.limit || (lot && self.began.elapsed() >= self.until) {
            return 0;
        }
        let granted = most.min(usize::try_from(self.limit - self.sent).unwrap_or(most));
        self.sent += granted as u64;
        granted
    }

    /// Tells how much was sent, and has the process end when it is told to:
    /// what is still in a queue needs the time.
    pub fn finish(self) -> Result<()> {
        let cpu_ns = (cpu() - self.cpu).as_nanos() as f64 / (self.sent.max(1)) as f64;
        print(&Line::Sent(Sent { count: self.sent, cpu_ns, max_rss_kib: peak_kib() }))?;
        thread::spawn(|| {
            while hear().is_ok() {}
            std::process::exit(0);
        });
        Ok(())
    }

    /// [`finish`](Self::finish), for a thread with nothing else to do.
    pub fn finish_and_wait(self) -> Result<()> {
        self.finish()?;
        loop {
            thread::park();
        }
    }

    /// [`finish`](Self::finish), for a task whose runtime has a queue to empty.
    pub async fn finish_async(self) -> Result<()> {
        self.finish()?;
        std::future::pending().await
    }
}

/// Watches the count until all that was sent is here, or nothing comes any
/// more; then prints the report and ends the process.
pub fn watch_receiver(task: &Task) {
    let task = task.clone();
    thread::spawn(|| {
        while let Ok(line) = hear() {
            if let Some(Ok(expected)) = line.strip_prefix("expect ").map(str::parse) {
                EXPECTED.store(expected, Ordering::Relaxed);
            }
        }
        std::process::exit(1);
    });
    // Where a high-water mark holds the sender back nothing is lost silently,
    // but a slow receiver would read for long what the kernel has buffered.
    let enough = if task.hwm > 0 { task.duration() + CATCH_UP } else { Duration::MAX };
    thread::spawn(move || {
        let timeline = Timeline::record(|timeline| {
            let expected = EXPECTED.load(Ordering::Relaxed);
            timeline.count() >= expected
                || (expected < u64::MAX && (timeline.is_stalled() || timeline.lasts() > enough))
        });
        end_with(timeline, &task);
    });
}

/// Watches the count of a client for as long as the task says.
pub fn watch_client(task: &Task) {
    let task = task.clone();
    if let Ok(mut kept) = ROUND_TRIPS.lock() {
        // Nanoseconds up to a minute, at three digits.
        *kept = Histogram::new_with_max(60_000_000_000, 3).ok();
    }
    thread::spawn(move || {
        let until = task.duration();
        end_with(
            Timeline::record(|timeline| timeline.lasts() >= until || timeline.is_stalled()),
            &task,
        );
    });
}

fn end_with(timeline: Timeline, task: &Task) {
    let printed = timeline.report(task.warm_up()).and_then(|report| print(&Line::Report(report)));
    std::process::exit(match printed {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error:#}");
            1
        }
    });
}

/// The count over time.
pub struct Timeline(Vec<Moment>);

struct Moment {
    at: Instant,
    count: u64,
    cpu: Duration,
}

impl Timeline {
    /// From the first message on.
    fn record(mut ended: impl FnMut(&Self) -> bool) -> Self {
        while COUNT.load(Ordering::Relaxed) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let mut timeline = Self(Vec::with_capacity(4_096));
        loop {
            let count = COUNT.load(Ordering::Relaxed);
            timeline.0.push(Moment { at: Instant::now(), count, cpu: cpu() });
            if ended(&timeline) {
                return timeline;
            }
            thread::sleep(SAMPLE);
        }
    }

    fn count(&self) -> u64 {
        self.0.last().map_or(0, |moment| moment.count)
    }

    fn lasts(&self) -> Duration {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => last.at - first.at,
            _ => Duration::ZERO,
        }
    }

    /// Whether nothing came for a while.
    fn is_stalled(&self) -> bool {
        let count = self.count();
        let grew = self.0.iter().rev().find(|moment| moment.count < count).or(self.0.first());
        match (grew, self.0.last()) {
            (Some(grew), Some(last)) => last.at - grew.at > STALLED,
            _ => false,
        }
    }

    /// The rate between the end of the warm-up and the last moment at which
    /// messages still came: what came after that moment shared its interval
    /// with the end.
    fn report(&self, warm_up: Duration) -> Result<Report> {
        let moments = &self.0;
        let count = self.count();
        let first = moments.first().context("nothing was measured")?;
        let last = moments.iter().rev().find(|moment| moment.count < count).unwrap_or(first);
        // A run that was over too soon counts as a whole.
        let from = moments
            .iter()
            .find(|moment| moment.at - first.at >= warm_up)
            .filter(|from| from.at + 10 * SAMPLE < last.at)
            .unwrap_or(first);
        let messages = (last.count - from.count) as f64;
        let seconds = (last.at - from.at).as_secs_f64();
        anyhow::ensure!(messages > 0.0 && seconds > 0.0, "too little to measure: {count} messages");
        let kept = ROUND_TRIPS.lock().ok().and_then(|mut kept| kept.take());
        let micros = |histogram: &Histogram<u64>, q| histogram.value_at_quantile(q) as f64 / 1e3;
        Ok(Report {
            count,
            stalled: self.is_stalled(),
            rate: messages / seconds,
            cpu_ns: (last.cpu - from.cpu).as_nanos() as f64 / messages,
            max_rss_kib: peak_kib(),
            latency: kept
                .filter(|histogram| !histogram.is_empty())
                .map(|histogram| (micros(&histogram, 0.5), micros(&histogram, 0.99))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(counts: &[u64]) -> Timeline {
        let began = Instant::now();
        let moment = |(i, &count): (usize, &u64)| Moment {
            at: began + SAMPLE * u32::try_from(i).unwrap(),
            count,
            cpu: Duration::from_nanos(count * 100),
        };
        Timeline(counts.iter().enumerate().map(moment).collect())
    }

    #[test]
    fn the_rate_leaves_out_the_warm_up_and_the_silence_at_the_end() {
        // Slow at first, then 5 a moment, then nothing any more.
        let mut counts: Vec<u64> = (1..=10).collect();
        counts.extend((1..=100).map(|i| 10 + 5 * i));
        counts.extend([511; 50]);
        let report = timeline(&counts).report(SAMPLE * 10).unwrap();
        assert_eq!(report.count, 511);
        assert!((report.rate - 1_000.0).abs() < 1e-6, "{}", report.rate);
        assert!((report.cpu_ns - 100.0).abs() < 1e-6, "{}", report.cpu_ns);
    }

    #[test]
    fn a_stall_is_two_seconds_without_a_message() {
        assert!(!timeline(&[1; 300]).is_stalled());
        assert!(timeline(&[1; 500]).is_stalled());
        let mut counts = vec![1; 300];
        counts.extend([2; 300]);
        assert!(!timeline(&counts).is_stalled());
    }
}
