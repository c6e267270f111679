//! Where shots of real cameras come from.

use std::sync::Arc;

use rand::Rng;

use crate::media::{Filter, Picture, resample};

/// Clips to cut short shots out of. Nothing is known of how their cameras move. Cloning shares the pictures.
#[derive(Clone, Debug, Default)]
pub struct ClipLibrary {
    clips: Arc<[Vec<Picture>]>,
    share: f32,
}

impl ClipLibrary {
    /// A share (0 to 1) of all shots is from `clips`, each the pictures of one clip, all of one size and at the windows' rate.
    pub fn new(clips: Vec<Vec<Picture>>, share: f32) -> Self {
        Self { clips: clips.into(), share }
    }

    /// `frames` pictures of `side` × `side` pixels that follow each other, a square part of some clip, perhaps mirrored or played backwards; none
    /// where a scene is to be made, or no clip is as long.
    pub(super) fn draw<R: Rng + ?Sized>(&self, rng: &mut R, side: usize, frames: usize) -> Option<Vec<Picture>> {
        let long: Vec<&Vec<Picture>> = self.clips.iter().filter(|clip| clip.len() >= frames.max(1)).collect();
        if long.is_empty() || rng.random::<f32>() >= self.share {
            return None;
        }
        let clip = long[rng.random_range(0..long.len())];
        let start = rng.random_range(0..=clip.len() - frames);
        let (width, height) = (clip[0].width(), clip[0].height());
        let shorter = width.min(height);
        let cut = rng.random_range(side.min(shorter)..=shorter);
        let (left, top) = (rng.random_range(0..=width - cut), rng.random_range(0..=height - cut));
        let [mirrored, backwards] = [(); 2].map(|()| rng.random_bool(0.5));
        let part = |picture: &Picture| {
            let square = Picture::from_fn(cut, cut, |x, y| picture.pixel(left + if mirrored { cut - 1 - x } else { x }, top + y));
            let rgb = resample(square.rgb(), 3, [cut, cut], [side, side], Filter::Bicubic);
            Picture::from_fn(side, side, |x, y| std::array::from_fn(|colour| rgb[3 * (y * side + x) + colour]))
        };
        let mut pictures: Vec<Picture> = clip[start..start + frames].iter().map(part).collect();
        if backwards {
            pictures.reverse();
        }
        Some(pictures)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn shots_are_pictures_that_follow_each_other() {
        let clip: Vec<Picture> = (0..20).map(|t| Picture::from_fn(24, 16, |_, _| [10 * t; 3])).collect();
        let library = ClipLibrary::new(vec![clip, vec![Picture::from_fn(8, 8, |_, _| [0; 3])]], 1.0);
        for seed in 0..20 {
            let shot = library.draw(&mut ChaCha8Rng::seed_from_u64(seed), 12, 8).unwrap();
            assert!(shot.iter().all(|picture| (picture.width(), picture.height()) == (12, 12)));
            let steps: Vec<i32> =
                shot.windows(2).map(|two| i32::from(two[1].pixel(5, 5)[0]) - i32::from(two[0].pixel(5, 5)[0])).collect();
            assert!(steps.iter().all(|&step| step == steps[0]) && steps[0].abs() == 10, "{steps:?}");
        }
    }

    #[test]
    fn without_a_clip_of_that_length_there_is_no_shot() {
        let library = ClipLibrary::new(vec![vec![Picture::from_fn(8, 8, |_, _| [0; 3]); 3]], 1.0);
        assert!(library.draw(&mut ChaCha8Rng::seed_from_u64(1), 8, 4).is_none());
        assert!(ClipLibrary::default().draw(&mut ChaCha8Rng::seed_from_u64(1), 8, 4).is_none());
    }
}
