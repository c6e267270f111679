//! Training of a multimodal model: windows in; their pixels, samples and labels out.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, OnceLock},
};

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{AvScores, Task, Trainer, Training, Variables, local::begin_near_by, sound_loss::SoundLoss, trainer::VALIDATION};
use crate::{
    error::{Error, Result},
    perceiver::{
        Keep, PerceiverConfig, Weights,
        decode::Points,
        loss::binary_cross_entropy,
        models::{AUDIO, IMAGE, LABEL, MultimodalInputs, PerceiverForMultimodalAutoencoding},
    },
    scene::faults::{Fault, FaultyWindow, FaultyWindows, Material},
    tasks::{Autoencode, ClipPreprocessor, Framing},
};

/// The training of a multimodal model.
pub type AvTrainer = Trainer<AvTask>;

/// A multimodal model whose labels are those of [`faults`](crate::scene::faults), and windows with known labels.
#[derive(Clone, Debug)]
pub struct AvTask {
    config: PerceiverConfig,
    material: Material,
    held_out: Material,
    /// By the number of the class.
    classes: Vec<Fault>,
    /// Made with the first loss.
    sound_loss: Arc<OnceLock<SoundLoss>>,
}

/// Queries of pixels and of sound in a step: where there are more, a chance choice of them is asked, and the others cost nothing.
const QUERIES: usize = 384;
/// How much count the mean squared errors of the levels and of the samples, the distance of the sound's spectra, and the cross entropy of the
/// labels. The labels are what the model is asked for most, and the last to be learnt.
const VIDEO_WEIGHT: f64 = 20.0;
const AUDIO_WEIGHT: f64 = 4.0;
const SPECTRUM_WEIGHT: f64 = 0.05;
const LABEL_WEIGHT: f64 = 3.0;

/// Windows in one call of the model while thresholds are chosen.
const CALIBRATED_AT_ONCE: usize = 16;

/// Windows as tensors, and what is asked of them.
#[derive(Clone, Debug)]
pub struct AvBatch {
    /// B × T × 3 × Y × X, 0 … 1.
    image: Tensor,
    /// B × samples × 1.
    audio: Tensor,
    points: Points,
    /// B × points × 3.
    levels: Tensor,
    /// B × (points · samples of a patch).
    samples: Tensor,
    /// B × classes, 0 or 1, and ½ where nobody knows.
    labels: Tensor,
    /// B × classes, 1 or, where nobody knows, 0.
    known: Tensor,
}

impl AvTask {
    /// A model of `config`, whose classes are names of [`Fault`]s, on windows made of `material`.
    ///
    /// # Errors
    /// For a class that is no fault, or a grid of outputs that is not the window's.
    pub fn new(config: PerceiverConfig, material: Material) -> Result<Self> {
        config.validate()?;
        let name = |number: usize| config.id2label.as_ref().and_then(|names| names.get(&number.to_string()));
        let known = || Fault::ALL.map(Fault::name).join(", ");
        let classes = (0..config.num_labels()).map(|number| {
            let name = name(number).map_or("nothing", String::as_str);
            Fault::named(name).ok_or_else(|| Error::config("id2label", name, known()))
        });
        let classes = classes.collect::<Result<_>>()?;
        let side = config.image_size * config.multimodal.patch;
        let grid = [1, config.num_frames, side, side];
        if config.output_shape != grid {
            return Err(Error::config("output_shape", format!("{:?}", config.output_shape), format!("{grid:?}, the window's")));
        }
        Ok(Self { config, held_out: material.clone(), material, classes, sound_loss: Arc::default() })
    }

    /// The same, whose validation and thresholds are of windows made of `material`: how well the model does on what is new to it shows
    /// best on pictures and recordings that are. Without it they are of the training's own, other windows of the same.
    #[must_use]
    pub fn held_out(self, material: Material) -> Self {
        Self { held_out: material, ..self }
    }

