//! The decoder at growing numbers of queries: its cost is linear in them.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use perceiverflow::perceiver::{
    PerceiverConfig,
    decode::{BasicDecoder, BasicDecoderOptions},
};

use crate::random::{tensor, weights};

criterion_group!(benches, decoder);

fn decoder(criterion: &mut Criterion) {
    let config = PerceiverConfig { num_latents: 128, d_latents: 256, ..Default::default() };
    let options = BasicDecoderOptions { output_num_channels: 32, num_channels: 192, ..Default::default() };
    let decoder = BasicDecoder::new(&config, options, &weights()).expect("the shapes fit");
    let latents = tensor(&[1, 128, 256]);
    let mut group = criterion.benchmark_group("decoder by queries");
    group.sample_size(10);
    for queries in [1, 512, 2048, 8192, 32768] {
        let query = tensor(&[1, queries, 192]);
        group.throughput(Throughput::Elements(queries as u64));
        group.bench_with_input(BenchmarkId::from_parameter(queries), &query, |b, query| {
            b.iter(|| decoder.forward(query, &latents, false).unwrap());
        });
    }
    group.finish();
}
