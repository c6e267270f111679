//! Training of classifiers: they learn, a stop changes nothing, and a model that was trained for something else keeps what it knows.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{DType, Device, Tensor};
use perceiverflow::{
    Result,
    checkpoint::{self, Checkpoint},
    compute::{DeviceChoice, Precision},
    perceiver::{MultimodalConfig, PerceiverConfig, models::PerceiverForMultimodalAutoencoding},
    tasks::{Autoencode, Framing, Head},
    train::{ClassifierStart, ClassifyTask, ClassifyTrainer, CurvePoint, Example, Examples, LabelledFiles, Training, Variables},
};

const CLASSES: [&str; 2] = ["bright", "dark"];

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> std::collections::BTreeMap<String, String> {
    names.into_iter().enumerate().map(|(number, name)| (number.to_string(), name.to_owned())).collect()
}

/// Windows are 2 frames of 8 × 8 and 32 samples; a token of sound has 21 channels, one of the video 63.
fn config() -> PerceiverConfig {
    PerceiverConfig {
        architectures: vec!["PerceiverForMultimodalAutoencoding".into()],
        num_latents: 4,
        d_latents: 16,
        num_self_attends_per_block: 1,
        num_self_attention_heads: 2,
        num_cross_attention_heads: 1,
        initializer_range: 0.1,
        image_size: 2,
        num_frames: 2,
        audio_samples_per_frame: 16,
        samples_per_patch: 16,
        output_shape: vec![1, 2, 8, 8],
        output_num_channels: 8,
        label_trainable_num_channels: 8,
        multimodal: MultimodalConfig { patch: 4, audio_num_bands: 2, image_num_bands: 2, sample_rate: 400, ..Default::default() },
        ..Default::default()
    }
}

/// A file whose name has an even number is bright, another dark; its two windows differ a little.
fn windows(path: &Path) -> Result<Vec<Example>> {
    let number: usize = path.to_str().unwrap().parse().unwrap();
    let level = |window: usize| if number.is_multiple_of(2) { 0.7 } else { 0.3 } + 0.02 * (number + window) as f32 / 10.0;
    let example = |window| Example { image: vec![level(window); 2 * 3 * 64], shape: vec![2, 3, 8, 8], audio: vec![0.1; 32] };
    Ok(vec![example(0), example(1)])
}

fn task(start: ClassifierStart) -> Result<ClassifyTask> {
    let files = (0..10).map(|number| (PathBuf::from(number.to_string()), number % 2)).collect();
    let (training, validation) = LabelledFiles { classes: CLASSES.map(String::from).into(), files }.split(0.2, 1).unwrap();
    let [training, validation] = [training, validation].map(|files| Examples::new(files, 10_000, Arc::new(windows)));
    ClassifyTask::new(start, training, validation, 2)
}

fn training(folder: &Path, steps: u64) -> Training {
    Training { batch: 4, threads: 2, rate: 3e-3, every: 10, seed: 7, ..Training::new(folder, steps) }
}

fn trainer(task: ClassifyTask, folder: &Path, steps: u64) -> Result<ClassifyTrainer> {
    ClassifyTrainer::new(task, training(folder, steps), Device::Cpu)
}

fn fresh(folder: &Path, steps: u64) -> ClassifyTrainer {
    trainer(task(ClassifierStart::Fresh(config())).unwrap(), folder, steps).unwrap()
}

/// A model with random weights and these classes.
fn saved<'a>(folder: &Path, classes: impl IntoIterator<Item = &'a str>) -> Checkpoint {
    let config = PerceiverConfig { id2label: Some(names(classes)), ..config() };
    let variables = Variables::new(3, &Device::Cpu);
    PerceiverForMultimodalAutoencoding::new(&config, &variables.weights(0.1)).unwrap();
    checkpoint::save(folder, &config, &variables.tensors(), DType::F32).unwrap();
    open(folder)
}

fn open(folder: &Path) -> Checkpoint {
    Checkpoint::open(folder.to_str().unwrap()).unwrap()
}

