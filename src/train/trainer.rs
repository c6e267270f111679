//! The loop of every training: batches, gradients, the learning curve, and what is saved.

use std::{collections::BTreeMap, fmt::Debug, ops::ControlFlow, ops::Range, path::PathBuf, thread, time::Instant};

use candle_core::{DType, Device, Tensor, backprop::GradStore};
use crossbeam_channel::{Receiver, bounded};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{AdamW, AdamWOptions, Curve, CurvePoint, Schedule, Variables, state};
use crate::{
    checkpoint,
    compute::Format,
    error::{Error, Result},
    perceiver::{PerceiverConfig, Weights},
};

/// A model and what it is to learn.
pub trait Task: Clone + Debug + Send + Sync + 'static {
    /// The model.
    type Model: Debug + Send + Sync;
    /// Examples as tensors.
    type Batch: Debug + Send + Sync;

    /// The model's configuration.
    fn config(&self) -> &PerceiverConfig;

    /// The model of these weights.
    ///
    /// # Errors
    /// When the configuration does not fit together.
    fn model(&self, weights: &Weights<'_>) -> Result<Self::Model>;

    /// The examples of these numbers. The same seed and number give the same example.
    ///
    /// # Errors
    /// What the tensor library says.
    fn batch(&self, seed: u64, numbers: Range<u64>, device: &Device) -> Result<Self::Batch>;

    /// What the training makes small: a scalar, a mean over the batch.
    ///
    /// # Errors
    /// What the tensor library says.
    fn loss(&self, model: &Self::Model, batch: &Self::Batch) -> Result<Tensor>;

    /// The same for an answer that does not look at its input.
    ///
    /// # Errors
    /// What the tensor library says.
    fn blind_loss(&self, batch: &Self::Batch) -> Result<f64>;

    /// Sets variables that do not begin by chance, as those of a model that is trained further. A training that goes on does not ask.
    ///
    /// # Errors
    /// When the values do not fit.
    fn begin(&self, _variables: &Variables) -> Result<()> {
        Ok(())
    }

    /// Batches that are never trained on, each counting alike. By default the first examples of a seed of their own.
    ///
    /// # Errors
    /// What [`batch`](Self::batch) says.
    fn validation(&self, training: &Training, device: &Device) -> Result<Vec<Self::Batch>> {
        (0..VALIDATION / 8).map(|part| self.batch(training.held_out(), part * 8..(part + 1) * 8, device)).collect()
    }
}

/// How to train, and for how long.
#[derive(Clone, Debug)]
pub struct Training {
    /// Where model, state and curve go; training goes on from a state that is there.
    pub folder: PathBuf,
    /// Steps in all.
    pub steps: u64,
    /// Examples in a step.
    pub batch: usize,
    /// Parts of a batch that are worked on side by side.
    pub threads: usize,
    /// The highest learning rate.
    pub rate: f64,
    /// Steps between rows of the curve, each with validation and everything saved.
    pub every: u64,
    /// Of first weights and examples.
    pub seed: u64,
    /// Type of the saved weights.
    pub dtype: DType,
    /// Whether products, forwards and backwards, round their factors to bfloat16.
    pub mixed: bool,
}

/// Examples that are never trained on, for validation: the first of the seed [`Training::held_out`].
pub(super) const VALIDATION: u64 = 64;

impl Training {
    /// A training of so many steps with what the program takes where nothing is said: 16 examples in a step on one thread, a rate of
    /// 1e-3, a row of the curve every 100 steps, seed 1, all in float32.
    pub fn new(folder: impl Into<PathBuf>, steps: u64) -> Self {
        let folder = folder.into();
        Self { folder, steps, batch: 16, threads: 1, rate: 1e-3, every: 100, seed: 1, dtype: DType::F32, mixed: false }
    }

    /// The seed of examples that are never trained on.
    pub(super) fn held_out(&self) -> u64 {
        !self.seed
    }
}

/// Batches made ahead.
const AHEAD: usize = 4;

