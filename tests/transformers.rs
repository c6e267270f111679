//! What training saves is what Hugging Face's transformers load: the same names, shapes and answers.
//!
//! Skipped, and says so, where the interpreter that the variable `PYTHON` names (else `python3`) has no transformers.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use candle_core::{DType, Device, Tensor};
use perceiverflow::{
    checkpoint::Checkpoint,
    perceiver::{Folding, Keep, PerceiverConfig, models::MultimodalInputs},
    scene::TextureLibrary,
    tasks::Model,
    train::{ClassifierStart, ClassifyTask, Example, Examples, FlowTask, LabelledFiles, Task, Trainer, Training},
};
use serde_json::Value;

/// Loads a folder as its first architecture, and answers numbers that both sides know.
const LOAD: &str = r#"
import json, sys
import torch, transformers

def numbers(*shape):
    return torch.sin(torch.arange(torch.tensor(shape).prod(), dtype=torch.float32)).reshape(shape)

folder, shapes = sys.argv[1], json.loads(sys.argv[2])
config = transformers.AutoConfig.from_pretrained(folder)
architecture = getattr(transformers, config.architectures[0])
try:
    model, info = architecture.from_pretrained(folder, output_loading_info=True)
except RuntimeError as error:
    print(json.dumps({"refused": str(error)}))
    sys.exit()
model.eval()
inputs = {name: numbers(*shape) for name, shape in shapes.items()}
with torch.no_grad():
    if "label" in inputs:
        points = {"image": torch.arange(4), "audio": torch.arange(1), "label": None}
        logits = model(inputs=inputs, subsampled_output_points=points).logits["label"]
    else:
        logits = model(inputs=inputs["inputs"]).logits
print(json.dumps({
    "labels": [config.id2label[number] for number in range(config.num_labels)],
    "missing": [name for name in info["missing_keys"] if not name.endswith("num_batches_tracked")],
    "unexpected": list(info["unexpected_keys"]),
    "mismatched": [str(key) for key in info["mismatched_keys"]],
    "logits": logits.flatten().tolist(),
}))
"#;

/// An interpreter with transformers, if there is one.
fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import torch, transformers"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    println!("skipped: {python} has no transformers; the variable PYTHON names another interpreter");
    None
}

/// What transformers say of a folder.
fn loaded(python: &str, folder: &Path, shapes: &Value) -> Value {
    let output = Command::new(python).args(["-c", LOAD]).arg(folder).arg(shapes.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fixture(name: &str) -> Checkpoint {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name);
    Checkpoint::open(path.to_str().unwrap()).unwrap()
}

fn train(task: impl Task, folder: &Path) {
    let training = Training { batch: 2, every: 2, seed: 7, ..Training::new(folder, 2) };
    Trainer::new(task, training, Device::Cpu).unwrap().run(|_, _, _| ControlFlow::Continue(())).unwrap();
}

/// A classifier of noises, begun from a model.
fn classifier(start: ClassifierStart, shape: Vec<usize>, samples: usize) -> ClassifyTask {
    let files = (0..4).map(|number| (PathBuf::from(number.to_string()), number % 2)).collect();
    let (training, validation) = LabelledFiles { classes: vec!["cat".into(), "dog".into()], files }.split(0.5, 1).unwrap();
    let read = move |path: &Path| {
        let number: f32 = path.to_str().unwrap().parse().unwrap();
        let image = (0..shape.iter().product()).map(|at: usize| (at as f32 * number).sin()).collect();
        Ok(vec![Example { image, shape: shape.clone(), audio: vec![number / 10.0; samples] }])
    };
    let [training, validation] = [training, validation].map(|files| Examples::new(files, 0, Arc::new(read.clone())));
    ClassifyTask::new(start, training, validation, 1).unwrap()
}

/// As Python's.
fn numbers(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    Tensor::arange(0, count, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap().sin().unwrap().reshape(shape).unwrap()
}

fn open(folder: &Path) -> Model {
    let checkpoint = Checkpoint::open(folder.to_str().unwrap()).unwrap().with_folding(Folding::Off);
    Model::build(&checkpoint, &Device::Cpu, perceiverflow::compute::Precision::F32).unwrap()
}

/// Nothing is missing, surplus or of another shape, and the answer is ours.
fn assert_same(said: &Value, ours: &Tensor) {
    for kind in ["missing", "unexpected", "mismatched"] {
        assert_eq!(said[kind], serde_json::json!([]), "{kind}");
    }
    let ours: Vec<f32> = ours.flatten_all().unwrap().to_vec1().unwrap();
    let theirs: Vec<f64> = said["logits"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(theirs.len(), ours.len());
    let apart = ours.iter().zip(&theirs).map(|(ours, theirs)| (f64::from(*ours) - theirs).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-4, "{apart}");
}

#[test]
fn a_clip_classifier_from_a_published_layout() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let task = classifier(ClassifierStart::From(fixture("multimodal_autoencoding")), vec![2, 3, 8, 8], 64);
    train(task, folder.path());
    let shapes = serde_json::json!({"image": [1, 2, 3, 8, 8], "audio": [1, 64, 1], "label": [1, 2]});
    let said = loaded(&python, folder.path(), &shapes);
    assert_eq!(said["labels"], serde_json::json!(["cat", "dog"]));
    let Model::MultimodalAutoencoding(model) = open(folder.path()) else { panic!("another architecture") };
    let (image, audio) = (numbers(&[1, 2, 3, 8, 8]), numbers(&[1, 64, 1]));
    let inputs = MultimodalInputs { image: &image, audio: &audio, label: None };
    let points = [("image".into(), vec![]), ("audio".into(), vec![]), ("label".into(), vec![0])].into();
    assert_same(&said, &model.forward(inputs, &points, Keep::default()).unwrap().logits["label"]);
}

#[test]
fn a_picture_classifier_from_a_published_layout() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let task = classifier(ClassifierStart::From(fixture("image_classification_conv")), vec![3, 224, 224], 0);
    train(task, folder.path());
    let said = loaded(&python, folder.path(), &serde_json::json!({"inputs": [1, 3, 224, 224]}));
    assert_eq!(said["labels"], serde_json::json!(["cat", "dog"]));
    let Model::ImageClassification(model) = open(folder.path()) else { panic!("another architecture") };
    assert_same(&said, &model.forward(&numbers(&[1, 3, 224, 224]), Keep::default()).unwrap().logits);
}

#[test]
fn an_optical_flow_model_of_the_published_layout() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = PerceiverConfig { train_size: [16, 24], ..fixture("optical_flow").config().clone() };
    train(FlowTask { config, library: TextureLibrary::procedural() }, folder.path());
    let said = loaded(&python, folder.path(), &serde_json::json!({"inputs": [1, 2, 27, 16, 24]}));
    let Model::OpticalFlow(model) = open(folder.path()) else { panic!("another architecture") };
    assert_same(&said, &model.forward(&numbers(&[1, 2, 27, 16, 24]), Keep::default()).unwrap().logits);
}

/// Sizes that the published code fixes cannot be told to transformers: they say so and build nothing wrong.
#[test]
fn a_model_of_our_own_sizes_is_refused_by_transformers() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut config = fixture("multimodal_autoencoding").config().clone();
    config.multimodal.audio_num_bands = 4;
    train(classifier(ClassifierStart::Fresh(config), vec![2, 3, 8, 8], 64), folder.path());
    let said = loaded(&python, folder.path(), &serde_json::json!({}));
    assert!(said["refused"].as_str().unwrap().contains("size mismatch"), "{said}");
}
