//! How much of an archive is still to be seen, in seconds of media: a film and a trailer are one file each, and no two hours alike.

use std::{collections::HashMap, sync::Arc, time::Duration};

use perceiverflow::batch::Input;

/// Media of the files that are neither done nor failed.
#[derive(Clone, Debug, Default)]
pub(super) struct MediaLeft {
    /// Of those of which it is known.
    lasts: HashMap<Arc<str>, Duration>,
    /// How much of those under way is there.
    seen: HashMap<Arc<str>, Duration>,
    /// How many there are, known or not.
    files: u32,
    /// How long those that are known last together.
    known: Duration,
    all_seen: Duration,
    /// How many files were ever known, and how long they last: what the others are taken for.
    sample: (u32, Duration),
}

impl MediaLeft {
    pub(super) fn of(inputs: &[Input]) -> Self {
        let mut left = Self { files: inputs.len() as u32, ..Self::default() };
        for input in inputs {
            if let Some(duration) = input.duration {
                left.know(&input.id.as_str().into(), duration / input.share.count as u32);
            }
        }
        left
    }

    /// How long a file lasts; who said so first is believed.
    pub(super) fn know(&mut self, file: &Arc<str>, duration: Duration) {
        if !self.lasts.contains_key(file) {
            self.lasts.insert(file.clone(), duration);
            self.known += duration;
            self.sample = (self.sample.0 + 1, self.sample.1 + duration);
        }
    }

    /// More of a file is there.
    pub(super) fn see(&mut self, file: &Arc<str>, media: Duration) {
        *self.seen.entry(file.clone()).or_default() += media;
        self.all_seen += media;
    }

    /// A file needs no more.
    pub(super) fn settle(&mut self, file: &Arc<str>) {
        self.files = self.files.saturating_sub(1);
        self.known = self.known.saturating_sub(self.lasts.remove(file).unwrap_or_default());
        self.all_seen = self.all_seen.saturating_sub(self.seen.remove(file).unwrap_or_default());
    }

    /// What is left; none while no file has told how long it lasts.
    pub(super) fn time(&self) -> Option<Duration> {
        let (files, duration) = self.sample;
        let mean = duration.checked_div(files)?;
        let unknown = mean * self.files.saturating_sub(self.lasts.len() as u32);
        Some((self.known + unknown).saturating_sub(self.all_seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_counts_as_the_mean_of_what_is() {
        let seconds = Duration::from_secs;
        let [film, trailer, other]: [Arc<str>; 3] = ["film", "trailer", "other"].map(Into::into);
        let mut left = MediaLeft { files: 3, ..MediaLeft::default() };
        assert_eq!(left.time(), None);
        left.know(&film, seconds(7000));
        left.know(&film, seconds(1));
        left.know(&trailer, seconds(100));
        assert_eq!(left.time(), Some(seconds(7100 + 3550)));
        left.see(&film, seconds(6000));
        left.see(&trailer, seconds(50));
        assert_eq!(left.time(), Some(seconds(1000 + 50 + 3550)));
        left.settle(&trailer);
        assert_eq!(left.time(), Some(seconds(1000 + 3550)));
        left.settle(&other);
        assert_eq!(left.time(), Some(seconds(1000)));
    }
}
