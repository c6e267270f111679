//! Measures of what a token of video shows, beside its pixels. Not in the published code: a small model need not learn to make them.

use candle_core::{D, DType, Tensor};

use crate::{compute::Search, error::Result};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoProfile {
    /// Pixels of a token's side.
    pub patch: usize,
    /// Frames of a token.
    pub frames: usize,
    /// How well frames match later ones at small shifts, whatever the light; none to leave that out.
    pub search: Option<Search>,
    /// Whether the activity of each frame is measured: how much neighbours differ, in space and in time.
    pub activity: bool,
}

/// Neighbours of a pixel: to the right, below, and in the next frame.
const NEIGHBOURS: usize = 3;
/// Differences (of a range of 1) below which all are alike.
const STILL: f64 = 1e-4;
/// Matches of a token beside those of its frames.
const FAR: usize = 2;
/// Pixels to each side of one against which its level is held before frames are matched.
const AROUND: usize = 4;
/// Spread of the levels around (of a range of 1) to which noise would be taken for texture.
const FAINT: f64 = 0.02;
/// Spread, of a range of 2, that levels are given.
const SPREAD: f64 = 0.4;

impl VideoProfile {
    /// Channels of a token.
    pub fn channels(&self) -> usize {
        let matched = self.search.map_or(0, |search| search.token_channels());
        (self.frames + FAR) * matched + self.frames * if self.activity { NEIGHBOURS } else { 0 }
    }

    /// Measures `images`, B × T × C × Y × X in 0 … 1, to B × T/frames × Y/patch × X/patch × channels:
    ///
    /// - for each frame of a token, held against the next (the last of all against itself), the shares of the shifts and their costs, as
    ///   [`Search::token_matches`] has them;
    /// - the same for the token's first frame, held against the next token's first, or the last of all: what is slow moves far enough there;
    /// - the same for the first frame of all, held against the last;
    /// - for each frame of a token log₁₀(10⁻⁴ + the mean difference to the neighbours) / 2 + 1, from −1 where nothing differs to 1, for the neighbours to the right,
    ///   below and in the next frame. A picture goes on as its edge does.
    ///
    /// Levels are held against those around before they are matched, so that frames match through fades, flashes and passing shadows:
    /// (level − mean) / (spread + 0.02) of 9 × 9 pixels, with the mean of each colour and one spread of all.
    ///
    /// # Errors
    /// When the sizes do not divide.
    pub fn measure(&self, images: &Tensor) -> Result<Tensor> {
        let (b, t, c, y, x) = images.dims5()?;
        // Nothing of this is trained.
        let images = images.to_dtype(DType::F32)?.detach();
        let (times, rows, columns) = (t / self.frames, y / self.patch, x / self.patch);
        // B·T × rows × columns × channels of a frame to tokens of several frames.
        let grouped = |of_frames: Tensor| -> Result<Tensor> {
            let channels = of_frames.dim(D::Minus1)?;
            let of_frames = of_frames.reshape(vec![b, times, self.frames, rows, columns, channels])?;
            let tokens = of_frames.permute(vec![0, 1, 3, 4, 2, 5])?.contiguous()?;
            Ok(tokens.reshape((b, times, rows, columns, self.frames * channels))?)
        };
        let mut measures = Vec::new();
        if let Some(search) = &self.search {
            let levels = held_against_around(&images)?;
            let frames = |numbers: &mut dyn Iterator<Item = usize>| -> Result<Tensor> {
                let numbers: Vec<u32> = numbers.map(|number| number.min(t - 1) as u32).collect();
                Ok(levels.index_select(&Tensor::new(numbers, levels.device())?, 1)?)
            };
            let matches = |first: &Tensor, second: &Tensor| -> Result<Tensor> {
                let pairs = Tensor::stack(&[first, second], 2)?.reshape(((), 2, c, y, x))?;
                Ok(search.token_matches(&pairs)?)
            };
            measures.push(grouped(matches(&levels, &frames(&mut (1..=t))?)?)?);
            let of_tokens = |ahead: usize| frames(&mut (0..times).map(|token| token * self.frames + ahead));
            measures.push(matches(&of_tokens(0)?, &of_tokens(self.frames)?)?.reshape((b, times, rows, columns, ()))?);
            let whole = matches(&levels.narrow(1, 0, 1)?, &levels.narrow(1, t - 1, 1)?)?.reshape((b, 1, rows, columns, ()))?;
            measures.push(whole.repeat((1, times, 1, 1, 1))?);
        }
        if self.activity {
            let next = Tensor::cat(&[&images.narrow(1, 1, t - 1)?, &images.narrow(1, t - 1, 1)?], 1)?;
            let images = images.reshape((b * t, c, y, x))?;
            let right = images.narrow(3, 1, x - 1)?.pad_with_same(3, 0, 1)?;
            let below = images.narrow(2, 1, y - 1)?.pad_with_same(2, 0, 1)?;
            let differences = [right, below, next.reshape((b * t, c, y, x))?].map(|other| -> Result<Tensor> {
                let difference = (&images - other)?.abs()?.mean_keepdim(1)?.avg_pool2d(self.patch)?;
                Ok(((difference + STILL)?.log()? * (0.5 / std::f64::consts::LN_10))?.affine(1.0, 1.0)?)
            });
            let activity = Tensor::cat(&differences.into_iter().collect::<Result<Vec<_>>>()?, 1)?;
            measures.push(grouped(activity.permute((0, 2, 3, 1))?.contiguous()?)?);
        }
        Ok(Tensor::cat(&measures, D::Minus1)?)
    }
}