    /// The windows of a seed that are trained on.
    pub fn windows(&self, seed: u64) -> FaultyWindows {
        self.windows_of(&self.material, seed)
    }

    fn windows_of(&self, material: &Material, seed: u64) -> FaultyWindows {
        let preprocessor = ClipPreprocessor::new(&self.config, Framing::default());
        FaultyWindows::new(material.clone(), preprocessor.shape(), preprocessor.side(), seed)
    }

    /// Windows of these numbers; `seed` chooses what is asked of them.
    fn batch_of(&self, windows: &FaultyWindows, seed: u64, numbers: Range<u64>, device: &Device) -> Result<AvBatch> {
        let preprocessor = ClipPreprocessor::new(&self.config, Framing::default());
        let (frames, side, patch) = (preprocessor.shape().frames, preprocessor.side(), self.config.samples_per_patch);
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ numbers.start);
        let mut some = |of: usize| -> Vec<u32> {
            if of <= QUERIES {
                (0..of as u32).collect()
            } else {
                (0..QUERIES).map(|_| random.random_range(0..of as u32)).collect()
            }
        };
        let plane = side * side;
        let pixels = match self.config.multimodal.query_patch {
            [1, 1, 1] => some(frames * plane),
            // Few queries answer all pixels.
            _ => (0..(frames * plane) as u32).collect(),
        };
        let patches = some(preprocessor.shape().samples() / patch);

        let count = (numbers.end - numbers.start) as usize;
        let (mut image, mut audio, mut labels, mut known) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut levels, mut samples) = (Vec::new(), Vec::new());
        for number in numbers {
            let window = windows.window(number);
            let shown = window.levels();
            for &pixel in &pixels {
                let (frame, at) = (pixel as usize / plane, pixel as usize % plane);
                levels.extend((0..3).map(|colour| shown[(3 * frame + colour) * plane + at]));
            }
            let FaultyWindow { samples: sound, faults, unknown, .. } = window;
            for &chosen in &patches {
                samples.extend_from_slice(&sound[chosen as usize * patch..][..patch]);
            }
            image.extend(shown);
            audio.extend(sound);
            known.extend(self.classes.iter().map(|class| f32::from(u8::from(!unknown.contains(class)))));
            labels.extend(self.classes.iter().map(|class| match unknown.contains(class) {
                true => 0.5,
                false => f32::from(u8::from(faults.contains(class))),
            }));
        }
        Ok(AvBatch {
            image: Tensor::from_vec(image, (count, frames, 3, side, side), device)?,
            audio: Tensor::from_vec(audio, (count, preprocessor.shape().samples(), 1), device)?,
            levels: Tensor::from_vec(levels, (count, pixels.len(), 3), device)?,
            samples: Tensor::from_vec(samples, (count, patches.len() * patch), device)?,
            labels: Tensor::from_vec(labels, (count, self.classes.len()), device)?,
            known: Tensor::from_vec(known, (count, self.classes.len()), device)?,
            points: [(IMAGE, pixels), (AUDIO, patches), (LABEL, vec![0])].map(|(name, points)| (name.to_owned(), points)).into(),
        })
    }

    /// What a multimodal model answers at the points of a batch.
    fn answer(&self, model: &PerceiverForMultimodalAutoencoding, batch: &AvBatch) -> Result<BTreeMap<String, Tensor>> {
        let inputs = MultimodalInputs { image: &batch.image, audio: &batch.audio, label: None };
        Ok(model.forward(inputs, &batch.points, Keep::default())?.logits)
    }

    /// The errors of samples, weighted; those of their spectra only where all of the sound is asked.
    fn sound_loss(&self, answer: &Tensor, batch: &AvBatch) -> Result<Tensor> {
        let loss = match self.sound_loss.get() {
            Some(loss) => loss,
            None => {
                let loss = SoundLoss::new(answer.device())?;
                self.sound_loss.get_or_init(|| loss)
            }
        };
        let error = (loss.error(answer, &batch.samples)? * AUDIO_WEIGHT)?;
        if batch.samples.dim(1)? != batch.audio.dim(1)? {
            return Ok(error);
        }
        Ok((error + (loss.spectral_distance(answer, &batch.samples)? * SPECTRUM_WEIGHT)?)?)
    }
}