fn to_end(_: u64, _: f64, _: Option<&CurvePoint>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn it_learns_and_a_stop_changes_nothing() {
    let (whole, parted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut rows = Vec::new();
    let keep = |_, _, row: Option<&CurvePoint>| {
        rows.extend(row.copied());
        ControlFlow::Continue(())
    };
    fresh(whole.path(), 120).run(keep).unwrap();
    let last = rows.last().unwrap();
    assert!(last.validation < 0.2 && (last.zero - 2f64.ln()).abs() < 1e-4, "{rows:?}");

    let stop = |step, _, _: Option<&_>| if step == 25 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    fresh(parted.path(), 120).run(stop).unwrap();
    let mut resumed = fresh(parted.path(), 120);
    assert_eq!(resumed.step(), 20);
    resumed.run(to_end).unwrap();
    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(weights(whole.path()), weights(parted.path()));

    let model = Autoencode::open(whole.path().to_str().unwrap(), DeviceChoice::Cpu, Precision::default()).unwrap();
    for (level, expected) in [(0.72, "bright"), (0.32, "dark")] {
        let window = model.preprocessor(Framing::Crop).inputs(vec![level; 2 * 3 * 64], vec![0.1; 32]).unwrap();
        let latents = model.encode(&[&window]).unwrap().remove(0);
        let labels = model.labels(&model.decode(&[&latents], Head::Labels).unwrap()[0]);
        assert!(&*labels.as_slice()[0].name == expected && labels.as_slice()[0].confidence > 0.7, "{labels:?}");
    }
}

/// At a rate that is far too high the validation goes up and down: the model of a row that is worse than one before is not saved.
#[test]
fn the_model_with_the_lowest_validation_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut saved: Vec<(f64, Vec<u8>)> = Vec::new();
    let path = folder.path().join("model.safetensors");
    let training = Training { rate: 0.3, every: 2, ..training(folder.path(), 40) };
    let mut trainer = ClassifyTrainer::new(task(ClassifierStart::Fresh(config())).unwrap(), training, Device::Cpu).unwrap();
    let keep = |_, _, row: Option<&CurvePoint>| {
        saved.extend(row.map(|row| (row.validation, fs::read(&path).unwrap())));
        ControlFlow::Continue(())
    };
    trainer.run(keep).unwrap();
    let mut lowest = f64::INFINITY;
    let mut kept = 0;
    for (at, (validation, weights)) in saved.iter().enumerate() {
        let is_kept = at > 0 && *weights == saved[at - 1].1;
        assert_eq!(is_kept, *validation > lowest, "row {at}");
        (lowest, kept) = (lowest.min(*validation), kept + usize::from(is_kept));
    }
    assert!(kept > 0);
}

#[test]
fn a_model_of_other_classes_keeps_what_it_knows() {
    let (first, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = saved(first.path(), ["rain", "wind", "birds"]);
    trainer(task(ClassifierStart::From(from)).unwrap(), out.path(), 0).unwrap().run(to_end).unwrap();
    let (before, after) = (open(first.path()), open(out.path()));
    assert_eq!(after.config().label_names(), CLASSES);
    let tensor = |checkpoint: &Checkpoint, name: &str| -> Vec<f32> {
        checkpoint.tensor(name, &Device::Cpu).unwrap().unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let key = "perceiver.encoder.cross_attention.attention.self.key.weight";
    assert_eq!(tensor(&before, key), tensor(&after, key));
    let head = "perceiver.output_postprocessor.modalities.label.classifier.weight";
    let rows = tensor(&after, head);
    assert!(rows.len() == 2 * 8 && tensor(&before, head)[..16] != rows[..], "the head is new");
    assert!(after.build(&Device::Cpu, Precision::F32, PerceiverForMultimodalAutoencoding::new).is_ok());

    // Its own classes again: the head goes on.
    let again = tempfile::tempdir().unwrap();
    trainer(task(ClassifierStart::From(open(out.path()))).unwrap(), again.path(), 0).unwrap().run(to_end).unwrap();
    assert_eq!(tensor(&open(again.path()), head), rows);
}

/// The published model's 700 classes make its label token the widest, which all tokens are padded to: with two classes none of its weights
/// would fit any more.
#[test]
fn classes_that_decide_the_width_stay_and_are_never_found() {
    let (first, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(PerceiverForMultimodalAutoencoding::media_channels(&config()).unwrap(), 63);
    let many: Vec<String> = (0..70).map(|number| format!("class {number}")).collect();
    let from = saved(first.path(), many.iter().map(String::as_str));
    trainer(task(ClassifierStart::From(from)).unwrap(), out.path(), 20).unwrap().run(to_end).unwrap();
    let model = Autoencode::open(out.path().to_str().unwrap(), DeviceChoice::Cpu, Precision::default()).unwrap();
    assert_eq!((model.label_names().len(), &*model.label_names()[1], &*model.label_names()[69]), (70, "dark", "unused 69"));
    let window = model.preprocessor(Framing::Crop).inputs(vec![0.5; 2 * 3 * 64], vec![0.1; 32]).unwrap();
    let latents = model.encode(&[&window]).unwrap().remove(0);
    let labels = model.labels(&model.decode(&[&latents], Head::Labels).unwrap()[0]);
    assert!(labels.as_slice()[2..].iter().all(|label| label.confidence < 1e-6), "{labels:?}");
}

#[test]
fn pictures_are_classified_by_an_image_classifier() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/image_classification_learned");
    let checkpoint = open(&fixture);
    let side = checkpoint.config().image_size;
    let files = (0..8).map(|number| (PathBuf::from(number.to_string()), number % 2)).collect();
    let (training, validation) = LabelledFiles { classes: CLASSES.map(String::from).into(), files }.split(0.25, 1).unwrap();
    let picture = move |path: &Path| {
        let bright = path.to_str().unwrap().parse::<usize>().unwrap().is_multiple_of(2);
        let image = vec![if bright { 1.0 } else { -1.0 }; 3 * side * side];
        Ok(vec![Example { image, shape: vec![3, side, side], audio: Vec::new() }])
    };
    let [training, validation] = [training, validation].map(|files| Examples::new(files, 0, Arc::new(picture)));
    let task = ClassifyTask::new(ClassifierStart::From(checkpoint), training, validation, 1).unwrap();
    let out = tempfile::tempdir().unwrap();
    trainer(task, out.path(), 40).unwrap().run(to_end).unwrap();
    let saved = open(out.path());
    assert_eq!(saved.config().label_names(), CLASSES);
    let model = perceiverflow::tasks::Model::build(&saved, &Device::Cpu, Precision::F32).unwrap();
    let perceiverflow::tasks::Model::ImageClassification(model) = model else { panic!("another architecture") };
    let image = Tensor::ones((1, 3, side, side), DType::F32, &Device::Cpu).unwrap();
    let logits = model.forward(&image, perceiverflow::perceiver::Keep::default()).unwrap().logits;
    let scores: Vec<Vec<f32>> = logits.to_vec2().unwrap();
    assert!(scores[0].len() == 2 && scores[0][0] > scores[0][1], "{scores:?}");
}

#[test]
fn what_cannot_become_a_classifier_is_named() {
    let flow = task(ClassifierStart::From(Checkpoint::open("builtin:flow").unwrap())).unwrap_err().to_string();
    assert!(flow.contains("PerceiverForOpticalFlow") && flow.contains("Multimodal"), "{flow}");
    let folder = tempfile::tempdir().unwrap();
    let lacking = saved(folder.path(), ["rain", "wind"]);
    let mut config = lacking.config().clone();
    config.num_self_attends_per_block = 2;
    drop(lacking);
    fs::write(folder.path().join("config.json"), serde_json::to_string(&config).unwrap()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let message = trainer(task(ClassifierStart::From(open(folder.path()))).unwrap(), out.path(), 1).unwrap_err().to_string();
    assert!(message.contains("self_attends.1.") && message.contains("missing"), "{message}");
}
