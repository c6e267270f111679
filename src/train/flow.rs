//! Training of an optical-flow model on synthetic pairs.

use std::{ops::ControlFlow, path::PathBuf, thread, time::Instant};

use candle_core::{DType, Device, Tensor, backprop::GradStore};
use crossbeam_channel::{Receiver, bounded};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{AdamW, AdamWOptions, Curve, CurvePoint, FlowPair, FlowPairs, Schedule, Variables, state};
use crate::{
    checkpoint,
    error::{Error, Result},
    perceiver::{
        Keep, PerceiverConfig, Weights,
        models::{NEIGHBOURHOOD_CHANNELS, PerceiverForOpticalFlow},
    },
    scene::TextureLibrary,
    tasks::neighbourhoods,
};

/// What to train, on what, for how long.
#[derive(Clone, Debug)]
pub struct FlowTraining {
    /// The model.
    pub config: PerceiverConfig,
    /// Where the pairs' textures come from.
    pub library: TextureLibrary,
    /// Where model, state and curve go; training goes on from a state that is there.
    pub folder: PathBuf,
    /// Steps in all.
    pub steps: u64,
    /// Pairs in a step.
    pub batch: usize,
    /// Parts of a batch that are worked on side by side.
    pub threads: usize,
    /// The highest learning rate.
    pub rate: f64,
    /// Steps between rows of the curve, each with validation and everything saved.
    pub every: u64,
    /// Of first weights and pairs.
    pub seed: u64,
    /// Type of the saved weights.
    pub dtype: DType,
}

/// Pairs that are never trained on, for validation.
const VALIDATION_PAIRS: u64 = 64;
/// Batches made ahead.
const AHEAD: usize = 4;
/// Below this error, in pixels, the loss turns from a cone to a bowl.
const SMOOTH: f64 = 0.01;

/// Pairs as tensors.
#[derive(Clone, Debug)]
struct Batch {
    /// B × 2 × 27 × Y × X.
    frames: Tensor,
    /// B × Y × X × 2, in pixels.
    flow: Tensor,
    /// B × Y × X.
    weights: Tensor,
}

/// A training under way.
#[derive(Debug)]
pub struct FlowTrainer {
    training: FlowTraining,
    device: Device,
    variables: Variables,
    model: PerceiverForOpticalFlow,
    optimiser: AdamW,
    curve: Curve,
    seconds: f64,
    step: u64,
    /// One for each part of a batch, of one thread each: parts side by side keep the processor busier than the small operations of
    /// one part spread over it.
    workers: Vec<ThreadPool>,
}

