//! Where clean sound comes from.

use std::sync::Arc;

use rand::Rng;

/// A source of sound: formulas, recordings, or both. Cloning shares the recordings.
#[derive(Clone, Debug, Default)]
pub struct SoundLibrary {
    /// Speech, then the rest.
    recordings: Arc<[Recording]>,
    speech_count: usize,
    share: f32,
}

/// What is known of the sources of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Somebody speaks, and little else is to be heard.
    Speech,
    /// Nobody speaks: music, animals, machines, weather.
    Other,
}

/// A sound and what it is of.
#[derive(Clone, Debug)]
pub struct Recording {
    /// −1 to 1.
    pub samples: Vec<f32>,
    /// Of what.
    pub content: Content,
}

/// The largest sample from which on a part of a recording is more than a pause.
const HEARD: f32 = 0.02;
/// How often a part is looked for that is no pause.
const TRIES: usize = 8;

impl SoundLibrary {
    /// Every sound is made by formulas and chance.
    pub fn procedural() -> Self {
        Self::default()
    }

    /// A share (0 to 1) of the sounds are parts of `recordings`, at the rate at which sounds are asked for, as many of either content if there
    /// are both; the rest is procedural. Recordings of nothing are left out.
    pub fn mixed(recordings: Vec<Recording>, share: f32) -> Self {
        let heard = |recording: &Recording| recording.samples.iter().any(|sample| sample.abs() >= HEARD);
        let (speech, other): (Vec<_>, Vec<_>) =
            recordings.into_iter().filter(heard).partition(|recording| recording.content == Content::Speech);
        let speech_count = speech.len();
        Self { recordings: speech.into_iter().chain(other).collect(), speech_count, share }
    }

    /// A part of `count` samples of some recording, at its own level; none where a sound is to be made by formulas. A recording that is
    /// shorter is heard again from its beginning.
    pub(super) fn draw<R: Rng + ?Sized>(&self, rng: &mut R, count: usize) -> Option<Recording> {
        if self.recordings.is_empty() || rng.random::<f32>() >= self.share {
            return None;
        }
        (0..TRIES).find_map(|_| {
            let (speech, other) = self.recordings.split_at(self.speech_count);
            let of = if other.is_empty() || (!speech.is_empty() && rng.random_bool(0.5)) { speech } else { other };
            let Recording { samples, content } = &of[rng.random_range(0..of.len())];
            let start = rng.random_range(0..=samples.len().saturating_sub(count));
            let part: Vec<f32> = samples.iter().cycle().skip(start).take(count).copied().collect();
            part.iter().any(|sample| sample.abs() >= HEARD).then_some(Recording { samples: part, content: *content })
        })
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn parts_are_heard_and_as_long_as_asked() {
        let recording: Vec<f32> = (0..2000).map(|at| if at < 1500 { 0.0 } else { 0.5 }).collect();
        let of = |samples, content| Recording { samples, content };
        let recordings =
            vec![of(vec![0.25; 7], Content::Other), of(recording, Content::Speech), of(vec![0.0; 100], Content::Speech)];
        let library = SoundLibrary::mixed(recordings, 1.0);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let parts: Vec<_> = (0..50).filter_map(|_| library.draw(&mut rng, 200)).collect();
        assert!(parts.len() > 45 && parts.iter().all(|part| part.samples.len() == 200));
        assert!(parts.iter().all(|part| part.samples.iter().any(|&sample| sample > 0.2)));
        let (speech, other): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.content == Content::Speech);
        assert!(speech.len() > 10 && other.iter().all(|part| part.samples[..] == [0.25; 200]), "a short one is repeated");
    }

    #[test]
    fn without_recordings_formulas_make_every_sound() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(SoundLibrary::procedural().draw(&mut rng, 10).is_none());
        let silent = Recording { samples: vec![0.0; 100], content: Content::Other };
        assert!(SoundLibrary::mixed(vec![silent], 1.0).draw(&mut rng, 10).is_none());
    }
}
