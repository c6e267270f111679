//! The account of which tensors were asked for.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::{Init, var_builder::SimpleBackend};

use super::store::Store;

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

    /// Every tensor that was missing, of another shape, not finite, or never asked for.
    pub(super) fn differences(&self) -> Vec<String> {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = self.store.names().filter(|name| !name.ends_with(IGNORED) && !account.asked.contains(*name));
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
        let line = match self.store.shape(name) {
            Some(found) if found != shape.dims() => {
                Some(format!("{name} has shape {found:?}, the configuration asks for {:?}", shape.dims()))
            }
            Some(_) if !self.store.is_finite(name) => Some(format!("{name} holds values that are not finite numbers")),
            Some(_) => None,
            None => Some(format!("missing {name} {:?}", shape.dims())),
        };
        let fits = line.is_none();
        self.note(name, line);
        match fits {
            true => self.store.load(name, device)?.to_dtype(dtype),
            // One number seen as many: it lets the building go on, takes no memory, and never leaves `Checkpoint::build`.
            false => Tensor::zeros((), dtype, device)?.broadcast_as(shape),
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.note(name, None);
        self.store.load(name, device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.store.shape(name).is_some()
    }
}
