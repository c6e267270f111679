//! Which files of a folder hold a model.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Component, Path},
};

use serde::Deserialize;

use super::{
    pickle,
    store::{Bytes, Store, View, safetensors},
};
use crate::error::{Error, Result};

/// The configuration.
pub(super) const CONFIG: &str = "config.json";
/// What a folder may hold besides: how pictures and text are made into inputs.
pub(super) const COMPANIONS: [&str; 4] =
    ["preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];
/// What a folder of a model holds, for messages.
pub(super) const ACCEPTED: &str =
    "config.json and model.safetensors, model.safetensors.index.json, pytorch_model.bin or pytorch_model.bin.index.json";
/// Bytes of a configuration or an index: far above any model's.
const LARGEST_TEXT: u64 = 4 << 20;

type Views = BTreeMap<String, View>;

/// A way in which weights may lie in a folder.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) name: &'static str,
    /// Whether this file only says in which others the tensors are.
    pub(super) is_index: bool,
    read: fn(&Path, &[u8]) -> Result<Views>,
}

/// The first that is there counts.
const WEIGHTS: [Weights; 4] = [
    Weights { name: "model.safetensors", is_index: false, read: safetensors },
    Weights { name: "model.safetensors.index.json", is_index: true, read: safetensors },
    Weights { name: "pytorch_model.bin", is_index: false, read: pickle::tensors },
    Weights { name: "pytorch_model.bin.index.json", is_index: true, read: pickle::tensors },
];

impl Weights {
    /// The weights to read where several may be there.
    pub(super) fn among(is_there: impl Fn(&str) -> bool) -> Option<&'static Self> {
        WEIGHTS.iter().find(|weights| is_there(weights.name))
    }
}

/// Whether a folder has configuration and all its weights.
pub(super) fn is_complete(folder: &Path) -> bool {
    let is_there = |name: &str| folder.join(name).is_file();
    let Some(weights) = Weights::among(is_there).filter(|_| is_there(CONFIG)) else { return false };
    !weights.is_index
        || Index::open(&folder.join(weights.name)).is_ok_and(|index| index.shards().iter().all(|shard| is_there(shard)))
}

/// Whether the configuration of a folder is one of this family.
pub(super) fn is_perceiver(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        model_type: String,
    }
    let text = text(&folder.join(CONFIG)).unwrap_or_default();
    serde_json::from_slice(&text).is_ok_and(|kind: Kind| kind.model_type == "perceiver")
}

/// The content of a small file.
pub(super) fn text(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let size = file.metadata().map_err(Error::io(path))?.len();
    if size > LARGEST_TEXT {
        return Err(Error::format(path, format!("{size} bytes long; accepted are up to {LARGEST_TEXT}")));
    }
    let mut text = Vec::with_capacity(size as usize);
    file.take(LARGEST_TEXT).read_to_end(&mut text).map_err(Error::io(path))?;
    Ok(text)
}

/// The weights of a folder: of what it holds, the first in the order of [`WEIGHTS`].
pub(super) fn open(folder: &Path) -> Result<Store> {
    let weights = Weights::among(|name| folder.join(name).exists())
        .ok_or_else(|| Error::format(folder, format!("no weights; accepted is a folder with {ACCEPTED}")))?;
    let (path, mut store) = (folder.join(weights.name), Store::default());
    if weights.is_index {
        add_shards(folder, &path, weights, &mut store)?;
    } else {
        let file = Bytes::mapped(&path)?;
        let views = (weights.read)(&path, file.as_slice())?;
        store.add(&path, file, views)?;
    }
    Ok(store)
}

/// The part of an index that says where each tensor is.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let index: Self = serde_json::from_slice(&text(path)?)
            .map_err(|e| Error::format(path, format!("no index of weights ({e}); accepted is a weight_map")))?;
        for shard in index.weight_map.values() {
            let mut parts = Path::new(shard).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                return Err(Error::format(path, format!("{shard:?} is not accepted, only the name of a file beside the index")));
            }
        }
        Ok(index)
    }

    /// The files it names.
    pub(super) fn shards(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

fn add_shards(folder: &Path, path: &Path, weights: &Weights, store: &mut Store) -> Result<()> {
    let index = Index::open(path)?;
    // The index counts into the hash like any other file that was read.
    store.add(path, Bytes::mapped(path)?, BTreeMap::new())?;
    for shard in index.shards() {
        let file_path = folder.join(shard);
        let file = Bytes::mapped(&file_path)?;
        let views = (weights.read)(&file_path, file.as_slice())?;
        if let Some((name, _)) = index.weight_map.iter().find(|(name, of)| *of == shard && !views.contains_key(*name)) {
            return Err(Error::format(&file_path, format!("tensor {name} is not in it, though {} says so", weights.name)));
        }
        store.add(&file_path, file, views)?;
    }
    Ok(())
}