/// A training under way.
#[derive(Debug)]
pub struct Trainer<T: Task> {
    pub(super) task: T,
    pub(super) training: Training,
    pub(super) device: Device,
    variables: Variables,
    model: T::Model,
    optimiser: AdamW,
    /// The running mean of the weights where its validation was lowest: what is saved as the model.
    best: BTreeMap<String, Tensor>,
    curve: Curve,
    seconds: f64,
    step: u64,
    /// One for each part of a batch: parts side by side keep the processor busier than the small operations of one part spread over it.
    workers: Vec<ThreadPool>,
}

impl<T: Task> Trainer<T> {
    /// Begins, or goes on from the state in the folder.
    ///
    /// # Errors
    /// When an option is not accepted, the state does not belong to this configuration, or a file cannot be read.
    pub fn new(task: T, training: Training, device: Device) -> Result<Self> {
        task.config().validate()?;
        for (name, value) in [("batch", training.batch), ("threads", training.threads), ("every", training.every as usize)] {
            if value == 0 {
                return Err(Error::option(name, value, "1 or more"));
            }
        }
        if training.mixed && device.is_cpu() && Format::of(DType::BF16).is_none() {
            return Err(Error::option("precision", "bf16", "f32: this processor has no products in bfloat16"));
        }
        std::fs::create_dir_all(&training.folder).map_err(Error::io(&training.folder))?;
        let variables = Variables::new(training.seed, &device);
        let weights = variables.weights(task.config().initializer_range);
        let model = task.model(&if training.mixed { weights.with_mixed_products() } else { weights })?;
        let state = state::load_state(&training.folder)?;
        if state.is_none() {
            task.begin(&variables)?;
        }
        let mut optimiser = AdamW::new(AdamWOptions::default(), &variables)?;
        let (mut step, mut best) = (0, copied(&optimiser)?);
        if let Some((saved, tensors)) = state {
            step = saved;
            optimiser.restore(step, &variables, |name| tensors.get(name).and_then(|tensor| tensor.to_device(&device).ok()))?;
            best = match state::load_model(&training.folder, &device)? {
                Some(model) => model,
                None => copied(&optimiser)?,
            };
        }
        let curve = Curve::open(&training.folder.join("curve.csv"), step)?;
        let seconds = curve.points().last().map_or(0.0, |point| point.seconds);
        let refused = |e: rayon::ThreadPoolBuildError| Error::option("threads", training.threads, format!("fewer ({e})"));
        let parts = training.threads.min(training.batch);
        let worker = || ThreadPoolBuilder::new().num_threads(training.threads / parts).build().map_err(refused);
        let workers = (0..parts).map(|_| worker());
        let workers = workers.collect::<Result<_>>()?;
        Ok(Self { task, training, device, variables, model, optimiser, best, curve, seconds, step, workers })
    }

    /// Parameters of the model.
    pub fn parameters(&self) -> usize {
        self.variables.all().iter().map(|(_, variable)| variable.elem_count()).sum()
    }

    /// Steps taken so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Trains to the end. After each step `watch` is told the step and its loss, and, when one was added, the curve's newest row; it may
    /// stop the training, which then can go on from what was saved last.
    ///
    /// # Errors
    /// When a file cannot be written, or what the tensor library says.
    pub fn run(&mut self, mut watch: impl FnMut(u64, f64, Option<&CurvePoint>) -> ControlFlow<()>) -> Result<()> {
        let schedule =
            Schedule { peak: self.training.rate, warmup: (self.training.steps / 50).max(1), steps: self.training.steps };
        let validation = self.task.validation(&self.training, &self.device)?;
        let batches = self.batches();
        let (mut sum, mut count, mut begun) = (0f64, 0u32, Instant::now());
        while self.step < self.training.steps {
            let Ok(parts) = batches.recv() else { break };
            let rate = schedule.rate(self.step);
            let loss = self.learn(&parts?, rate)?;
            self.step += 1;
            (sum, count) = (sum + loss, count + 1);
            let mut row = None;
            if self.step.is_multiple_of(self.training.every) || self.step == self.training.steps {
                self.seconds += begun.elapsed().as_secs_f64();
                let (validation, zero) = self.validate(&validation)?;
                let loss = sum / f64::from(count);
                if self.curve.is_lowest(validation) {
                    self.best = copied(&self.optimiser)?;
                }
                self.curve.push(CurvePoint { step: self.step, seconds: self.seconds, rate, loss, validation, zero });
                row = self.curve.points().last();
                self.save()?;
                (sum, count, begun) = (0.0, 0, Instant::now());
            }
            if watch(self.step, loss, row).is_break() {
                return Ok(());
            }
        }
        // A training that had ended already is saved again: its weights may be asked for in another type.
        self.save()
    }

