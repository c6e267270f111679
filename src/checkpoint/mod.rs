//! Where weights come from: a folder as Hugging Face writes it, a model of its Hub, or one built into this crate.
//!
//! A checkpoint is `config.json` beside `model.safetensors` or `pytorch_model.bin`, or the index of several such files. Tensors have the
//! published names; what is missing, surplus, of another shape or not finite is listed in one error.

mod archive;
mod convert;
mod files;
pub mod hub;
mod ledger;
mod pickle;
mod processors;
mod save;
mod store;

use std::{
    borrow::Cow,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use sha2::{Digest, Sha256};

pub use self::save::{save, save_image_processor};
use self::{
    hub::{Hub, HubId},
    ledger::Ledger,
    store::{Bytes, Store},
};
use crate::{
    builtin,
    compute::Precision,
    error::{Error, Result},
    perceiver::{Folding, PerceiverConfig, Weights},
};

/// Prefix of the models built into this crate.
const BUILTIN: &str = "builtin:";
/// What the weights are called that every tool reads.
const WEIGHTS: &str = "model.safetensors";

/// A model's configuration and tensors, not yet built.
#[derive(Debug)]
pub struct Checkpoint {
    name: String,
    /// Where its files are; none of a model that is built in.
    folder: Option<PathBuf>,
    config: PerceiverConfig,
    /// `config.json` with the fields that mean nothing here.
    config_text: Cow<'static, [u8]>,
    store: Store,
    /// Once it was asked for: it takes reading every byte.
    hash: OnceLock<String>,
    folding: Folding,
}

impl Checkpoint {
    /// Opens a folder, `builtin:NAME`, or a model of the Hugging Face Hub by its id, `owner/name` or `owner/name@revision`, that is in the
    /// cache already ([`Hub::pull`] of the feature `hub` fetches it). A folder of that name comes first.
    ///
    /// Of several kinds of weights the first of these is read: `model.safetensors`, `model.safetensors.index.json` with its files,
    /// `pytorch_model.bin`, `pytorch_model.bin.index.json` with its files.
    ///
    /// # Errors
    /// When it is not there, its configuration or weights cannot be read, or they are damaged.
    pub fn open(source: &str) -> Result<Self> {
        match (source.strip_prefix(BUILTIN), hub_id(source)) {
            (Some(name), _) => Self::builtin(source, name),
            (None, Some(id)) => Self::read(source, &Hub::from_environment().open(&id)?),
            (None, None) => Self::read(source, Path::new(source)),
        }
    }

    fn builtin(source: &str, name: &str) -> Result<Self> {
        let model = builtin::MODELS.iter().find(|model| model.name == name).ok_or_else(|| {
            let names: Vec<String> = builtin::MODELS.iter().map(|model| format!("{BUILTIN}{}", model.name)).collect();
            Error::option("model", source, format!("{}, a folder, or an id of the Hugging Face Hub", names.join(", ")))
        })?;
        let (path, mut store) = (Path::new(source), Store::default());
        store.add(&path.join(WEIGHTS), Bytes::InMemory(model.weights), store::safetensors(path, model.weights)?)?;
        Self::new(source, None, model.config.as_bytes().into(), store)
    }

    fn read(source: &str, folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            let accepted = format!("a folder with {}, {BUILTIN}NAME, or an id of the Hugging Face Hub", files::ACCEPTED);
            return Err(Error::option("model", source, accepted));
        }
        let config_text = files::text(&folder.join(files::CONFIG))?;
        Self::new(source, Some(folder), config_text.into(), files::open(folder)?)
    }

    fn new(name: &str, folder: Option<&Path>, config_text: Cow<'static, [u8]>, store: Store) -> Result<Self> {
        let path = folder.unwrap_or(Path::new(name)).join(files::CONFIG);
        let config: PerceiverConfig = serde_json::from_slice(&config_text)
            .map_err(|e| Error::format(&path, format!("no Perceiver configuration ({e})")))?;
        config.validate().map_err(|e| Error::format(&path, e.to_string()))?;
        let (name, folder) = (name.to_owned(), folder.map(Path::to_owned));
        Ok(Self { name, folder, config, config_text, store, hash: OnceLock::new(), folding: Folding::default() })
    }

    /// Models built from here are folded or not; by default they are where it saves work.
    pub fn with_folding(self, folding: Folding) -> Self {
        Self { folding, ..self }
    }

    /// The source, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder it was read from: what else belongs to the model, as `preprocessor_config.json`, lies there. `None` for a built-in one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The files it was read from, by name, with their sizes in bytes.
    pub fn files(&self) -> Vec<(String, u64)> {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let weights = self.store.files().map(|(path, content)| (name(path), content.len() as u64));
        [(files::CONFIG.to_owned(), self.config_text.len() as u64)].into_iter().chain(weights).collect()
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
        self.hash.get_or_init(|| {
            let mut digest = Sha256::new();
            digest.update(&self.config_text);
            self.store.read_all(|part| digest.update(part));
            hexadecimal(digest)
        })
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
        let weights = Weights::new(tensors, self.config.initializer_range).with_folding(self.folding);
        let model = new(&self.config, &weights)?;
        let lines = ledger.differences();
        if lines.is_empty() { Ok(model) } else { Err(Error::Checkpoint { path: self.name.clone().into(), lines }) }
    }
}

/// The model of the Hub that a source names: an id, where no folder is called so.
pub fn hub_id(source: &str) -> Option<HubId> {
    source.parse().ok().filter(|_| !Path::new(source).exists())
}

/// SHA-256 of a file, in hexadecimal.
fn hash_of_file(path: &Path) -> Result<String> {
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    let mut file = File::open(path).map_err(Error::io(path))?;
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok(hexadecimal(digest)),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
