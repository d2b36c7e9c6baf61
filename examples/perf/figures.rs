//! What is printed: libzmq's lines, and ours.

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use nix::sys::resource::{Usage, UsageWho, getrusage};

use crate::Load;

/// The CPU time that the process has used.
#[derive(Clone, Copy)]
pub(crate) struct Used(Duration);

impl Used {
    pub(crate) fn now() -> io::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Self(Self::of(&usage)))
    }

    fn of(usage: &Usage) -> Duration {
        let times = [usage.user_time(), usage.system_time()];
        times
            .iter()
            .map(|time| {
                let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
                let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
                Duration::from_secs(seconds) + Duration::from_micros(micros)
            })
            .sum()
    }
}

/// What was measured of requests.
pub(crate) struct Asked {
    pub(crate) took: Duration,
    /// From each request to its reply, in nanoseconds.
    pub(crate) times: Histogram<u64>,
}

/// What was measured.
pub(crate) struct Figures {
    lines: Vec<String>,
    /// How many messages must have been sent.
    pub(crate) sent: u64,
    count: u32,
    before: Used,
}

impl Figures {
    /// Of an end that measures nothing by itself.
    pub(crate) const fn of(load: Load, before: Used) -> Self {
        Self { lines: Vec::new(), sent: 0, count: load.count, before }
    }

    /// How many messages all sockets together must have sent.
    pub(crate) fn sent(mut self, messages: u32) -> Self {
        self.sent = messages.into();
        self
    }

    pub(crate) fn throughput(load: Load, took: Duration, before: Used) -> Self {
        // libzmq counts the first message, too, although the clock starts with it.
        let rate = rate(load, took);
        let megabits = rate * f64::from(load.message_size) * 8.0 / 1e6;
        Self::of(load, before)
            .line(format!("message size: {} [B]", load.message_size))
            .line(format!("message count: {}", load.count))
            .line(format!("mean throughput: {:.0} [msg/s]", rate.floor()))
            .line(format!("mean throughput: {megabits:.3} [Mb/s]"))
    }

    pub(crate) fn latency(load: Load, asked: Asked, before: Used) -> Self {
        let average = micros(asked.took) / (f64::from(load.count) * 2.0);
        Self::of(load, before)
            .line(format!("message size: {} [B]", load.message_size))
            .line(format!("roundtrip count: {}", load.count))
            .line(format!("average latency: {average:.3} [us]"))
            .asked(load, &asked)
    }

    pub(crate) fn requests(load: Load, window: u32, asked: Asked, before: Used) -> Self {
        Self::of(load, before)
            .line(format!("message size: {} [B]", load.message_size))
            .line(format!("roundtrip count: {}", load.count))
            .line(format!("window: {window}"))
            .asked(load, &asked)
    }

    fn asked(mut self, load: Load, asked: &Asked) -> Self {
        self = self.line(format!("requests: {:.0} [req/s]", rate(load, asked.took).floor()));
        for (name, percentile) in [("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9)] {
            let time = Duration::from_nanos(asked.times.value_at_percentile(percentile));
            self = self.line(format!("{name}: {:.3} [us]", micros(time)));
        }
        self
    }

    fn line(mut self, line: String) -> Self {
        self.lines.push(line);
        self
    }

    /// All lines, with what the process has used until now.
    pub(crate) fn lines(&self) -> io::Result<Vec<String>> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let cpu = micros(Used::of(&usage).saturating_sub(self.before.0)) / f64::from(self.count);
        // Bytes there, and kibibytes everywhere else (`getrusage(2)`).
        let unit = if cfg!(target_vendor = "apple") { 1024 } else { 1 };
        let mut lines = self.lines.clone();
        lines.push(format!("cpu per message: {cpu:.3} [us]"));
        lines.push(format!("peak memory: {} [KiB]", usage.max_rss() / unit));
        Ok(lines)
    }
}

/// Per second, at the resolution of libzmq's stopwatch.
fn rate(load: Load, took: Duration) -> f64 {
    f64::from(load.count) / took.max(Duration::from_micros(1)).as_secs_f64()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
