//! Values into bytes and back, by each codec: a small struct, and a list of a
//! thousand of them.

#![allow(missing_docs, reason = "criterion's macros make functions without")]

use std::hint::black_box;

use actix_zmq::codec::Format;
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
    symbol: String,
    price: f64,
    tags: Vec<Option<u8>>,
}

impl Order {
    fn new(id: u64) -> Self {
        let tags = vec![Some(1), None, Some(3)];
        Self { id, symbol: "EURUSD".to_owned(), price: 1.08 + id as f64, tags }
    }
}

fn by<F: Format, T>(group: &mut BenchmarkGroup<'_, WallTime>, value: &T)
where
    T: Serialize + DeserializeOwned,
{
    let Ok(bytes) = F::to_bytes(value) else { return };
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(format!("{}/write", F::NAME), |bench| {
        bench.iter(|| F::to_bytes(black_box(value)));
    });
    group.bench_function(format!("{}/read", F::NAME), |bench| {
        bench.iter_batched(|| &bytes[..], |bytes| F::from_bytes::<T>(bytes), BatchSize::SmallInput);
    });
}

fn every<T: Serialize + DeserializeOwned>(group: &mut BenchmarkGroup<'_, WallTime>, value: &T) {
    #[cfg(feature = "json")]
    by::<actix_zmq::Json, _>(group, value);
    #[cfg(feature = "messagepack")]
    by::<actix_zmq::MessagePack, _>(group, value);
    #[cfg(feature = "postcard")]
    by::<actix_zmq::Postcard, _>(group, value);
}

fn codecs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codecs/small");
    every(&mut group, &Order::new(7));
    group.finish();
    let mut group = criterion.benchmark_group("codecs/thousand");
    every(&mut group, &(0..1_000).map(Order::new).collect::<Vec<_>>());
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = codecs
}
criterion_main!(benches);
