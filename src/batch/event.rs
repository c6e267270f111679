//! What a run tells while it goes on.

use std::{sync::Arc, time::Duration};

/// Something that happened. Workers are numbered from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A worker began a file, or a part of it.
    Began {
        /// The worker.
        worker: usize,
        /// The file's id.
        file: Arc<str>,
        /// How long it lasts, as far as it tells.
        duration: Option<Duration>,
    },
    /// A window was written.
    Window {
        /// The worker that cut it.
        worker: usize,
        /// The file's id.
        file: Arc<str>,
        /// When the window ends.
        end: Duration,
        /// How much of the file nobody had seen before.
        media: Duration,
    },
    /// A worker has handed over all windows of its file, or of its part.
    Left {
        /// The worker.
        worker: usize,
    },
    /// A file is done.
    Done {
        /// The file's id.
        file: Arc<str>,
        /// How many windows it has.
        windows: u64,
        /// How many of its packets and pictures are damaged.
        damaged: u64,
        /// Whether an earlier run did it.
        earlier: bool,
    },
    /// A file failed.
    Failed {
        /// The file's id.
        file: Arc<str>,
        /// What went wrong.
        detail: String,
        /// Whether it failed in an earlier run, and was not tried again.
        earlier: bool,
    },
}
