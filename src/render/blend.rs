//! One picture over another.

use crate::media::Picture;

/// Gives `over` the share `alpha` (0 to 1) of every pixel of `picture`, which has its size.
pub(super) fn blend(picture: &mut Picture, over: &Picture, alpha: f32) {
    // In 1/256: an exact 0 and 1, and no floating point per byte.
    let share = (alpha * 256.0 + 0.5) as u32;
    for (below, &above) in picture.rgb_mut().iter_mut().zip(over.rgb()) {
        *below = ((u32::from(*below) * (256 - share) + u32::from(above) * share + 128) >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_half_and_everything() {
        let below = Picture::from_fn(16, 16, |x, y| [(x * 16 + y) as u8, 255, 0]);
        let above = Picture::from_fn(16, 16, |x, y| [(y * 16 + x) as u8, 0, 255]);
        let blended = |alpha| {
            let mut picture = below.clone();
            blend(&mut picture, &above, alpha);
            picture
        };
        assert_eq!(blended(0.0), below);
        assert_eq!(blended(1.0), above);
        assert_eq!(blended(0.5).pixel(0, 0), [0, 128, 128]);
    }
}
