//! What a multimodal model makes of windows whose labels and contents are known.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    LabelScore,
    log_spectrum::{SpectralDistance, SpectralDistances},
    ssim::structural_similarity,
};
use crate::{
    error::{Error, Result},
    scene::faults::{Fault, FaultyWindow, FaultyWindows},
    tasks::{Autoencode, ClipInputs, Framing, Head, ReconstructionError, VideoQueries},
};

/// What a model says of one class.
#[derive(Clone, Debug)]
pub struct JudgedLabel {
    /// The class.
    pub name: Arc<str>,
    /// Of every window a confidence, and whether the label holds.
    pub windows: Vec<(f32, bool)>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct AvScores {
    /// In the order of the classes.
    pub labels: Vec<JudgedLabel>,
    /// The mean squared error of the levels (0 … 1).
    pub video_mse: f64,
    /// The mean squared error of the samples (−1 … 1).
    pub audio_mse: f64,
    /// The mean square of the samples: the error of silence.
    pub audio_power: f64,
    /// The mean structural similarity of the pictures' brightness (SSIM), 1 where they are the same.
    pub video_ssim: f64,
    /// Of the sound, in dB; zeros of no window.
    pub spectral_distance: SpectralDistance,
}

impl AvScores {
    /// Of the windows of these numbers, `batch` in one call.
    ///
    /// # Errors
    /// When a class of the model is no [`Fault`], or what the model says.
    pub fn measure(model: &Autoencode, windows: &FaultyWindows, numbers: Range<u64>, batch: usize) -> Result<Self> {
        let fault = |name: &Arc<str>| {
            let known = Fault::ALL.map(Fault::name).join(", ");
            Fault::named(name).map(|fault| (name.clone(), fault)).ok_or_else(|| Error::config("id2label", name, known))
        };
        let classes = model.label_names().iter().map(fault).collect::<Result<Vec<_>>>()?;
        let judged = |(name, _): &(Arc<str>, Fault)| JudgedLabel { name: name.clone(), windows: Vec::new() };
        let mut labels: Vec<JudgedLabel> = classes.iter().map(judged).collect();
        let (mut video_mse, mut audio_mse, mut audio_power, mut video_ssim) = (0.0, 0.0, 0.0, 0.0);
        let shape = model.preprocessor(Framing::default()).shape();
        let mut spectral_distances = SpectralDistances::new(shape.sample_rate, shape.samples());
        let count = numbers.end.saturating_sub(numbers.start);
        for start in (numbers.start..numbers.end).step_by(batch.max(1)) {
            let made: Vec<FaultyWindow> =
                (start..(start + batch.max(1) as u64).min(numbers.end)).map(|number| windows.window(number)).collect();
            let inputs = made.iter().map(|window| inputs(model, window)).collect::<Result<Vec<_>>>()?;
            let latents = model.encode(&inputs.iter().collect::<Vec<_>>())?;
            let latents: Vec<_> = latents.iter().collect();
            let scores = model.decode(&latents, Head::Labels)?;
            let video = model.decode(&latents, Head::Video(VideoQueries::default()))?;
            let audio = model.decode(&latents, Head::Audio)?;
            for (at, window) in made.iter().enumerate() {
                for label in model.labels(&scores[at]).as_slice() {
                    let fault = classes[label.index].1;
                    if window.unknown.contains(&fault) {
                        continue;
                    }
                    let truth = window.faults.contains(&fault);
                    labels[label.index].windows.push((label.confidence, truth));
                }
                video_mse +=
                    ReconstructionError::of_video(&inputs[at], &video[at], model.video_grid(), VideoQueries::default())?.mse;
                audio_mse += ReconstructionError::of_audio(&inputs[at], &audio[at])?.mse;
                let power: f64 = window.samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
                audio_power += power / window.samples.len() as f64;
                video_ssim += similarity(window, &video[at]);
                spectral_distances.add(&window.samples, &audio[at]);
            }
        }
        let mean = |sum: f64| sum / count.max(1) as f64;
        Ok(Self {
            labels,
            video_mse: mean(video_mse),
            audio_mse: mean(audio_mse),
            audio_power: mean(audio_power),
            video_ssim: mean(video_ssim),
            spectral_distance: SpectralDistances::mean(&[&spectral_distances]).unwrap_or_default(),
        })
    }

    /// The measures of each label, at the threshold that `thresholds` has for it, else 0.5.
    pub fn scores(&self, thresholds: &BTreeMap<String, f32>) -> Vec<(Arc<str>, LabelScore)> {
        let threshold = |name: &str| thresholds.get(name).copied().unwrap_or(0.5);
        self.labels.iter().map(|label| (label.name.clone(), LabelScore::at(threshold(&label.name), &label.windows))).collect()
    }

    /// For each label a threshold with nearly the highest F1 on these windows. Faults are alarms: they are said of no more than one in two thousand
    /// of the windows that `clean` was measured on, where a threshold with nearly that F1 does it.
    pub fn best_thresholds(&self, clean: &Self) -> BTreeMap<String, f32> {
        let threshold = |label: &JudgedLabel| {
            let is_alarm = Fault::named(&label.name).is_some_and(|fault| !fault.is_content());
            let same = clean.labels.iter().find(|clean| is_alarm && clean.name == label.name);
            // A recording's own silence is one.
            let falsely = same.into_iter().flat_map(|clean| &clean.windows).filter(|(_, truth)| !truth);
            let falsely: Vec<f32> = falsely.map(|(confidence, _)| *confidence).collect();
            LabelScore::best_threshold(&label.windows, &falsely)
        };
        self.labels.iter().map(|label| (label.name.to_string(), threshold(label))).collect()
    }

    /// Peak signal-to-noise ratio of the video in dB, over all windows together.
    pub fn video_psnr(&self) -> f64 {
        -10.0 * self.video_mse.log10()
    }

    /// Signal-to-noise ratio of the sound in dB, over all windows together: 0 is what silence would get.
    pub fn audio_snr(&self) -> f64 {
        10.0 * (self.audio_power / self.audio_mse).log10()
    }
}

/// The mean structural similarity of a window's pictures and those that the model gave, T × Y × X × 3 levels.
fn similarity(window: &FaultyWindow, levels: &[f32]) -> f64 {
    let brightness = |colours: [f64; 3]| 0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2];
    let similar = window.pictures.iter().zip(levels.chunks_exact(levels.len() / window.pictures.len().max(1)));
    let similar = similar.map(|(picture, levels)| {
        let own = picture.rgb().chunks_exact(3).map(|rgb| brightness([0, 1, 2].map(|colour| f64::from(rgb[colour]) / 255.0)));
        let given = levels.chunks_exact(3).map(|rgb| brightness([0, 1, 2].map(|colour| f64::from(rgb[colour].clamp(0.0, 1.0)))));
        structural_similarity(&own.collect::<Vec<_>>(), &given.collect::<Vec<_>>(), picture.width())
    });
    similar.sum::<f64>() / window.pictures.len().max(1) as f64
}

fn inputs(model: &Autoencode, window: &FaultyWindow) -> Result<ClipInputs> {
    model.preprocessor(Framing::default()).inputs(window.levels(), window.samples.clone())
}