impl FlowTrainer {
    /// Begins, or goes on from the state in the folder.
    ///
    /// # Errors
    /// When an option is not accepted, the state does not belong to this configuration, or a file cannot be read.
    pub fn new(training: FlowTraining, device: Device) -> Result<Self> {
        training.config.validate()?;
        for (name, value) in [("batch", training.batch), ("threads", training.threads), ("every", training.every as usize)] {
            if value == 0 {
                return Err(Error::option(name, value, "1 or more"));
            }
        }
        std::fs::create_dir_all(&training.folder).map_err(Error::io(&training.folder))?;
        let variables = Variables::new(training.seed, &device);
        let weights = variables.weights(training.config.initializer_range);
        let model = PerceiverForOpticalFlow::new(&training.config, &weights)?;
        let mut optimiser = AdamW::new(AdamWOptions::default(), &variables)?;
        let mut step = 0;
        if let Some((saved, tensors)) = state::load_state(&training.folder)? {
            step = saved;
            optimiser.restore(step, &variables, |name| tensors.get(name).and_then(|tensor| tensor.to_device(&device).ok()))?;
        }
        let curve = Curve::open(&training.folder.join("curve.csv"), step)?;
        let seconds = curve.points().last().map_or(0.0, |point| point.seconds);
        let refused = |e: rayon::ThreadPoolBuildError| Error::option("threads", training.threads, format!("fewer ({e})"));
        let workers = (0..training.threads).map(|_| ThreadPoolBuilder::new().num_threads(1).build().map_err(refused));
        let workers = workers.collect::<Result<_>>()?;
        Ok(Self { training, device, variables, model, optimiser, curve, seconds, step, workers })
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
        let validation = self.validation_batches()?;
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
    fn learn(&mut self, parts: &[Batch], rate: f64) -> Result<f64> {
        let (model, config) = (&self.model, &self.training.config);
        let results: Vec<Result<(f64, GradStore)>> = thread::scope(|scope| {
            let workers: Vec<_> = parts
                .iter()
                .zip(&self.workers)
                .map(|(part, worker)| {
                    scope.spawn(move || {
                        worker.install(|| {
                            let loss = loss(model, config, part)?;
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
    fn batches(&self) -> Receiver<Result<Vec<Batch>>> {
        let (sender, receiver) = bounded(AHEAD);
        let pairs = self.pairs(self.training.seed);
        let (first, last, size) = (self.step, self.training.steps, self.training.batch as u64);
        let (parts, device) = (self.training.threads as u64, self.device.clone());
        thread::spawn(move || {
            for step in first..last {
                let bounds: Vec<u64> = (0..=parts).map(|part| step * size + part * size / parts).collect();
                let ranges = bounds.windows(2).filter(|bounds| bounds[0] < bounds[1]);
                let batch = ranges.map(|bounds| batch(&pairs, bounds[0]..bounds[1], &device)).collect();
                // Nobody listens any more once the training has stopped.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        receiver
    }

    fn pairs(&self, seed: u64) -> FlowPairs {
        let [height, width] = self.training.config.train_size;
        FlowPairs::new(self.training.library.clone(), width, height, seed)
    }

    fn validation_batches(&self) -> Result<Vec<Batch>> {
        let pairs = self.pairs(!self.training.seed);
        (0..VALIDATION_PAIRS / 8).map(|part| batch(&pairs, part * 8..(part + 1) * 8, &self.device)).collect()
    }

    /// The loss of the running mean of the weights, and that of an answer of zero.
    fn validate(&self, batches: &[Batch]) -> Result<(f64, f64)> {
        let mean = self.optimiser.mean_weights().into_iter().collect();
        let weights = Weights::new(candle_nn::VarBuilder::from_tensors(mean, DType::F32, &self.device), 0.0);
        let model = PerceiverForOpticalFlow::new(&self.training.config, &weights)?;
        let (mut sum, mut zero) = (0.0, 0.0);
        for batch in batches {
            sum += f64::from(loss(&model, &self.training.config, batch)?.to_scalar::<f32>()?);
            zero += f64::from(error(&batch.flow.zeros_like()?, batch)?.to_scalar::<f32>()?);
        }
        Ok((sum / batches.len() as f64, zero / batches.len() as f64))
    }

    fn save(&self) -> Result<()> {
        let FlowTraining { folder, config, dtype, .. } = &self.training;
        checkpoint::save(folder, config, &self.optimiser.mean_weights(), *dtype)?;
        state::save_state(folder, self.step, self.optimiser.state()?)?;
        self.curve.save(folder)
    }
}

/// The mean endpoint error of the model's answer, in pixels.
fn loss(model: &PerceiverForOpticalFlow, config: &PerceiverConfig, batch: &Batch) -> Result<Tensor> {
    let logits = model.forward(&batch.frames, Keep::default())?.logits;
    error(&(logits * config.optical_flow.pixels_per_unit)?, batch)
}

/// The weighted mean of |flow − truth|, in pixels.
fn error(flow: &Tensor, batch: &Batch) -> Result<Tensor> {
    let lengths = ((flow - &batch.flow)?.sqr()?.sum(3)? + SMOOTH * SMOOTH)?.sqrt()?;
    Ok(((lengths * &batch.weights)?.sum_all()? / f64::from(batch.weights.sum_all()?.to_scalar::<f32>()?).max(1.0))?)
}

fn batch(pairs: &FlowPairs, numbers: std::ops::Range<u64>, device: &Device) -> Result<Batch> {
    let (mut frames, mut flow, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    let (mut count, mut size) = (0, (0, 0));
    for number in numbers {
        let pair: FlowPair = pairs.pair(number);
        (count, size) = (count + 1, (pair.flow.height(), pair.flow.width()));
        [&pair.first, &pair.second].into_iter().for_each(|frame| neighbourhoods(frame, &mut frames));
        // A pixel that does not count may hold anything; zero keeps it from spoiling the sum.
        let vectors = pair.flow.pixels().iter().zip(&pair.weights);
        flow.extend(vectors.flat_map(|(&vector, &weight)| if weight == 0.0 { [0.0; 2] } else { vector }));
        weights.extend(pair.weights);
    }
    let (height, width) = size;
    Ok(Batch {
        frames: Tensor::from_vec(frames, (count, 2, NEIGHBOURHOOD_CHANNELS, height, width), device)?,
        flow: Tensor::from_vec(flow, (count, height, width, 2), device)?,
        weights: Tensor::from_vec(weights, (count, height, width), device)?,
    })
}
