//! Fetching a model into the cache.
//!
//! The crate `hf-hub` is not used: its version 1 brings an asynchronous runtime, a client for Hugging Face's chunk storage and two
//! hundred further crates, and neither it nor the smaller version 0.5 holds a file against its hash; version 1 also begins again
//! where a connection was cut. What is needed is little: a list of files, and each of them by name.

use std::path::PathBuf;

use super::{
    Hub, HubId, cache,
    transfer::{Client, Transfer},
};
use crate::{
    checkpoint::files::{self, CONFIG, Weights},
    error::{Error, Result},
};

impl Hub {
    /// Fetches a model's configuration, weights and the settings of its inputs, as far as they are not in the cache, and tells the
    /// folder. Of several kinds of weights the first in the order of [`Checkpoint::open`](crate::checkpoint::Checkpoint::open) is taken.
    /// `progress` hears how far each file is.
    ///
    /// A cut connection loses nothing: the next call goes on from there. Large files are held against their SHA-256. Several processes
    /// may fetch the same model at once; the second waits for the first. A branch or tag means the new commit once all of it is there.
    ///
    /// # Errors
    /// When there is no such model or revision, it needs a token, the network fails, a file comes damaged (it is removed then), or the
    /// Hub is set to be offline and the model is not in the cache.
    pub fn pull(&self, id: &HubId, mut progress: impl FnMut(Transfer<'_>)) -> Result<PathBuf> {
        let failed = |reason: String| Error::Hub { id: id.to_string(), reason };
        if let Some(folder) = self.find(id).filter(|_| self.is_offline || cache::is_commit(id.revision())) {
            return Ok(folder);
        }
        if self.is_offline {
            let cache = self.cache.display();
            return Err(failed(format!("not in the cache {cache}, and HF_HUB_OFFLINE forbids to fetch it")));
        }
        let client = Client::new(self, id);
        let listing = client.listing()?;
        let page = format!("{}/{}", self.endpoint, id.repository());
        let weights = Weights::among(|name| listing.has(name))
            .filter(|_| listing.has(CONFIG))
            .ok_or_else(|| failed(format!("{page} is no model; accepted is one with {}", files::ACCEPTED)))?;
        let repository = self.repository(id);
        let snapshot = repository.snapshot(&listing.sha);
        let mut fetch = |name: &str| -> Result<()> {
            if snapshot.join(name).exists() {
                return Ok(());
            }
            let head = client.head(&listing.sha, name)?;
            let blob = repository.blob(&head.hash);
            if let Some(folder) = blob.parent() {
                std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
            }
            let _lock = repository.lock(&head.hash)?;
            if !blob.exists() {
                client.fetch(&listing.sha, name, &head, &blob, &mut progress)?;
            }
            repository.link(&listing.sha, name, &head.hash)
        };
        fetch(CONFIG)?;
        files::COMPANIONS.into_iter().filter(|name| listing.has(name)).try_for_each(&mut fetch)?;
        fetch(weights.name)?;
        if weights.is_index {
            files::Index::open(&snapshot.join(weights.name))?.shards().into_iter().try_for_each(&mut fetch)?;
        }
        if !cache::is_commit(id.revision()) {
            repository.refer(id.revision(), &listing.sha)?;
        }
        Ok(snapshot)
    }
}
