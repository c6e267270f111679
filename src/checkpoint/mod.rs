//! Where weights come from: a folder as Hugging Face writes it, or a model built into this crate.
//!
//! A checkpoint is `config.json` beside `model.safetensors`, the index of several such files, or `pytorch_model.bin`. Tensors have the
//! published names; what is missing, surplus, of another shape or not finite is listed in one error.

mod archive;
mod files;
mod ledger;
mod pickle;
mod processors;
mod save;
mod store;

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use sha2::{Digest, Sha256};

pub use self::save::{save, save_image_processor};
use self::{
    ledger::Ledger,
    store::{Bytes, Store},
};
use crate::{
    builtin,
    compute::Precision,
    error::{Error, Result},
    perceiver::{PerceiverConfig, Weights},
};

/// Prefix of the models built into this crate.
const BUILTIN: &str = "builtin:";

/// A model's configuration and tensors, not yet built.
#[derive(Debug)]
pub struct Checkpoint {
    name: String,
    /// Where its files are; none of a model that is built in.
    folder: Option<PathBuf>,
    config: PerceiverConfig,
    store: Store,
    hash: String,
}

impl Checkpoint {
    /// Opens a folder, or `builtin:NAME`.
    ///
    /// # Errors
    /// When it is not there, its configuration or weights cannot be read, or they are damaged.
    pub fn open(source: &str) -> Result<Self> {
        match source.strip_prefix(BUILTIN) {
            Some(name) => Self::builtin(source, name),
            None => Self::folder(Path::new(source)),
        }
    }

    fn builtin(source: &str, name: &str) -> Result<Self> {
        let model = builtin::MODELS.iter().find(|model| model.name == name).ok_or_else(|| {
            let names: Vec<String> = builtin::MODELS.iter().map(|model| format!("{BUILTIN}{}", model.name)).collect();
            Error::option("model", source, format!("{}, or a folder", names.join(", ")))
        })?;
        let config: PerceiverConfig =
            serde_json::from_str(model.config).map_err(|e| Error::format(source, format!("no Perceiver configuration ({e})")))?;
        config.validate()?;
        let mut store = Store::default();
        let path = Path::new(source);
        store.add(path, Bytes::InMemory(model.weights), store::safetensors(path, model.weights)?)?;
        Ok(Self::new(source, None, config, model.config.as_bytes(), store))
    }

    fn folder(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            let accepted = format!("a folder with {}, or {BUILTIN}NAME", files::ACCEPTED);
            return Err(Error::option("model", folder.display(), accepted));
        }
        let path = folder.join("config.json");
        let text = std::fs::read(&path).map_err(Error::io(&path))?;
        let config = PerceiverConfig::open(&path)?;
        Ok(Self::new(&folder.display().to_string(), Some(folder.to_owned()), config, &text, files::open(folder)?))
    }

    fn new(name: &str, folder: Option<PathBuf>, config: PerceiverConfig, config_text: &[u8], store: Store) -> Self {
        let hash = hash([config_text].into_iter().chain(store.contents()));
        Self { name: name.to_owned(), folder, config, store, hash }
    }

    /// The source, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model's configuration.
    pub fn config(&self) -> &PerceiverConfig {
        &self.config
    }

    /// How many numbers the model has learned, over all its tensors.
    pub fn parameters(&self) -> usize {
        self.store.parameters()
    }

    /// SHA-256 over configuration and the files of weights, in hexadecimal: names the model wherever its results go.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// One tensor by its published name, as it is stored, on `device`; none where the checkpoint has none of that name.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Option<Tensor>> {
        let there = self.store.shape(name).is_some();
        Ok(there.then(|| self.store.load(name, device)).transpose()?)
    }

    /// Builds a model from the tensors: `new` asks for them by name.
    ///
    /// # Errors
    /// One that lists every tensor that is missing, surplus, of another shape or not finite; or what `new` says.
    pub fn build<M>(
        &self,
        device: &Device,
        precision: Precision,
        new: impl FnOnce(&PerceiverConfig, &Weights<'_>) -> Result<M>,
    ) -> Result<M> {
        let ledger = Ledger::new(&self.store);
        let tensors = VarBuilder::from_backend(Box::new(ledger.clone()), precision.dtype(), device.clone());
        let model = new(&self.config, &Weights::new(tensors, self.config.initializer_range))?;
        let lines = ledger.differences();
        if lines.is_empty() { Ok(model) } else { Err(Error::Checkpoint { path: self.name.clone().into(), lines }) }
    }
}

fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
