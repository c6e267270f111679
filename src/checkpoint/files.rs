//! Which files of a folder hold the weights.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
};

use serde::Deserialize;

use super::store::{Bytes, Store, safetensors};
use crate::error::{Error, Result};

/// One file of weights.
const SINGLE: &str = "model.safetensors";
/// The list of several files of weights.
const INDEX: &str = "model.safetensors.index.json";
/// What a folder of weights may hold, for messages.
pub(super) const ACCEPTED: &str = "config.json and model.safetensors or model.safetensors.index.json";

/// The weights of a folder: of what it holds, the first in the order of [`ACCEPTED`].
pub(super) fn open(folder: &Path) -> Result<Store> {
    let [single, index] = [SINGLE, INDEX].map(|name| folder.join(name));
    let mut store = Store::default();
    if single.exists() {
        let file = Bytes::mapped(&single)?;
        let views = safetensors(&single, file.as_slice())?;
        store.add(&single, file, views)?;
    } else if index.exists() {
        add_shards(folder, &index, &mut store)?;
    } else {
        return Err(Error::format(folder, format!("no weights; accepted is a folder with {ACCEPTED}")));
    }
    Ok(store)
}

/// The part of an index that says where each tensor is.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn add_shards(folder: &Path, path: &Path, store: &mut Store) -> Result<()> {
    let index = Bytes::mapped(path)?;
    let Index { weight_map } = serde_json::from_slice(index.as_slice())
        .map_err(|e| Error::format(path, format!("no index of safetensors files ({e}); accepted is a weight_map")))?;
    // The index counts into the hash like any other file that was read.
    store.add(path, index, BTreeMap::new())?;
    for shard in weight_map.values().collect::<BTreeSet<_>>() {
        let mut parts = Path::new(shard).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(Error::format(path, format!("{shard:?} is not accepted, only the name of a file beside the index")));
        }
        let file_path = folder.join(shard);
        let file = Bytes::mapped(&file_path)?;
        let views = safetensors(&file_path, file.as_slice())?;
        if let Some((name, _)) = weight_map.iter().find(|(name, of)| *of == shard && !views.contains_key(*name)) {
            return Err(Error::format(&file_path, format!("tensor {name} is not in it, though {INDEX} says so")));
        }
        store.add(&file_path, file, views)?;
    }
    Ok(())
}
