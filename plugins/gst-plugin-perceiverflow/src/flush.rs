//! How a streaming thread that waits for a model is woken.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

/// A channel on which nothing is ever sent: whoever waits for it is woken when its sender goes.
#[derive(Debug)]
pub(crate) struct Flush(Mutex<(Option<Sender<()>>, Receiver<()>)>);

impl Default for Flush {
    fn default() -> Self {
        Self(Mutex::new(channel()))
    }
}

impl Flush {
    /// Wakes whoever waits, and keeps anybody from waiting.
    pub(crate) fn wake(&self) {
        self.lock().0 = None;
    }

    /// Lets the streaming thread wait again.
    pub(crate) fn resume(&self) {
        *self.lock() = channel();
    }

    /// Ends when the streaming thread must not wait.
    pub(crate) fn receiver(&self) -> Receiver<()> {
        self.lock().1.clone()
    }

    /// The pair is replaced whole: a panic elsewhere leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, (Option<Sender<()>>, Receiver<()>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn channel() -> (Option<Sender<()>>, Receiver<()>) {
    let (sender, receiver) = bounded(0);
    (Some(sender), receiver)
}
