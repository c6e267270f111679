//! A frame pair end to end, pictures in and flow out: tiles at the picture's own scale beside one tile for all of it.

use criterion::{Criterion, criterion_group};
use perceiverflow::{
    compute::{DeviceChoice, Precision},
    scene::demo_scene,
    tasks::{OpticalFlow, Tiling},
};

criterion_group!(benches, pair);

fn pair(criterion: &mut Criterion) {
    let task = OpticalFlow::open("builtin:flow", DeviceChoice::Cpu, Precision::F32).expect("the model is built in");
    for (width, height) in [(320, 240), (640, 480)] {
        let scene = demo_scene(width, height);
        let (first, second) = (scene.picture(0.0), scene.picture(1.0));
        let mut group = criterion.benchmark_group(format!("frame pair {width}x{height}"));
        group.sample_size(10);
        for (name, tiling) in [("native tiles", Tiling::default()), ("fit to one tile", Tiling::Fit)] {
            group.bench_function(name, |b| b.iter(|| task.estimate(&[(&first, &second)], tiling).unwrap()));
        }
        group.finish();
    }
}
