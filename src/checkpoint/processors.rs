//! What stands beside the weights: how texts and pictures become the model's inputs.

use std::path::PathBuf;

use super::Checkpoint;
use crate::{
    error::Result,
    perceiver::{PerceiverImageProcessor, PerceiverTokenizer},
};

impl Checkpoint {
    /// The tokenizer of `tokenizer_config.json`, or the published one where there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or belongs to another tokenizer.
    pub fn tokenizer(&self) -> Result<PerceiverTokenizer> {
        self.file("tokenizer_config.json").map_or_else(|| Ok(PerceiverTokenizer::default()), PerceiverTokenizer::open)
    }

    /// The image processor of `preprocessor_config.json`, or the published one where there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or holds a field outside what is accepted.
    pub fn image_processor(&self) -> Result<PerceiverImageProcessor> {
        self.file("preprocessor_config.json")
            .map_or_else(|| Ok(PerceiverImageProcessor::default()), PerceiverImageProcessor::open)
    }

    /// A file beside the weights, if it is there.
    fn file(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name)).filter(|path| path.exists())
    }
}
