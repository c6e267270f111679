//! Whether something can be seen: what cannot is not labelled.

use crate::media::Picture;

/// Least mean difference between a window with a fault and without it, of a range of 1.
const SEEN: f32 = 0.012;
/// Least mean difference between two shots.
const OTHER: f32 = 0.05;
/// Least mean difference between neighbouring squares of 2 × 2 pixels of a shot by which one can tell how it moves.
const TEXTURE: f32 = 0.012;

/// Whether the frames that changed differ enough.
pub(super) fn is_changed(before: &[Picture], after: &[Picture]) -> bool {
    let differences: Vec<f32> = before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after)
        .map(|(before, after)| difference(before, after))
        .collect();
    differences.iter().sum::<f32>() >= SEEN * differences.len().max(1) as f32
}

/// Whether a frame is of another shot than the one before it.
pub(super) fn is_cut(before: &Picture, after: &Picture) -> bool {
    difference(before, after) >= OTHER
}

/// Whether a shot shows enough to tell how its camera moves.
pub(super) fn has_texture(picture: &Picture) -> bool {
    let (columns, rows) = (picture.width() / 2, picture.height() / 2);
    let square = |column: usize, row: usize| {
        let corner = [(0, 0), (1, 0), (0, 1), (1, 1)];
        let levels = corner.map(|(x, y)| picture.pixel(2 * column + x, 2 * row + y).map(f32::from).iter().sum::<f32>());
        levels.iter().sum::<f32>() / (12.0 * 255.0)
    };
    let squares: Vec<f32> = (0..rows * columns).map(|at| square(at % columns, at / columns)).collect();
    let (mut sum, mut count) = (0.0, 0u32);
    for (at, level) in squares.iter().enumerate() {
        let right = (at % columns + 1 < columns).then(|| at + 1);
        let below = (at / columns + 1 < rows).then_some(at + columns);
        for neighbour in [right, below].into_iter().flatten() {
            sum += (level - squares[neighbour]).abs();
            count += 1;
        }
    }
    sum >= TEXTURE * count as f32 && count > 0
}

/// The mean difference of levels, 0 to 1.
fn difference(a: &Picture, b: &Picture) -> f32 {
    let sum: u64 = a.rgb().iter().zip(b.rgb()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f32 / (255.0 * a.rgb().len().max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes(contrast: u8) -> Picture {
        Picture::from_fn(16, 16, |x, _| [100 + if x / 2 % 2 == 0 { 0 } else { contrast }; 3])
    }

    #[test]
    fn few_levels_are_not_seen() {
        assert!(!has_texture(&stripes(2)) && has_texture(&stripes(20)));
        // Noise of single pixels is no texture.
        assert!(!has_texture(&Picture::from_fn(16, 16, |x, y| [if (x + y) % 2 == 0 { 0 } else { 40 }; 3])));
        let pictures = [stripes(0), stripes(20)];
        assert!(is_changed(&pictures, &[stripes(0), stripes(40)]), "of the frames that changed");
        assert!(!is_changed(&pictures, &[stripes(2), stripes(20)]) && !is_changed(&pictures, &pictures));
        assert!(is_cut(&stripes(0), &stripes(60)) && !is_cut(&stripes(0), &stripes(10)));
    }
}
