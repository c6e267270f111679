//! Video and sound through one small latent array: encoded once, asked for pixels, samples and classes as often as wanted.

use std::{collections::BTreeMap, sync::Arc};

use candle_core::{Device, Tensor};

use super::{ClipInputs, ClipPreprocessor, Framing, Head, Model, VideoQueries, classes::Classes};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    media::{Label, Labels, Picture},
    perceiver::{
        Keep, PerceiverConfig,
        decode::Points,
        models::{AUDIO, IMAGE, LABEL, MultimodalInputs, PerceiverForMultimodalAutoencoding},
    },
};

/// What checkpoints call the model.
const ARCHITECTURE: &str = "PerceiverForMultimodalAutoencoding";

/// Queries in one step of the decoder: enough to fill the processor, few enough to stay in its memory.
pub(super) const QUERIES_AT_ONCE: usize = 1 << 15;

/// A window's latents, N × D, where the model runs. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Latents(Tensor);

impl Latents {
    /// N and D.
    pub fn dims(&self) -> [usize; 2] {
        let dims = self.0.dims();
        [dims[0], dims[1]]
    }

    /// N × D numbers, row by row.
    ///
    /// # Errors
    /// When the device cannot hand them over.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        Ok(self.0.flatten_all()?.to_vec1()?)
    }
}

/// A multimodal model with its way from windows to tensors and back.
#[derive(Debug)]
pub struct Autoencode {
    model: PerceiverForMultimodalAutoencoding,
    config: PerceiverConfig,
    device: Device,
    hash: String,
    classes: Classes,
}

impl Autoencode {
    /// Opens a multimodal model: a folder, a Hub id in the local cache, or `builtin:NAME`.
    ///
    /// # Errors
    /// When the model cannot be found or read, is no multimodal model, or the device is not there.
    pub fn open(model: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        Self::of(&Checkpoint::open(model)?, device, precision)
    }

