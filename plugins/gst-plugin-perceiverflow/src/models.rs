//! Models that elements share: loaded once for each key, alive as long as somebody holds them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use perceiverflow::{
    Result,
    compute::{DeviceChoice, Precision},
};

/// What makes two models the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// A folder or a built-in's name.
    pub(crate) model: String,
    /// Where it runs.
    pub(crate) device: DeviceChoice,
    /// In which number format.
    pub(crate) precision: Precision,
}

/// The loaded models of one kind in this process.
///
/// Mutex order: `slots`, and never together with a slot's own. A slot's own is held while its model loads, so that the elements of a
/// starting pipeline that name one model wait for a single load instead of loading it side by side; no other lock is taken under it.
#[derive(Debug)]
pub(crate) struct Registry<M> {
    slots: Mutex<Vec<(Key, Slot<M>)>>,
}

type Slot<M> = Arc<Mutex<Weak<M>>>;

impl<M> Registry<M> {
    pub(crate) const fn new() -> Self {
        Self { slots: Mutex::new(Vec::new()) }
    }

    /// The model of this key; `load` runs when nobody holds one.
    ///
    /// # Errors
    /// What `load` says; the next call tries again.
    pub(crate) fn get(&self, key: &Key, load: impl FnOnce() -> Result<M>) -> Result<Arc<M>> {
        let slot = self.slot(key);
        let mut held = lock(&slot);
        if let Some(model) = held.upgrade() {
            return Ok(model);
        }
        let model = Arc::new(load()?);
        *held = Arc::downgrade(&model);
        Ok(model)
    }

    /// Loads the model of this key anew. Whoever holds the old one keeps it; whoever asks next gets the new one.
    ///
    /// # Errors
    /// What `load` says; the old model then stays in its place.
    pub(crate) fn replace(&self, key: &Key, load: impl FnOnce() -> Result<M>) -> Result<Arc<M>> {
        let slot = self.slot(key);
        let mut held = lock(&slot);
        let model = Arc::new(load()?);
        *held = Arc::downgrade(&model);
        Ok(model)
    }

    /// Gives a broken model to nobody else.
    pub(crate) fn forget(&self, key: &Key, model: &Arc<M>) {
        let slot = self.slot(key);
        let mut held = lock(&slot);
        if std::ptr::eq(held.as_ptr(), Arc::as_ptr(model)) {
            *held = Weak::new();
        }
    }

    fn slot(&self, key: &Key) -> Slot<M> {
        let mut slots = lock(&self.slots);
        if let Some((_, slot)) = slots.iter().find(|(known, _)| known == key) {
            return slot.clone();
        }
        let slot = Slot::default();
        slots.push((key.clone(), slot.clone()));
        slot
    }
}

/// A load that panicked leaves an empty slot behind, which is a state like any other.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use perceiverflow::Error;

    use super::*;

    fn key(model: &str) -> Key {
        Key { model: model.into(), device: DeviceChoice::Cpu, precision: Precision::F32 }
    }

    #[test]
    fn one_key_one_model_as_long_as_somebody_holds_it() {
        let registry = Registry::new();
        let first = registry.get(&key("a"), || Ok(1)).unwrap();
        let second = registry.get(&key("a"), || panic!("loaded twice")).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*registry.get(&key("b"), || Ok(2)).unwrap(), 2);
        let other = Key { precision: Precision::F16, ..key("a") };
        assert_eq!(*registry.get(&other, || Ok(3)).unwrap(), 3);
        drop((first, second));
        assert_eq!(*registry.get(&key("a"), || Ok(4)).unwrap(), 4);
    }

    #[test]
    fn a_failed_load_is_tried_again() {
        let registry = Registry::new();
        assert!(registry.get(&key("a"), || Err(Error::Interrupted)).is_err());
        assert_eq!(*registry.get(&key("a"), || Ok(1)).unwrap(), 1);
    }

    #[test]
    fn a_replaced_or_forgotten_model_stays_with_its_holders_only() {
        let registry = Registry::new();
        let old = registry.get(&key("a"), || Ok(1)).unwrap();
        assert!(registry.replace(&key("a"), || Err(Error::Interrupted)).is_err());
        assert!(Arc::ptr_eq(&old, &registry.get(&key("a"), || Ok(0)).unwrap()));
        let new = registry.replace(&key("a"), || Ok(2)).unwrap();
        registry.forget(&key("a"), &old);
        assert!(Arc::ptr_eq(&new, &registry.get(&key("a"), || Ok(0)).unwrap()));
        registry.forget(&key("a"), &new);
        assert_eq!((*old, *registry.get(&key("a"), || Ok(3)).unwrap()), (1, 3));
    }
}
