//! The encoder at growing numbers of inputs: the cost of its cross-attention is linear in them, that of its latents constant.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use perceiverflow::perceiver::{Keep, PerceiverConfig, PerceiverEncoder};

use crate::random::{tensor, weights};

criterion_group!(benches, encoder);

fn encoder(criterion: &mut Criterion) {
    let config = PerceiverConfig {
        num_latents: 128,
        d_latents: 256,
        num_self_attends_per_block: 2,
        num_cross_attention_heads: 1,
        ..Default::default()
    };
    let encoder = PerceiverEncoder::new(&config, 192, &weights()).expect("the shapes fit");
    let latents = tensor(&[1, 128, 256]);
    let mut group = criterion.benchmark_group("encoder by inputs");
    group.sample_size(10);
    for inputs in [512, 2048, 8192, 32768] {
        let tokens = tensor(&[1, inputs, 192]);
        group.throughput(Throughput::Elements(inputs as u64));
        group.bench_with_input(BenchmarkId::from_parameter(inputs), &tokens, |b, tokens| {
            b.iter(|| encoder.forward(&latents, tokens, None, None, Keep::default()).unwrap());
        });
    }
    group.finish();
}
