//! `PerceiverMultimodalPostprocessor`: the outputs of every modality, each through its own postprocessor.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::{AudioPostprocessor, ClassificationPostprocessor, ProjectionPostprocessor};
use crate::{
    error::{Error, Result},
    perceiver::Linear,
};

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

impl ModalityPostprocessor {
    /// The layer that every output goes through.
    fn layer(&self) -> &Linear {
        match self {
            Self::Audio(audio) => &audio.classifier,
            Self::Classification(labels) => &labels.classifier,
            Self::Projection(pixels) => &pixels.classifier,
        }
    }

    /// What [`forward`](Self::forward) makes of outputs that went through that layer already, B × O × its channels.
    fn shaped(&self, outputs: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Audio(_) => outputs.flatten_from(1)?,
            Self::Classification(_) => outputs.narrow(1, 0, 1)?.squeeze(1)?,
            Self::Projection(_) => outputs.clone(),
        })
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

    /// Postprocesses one modality whose outputs (B × O × channels) come from `answer`, which is given the postprocessor's layer to go through.
    /// `None` where there is no such modality, or no answer.
    pub(in crate::perceiver) fn through(
        &self,
        name: &str,
        answer: impl FnOnce(&Linear) -> Result<Option<Tensor>>,
    ) -> Result<Option<Tensor>> {
        let Some(postprocessor) = self.modalities.get(name) else { return Ok(None) };
        answer(postprocessor.layer())?.map(|outputs| postprocessor.shaped(&outputs)).transpose()
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
