//! The multimodal model that elements share, with the worker that runs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use perceiverflow::{
    Result,
    engine::{Answer, Question, WorkerOptions},
    tasks::{Autoencode, ClipInputs, ClipPreprocessor, Framing, Head, VideoQueries},
};

use crate::models::{self, Key, ModelWorker, Registry, SharedModel};

static MODELS: Registry<MultimodalModel> = Registry::new();

/// Pixels of a video that are asked for to learn how long a head takes.
const SAMPLED: usize = 4096;

/// A loaded multimodal model.
#[derive(Debug)]
pub(crate) struct MultimodalModel {
    key: Key,
    task: Arc<Autoencode>,
    hash: Arc<str>,
    encoding: Duration,
    worker: ModelWorker<Self>,
}

impl SharedModel for MultimodalModel {
    type Question = Question;
    type Answer = Answer;
    const FORM: &'static str = "shape";

    fn registry() -> &'static Registry<Self> {
        &MODELS
    }

    fn load(key: &Key, options: &WorkerOptions) -> Result<Self> {
        let task = Arc::new(Autoencode::open(&key.model, key.device, key.precision)?);
        let encoding = warm_up(&task)?;
        let hash: Arc<str> = task.hash().into();
        let model = task.clone();
        let ask = move |questions: &[&Question]| Question::answer(&model, questions);
        let worker = models::spawn::<Self>(options, hash.clone(), ask)?;
        Ok(Self { key: key.clone(), task, hash, encoding, worker })
    }

    fn key(&self) -> &Key {
        &self.key
    }

    fn worker(&self) -> &ModelWorker<Self> {
        &self.worker
    }

    /// Windows, latents, video, number of classes.
    fn form(&self) -> String {
        let task = &self.task;
        let form = (task.preprocessor(Framing::default()), task.latent_dims(), task.video_grid(), task.label_names().len());
        format!("{form:?}")
    }
}

impl MultimodalModel {
    /// The model itself, for what needs no thread: shapes, names, answers as pictures.
    pub(crate) fn task(&self) -> &Arc<Autoencode> {
        &self.task
    }

    /// SHA-256 of the model, in hexadecimal.
    pub(crate) fn hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// What encoding one window takes, by the warm-up.
    pub(crate) fn encoding(&self) -> Duration {
        self.encoding
    }

    /// What one window takes with this head, by asking it for a part; warms it up at the same time.
    ///
    /// # Errors
    /// When the head cannot be asked so: a region that does not lie within the video.
    pub(crate) fn decoding(&self, head: Head) -> Result<Duration> {
        let (sample, share) = match head {
            Head::Video(queries) => {
                let grid = self.task.video_grid();
                let (width, height) = queries.size(grid)?;
                let coarser = (1..).find(|by| grid[0] * width.div_ceil(*by) * height.div_ceil(*by) <= SAMPLED.max(grid[0]));
                let coarser = coarser.unwrap_or(1);
                let share = (width * height) as f64 / (width.div_ceil(coarser) * height.div_ceil(coarser)) as f64;
                (Head::Video(VideoQueries { stride: queries.stride * coarser, ..queries }), share)
            }
            head => (head, 1.0),
        };
        let [n, d] = self.task.latent_dims();
        let latents = self.task.latents(vec![0.0; n * d])?;
        let start = Instant::now();
        self.task.decode(&[&latents], sample)?;
        Ok(start.elapsed().mul_f64(share))
    }
}

/// Encodes a window of nothing; says how long that took.
fn warm_up(task: &Autoencode) -> Result<Duration> {
    let preprocessor = task.preprocessor(Framing::default());
    let window = silence(&preprocessor)?;
    let start = Instant::now();
    task.encode(&[&window])?;
    Ok(start.elapsed())
}

/// A black and silent window.
fn silence(preprocessor: &ClipPreprocessor) -> Result<ClipInputs> {
    let (shape, side) = (preprocessor.shape(), preprocessor.side());
    preprocessor.inputs(vec![0.0; shape.frames * 3 * side * side], vec![0.0; shape.samples()])
}
