//! Attention in blocks of rows beside attention through one score matrix, at shapes of the family.

use std::hint::black_box;

use candle_core::{D, DType, Tensor};
use criterion::{Criterion, criterion_group};
use perceiverflow::compute::attend;

use crate::random::tensor;

criterion_group!(benches, attention);

fn attention(criterion: &mut Criterion) {
    // (what, heads, queries, keys, channels of a head)
    let shapes = [
        ("latents", 8, 512, 512, 128),
        ("encoder of a small flow model", 1, 96, 768, 192),
        ("encoder of 50176 pixels", 1, 512, 50176, 261),
    ];
    for (what, heads, queries, keys, channels) in shapes {
        let mut group = criterion.benchmark_group(format!("attention, {what}"));
        group.sample_size(10);
        let [q, k, v] = [queries, keys, keys].map(|rows| tensor(&[1, heads, rows, channels]));
        group.bench_function("ours", |b| b.iter(|| attend(black_box(&q), &k, &v, None, None, DType::F32, false).unwrap()));
        group.bench_function("plain", |b| b.iter(|| plain(black_box(&q), &k, &v).unwrap()));
        group.finish();
    }
}

fn plain(q: &Tensor, k: &Tensor, v: &Tensor) -> candle_core::Result<Tensor> {
    let scores = (q.matmul(&k.t()?)? / (q.dim(D::Minus1)? as f64).sqrt())?;
    candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(v)
}
