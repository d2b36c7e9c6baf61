//! What each way of delivery costs, from a PUSH to a PULL within the process
//! and to whoever takes the messages there.
//!
//! The sender is the same in all, so that the ways can be compared with each
//! other. A closure has no arbiter but the socket's.

#![allow(clippy::expect_used, reason = "a bench that fails stops")]

use std::time::{Duration, Instant};

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, kinds};
use criterion::{BenchmarkId, Criterion, Throughput};
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

/// Messages per round.
const MESSAGES: usize = 2_048;
/// Of these the sender awaits one, and the bound of its queue is far above.
const STRIDE: usize = 256;

#[derive(Clone, Copy)]
enum Way {
    Inline,
    Batch,
    Each,
}

/// Tells when a round's messages are there.
struct Count {
    seen: usize,
    told: UnboundedSender<()>,
}

impl Count {
    fn take(&mut self, messages: usize) {
        self.seen += messages;
        if self.seen >= MESSAGES {
            self.seen -= MESSAGES;
            self.told.unbounded_send(()).expect("the bench waits");
        }
    }
}

impl Actor for Count {
    type Context = Context<Self>;
}

impl Handler<Pulled> for Count {
    type Result = ();

    fn handle(&mut self, _: Pulled, _ctx: &mut Context<Self>) {
        self.take(1);
    }
}

impl Handler<Batch<Pulled>> for Count {
    type Result = ();

    fn handle(&mut self, batch: Batch<Pulled>, _ctx: &mut Context<Self>) {
        self.take(batch.len());
    }
}

/// A sender and a receiver, ready for rounds.
struct Line {
    zmq: Addr<Factory>,
    push: Addr<PushSocket>,
    rounds: UnboundedReceiver<()>,
}

impl Line {
    /// The receiver's socket is on the arbiter of the actor, or on another one.
    async fn open(way: Way, arbiters: usize) -> Self {
        let zmq = Factory::builder().start();
        let (told, rounds) = unbounded();
        let mut count = Count { seen: 0, told };
        let pull = PullSocket::bind("inproc://line");
        let pull = if arbiters == 1 { pull } else { pull.arbiter("socket") };
        let pull: Blueprint<kinds::Pull> = match way {
            Way::Inline => pull.on_message(move |_: Pulled| count.take(1)),
            Way::Batch => pull.deliver_to(count.start().recipient::<Batch<Pulled>>()),
            Way::Each => pull.deliver_to(count.start().recipient::<Pulled>()),
        };
        zmq.send(Open(pull)).await.expect("a factory").expect("a PULL");
        let push = Open(PushSocket::connect("inproc://line"));
        let push = zmq.send(push).await.expect("a factory").expect("a PUSH");
        Self { zmq, push, rounds }
    }

    async fn pass(&mut self, size: usize, rounds: u64) -> Duration {
        let started = Instant::now();
        for _ in 0..rounds {
            for number in 1..=MESSAGES {
                let message = Push(Multipart::from(vec![0; size]));
                if number % STRIDE == 0 {
                    self.push.send(message).await.expect("a PUSH").expect("accepted");
                } else {
                    self.push.do_send(message);
                }
            }
            self.rounds.next().await.expect("a receiver");
        }
        started.elapsed()
    }

    async fn close(self) {
        let report = self.zmq.send(Shutdown::within(Duration::from_secs(5))).await;
        assert!(report.expect("a factory").is_clean());
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let system = System::new();
    for size in [16, 4_096] {
        let mut group = criterion.benchmark_group(format!("delivery/{size}"));
        group.throughput(Throughput::Elements(MESSAGES as u64));
        for (name, way, arbiters) in [
            ("inline", Way::Inline, 1),
            ("batch", Way::Batch, 1),
            ("batch", Way::Batch, 2),
            ("each", Way::Each, 1),
            ("each", Way::Each, 2),
        ] {
            let mut line = system.block_on(Line::open(way, arbiters));
            let id = BenchmarkId::new(name, format!("{arbiters} arbiter(s)"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|rounds| system.block_on(line.pass(size, rounds)));
            });
            system.block_on(line.close());
        }
        group.finish();
    }
    criterion.final_summary();
}
