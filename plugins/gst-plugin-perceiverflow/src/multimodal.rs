//! The multimodal model that elements share, with the worker that runs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use perceiverflow::{
    Error, Result,
    engine::{Answer, Question, Ticket, Worker, WorkerOptions, WorkerStats},
    tasks::{Autoencode, ClipInputs, ClipPreprocessor, Framing, Head, VideoQueries},
};

use crate::{
    models::{Key, Registry},
    queue::Claim,
    settings::ModelSettings,
};

static MODELS: Registry<MultimodalModel> = Registry::new();

/// Claims that may lie in the worker's channel. An element has as many as it has waiting windows, at most 64.
const CAPACITY: usize = 4096;

/// Pixels of a video that are asked for to learn how long a head takes.
const SAMPLED: usize = 4096;

/// One window on its way to the model.
#[derive(Debug)]
pub(crate) struct Job {
    /// The element's number for it.
    pub(crate) id: u64,
    /// What is asked of it.
    pub(crate) question: Question,
}

/// What the model made of a window.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The element's number for the window.
    pub(crate) id: u64,
    /// The answer, or what is wrong with this window.
    pub(crate) answer: Result<Answer>,
}

/// The claim to a reply; none comes of a window that was withdrawn.
pub(crate) type ReplyTicket = Ticket<Option<Reply>>;

/// A loaded multimodal model.
#[derive(Debug)]
pub(crate) struct MultimodalModel {
    key: Key,
    task: Arc<Autoencode>,
    hash: Arc<str>,
    encoding: Duration,
    worker: Worker<Claim<Job>, Option<Reply>>,
}

impl MultimodalModel {
    /// The process's model of these settings, loaded and warmed up if nobody holds it. Its batches are those of the element that
    /// loaded it.
    ///
    /// # Errors
    /// When a setting is none of those accepted, or the model cannot be loaded.
    pub(crate) fn shared(settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        MODELS.get(&key, || Self::load(&key, settings))
    }

    /// The same model read again, for those who ask from now on.
    ///
    /// # Errors
    /// As [`shared`](Self::shared), and when its windows or its outputs have another shape, which streams that run could not take.
    pub(crate) fn reloaded(&self, settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        MODELS.replace(&key, || {
            let new = Self::load(&key, settings)?;
            if shapes(&new.task) == shapes(&self.task) {
                return Ok(new);
            }
            let [given, accepted] = [&new.task, &self.task].map(|task| format!("{:?}", shapes(task)));
            Err(Error::config("shape", given, format!("{accepted}, as before the reload")))
        })
    }

    /// Has the next who asks load the model again, after its worker has ended.
    pub(crate) fn give_up(self: &Arc<Self>) {
        MODELS.forget(&self.key, self);
    }

    fn load(key: &Key, settings: &ModelSettings) -> Result<Self> {
        let task = Arc::new(Autoencode::open(&key.model, key.device, key.precision)?);
        let encoding = warm_up(&task)?;
        let options = WorkerOptions {
            name: key.model.clone(),
            capacity: CAPACITY,
            batch_size: settings.batch_size as usize,
            batch_timeout: settings.batch_timeout.into(),
        };
        let hash = task.hash().into();
        let model = task.clone();
        let worker = Worker::spawn(&options, move |claims: &[Claim<Job>]| answer(&model, claims))?;
        Ok(Self { key: key.clone(), task, hash, encoding, worker })
    }

    /// The model itself, for what needs no thread: shapes, names, answers as pictures.
    pub(crate) fn task(&self) -> &Autoencode {
        &self.task
    }

    /// SHA-256 of the model, in hexadecimal.
    pub(crate) fn hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// Tells the worker that one more window waits.
    ///
    /// # Errors
    /// When the worker has ended.
    pub(crate) fn submit(&self, claim: Claim<Job>) -> Result<ReplyTicket> {
        self.worker.submit(claim)
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

    /// What the worker has done for all its elements.
    pub(crate) fn stats(&self) -> WorkerStats {
        self.worker.stats()
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

/// What must stay the same for streams that run: windows, latents, video, number of classes.
fn shapes(task: &Autoencode) -> (ClipPreprocessor, [usize; 2], [usize; 3], usize) {
    (task.preprocessor(Framing::default()), task.latent_dims(), task.video_grid(), task.label_names().len())
}

/// One model call for the windows that are still wanted.
fn answer(task: &Autoencode, claims: &[Claim<Job>]) -> Result<Vec<Option<Reply>>> {
    let open: Vec<Option<&Job>> = claims.iter().map(Claim::window).collect();
    let questions: Vec<&Question> = open.iter().flatten().map(|job| &job.question).collect();
    let mut answers = match Question::answer(task, &questions) {
        Ok(answers) => answers.into_iter().map(Ok).collect::<Vec<_>>(),
        // The worker tries each window of a failed batch alone; alone, the fault is the window's and goes with its number.
        Err(error) if claims.len() > 1 => return Err(error),
        Err(error) => vec![Err(error)],
    }
    .into_iter();
    Ok(open.into_iter().map(|job| job.and_then(|job| Some(Reply { id: job.id, answer: answers.next()? }))).collect())
}