/// Levels as multiples of how much those around them spread, B × T × C × Y × X. The light of a scene, be it added or multiplied, makes no
/// difference to them, and what is put on one place of a picture none to another.
fn held_against_around(images: &Tensor) -> Result<Tensor> {
    let (b, t, c, y, x) = images.dims5()?;
    // A mean over rows of means over columns.
    let around = |of: &Tensor| -> Result<Tensor> {
        let columns = of.pad_with_same(3, AROUND, AROUND)?.avg_pool2d_with_stride((1, 2 * AROUND + 1), (1, 1))?;
        Ok(columns.pad_with_same(2, AROUND, AROUND)?.avg_pool2d_with_stride((2 * AROUND + 1, 1), (1, 1))?)
    };
    let images = images.reshape((b * t, c, y, x))?;
    let mean = around(&images)?;
    let spread = (around(&images.sqr()?)? - mean.sqr()?)?.mean_keepdim(1)?.relu()?.sqrt()?;
    let levels = (images - mean)?.broadcast_div(&(spread + FAINT)?)?;
    Ok((levels * SPREAD)?.reshape((b, t, c, y, x))?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    const PROFILE: VideoProfile =
        VideoProfile { patch: 4, frames: 2, search: Some(Search { patch: 4, reach: 1 }), activity: true };

    /// Four frames of 8 × 8 grey levels; the first two are the same, then the picture moves by a pixel to the left and stays.
    fn video() -> Tensor {
        let level = |x: usize, y: usize| ((x * 7 + y * 5) % 11) as f32 / 11.0;
        let frame = |shift: usize| (0..3 * 64).map(move |at| level(at % 8 + shift, at / 8 % 8));
        let levels: Vec<f32> = [0, 0, 1, 1].into_iter().flat_map(frame).collect();
        Tensor::from_vec(levels, (1, 4, 3, 8, 8), &Device::Cpu).unwrap()
    }

    #[test]
    fn what_stands_still_and_what_moves_is_told() {
        let measures = PROFILE.measure(&video()).unwrap();
        assert_eq!(measures.dims(), [1, 2, 2, 2, PROFILE.channels()]);
        assert_eq!(PROFILE.channels(), (2 + 2) * 2 * 9 + 2 * 3);
        let token: Vec<f32> = measures.get(0).unwrap().get(0).unwrap().get(0).unwrap().get(0).unwrap().to_vec1().unwrap();
        let likeliest = |frame: usize| {
            let shares = &token[frame * 18..frame * 18 + 9];
            (0..9).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap()
        };
        // Row by row from one up and to the left: in the middle, and to the left.
        assert_eq!((likeliest(0), likeliest(1)), (4, 3));
        assert_eq!(likeliest(2), 3, "the first frame against the third");
        let activity = &token[72..];
        let of_time = [activity[2], activity[5]];
        assert!((of_time[0] + 1.0).abs() < 1e-4 && of_time[1] > 0.0, "{of_time:?}");
        assert!(activity[0] > 0.0 && activity[1] > 0.0, "{activity:?}");
    }

    #[test]
    fn light_makes_no_difference_to_matches() {
        let matches = |frames: &Tensor| PROFILE.measure(frames).unwrap().narrow(4, 0, 72).unwrap();
        // Texture enough that it outweighs noise.
        let light = Tensor::new(&[0.8f32, 0.5, 0.65, 0.45], &Device::Cpu).unwrap().reshape((1, 4, 1, 1, 1)).unwrap();
        let shadow = Tensor::new(&[0.0f32, 0.2, 0.1, 0.3], &Device::Cpu).unwrap().reshape((1, 4, 1, 1, 1)).unwrap();
        let lit = video().broadcast_mul(&light).unwrap().broadcast_add(&shadow).unwrap();
        let off = (matches(&lit) - matches(&video())).unwrap().abs().unwrap().flatten_all().unwrap();
        let (most, largest) = (off.max(0).unwrap().to_scalar::<f32>().unwrap(), matches(&video()).max_all().unwrap());
        assert!(most < 0.05 * largest.to_scalar::<f32>().unwrap(), "{most} of {largest}");
    }

    #[test]
    fn the_last_frame_is_held_against_itself() {
        let measures = PROFILE.measure(&video()).unwrap();
        let last: Vec<f32> = measures.flatten_all().unwrap().to_vec1().unwrap();
        assert!((last.last().unwrap() + 1.0).abs() < 1e-4, "nothing differs");
    }
}
