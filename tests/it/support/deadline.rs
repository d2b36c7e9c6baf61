//! Nothing waits for ever.

use std::future::Future;
use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// No test takes longer, unless it says so with [`within_time`].
const DEADLINE: Duration = Duration::from_secs(20);

/// How often [`eventually`] looks.
const GLANCE: Duration = Duration::from_millis(2);

/// Runs a test under the deadline.
pub(crate) async fn within<F: Future>(test: F) -> F::Output {
    within_time(DEADLINE, test).await
}

/// Runs a test under a deadline of its own.
pub(crate) async fn within_time<F: Future>(deadline: Duration, test: F) -> F::Output {
    let _alive = watchdog(deadline + Duration::from_secs(10));
    match tokio::time::timeout(deadline, Box::pin(test)).await {
        Ok(output) => output,
        Err(_) => panic!("not done within {deadline:?}"),
    }
}

/// Aborts the test run when an arbiter is blocked, so that its timers are, too.
fn watchdog(deadline: Duration) -> mpsc::Sender<()> {
    let (alive, done) = mpsc::channel();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if done.recv_timeout(deadline) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Past libtest's capture, which ends with the process.
            let _ = writeln!(std::io::stderr(), "{test} blocks its arbiter");
            std::process::abort();
        }
    });
    alive
}

/// Waits until a condition holds: `eventually("it is up", async || state().await == Up)`.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    eventually_some(what, async || holds().await.then_some(())).await;
}

/// Waits until there is a value.
pub(crate) async fn eventually_some<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(began.elapsed() < DEADLINE, "never: {what}");
        tokio::time::sleep(GLANCE).await;
    }
}
