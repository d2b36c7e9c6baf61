//! What it costs to put a message into its frames, and to take it out again.

#![allow(clippy::expect_used, reason = "a bench that fails stops")]

use std::time::Duration;

use actix_zmq::internals::framing;
use actix_zmq::{Frame, Multipart, TopicFraming};
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement};

/// One body's bytes: what is copied, if anything is, shows in the larger one.
const SIZES: [usize; 2] = [64, 4_096];
const TOPIC: &str = "prices.EUR";

type Group<'a> = BenchmarkGroup<'a, measurement::WallTime>;

/// Times `work` on inputs that are made, and results that are dropped, outside
/// the time.
fn bench<I: Clone, O>(group: &mut Group<'_>, name: &str, input: &I, work: impl Fn(I) -> O) {
    let size = BenchmarkId::from_parameter(name);
    group.bench_function(size, |bencher| {
        bencher.iter_batched(|| input.clone(), &work, BatchSize::SmallInput);
    });
}

fn pubsub(criterion: &mut Criterion, size: usize) {
    let mut group = criterion.benchmark_group(format!("pubsub/{size}"));
    group.throughput(Throughput::Bytes((TOPIC.len() + size) as u64));
    for (name, form) in [("frames", TopicFraming::Frames), ("tagged", TopicFraming::tagged())] {
        let parts = (Frame::from(Bytes::from_static(TOPIC.as_bytes())), body(size));
        let compose = |(topic, body)| framing::published(&form, topic, body).expect("composed");
        bench(&mut group, &format!("compose/{name}"), &parts, compose);
        let frames = compose(parts);
        bench(&mut group, &format!("parse/{name}"), &frames, |frames| {
            framing::subscribed(&form, frames).expect("parsed")
        });
    }
    group.finish();
}

fn reqrep(criterion: &mut Criterion, size: usize) {
    let mut group = criterion.benchmark_group(format!("reqrep/{size}"));
    group.throughput(Throughput::Bytes(size as u64));
    bench(&mut group, "request", &body(size), |parts| framing::request(7, parts));
    let sent = framing::request(7, body(size));
    let arrived: Multipart = [Frame::from("peer")].into_iter().chain(sent.clone()).collect();
    let parse = |frames| framing::requested(frames).expect("parsed");
    bench(&mut group, "parse_request", &arrived, parse);
    let asked = parse(arrived);
    bench(&mut group, "reply", &asked, |(envelope, parts)| framing::reply(envelope, parts));
    bench(&mut group, "parse_reply", &sent, |frames| framing::replied(frames).expect("parsed"));
    group.finish();
}

fn routed(criterion: &mut Criterion, size: usize) {
    let mut group = criterion.benchmark_group(format!("routed/{size}"));
    group.throughput(Throughput::Bytes(size as u64));
    let parts = (Frame::from("peer"), body(size));
    bench(&mut group, "compose", &parts, |(peer, body)| framing::routed_to(peer, body));
    let frames = framing::routed_to(parts.0, parts.1);
    bench(&mut group, "parse", &frames, framing::routed_from);
    group.finish();
}

fn body(size: usize) -> Multipart {
    Frame::from(vec![0; size]).into()
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for size in SIZES {
        pubsub(&mut criterion, size);
        reqrep(&mut criterion, size);
        routed(&mut criterion, size);
    }
    criterion.final_summary();
}