    /// The same from a checkpoint that is open already.
    ///
    /// # Errors
    /// When it is no multimodal model, or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision) -> Result<Self> {
        // Before the weights are looked at: of another architecture's there would be much to say.
        if checkpoint.config().architectures.first().is_some_and(|name| name != ARCHITECTURE) {
            return Err(Model::refused(checkpoint, ARCHITECTURE));
        }
        let device = device.open()?;
        let built = checkpoint.build(&device, precision, PerceiverForMultimodalAutoencoding::new)?;
        Ok(Self::new(built, checkpoint.config().clone(), device, checkpoint.hash().to_owned()))
    }

    /// A model that is loaded already, on `device`.
    pub fn new(model: PerceiverForMultimodalAutoencoding, config: PerceiverConfig, device: Device, hash: String) -> Self {
        let classes = Classes::new(&config);
        Self { model, config, device, hash, classes }
    }

    /// SHA-256 over configuration and weights, in hexadecimal: names the model wherever results go.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Makes this model's inputs.
    pub fn preprocessor(&self, framing: Framing) -> ClipPreprocessor {
        ClipPreprocessor::new(&self.config, framing)
    }

    /// T, Y, X of the video that can be asked for.
    pub fn video_grid(&self) -> [usize; 3] {
        self.model.output_shape()
    }

    /// N and D of a window's latents.
    pub fn latent_dims(&self) -> [usize; 2] {
        [self.config.num_latents, self.config.d_latents]
    }

    /// The classes' names by their numbers.
    pub fn label_names(&self) -> &[Arc<str>] {
        self.classes.names()
    }

    /// Encodes several windows in one call.
    ///
    /// # Errors
    /// When the inputs are another model's.
    pub fn encode(&self, windows: &[&ClipInputs]) -> Result<Vec<Latents>> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let (image, audio) = self.preprocessor(Framing::default()).tensors(windows, &self.device)?;
        let inputs = MultimodalInputs { image: &image, audio: &audio, label: None };
        let latents = self.model.encode(inputs, Keep::default())?.last_hidden_state;
        (0..windows.len()).map(|window| Ok(Latents(latents.get(window)?))).collect()
    }

    /// Latents that were kept: N × D numbers, row by row.
    ///
    /// # Errors
    /// When there are not as many as this model's.
    pub fn latents(&self, values: Vec<f32>) -> Result<Latents> {
        let [n, d] = self.latent_dims();
        if values.len() != n * d {
            return Err(Error::tensor("latents", values.len(), format!("{n} x {d} numbers, the latents of this model")));
        }
        Ok(Latents(Tensor::from_vec(values, (n, d), &self.device)?))
    }

    /// What a head says of several windows, in one call: of the video T × Y × X × 3 levels (0 … 1 where the model is sure of itself; less
    /// and more are possible), of the sound samples, of the classes a score each.
    ///
    /// # Errors
    /// When the latents are another model's, or the video's region does not lie within its grid.
    pub fn decode(&self, windows: &[&Latents], head: Head) -> Result<Vec<Vec<f32>>> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(other) = windows.iter().find(|latents| latents.dims() != self.latent_dims()) {
            return Err(Error::tensor("latents", other.dims(), format!("{:?}, those of this model", self.latent_dims())));
        }
        // Another copy of the model, elsewhere, may have made them.
        let here = windows.iter().map(|latents| latents.0.to_device(&self.device)).collect::<candle_core::Result<Vec<_>>>()?;
        let latents = Tensor::stack(&here, 0)?;
        let (name, points) = match head {
            Head::Video(queries) => (IMAGE, queries.points(self.video_grid())?),
            Head::Audio => (AUDIO, self.all_points(AUDIO)),
            Head::Labels => (LABEL, self.all_points(LABEL)),
        };
        let mut parts = Vec::new();
        for points in points.chunks((QUERIES_AT_ONCE / windows.len()).max(1)) {
            let asked = [AUDIO, IMAGE, LABEL].map(|other| {
                let points = if other == name { points.to_vec() } else { Vec::new() };
                (other.to_owned(), points)
            });
            let mut answers = self.model.decode(&latents, &Points::from(asked), false)?.logits;
            parts.extend(answers.remove(name));
        }
        let whole = Tensor::cat(&parts, 1)?;
        (0..windows.len()).map(|window| Ok(whole.get(window)?.flatten_all()?.to_vec1()?)).collect()
    }

    /// Flat indices of every output of a modality.
    fn all_points(&self, name: &str) -> Vec<u32> {
        (0..self.model.outputs()[name] as u32).collect()
    }

    /// The pictures of a video that [`decode`](Self::decode) gave for these queries.
    ///
    /// # Errors
    /// When the numbers are not those of the queries.
    pub fn pictures(&self, levels: &[f32], queries: VideoQueries) -> Result<Vec<Picture>> {
        let (width, height) = queries.size(self.video_grid())?;
        let byte = |level: &f32| (level * 255.0).round().clamp(0.0, 255.0) as u8;
        levels.chunks(width * height * 3).map(|levels| Picture::new(width, height, levels.iter().map(byte).collect())).collect()
    }

    /// From which confidence on a label holds, by its name: the model's own calibration; 0.5 for a label that is not here.
    pub fn thresholds(&self) -> &BTreeMap<String, f32> {
        &self.config.multimodal.thresholds
    }

    /// The labels of the scores that [`decode`](Self::decode) gave.
    pub fn labels(&self, scores: &[f32]) -> Labels {
        self.classes.labels_of(scores)
    }

    /// The labels that hold by the model's own [`thresholds`](Self::thresholds); all of them where it has none.
    pub fn holding(&self, labels: &Labels) -> Labels {
        let thresholds = self.thresholds();
        let holds = |label: &Label| label.confidence >= thresholds.get(&*label.name).copied().unwrap_or(0.5);
        if thresholds.is_empty() { labels.clone() } else { labels.only(holds) }
    }
}
