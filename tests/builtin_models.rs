//! The models that ship inside the crate: they open, they are small, and they have learned.

use std::path::{Path, PathBuf};

use perceiverflow::{
    builtin,
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    formats::read_flow,
    media::{FlowField, Picture},
    scene::demo_scene,
    tasks::{FlowError, OpticalFlow, Tiling},
};

/// Share of the error of no motion at all that the flow model may be left with.
const LEARNED: f64 = 0.3;

fn flow(precision: Precision) -> OpticalFlow {
    OpticalFlow::open("builtin:flow", DeviceChoice::Cpu, precision).unwrap()
}

/// The model's endpoint error as a share of that of no motion.
fn share(task: &OpticalFlow, first: &Picture, second: &Picture, truth: &FlowField) -> f64 {
    let estimate = task.estimate(&[(first, second)], Tiling::default()).unwrap().remove(0);
    let still = FlowField::from_fn(truth.width(), truth.height(), |_, _| [0.0; 2]);
    let error = |field: &FlowField| FlowError::between(field, truth, None).unwrap().epe;
    error(&estimate) / error(&still)
}

#[test]
fn every_model_opens_and_has_a_card() {
    for model in builtin::MODELS {
        let checkpoint = Checkpoint::open(&format!("builtin:{}", model.name)).unwrap();
        assert_eq!(checkpoint.hash().len(), 64);
        assert!(model.weights.len() <= 6_000_000, "{} has {} bytes", model.name, model.weights.len());
        assert!(model.card.starts_with(&format!("# builtin:{}", model.name)));
    }
}

#[test]
fn an_unknown_model_is_refused_with_those_there_are() {
    let message = Checkpoint::open("builtin:nothing").unwrap_err().to_string();
    assert!(message.contains("builtin:flow"), "{message}");
}

#[test]
#[cfg(feature = "train")]
fn av_knows_what_is_wrong_with_windows_it_has_not_seen() {
    use perceiverflow::{
        scene::faults::{FaultyWindows, Material},
        tasks::{Autoencode, Framing},
        train::{AvScores, LabelScore},
    };
    let model = Autoencode::open("builtin:av", DeviceChoice::Cpu, Precision::F32).unwrap();
    let preprocessor = model.preprocessor(Framing::default());
    let windows = FaultyWindows::new(Material::default(), preprocessor.shape(), preprocessor.side(), 77);
    let scores = AvScores::measure(&model, &windows, 0..160, 16).unwrap();
    let f1 = |label: &perceiverflow::train::JudgedLabel| LabelScore::at(model.thresholds()[&*label.name], &label.windows).f1;
    // Nobody speaks in a sound of formulas.
    let labels = || scores.labels.iter().filter(|label| &*label.name != "speech");
    for label in labels() {
        let least = match &*label.name {
            "black" | "freeze" | "colour-bars" | "snow" | "flash" | "fade" => 0.9,
            "silence" | "tone" | "hiss" | "hum" | "clipping" | "dropout" => 0.9,
            _ => 0.4,
        };
        assert!(f1(label) >= least, "{}: {}", label.name, f1(label));
    }
    let mean = labels().map(f1).sum::<f64>() / labels().count() as f64;
    assert!(mean >= 0.88, "mean F1 {mean}");
}

#[test]
fn flow_follows_our_own_scene() {
    let (task, scene) = (flow(Precision::F32), demo_scene(320, 240));
    for time in [0.0, 40.0] {
        let truth = scene.flow(time, time + 1.0).0;
        let share = share(&task, &scene.picture(time), &scene.picture(time + 1.0), &truth);
        assert!(share <= LEARNED, "at {time}: {share:.3} of the error of no motion");
    }
}

#[test]
fn flow_in_bfloat16_is_as_near_to_the_truth() {
    let scene = demo_scene(320, 240);
    let (first, second, truth) = (scene.picture(40.0), scene.picture(41.0), scene.flow(40.0, 41.0).0);
    let [exact, rounded] = [Precision::F32, Precision::Bf16].map(|precision| share(&flow(precision), &first, &second, &truth));
    assert!(exact != rounded, "the precision made no difference at all");
    assert!((rounded / exact - 1.0).abs() < 0.01, "{exact:.4} in float32, {rounded:.4} in bfloat16");
}

#[test]
fn flow_follows_real_pairs() {
    let Some(media) = std::env::var_os("PERCEIVERFLOW_TEST_MEDIA").map(PathBuf::from) else {
        eprintln!("skipped: PERCEIVERFLOW_TEST_MEDIA does not name a folder with flow pairs");
        return;
    };
    let task = flow(Precision::F32);
    for name in ["flow/rubberwhale", "flow/sintel-alley1", "flow-synth/panda", "flow-synth/coffee"] {
        let file = |ending: &str| -> PathBuf { Path::new(&media).join(format!("{name}{ending}")) };
        let (first, second) = (Picture::open(file("_1.png")).unwrap(), Picture::open(file("_2.png")).unwrap());
        let share = share(&task, &first, &second, &read_flow(file(".flo")).unwrap());
        assert!(share <= LEARNED, "{name}: {share:.3} of the error of no motion");
    }
}
