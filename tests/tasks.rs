//! A checkpoint opens as what it was made for.

use std::path::Path;

use perceiverflow::{
    Result,
    compute::{DeviceChoice, Precision},
    tasks::Task,
};

fn open(fixture: &str) -> Result<Task> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(fixture);
    Task::open(folder.to_str().unwrap(), DeviceChoice::Cpu, Precision::F32)
}

#[test]
fn every_head_has_its_task() {
    assert!(matches!(open("optical_flow").unwrap(), Task::OpticalFlow(_)));
    assert!(matches!(open("multimodal_autoencoding").unwrap(), Task::Autoencode(_)));
    for image in ["learned", "fourier", "conv"] {
        assert!(matches!(open(&format!("image_classification_{image}")).unwrap(), Task::ClassifyImage(_)));
    }
    assert!(matches!(open("sequence_classification").unwrap(), Task::ClassifyText(_)));
    assert!(matches!(open("masked_lm").unwrap(), Task::FillMask(_)));
    let built_in = Task::open("builtin:flow", DeviceChoice::Cpu, Precision::Bf16).unwrap();
    assert!(matches!(built_in, Task::OpticalFlow(_)));
}

#[test]
fn a_model_without_a_head_is_refused_by_name() {
    let message = open("bare").unwrap_err().to_string();
    assert!(message.contains("PerceiverModel") && message.contains("an architecture with a head"), "{message}");
}