    /// One step on the parts of a batch, side by side.
    fn learn(&mut self, parts: &[T::Batch], rate: f64) -> Result<f64> {
        let (model, task) = (&self.model, &self.task);
        let results: Vec<Result<(f64, GradStore)>> = thread::scope(|scope| {
            let workers: Vec<_> = parts
                .iter()
                .zip(&self.workers)
                .map(|(part, worker)| {
                    scope.spawn(move || {
                        worker.install(|| {
                            let loss = task.loss(model, part)?;
                            Ok((f64::from(loss.to_scalar::<f32>()?), loss.backward()?))
                        })
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or(Err(Error::Interrupted))).collect()
        });
        let results = results.into_iter().collect::<Result<Vec<_>>>()?;
        let parts = results.len() as f64;
        let mean = |variable: &Tensor| -> Option<Tensor> {
            let mut gradients = results.iter().filter_map(|(_, gradients)| gradients.get(variable));
            let first = gradients.next()?.clone();
            let sum = gradients.try_fold(first, |sum, gradient| sum + gradient).ok()?;
            (sum / parts).ok()
        };
        self.optimiser.step(rate, |variable| mean(variable))?;
        Ok(results.iter().map(|(loss, _)| loss).sum::<f64>() / parts)
    }

    /// Batches in their order, made on a thread of their own, each in as many parts as there are threads.
    fn batches(&self) -> Receiver<Result<Vec<T::Batch>>> {
        let (sender, receiver) = bounded(AHEAD);
        let (task, seed, device) = (self.task.clone(), self.training.seed, self.device.clone());
        let (first, last, size) = (self.step, self.training.steps, self.training.batch as u64);
        let parts = self.workers.len() as u64;
        thread::spawn(move || {
            for step in first..last {
                let bounds: Vec<u64> = (0..=parts).map(|part| step * size + part * size / parts).collect();
                let ranges = bounds.windows(2).filter(|bounds| bounds[0] < bounds[1]);
                let batch = ranges.map(|bounds| task.batch(seed, bounds[0]..bounds[1], &device)).collect();
                // Nobody listens any more once the training has stopped.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        receiver
    }

    /// The loss of the running mean of the weights, and that of a blind answer.
    fn validate(&self, batches: &[T::Batch]) -> Result<(f64, f64)> {
        let model = self.model_of(self.optimiser.mean_weights())?;
        let (mut sum, mut blind) = (0.0, 0.0);
        for batch in batches {
            sum += f64::from(self.task.loss(&model, batch)?.to_scalar::<f32>()?);
            blind += self.task.blind_loss(batch)?;
        }
        Ok((sum / batches.len() as f64, blind / batches.len() as f64))
    }

    /// The model that is saved.
    pub(super) fn best_model(&self) -> Result<T::Model> {
        self.model_of(self.best.clone())
    }

    fn model_of(&self, weights: BTreeMap<String, Tensor>) -> Result<T::Model> {
        let weights = candle_nn::VarBuilder::from_tensors(weights.into_iter().collect(), DType::F32, &self.device);
        self.task.model(&Weights::new(weights, 0.0))
    }

    /// The state comes last: a training that is killed in between goes on from the state before, and writes the rest again.
    pub(super) fn save(&self) -> Result<()> {
        let Training { folder, dtype, .. } = &self.training;
        checkpoint::save(folder, self.task.config(), &self.best, *dtype)?;
        self.curve.save(folder)?;
        state::save_state(folder, self.step, self.optimiser.state()?)
    }
}

/// The running mean of the weights as it is now; the optimiser's own moves on in place.
fn copied(optimiser: &AdamW) -> Result<BTreeMap<String, Tensor>> {
    optimiser.mean_weights().into_iter().map(|(name, mean)| Ok((name, mean.copy()?))).collect()
}
