//! Which files of a folder hold the weights.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
};

use serde::Deserialize;

use super::{
    pickle,
    store::{Bytes, Store, View, safetensors},
};
use crate::error::{Error, Result};

/// One file of weights.
const SINGLE: &str = "model.safetensors";
/// The list of several files of weights.
const INDEX: &str = "model.safetensors.index.json";
/// One file of weights as torch writes it.
const PICKLED: &str = "pytorch_model.bin";
/// What a folder of weights may hold, for messages.
pub(super) const ACCEPTED: &str = "config.json and model.safetensors, model.safetensors.index.json or pytorch_model.bin";

/// The weights of a folder: of what it holds, the first in the order of [`ACCEPTED`].
pub(super) fn open(folder: &Path) -> Result<Store> {
    let [single, index, pickled] = [SINGLE, INDEX, PICKLED].map(|name| folder.join(name));
    let mut store = Store::default();
    if single.exists() {
        add(&single, safetensors, &mut store)?;
    } else if index.exists() {
        add_shards(folder, &index, &mut store)?;
    } else if pickled.exists() {
        add(&pickled, pickle::tensors, &mut store)?;
    } else {
        return Err(Error::format(folder, format!("no weights; accepted is a folder with {ACCEPTED}")));
    }
    Ok(store)
}

type Views = BTreeMap<String, View>;

fn add(path: &Path, read: fn(&Path, &[u8]) -> Result<Views>, store: &mut Store) -> Result<()> {
    let file = Bytes::mapped(path)?;
    let views = read(path, file.as_slice())?;
    store.add(path, file, views)
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