impl AvTrainer {
    /// Chooses for each label a threshold by its F1 on `count` windows that were not trained on, and by as many with nothing wrong, and saves
    /// the model with them.
    ///
    /// # Errors
    /// When a file cannot be written, or what the tensor library says.
    pub fn calibrate(&mut self, count: u64) -> Result<()> {
        let model = Autoencode::new(self.best_model()?, self.task.config.clone(), self.device.clone(), String::new());
        let windows = self.task.windows_of(&self.task.held_out, self.training.held_out());
        // Behind those of the validation.
        let measure =
            |windows: &FaultyWindows| AvScores::measure(&model, windows, VALIDATION..VALIDATION + count, CALIBRATED_AT_ONCE);
        let (scores, clean) = (measure(&windows)?, measure(&windows.clean())?);
        self.task.config.multimodal.thresholds = scores.best_thresholds(&clean);
        self.save()
    }
}

impl Task for AvTask {
    type Model = PerceiverForMultimodalAutoencoding;
    type Batch = AvBatch;

    fn config(&self) -> &PerceiverConfig {
        &self.config
    }

    fn model(&self, weights: &Weights<'_>) -> Result<PerceiverForMultimodalAutoencoding> {
        PerceiverForMultimodalAutoencoding::new(&self.config, weights)
    }

    fn begin(&self, variables: &Variables) -> Result<()> {
        begin_near_by(&self.config, variables)
    }

    fn batch(&self, seed: u64, numbers: Range<u64>, device: &Device) -> Result<AvBatch> {
        self.batch_of(&self.windows(seed), seed, numbers, device)
    }

    fn validation(&self, training: &Training, device: &Device) -> Result<Vec<AvBatch>> {
        let seed = training.held_out();
        let windows = self.windows_of(&self.held_out, seed);
        (0..VALIDATION / 8).map(|part| self.batch_of(&windows, seed, part * 8..(part + 1) * 8, device)).collect()
    }

    /// The errors of pixels, samples and labels, weighted.
    fn loss(&self, model: &PerceiverForMultimodalAutoencoding, batch: &AvBatch) -> Result<Tensor> {
        let answer = self.answer(model, batch)?;
        let video = (&answer[IMAGE] - &batch.levels)?.sqr()?.mean_all()?;
        let sound = self.sound_loss(&answer[AUDIO], batch)?;
        // A logit of 0 and a label of ½ are as far apart as they are whatever the model says, and nothing is learnt from them.
        let labels = binary_cross_entropy(&(&answer[LABEL] * &batch.known)?, &batch.labels)?;
        Ok((((video * VIDEO_WEIGHT)? + sound)? + (labels * LABEL_WEIGHT)?)?)
    }

    /// That of a grey picture, silence, and each label with its share of the batch.
    fn blind_loss(&self, batch: &AvBatch) -> Result<f64> {
        let video = (&batch.levels - 0.5)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
        let sound = self.sound_loss(&batch.samples.zeros_like()?, batch)?.to_scalar::<f32>()?;
        let shares: Vec<f32> = batch.labels.mean(0)?.to_vec1()?;
        let entropy = |share: f32| {
            if (1e-6..1.0 - 1e-6).contains(&share) { -share * share.ln() - (1.0 - share) * (1.0 - share).ln() } else { 0.0 }
        };
        let labels = shares.iter().map(|&share| f64::from(entropy(share))).sum::<f64>() / shares.len() as f64;
        Ok(VIDEO_WEIGHT * f64::from(video) + f64::from(sound) + LABEL_WEIGHT * labels)
    }
}
