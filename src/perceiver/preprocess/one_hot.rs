//! Class labels to a token: `PerceiverOneHotPreprocessor` (Perceiver IO, section 4.4).

use candle_core::{DType, Tensor};

use crate::{
    error::{Error, Result},
    perceiver::Block,
};

/// One token whose channels are the classes.
#[derive(Clone, Debug)]
pub struct OneHotPreprocessor {
    num_labels: usize,
}

impl OneHotPreprocessor {
    /// For this many classes.
    pub fn new(num_labels: usize) -> Self {
        Self { num_labels }
    }

    /// C, channels of the token: the number of classes.
    pub fn num_channels(&self) -> usize {
        self.num_labels
    }

    /// `labels`, B × classes, as one token each.
    ///
    /// # Errors
    /// When the labels have another shape.
    pub fn forward(&self, labels: &Tensor) -> Result<Block> {
        match *labels.dims() {
            [_, classes] if classes == self.num_labels => Ok(Block::bare(labels.to_dtype(DType::F32)?.unsqueeze(1)?)),
            _ => Err(Error::tensor("label", labels.dims(), format!("B, {} classes", self.num_labels))),
        }
    }
}
