//! `PerceiverMultimodalPostprocessor`: the outputs of every modality, each through its own postprocessor.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::{AudioPostprocessor, ClassificationPostprocessor, ProjectionPostprocessor};
use crate::error::{Error, Result};

/// The postprocessor of one modality.
#[derive(Clone, Debug)]
pub enum ModalityPostprocessor {
    /// To samples.
    Audio(AudioPostprocessor),
    /// To class scores.
    Classification(ClassificationPostprocessor),
    /// To pixels.
    Projection(ProjectionPostprocessor),
}

impl ModalityPostprocessor {
    /// Postprocesses B × O × channels.
    ///
    /// # Errors
    /// For other channels.
    pub fn forward(&self, outputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Audio(audio) => audio.forward(outputs),
            Self::Classification(labels) => labels.forward(outputs),
            Self::Projection(pixels) => pixels.forward(outputs),
        }
    }
}

/// One postprocessor for each modality.
#[derive(Clone, Debug)]
pub struct MultimodalPostprocessor {
    modalities: BTreeMap<String, ModalityPostprocessor>,
}

impl MultimodalPostprocessor {
    /// Takes the postprocessors; their tensors are below `modalities.NAME`.
    pub fn new(modalities: BTreeMap<String, ModalityPostprocessor>) -> Self {
        Self { modalities }
    }

    /// Postprocesses the outputs of the modalities that are there, each B × O × channels.
    ///
    /// # Errors
    /// For a modality there is no postprocessor for, or other channels.
    pub fn forward(&self, outputs: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
        let one = |(name, outputs): (&String, &Tensor)| -> Result<(String, Tensor)> {
            let names = || format!("{:?}", self.modalities.keys().collect::<Vec<_>>());
            let postprocessor = self.modalities.get(name).ok_or_else(|| Error::option("modality", name, names()))?;
            Ok((name.clone(), postprocessor.forward(outputs)?))
        };
        outputs.iter().map(one).collect()
    }

    /// Cuts B × O × channels into modalities that follow each other in the order of their names.
    ///
    /// # Errors
    /// When the sizes do not add up to O.
    pub fn split(outputs: &Tensor, modality_sizes: &BTreeMap<String, usize>) -> Result<BTreeMap<String, Tensor>> {
        if outputs.dim(1)? != modality_sizes.values().sum::<usize>() {
            return Err(Error::tensor("decoder output", outputs.dims(), format!("the outputs of {modality_sizes:?}")));
        }
        let mut start = 0;
        let mut cut = |(name, &size): (&String, &usize)| -> Result<(String, Tensor)> {
            start += size;
            Ok((name.clone(), outputs.narrow(1, start - size, size)?))
        };
        modality_sizes.iter().map(&mut cut).collect()
    }
}
