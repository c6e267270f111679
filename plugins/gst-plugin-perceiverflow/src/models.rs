//! Models that elements share: loaded once for each key, alive as long as somebody holds them.

use std::sync::{Arc, Mutex, Weak};

use perceiverflow::{
    Error, Result,
    compute::{DeviceChoice, Precision},
    engine::{Worker, WorkerOptions, WorkerStats},
};

use crate::{
    asked::{self, Job, Reply, ReplyTicket},
    lock::lock,
    queue::Claim,
    settings::ModelSettings,
};

/// Claims that may lie in a worker's channel. An element has as many as it has waiting windows, at most 64.
const CAPACITY: usize = 4096;

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

/// The worker of a model: claims to windows in, replies out; none for windows that were withdrawn.
pub(crate) type ModelWorker<M> = Worker<Claim<Job<<M as SharedModel>::Question>>, Option<Reply<<M as SharedModel>::Answer>>>;

/// What an element asks: a loaded model that it shares with others.
pub(crate) trait AskedModel: Sized + Send + Sync + 'static {
    /// What is asked of a window.
    type Question: Send + Sync + 'static;
    /// What is answered.
    type Answer: Send + 'static;

    /// The process's model of these settings, loaded and warmed up if nobody holds it. Its batches are those of the element that
    /// loaded it.
    ///
    /// # Errors
    /// When a setting is none of those accepted, or the model cannot be loaded.
    fn shared(settings: &ModelSettings) -> Result<Arc<Self>>;

    /// The same model read again, for those who ask from now on.
    ///
    /// # Errors
    /// As [`shared`](Self::shared), and when it has another form, which streams that run could not take.
    fn reloaded(&self, settings: &ModelSettings) -> Result<Arc<Self>>;

    /// Has the next who asks load the model again, after its worker has ended.
    fn give_up(self: &Arc<Self>);

    /// Tells the worker that one more window waits.
    ///
    /// # Errors
    /// When the worker has ended.
    fn submit(&self, claim: Claim<Job<Self::Question>>) -> Result<ReplyTicket<Self::Answer>>;

    /// What the worker has done for all its elements.
    fn stats(&self) -> WorkerStats;
}

/// A loaded model of one kind, with the worker that runs it.
pub(crate) trait SharedModel: Sized + Send + Sync + 'static {
    /// What is asked of a window.
    type Question: Send + Sync + 'static;
    /// What is answered.
    type Answer: Send + 'static;
    /// What of the model's configuration [`form`](Self::form) depends on.
    const FORM: &'static str;

    /// The loaded models of this kind.
    fn registry() -> &'static Registry<Self>;

    /// Loads a model, warms it up on the calling thread and starts its worker.
    ///
    /// # Errors
    /// When it cannot be loaded, or is of another kind.
    fn load(key: &Key, options: &WorkerOptions) -> Result<Self>;

    /// What it is known by.
    fn key(&self) -> &Key;

    /// Its thread.
    fn worker(&self) -> &ModelWorker<Self>;

    /// What must stay the same for streams that run, in words.
    fn form(&self) -> String;
}

impl<M: SharedModel> AskedModel for M {
    type Question = M::Question;
    type Answer = M::Answer;

    fn shared(settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        M::registry().get(&key, || load(&key, settings))
    }

    fn reloaded(&self, settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        M::registry().replace(&key, || {
            let new: M = load(&key, settings)?;
            let [given, accepted] = [new.form(), self.form()];
            let same = given == accepted;
            if same { Ok(new) } else { Err(Error::config(M::FORM, given, format!("{accepted}, as before the reload"))) }
        })
    }

    fn give_up(self: &Arc<Self>) {
        M::registry().forget(self.key(), self);
    }

    fn submit(&self, claim: Claim<Job<M::Question>>) -> Result<ReplyTicket<M::Answer>> {
        self.worker().submit(claim)
    }

    fn stats(&self) -> WorkerStats {
        self.worker().stats()
    }
}

/// Loads a model on the threads that it is to compute on: no more of the processors are taken, and what warming up takes is what a window
/// will.
fn load<M: SharedModel>(key: &Key, settings: &ModelSettings) -> Result<M> {
    let options = WorkerOptions {
        name: key.model.clone(),
        capacity: CAPACITY,
        batch_size: settings.batch_size as usize,
        batch_timeout: settings.batch_timeout.into(),
        threads: settings.threads()?,
    };
    options.threads.run(|| M::load(key, &options))
}

/// Starts the worker of a model with this hash; `ask` answers several questions in their order.
///
/// # Errors
/// When the system refuses a thread.
pub(crate) fn spawn<M: SharedModel>(
    options: &WorkerOptions,
    model_hash: Arc<str>,
    mut ask: impl FnMut(&[&M::Question]) -> Result<Vec<M::Answer>> + Send + 'static,
) -> Result<ModelWorker<M>> {
    Worker::spawn(options, move |claims: &[Claim<Job<M::Question>>]| asked::answer(claims, &model_hash, &mut ask))
}

#[cfg(test)]
mod tests {
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
