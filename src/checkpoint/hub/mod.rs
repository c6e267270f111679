//! Models of the Hugging Face Hub: `owner/name`, in the cache that Hugging Face's own tools use, so that a model fetched by one is there
//! for the other.
//!
//! Looking into the cache is always possible and never touches the network; [`Hub::pull`] (feature `hub`) fetches what is missing. Nothing
//! here starts a transfer that was not asked for. The conventions are those of `huggingface_hub`: see [`Hub::from_environment`].

mod cache;
mod environment;
mod id;
#[cfg(feature = "hub")]
mod pull;
#[cfg(feature = "hub")]
mod transfer;

use std::path::{Path, PathBuf};

#[cfg(feature = "hub")]
pub use self::transfer::Transfer;
pub use self::{cache::CachedModel, environment::Token, id::HubId};
use super::files;
use crate::error::{Error, Result};

/// Where the Hub is, where its models are kept here, and as whom they are fetched.
#[derive(Clone, Debug)]
pub struct Hub {
    /// The folder of `models--owner--name`.
    pub cache: PathBuf,
    /// The server, without a `/` at the end.
    pub endpoint: String,
    /// What lets a user see private and gated models.
    pub token: Option<Token>,
    /// Where a token would be looked for, for messages.
    pub token_path: PathBuf,
    /// Whether the network is left alone.
    pub is_offline: bool,
}

impl Hub {
    /// The folder of a model whose configuration and weights are all in the cache.
    pub fn find(&self, id: &HubId) -> Option<PathBuf> {
        let repository = self.repository(id);
        let snapshot = repository.snapshot(&repository.commit(id.revision())?);
        files::is_complete(&snapshot).then_some(snapshot)
    }

    /// The folder of a model, or what to do when it is not in the cache.
    ///
    /// # Errors
    /// When it is not in the cache.
    pub fn open(&self, id: &HubId) -> Result<PathBuf> {
        self.find(id).ok_or_else(|| {
            let cache = self.cache.display();
            Error::Hub {
                id: id.to_string(),
                reason: format!("not in the cache {cache}; `perceiverflow models pull {id}` fetches it"),
            }
        })
    }

    /// Every Perceiver model in the cache, by name, one entry for each branch or tag and for each commit without one.
    pub fn models(&self) -> Vec<CachedModel> {
        cache::models(&self.cache)
    }

    fn repository(&self, id: &HubId) -> cache::Repository {
        cache::Repository::new(&self.cache, id.repository())
    }
}

/// Holds the files of a cached model's folder against the SHA-256 by which the cache names them. Files that are named otherwise (small ones,
/// and all of any other folder) are not looked at.
///
/// # Errors
/// When one has another content, with what to do about it, or cannot be read.
pub fn verify(folder: &Path) -> Result<()> {
    for (path, blob) in cache::blobs(folder)? {
        let name = blob.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if cache::is_sha256(&name) {
            let found = super::hash_of_file(&blob)?;
            if found != name {
                let blob = blob.display();
                return Err(Error::format(
                    path,
                    format!("damaged: its SHA-256 is {found}; remove {blob} and pull the model again"),
                ));
            }
        }
    }
    Ok(())
}
