//! The published multimodal model's decoder at growing numbers of video queries: its cost is linear in them, folded and plain, and a label
//! alone is one query.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use perceiverflow::perceiver::{
    Folding, PerceiverConfig,
    decode::Points,
    models::{AUDIO, IMAGE, LABEL, PerceiverForMultimodalAutoencoding},
};

use crate::random::{tensor, weights};

criterion_group!(benches, decoder);

fn decoder(criterion: &mut Criterion) {
    let config = PerceiverConfig {
        num_latents: 784,
        d_latents: 512,
        num_self_attends_per_block: 0,
        num_cross_attention_heads: 1,
        ..Default::default()
    };
    let models = [("folded", Folding::Auto), ("plain", Folding::Off)].map(|(name, folding)| {
        (name, PerceiverForMultimodalAutoencoding::new(&config, &weights().with_folding(folding)).expect("the shapes fit"))
    });
    let none = || [AUDIO, IMAGE, LABEL].map(|name| (name.to_owned(), Vec::new()));
    let asked = |name: &str, points: Vec<u32>| -> Points { none().into_iter().chain([(name.to_owned(), points)]).collect() };
    let mut group = criterion.benchmark_group("decoder by queries");
    group.sample_size(10);
    for queries in [0, 512, 2048, 8192, 16384, 32768] {
        let points = if queries == 0 { asked(LABEL, vec![0]) } else { asked(IMAGE, (0..queries).collect()) };
        group.throughput(Throughput::Elements(u64::from(queries.max(1))));
        for (name, model) in &models {
            group.bench_with_input(BenchmarkId::new(*name, queries.max(1)), &points, |b, points| {
                // New latents each time: those of the last call are kept prepared.
                b.iter_batched(
                    || tensor(&[1, 784, 512]),
                    |latents| model.decode(&latents, points, false).unwrap(),
                    criterion::BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}
