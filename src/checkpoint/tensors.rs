//! Tensors by name, from a mapped file or from memory, and the account of which were asked for.

use std::{
    collections::BTreeSet,
    fs::File,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{DType, Device, Shape, Tensor, safetensors::Load};
use candle_nn::{Init, var_builder::SimpleBackend};
use memmap2::Mmap;
use safetensors::SafeTensors;

use crate::error::{Error, Result};

/// Where the bytes of a `.safetensors` file are.
#[derive(Clone, Debug)]
pub(super) enum Store {
    Mapped(Arc<Mmap>),
    InMemory(&'static [u8]),
}

impl Store {
    /// Maps a file.
    pub(super) fn mapped(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        // SAFETY: the map is read only. Somebody who writes to the file meanwhile changes numbers, which any number stands for; somebody who
        // truncates it ends the process, as with every mapped file.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path))?;
        Self::Mapped(Arc::new(map)).checked(path)
    }

    /// Takes bytes that are part of the program.
    pub(super) fn in_memory(name: &str, bytes: &'static [u8]) -> Result<Self> {
        Self::InMemory(bytes).checked(Path::new(name))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::InMemory(bytes) => bytes,
        }
    }

    fn checked(self, path: &Path) -> Result<Self> {
        let broken = |e| Error::format(path, format!("no intact safetensors file ({e})"));
        SafeTensors::deserialize(self.bytes()).map_err(broken)?;
        Ok(self)
    }

    fn tensors(&self) -> candle_core::Result<SafeTensors<'_>> {
        SafeTensors::deserialize(self.bytes()).map_err(candle_core::Error::wrap)
    }
}

/// Hands tensors to the model being built and notes what does not fit, so that all of it can be told at once.
#[derive(Clone)]
pub(super) struct Ledger {
    store: Store,
    account: Arc<Mutex<Account>>,
}

#[derive(Default)]
struct Account {
    asked: BTreeSet<String>,
    lines: Vec<String>,
}

/// Batch norm's count of training steps: in every checkpoint, of no use here.
const IGNORED: &str = "num_batches_tracked";

impl Ledger {
    pub(super) fn new(store: &Store) -> Self {
        Self { store: store.clone(), account: Arc::default() }
    }

    /// Every tensor that was missing, of another shape, or never asked for.
    pub(super) fn differences(&self) -> Vec<String> {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let present: Vec<String> =
            self.store.tensors().map(|tensors| tensors.names().iter().map(ToString::to_string).collect()).unwrap_or_default();
        let surplus = present.into_iter().filter(|name| !name.ends_with(IGNORED) && !account.asked.contains(name));
        account.lines.iter().cloned().chain(surplus.map(|name| format!("surplus {name}"))).collect()
    }

    fn note(&self, name: &str, line: Option<String>) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.asked.insert(name.to_owned());
        account.lines.extend(line);
    }
}

impl SimpleBackend for Ledger {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let tensors = self.store.tensors()?;
        let found = tensors.tensor(name);
        let line = match &found {
            Ok(view) if view.shape() == shape.dims() => None,
            Ok(view) => Some(format!("{name} has shape {:?}, the configuration asks for {:?}", view.shape(), shape.dims())),
            Err(_) => Some(format!("missing {name} {:?}", shape.dims())),
        };
        let fits = line.is_none();
        self.note(name, line);
        match found {
            Ok(view) if fits => view.load(device)?.to_dtype(dtype),
            // One number seen as many: it lets the building go on, takes no memory, and never leaves `Checkpoint::build`.
            _ => Tensor::zeros((), dtype, device)?.broadcast_as(shape),
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.note(name, None);
        self.store.tensors()?.tensor(name).map_err(candle_core::Error::wrap)?.load(device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.store.tensors().is_ok_and(|tensors| tensors.tensor(name).is_ok())
    }
}
