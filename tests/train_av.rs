//! Training of a multimodal model: it learns, and what it leaves opens as a model.

use std::{fs, ops::ControlFlow, path::Path};

use candle_core::Device;
use perceiverflow::{
    compute::{DeviceChoice, Precision},
    media::Picture,
    perceiver::{MultimodalConfig, PerceiverConfig, ProblemType},
    scene::{
        ClipLibrary,
        faults::{Fault, Material},
    },
    tasks::Autoencode,
    train::{AvTask, AvTrainer, CurvePoint, Task, Training},
};

fn config() -> PerceiverConfig {
    let names = Fault::ALL.iter().enumerate().map(|(number, fault)| (number.to_string(), fault.to_string()));
    PerceiverConfig {
        architectures: vec!["PerceiverForMultimodalAutoencoding".into()],
        num_latents: 4,
        d_latents: 16,
        num_self_attends_per_block: 1,
        num_self_attention_heads: 2,
        num_cross_attention_heads: 1,
        initializer_range: 0.05,
        image_size: 3,
        num_frames: 4,
        audio_samples_per_frame: 64,
        samples_per_patch: 32,
        output_shape: vec![1, 4, 12, 12],
        output_num_channels: 16,
        label_trainable_num_channels: 16,
        id2label: Some(names.collect()),
        problem_type: Some(ProblemType::MultiLabelClassification),
        multimodal: MultimodalConfig { patch: 4, audio_num_bands: 2, image_num_bands: 2, sample_rate: 800, ..Default::default() },
        ..Default::default()
    }
}

fn trainer(folder: &Path, steps: u64) -> AvTrainer {
    let task = AvTask::new(config(), Material::default()).unwrap();
    let training = Training { batch: 4, threads: 2, rate: 3e-3, every: 20, seed: 7, ..Training::new(folder, steps) };
    AvTrainer::new(task, training, Device::Cpu).unwrap()
}

#[test]
fn it_learns_and_a_stop_changes_nothing() {
    let (whole, parted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut rows = Vec::new();
    let keep = |_, _, row: Option<&CurvePoint>| {
        rows.extend(row.copied());
        ControlFlow::Continue(())
    };
    trainer(whole.path(), 60).run(keep).unwrap();
    assert!(rows[2].loss < rows[0].loss, "{rows:?}");

    let stop = |step, _, _: Option<&_>| if step == 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    trainer(parted.path(), 60).run(stop).unwrap();
    let mut resumed = trainer(parted.path(), 60);
    assert_eq!(resumed.step(), 40);
    resumed.run(|_, _, _| ControlFlow::Continue(())).unwrap();
    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(weights(whole.path()), weights(parted.path()));

    resumed.calibrate(40).unwrap();
    let model = Autoencode::open(parted.path().to_str().unwrap(), DeviceChoice::Cpu, Precision::default()).unwrap();
    let thresholds = model.thresholds();
    assert!(Fault::ALL.iter().all(|fault| thresholds.contains_key(fault.name())), "{thresholds:?}");
    // A score of 0 is a confidence of one half.
    let holding = model.holding(&model.labels(&[0.0; Fault::ALL.len()]));
    assert_eq!(holding.as_slice().len(), thresholds.values().filter(|&&threshold| threshold <= 0.5).count());
}

#[test]
fn classes_that_nobody_makes_are_refused() {
    let mut other = config();
    other.id2label = Some([("0".to_owned(), "juggling".to_owned())].into());
    let message = AvTask::new(other, Material::default()).unwrap_err().to_string();
    assert!(message.contains("juggling") && message.contains("colour-bars"), "{message}");
    let small = PerceiverConfig { output_shape: vec![1, 4, 6, 6], ..config() };
    assert!(AvTask::new(small, Material::default()).unwrap_err().to_string().contains("output_shape"));
}

#[test]
fn what_is_held_out_validates_and_is_not_trained_on() {
    let training = Training::new("", 1);
    let white = Picture::from_fn(12, 12, |_, _| [255; 3]);
    let clips = ClipLibrary::new(vec![vec![white; 8]], 1.0);
    let task = AvTask::new(config(), Material::default()).unwrap();
    let losses = |task: &AvTask| -> [f64; 2] {
        let validation = task.validation(&training, &Device::Cpu).unwrap();
        [&task.batch(3, 0..8, &Device::Cpu).unwrap(), &validation[0]].map(|batch| task.blind_loss(batch).unwrap())
    };
    let [trained, validated] = losses(&task);
    let [same, held_out] = losses(&task.clone().held_out(Material { clips, ..Material::default() }));
    assert_eq!(trained, same);
    // White is far from the grey of who does not look.
    assert!(held_out > validated + 1.0, "{held_out} {validated}");
}
