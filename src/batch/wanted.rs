//! What of a file has to be read for the windows that a part of it still lacks.

use std::{ops::Range, sync::Arc, time::Duration};

use super::{Input, Job, queue::Unit, reading::Opened, worker::Shared};
use crate::video_file::SkipTo;

/// What a part of a file wants of it.
pub(super) struct Wanted {
    pub(super) shared: Arc<Shared>,
    pub(super) unit: Unit,
    pub(super) job: Job,
    /// Whether pictures that no window needs any more may be passed over.
    pub(super) skips: bool,
}

impl Wanted {
    /// Whether more than the file's key is, of a file with this key.
    pub(super) fn more(&self, key: &str) -> bool {
        !self.unit.opens || self.shared.earlier.of_content(&self.shared.inputs[self.unit.file], key).is_none()
    }

    /// From where on its pictures are; none for all of them.
    pub(super) fn from(&self, key: &str, opened: &Opened) -> Option<SkipTo> {
        let input = &self.shared.inputs[self.unit.file];
        let begin =
            if self.unit.opens { windows_of(input, self.job.stride(opened), opened).1.start } else { self.unit.windows.start };
        let missing = self.shared.earlier.first_missing(input, key, begin);
        (self.skips && (1..u64::MAX).contains(&missing)).then(|| self.job.wanted(missing))
    }
}

/// How many windows a file has, about, and which of them are this run's.
pub(super) fn windows_of(input: &Input, stride: Duration, opened: &Opened) -> (Option<u64>, Range<u64>) {
    let expected = opened.duration.map(|whole| windows_in(whole, stride));
    (expected, input.share.windows(expected))
}

/// How many windows begin in `whole`, about.
pub(super) fn windows_in(whole: Duration, stride: Duration) -> u64 {
    whole.div_duration_f64(stride.max(Duration::from_nanos(1))).ceil() as u64
}
