//! Where clean sound comes from.

use std::sync::Arc;

use rand::Rng;

/// A source of sound: formulas, recordings, or both. Cloning shares the recordings.
#[derive(Clone, Debug, Default)]
pub struct SoundLibrary {
    recordings: Arc<[Vec<f32>]>,
    share: f32,
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

    /// A share (0 to 1) of the sounds are parts of `recordings`, samples of −1 to 1 at the rate at which sounds are asked for; the rest is
    /// procedural. Recordings of nothing are left out.
    pub fn mixed(recordings: Vec<Vec<f32>>, share: f32) -> Self {
        let heard = |recording: &Vec<f32>| recording.iter().any(|sample| sample.abs() >= HEARD);
        Self { recordings: recordings.into_iter().filter(heard).collect(), share }
    }

    /// A part of `count` samples of some recording, at its own level; none where a sound is to be made by formulas. A recording that is
    /// shorter is heard again from its beginning.
    pub(super) fn draw<R: Rng + ?Sized>(&self, rng: &mut R, count: usize) -> Option<Vec<f32>> {
        if self.recordings.is_empty() || rng.random::<f32>() >= self.share {
            return None;
        }
        (0..TRIES).find_map(|_| {
            let recording = &self.recordings[rng.random_range(0..self.recordings.len())];
            let start = rng.random_range(0..=recording.len().saturating_sub(count));
            let part: Vec<f32> = recording.iter().cycle().skip(start).take(count).copied().collect();
            part.iter().any(|sample| sample.abs() >= HEARD).then_some(part)
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
        let library = SoundLibrary::mixed(vec![recording, vec![0.0; 100], vec![0.25; 7]], 1.0);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let parts: Vec<_> = (0..50).filter_map(|_| library.draw(&mut rng, 200)).collect();
        assert!(parts.len() > 45 && parts.iter().all(|part| part.len() == 200));
        assert!(parts.iter().all(|part| part.iter().any(|&sample| sample > 0.2)));
        assert!(parts.iter().any(|part| part[..] == [0.25; 200]), "a short one is repeated");
    }

    #[test]
    fn without_recordings_formulas_make_every_sound() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(SoundLibrary::procedural().draw(&mut rng, 10).is_none());
        assert!(SoundLibrary::mixed(vec![vec![0.0; 100]], 1.0).draw(&mut rng, 10).is_none());
    }
}
