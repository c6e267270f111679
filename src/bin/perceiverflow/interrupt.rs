//! Ctrl-C.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use perceiverflow::{Error, Result};

/// How long Ctrl-C may go unnoticed while another thread is busy.
pub(crate) const ATTENTION: Duration = Duration::from_millis(100);

/// The exit code of a program that Ctrl-C has ended.
pub(crate) const INTERRUPTED: i32 = 130;

/// Whether the user has asked for the end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on Ctrl-C (and the signals to terminate and to hang up) no longer ends the program; [`Interrupt::check`] says that it
    /// was asked for, so that unfinished files go first.
    pub(crate) fn listen() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let flag = asked.clone();
        // Where the system refuses a handler, Ctrl-C ends the program as it always did.
        let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
        Self(asked)
    }

    /// The same, and the second time ends the program at once: for work that can be killed at any moment.
    pub(crate) fn listen_twice() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let flag = asked.clone();
        let _ = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
        });
        Self(asked)
    }

    /// # Errors
    /// [`Error::Interrupted`] once the user has asked for the end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}
