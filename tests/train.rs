//! Training: it learns, and being stopped changes nothing.

use std::{fs, ops::ControlFlow, path::Path};

use candle_core::{DType, Device};
use perceiverflow::{
    checkpoint::Checkpoint,
    compute::Format,
    perceiver::{FlowConfig, PerceiverConfig},
    scene::TextureLibrary,
    train::{FlowTask, FlowTrainer, Training},
};

fn task() -> FlowTask {
    let optical_flow = FlowConfig {
        patch: 4,
        out_channels: 22,
        num_bands: 2,
        use_query_residual: true,
        rescale_factor: 1.0,
        pixels_per_unit: 4.0,
        ..Default::default()
    };
    let config = PerceiverConfig {
        architectures: vec!["PerceiverForOpticalFlow".into()],
        num_latents: 4,
        d_latents: 16,
        num_self_attends_per_block: 1,
        num_self_attention_heads: 2,
        num_cross_attention_heads: 1,
        initializer_range: 0.05,
        train_size: [16, 24],
        optical_flow,
        ..Default::default()
    };
    FlowTask { config, library: TextureLibrary::procedural() }
}

fn training(folder: &Path, steps: u64, every: u64) -> Training {
    Training { batch: 4, threads: 2, rate: 3e-3, every, seed: 7, ..Training::new(folder, steps) }
}

#[test]
fn a_training_that_was_stopped_ends_as_one_that_was_not() {
    let (whole, parted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    FlowTrainer::new(task(), training(whole.path(), 6, 2), Device::Cpu)
        .unwrap()
        .run(|_, _, _| ControlFlow::Continue(()))
        .unwrap();
    // Stopped after step 5: what was saved last is step 4.
    let stop = |step, _, _: Option<&_>| if step == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    FlowTrainer::new(task(), training(parted.path(), 6, 2), Device::Cpu).unwrap().run(stop).unwrap();
    let mut resumed = FlowTrainer::new(task(), training(parted.path(), 6, 2), Device::Cpu).unwrap();
    assert_eq!(resumed.step(), 4);
    resumed.run(|_, _, _| ControlFlow::Continue(())).unwrap();

    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(weights(whole.path()), weights(parted.path()));
    let losses = |folder: &Path| -> Vec<String> {
        let text = fs::read_to_string(folder.join("curve.csv")).unwrap();
        // Without the seconds, which are the machine's.
        text.lines()
            .map(|line| line.split(',').enumerate().filter(|(at, _)| *at != 1).map(|(_, field)| field).collect())
            .collect()
    };
    assert_eq!(losses(whole.path()), losses(parted.path()));
    assert!(whole.path().join("curve.png").exists());
    Checkpoint::open(whole.path().to_str().unwrap()).unwrap();
}

/// The mean losses of the first and of the last half of 80 steps.
fn halves(mixed: bool) -> [f64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let mut losses = Vec::new();
    let training = Training { mixed, ..training(folder.path(), 80, 40) };
    let mut trainer = FlowTrainer::new(task(), training, Device::Cpu).unwrap();
    trainer
        .run(|_, _, row| {
            losses.extend(row.map(|row| row.loss));
            ControlFlow::Continue(())
        })
        .unwrap();
    losses.try_into().unwrap()
}

#[test]
fn the_loss_falls() {
    let [first, last] = halves(false);
    assert!(last < first, "{first} {last}");
}

#[test]
fn it_falls_as_far_with_products_in_bfloat16() {
    if Format::of(DType::BF16).is_none() {
        println!("skipped: this processor has no bfloat16 products");
        return;
    }
    let ([_, plain], [first, last]) = (halves(false), halves(true));
    assert!(last < first && (last / plain - 1.0).abs() < 0.1, "{first} {last}, in float32 {plain}");
}

#[test]
fn a_state_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    FlowTrainer::new(task(), training(folder.path(), 1, 1), Device::Cpu)
        .unwrap()
        .run(|_, _, _| ControlFlow::Continue(()))
        .unwrap();
    let mut other = task();
    other.config.d_latents = 32;
    let message = FlowTrainer::new(other, training(folder.path(), 2, 1), Device::Cpu).unwrap_err().to_string();
    assert!(message.contains("perceiver."), "{message}");
}
