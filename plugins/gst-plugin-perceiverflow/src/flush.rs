//! How a streaming thread that waits for a model is woken.

use std::sync::Mutex;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::lock::lock;

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
        lock(&self.0).0 = None;
    }

    /// Lets the streaming thread wait again.
    pub(crate) fn resume(&self) {
        *lock(&self.0) = channel();
    }

    /// Ends when the streaming thread must not wait.
    pub(crate) fn receiver(&self) -> Receiver<()> {
        lock(&self.0).1.clone()
    }
}

fn channel() -> (Option<Sender<()>>, Receiver<()>) {
    let (sender, receiver) = bounded(0);
    (Some(sender), receiver)
}
