//! Windows of 8-bit frames and sound through the multimodal task and its worker, against Hugging Face's model on the same windows.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use candle_core::{DType, Device, Tensor};
use perceiverflow::{
    Error,
    compute::{DeviceChoice, Precision, Threads},
    engine::{MultimodalWorker, WorkerOptions},
    media::{Clip, Picture},
    tasks::{Autoencode, ClipInputs, Framing, Head, Region, VideoQueries},
};

const WINDOWS: usize = 4;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn task() -> Autoencode {
    let folder = fixtures().join("models/multimodal_autoencoding");
    Autoencode::open(folder.to_str().unwrap(), DeviceChoice::Cpu, Precision::F32).unwrap()
}

struct Recorded(HashMap<String, Tensor>);

impl Recorded {
    fn open() -> Self {
        Self(candle_core::safetensors::load(fixtures().join("clip/clip.safetensors"), &Device::Cpu).unwrap())
    }

    fn window(&self, name: &str, window: usize) -> Vec<f32> {
        self.0[name].get(window).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The recorded stream in windows of the model's shape.
    fn inputs(&self, task: &Autoencode) -> Vec<ClipInputs> {
        let frames = self.0["in.frames"].to_dtype(DType::U8).unwrap();
        let samples: Vec<f32> = self.0["in.samples"].to_vec1().unwrap();
        let preprocessor = task.preprocessor(Framing::Crop);
        let shape = preprocessor.shape();
        let picture = |frame: usize| {
            let rgb = frames.get(frame).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            Some(Arc::new(Picture::new(preprocessor.side(), preprocessor.side(), rgb).unwrap()))
        };
        let clip = |window: usize| Clip {
            pictures: (window * shape.frames..(window + 1) * shape.frames).map(picture).collect(),
            samples: samples[window * shape.samples()..(window + 1) * shape.samples()].to_vec(),
            missing_samples: 0,
            time: shape.time_of((window * shape.samples()) as u64),
            duration: shape.duration(),
            index: window as u64,
        };
        (0..WINDOWS).map(|window| preprocessor.preprocess(&clip(window)).unwrap()).collect()
    }
}

fn assert_close(given: &[f32], expected: &[f32], what: &str) {
    assert_eq!(given.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let error = given.iter().zip(expected).fold(0f32, |error, (a, b)| error.max((a - b).abs())) / largest;
    assert!(error <= 2e-5, "{what}: relative error {error:.1e}");
}

#[test]
fn windows_come_out_of_three_heads_as_the_reference_has_them() {
    let (task, recorded) = (task(), Recorded::open());
    let inputs = recorded.inputs(&task);
    let latents = task.encode(&inputs.iter().collect::<Vec<_>>()).unwrap();
    let latents: Vec<_> = latents.iter().collect();
    let heads = [(Head::Video(VideoQueries::default()), "out.image"), (Head::Audio, "out.audio"), (Head::Labels, "out.label")];
    for (head, name) in heads {
        for (window, values) in task.decode(&latents, head).unwrap().iter().enumerate() {
            assert_close(values, &recorded.window(name, window), &format!("{name} of window {window}"));
        }
    }
}

#[test]
fn a_region_with_a_stride_is_cut_from_the_whole() {
    let (task, recorded) = (task(), Recorded::open());
    let latents = task.encode(&[&recorded.inputs(&task)[0]]).unwrap();
    let queries = VideoQueries { stride: 2, region: Some(Region { x: 3, y: 1, width: 5, height: 4 }) };
    let values = task.decode(&[&latents[0]], Head::Video(queries)).unwrap().remove(0);
    let whole = recorded.window("out.image", 0);
    let mut expected = Vec::new();
    for (t, y, x) in (0..2).flat_map(|t| [1, 3].map(|y| (t, y))).flat_map(|(t, y)| [3, 5, 7].map(|x| (t, y, x))) {
        let at = ((t * 8 + y) * 8 + x) * 3;
        expected.extend_from_slice(&whole[at..at + 3]);
    }
    assert_close(&values, &expected, "region");
    let pictures = task.pictures(&values, queries).unwrap();
    assert_eq!(pictures.iter().map(|picture| (picture.width(), picture.height())).collect::<Vec<_>>(), [(3, 2); 2]);
}

#[test]
fn kept_latents_answer_as_fresh_ones() {
    let (task, recorded) = (task(), Recorded::open());
    let latents = task.encode(&[&recorded.inputs(&task)[2]]).unwrap().remove(0);
    let kept = task.latents(latents.to_vec().unwrap()).unwrap();
    let scores = |latents| task.decode(&[latents], Head::Labels).unwrap().remove(0);
    assert_eq!(scores(&kept), scores(&latents));
    let labels = task.labels(&scores(&kept));
    let sum: f32 = labels.as_slice().iter().map(|label| label.confidence).sum();
    assert!((sum - 1.0).abs() < 1e-6 && labels.as_slice()[0].name.starts_with("LABEL_"), "{labels:?}");
    assert!(matches!(task.latents(vec![0.0; 5]), Err(Error::Tensor { .. })));
}

#[test]
fn questions_of_several_kinds_share_a_batch() {
    let (task, recorded) = (Arc::new(task()), Recorded::open());
    let inputs: Vec<Arc<ClipInputs>> = recorded.inputs(&task).into_iter().map(Arc::new).collect();
    let latents = task.encode(&[&inputs[0]]).unwrap().remove(0);
    let options = WorkerOptions {
        name: "test".into(),
        capacity: 8,
        batch_size: 5,
        batch_timeout: Duration::from_secs(20),
        threads: Threads::beside_others().unwrap(),
    };
    let worker = MultimodalWorker::spawn(task.clone(), &options).unwrap();
    let labels = worker.decode(latents.clone(), Head::Labels).unwrap();
    let windows: Vec<_> = inputs[1..].iter().map(|window| worker.encode(window.clone()).unwrap()).collect();
    let sound = worker.decode(latents, Head::Audio).unwrap();
    assert_close(&labels.wait().unwrap().values().unwrap(), &recorded.window("out.label", 0), "labels");
    assert_close(&sound.wait().unwrap().values().unwrap(), &recorded.window("out.audio", 0), "sound");
    for (window, ticket) in windows.into_iter().enumerate() {
        let latents = ticket.wait().unwrap().latents().unwrap();
        let scores = task.decode(&[&latents], Head::Labels).unwrap().remove(0);
        assert_close(&scores, &recorded.window("out.label", window + 1), "labels of a batch");
    }
    assert_eq!((worker.stats().windows_out, worker.stats().calls), (5, 1));
}
