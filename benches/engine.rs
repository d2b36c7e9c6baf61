//! What the engine costs without actors: the pump, the outbound queue, the
//! deadlines of requests.

#![allow(clippy::expect_used, reason = "a bench that fails stops")]

use std::time::Duration;

use actix_zmq::internals::{FreePump, InprocPumps, Outbox, Table};
use criterion::{BenchmarkId, Criterion, Throughput};

/// Messages per round: several turns of the pump.
const MESSAGES: usize = 1_024;
/// A queue's worth, as one turn leaves it.
const QUEUED: usize = 256;

fn pump(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pump");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    let mut free = FreePump::new(16);
    group.bench_function("receive", |bencher| {
        bencher.iter(|| free.receive(MESSAGES).expect("received"));
    });
    group.bench_function("send", |bencher| {
        bencher.iter(|| free.send(MESSAGES).expect("sent"));
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    for size in [16, 4_096] {
        let pumps = runtime.block_on(async { InprocPumps::new(size) });
        let mut pumps = pumps.expect("two sockets");
        group.bench_function(BenchmarkId::new("inproc", size), |bencher| {
            bencher.iter(|| runtime.block_on(pumps.pass(MESSAGES)).expect("passed"));
        });
    }
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(QUEUED as u64));
    let mut outbox = Outbox::new(16, 8);
    group.bench_function("accept", |bencher| {
        bencher.iter(|| assert_eq!(outbox.accept(QUEUED), QUEUED));
    });
    group.bench_function("withdraw", |bencher| {
        bencher.iter(|| assert_eq!(outbox.withdraw(QUEUED), QUEUED));
    });
    group.bench_function("lanes", |bencher| {
        bencher.iter(|| assert_eq!(outbox.lanes(QUEUED), QUEUED));
    });
    group.finish();
}

fn deadlines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deadlines");
    group.throughput(Throughput::Elements(QUEUED as u64));
    for in_flight in [0, 10_000] {
        let mut table = Table::new(in_flight);
        group.bench_function(BenchmarkId::new("replies", in_flight), |bencher| {
            bencher.iter(|| assert_eq!(table.replies(QUEUED), QUEUED));
        });
        group.bench_function(BenchmarkId::new("timeouts", in_flight), |bencher| {
            bencher.iter(|| assert_eq!(table.timeouts(QUEUED), QUEUED));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    pump(&mut criterion);
    queue(&mut criterion);
    deadlines(&mut criterion);
    criterion.final_summary();
}
