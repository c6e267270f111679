//! The encoder's cross-attention at growing numbers of inputs, with the published vision model's latents and Fourier positions: its cost is
//! linear in the inputs, folded and plain.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use perceiverflow::perceiver::{
    Block, Folding, FourierOptions, FourierPositions, Inputs, Join, Keep, PerceiverConfig, Positions, models::PerceiverModel,
};

use crate::random::{tensor, weights};

criterion_group!(benches, encoder);

fn encoder(criterion: &mut Criterion) {
    let config = PerceiverConfig {
        num_latents: 512,
        d_latents: 1024,
        num_self_attends_per_block: 0,
        num_cross_attention_heads: 1,
        ..Default::default()
    };
    let bands = FourierOptions { num_bands: 64, max_resolution: vec![224, 224], concat_pos: true, sine_only: false };
    let positions = FourierPositions::new(bands).expect("bands and axes are there");
    let [folded, plain] = [Folding::Auto, Folding::Off].map(|folding| {
        PerceiverModel::behind(&config, 3 + positions.channels(), &weights().with_folding(folding)).expect("the shapes fit")
    });
    let mut group = criterion.benchmark_group("encoder by inputs");
    group.sample_size(10);
    for side in [14, 28, 56, 112, 160, 224] {
        let grid = positions.grid(&[side, side]).expect("two axes");
        let positions = Some((Positions::Fourier(grid), Join::Concat));
        let inputs = Inputs::single(Block { positions, ..Block::bare(tensor(&[1, side * side, 3])) });
        group.throughput(Throughput::Elements((side * side) as u64));
        for (name, model) in [("folded", &folded), ("plain", &plain)] {
            group.bench_with_input(BenchmarkId::new(name, side * side), &inputs, |b, inputs| {
                b.iter(|| model.encode(inputs, Keep::default()).unwrap());
            });
        }
    }
    group.finish();
}
