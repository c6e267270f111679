//! Labels over a picture.

use super::text::{CHARACTER, draw_text};
use crate::media::{Labels, Picture};

const INK: [u8; 3] = [255; 3];

/// Lines of text that fit in a picture, when its height decides on the font.
const LINES: usize = 20;

/// Writes each label as a line of text, name and confidence, from the top left corner down: white on a plate that is a quarter as
/// bright as the picture, so that it is read on any ground. `font_size` is the height of a character in pixels, rounded to a multiple
/// of 8, at least 8; 0 takes a twentieth of the picture's height. What does not fit is cut off.
pub fn draw_labels(picture: &mut Picture, labels: &Labels, font_size: usize) {
    let lines: Vec<String> = labels.as_slice().iter().map(ToString::to_string).collect();
    let Some(longest) = lines.iter().map(|line| line.chars().count()).max() else { return };
    let size = if font_size == 0 { picture.height() / LINES } else { font_size };
    let scale = ((size + CHARACTER / 2) / CHARACTER).max(1);
    let (character, margin) = (scale * CHARACTER, scale * CHARACTER / 2);
    let leading = character + scale * CHARACTER / 4;
    darken(picture, longest * character + 2 * margin, lines.len() * leading + margin);
    for (number, line) in lines.iter().enumerate() {
        draw_text(picture, margin, margin / 2 + number * leading + scale, scale, line, INK);
    }
}

/// Leaves a quarter of the light in the top left corner.
fn darken(picture: &mut Picture, width: usize, height: usize) {
    let (width, height) = (width.min(picture.width()), height.min(picture.height()));
    let row = picture.width() * 3;
    for line in picture.rgb_mut().chunks_exact_mut(row).take(height) {
        line[..width * 3].iter_mut().for_each(|value| *value /= 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Label;

    fn labels(names: &[&str]) -> Labels {
        let label = |name: &&str| Label { index: 0, name: (*name).into(), confidence: 0.5 };
        Labels::new(names.iter().map(label).collect())
    }

    /// The rows and columns that change on a ground of this brightness.
    fn changed(ground: u8, names: &[&str], font_size: usize) -> (usize, usize) {
        let plain = Picture::from_fn(200, 80, |_, _| [ground; 3]);
        let mut drawn = plain.clone();
        draw_labels(&mut drawn, &labels(names), font_size);
        let other = |x: usize, y: usize| drawn.pixel(x, y) != plain.pixel(x, y);
        let rows = (0..80).filter(|&y| (0..200).any(|x| other(x, y))).count();
        (rows, (0..200).filter(|&x| (0..80).any(|y| other(x, y))).count())
    }

    #[test]
    fn the_plate_is_as_large_as_its_text() {
        // "ball 50%" is eight characters long.
        assert_eq!(changed(255, &["ball"], 8), (10 + 4, 8 * 8 + 8));
        assert_eq!(changed(255, &["ball", "b"], 8), (2 * 10 + 4, 8 * 8 + 8));
        assert_eq!(changed(255, &["ball"], 16), (2 * (10 + 4), 2 * (8 * 8 + 8)));
        assert_eq!(changed(255, &["ball"], 0), changed(255, &["ball"], 8), "a twentieth of the height is less than a font has");
    }

    #[test]
    fn text_is_bright_and_its_ground_dark_on_every_picture() {
        for ground in [0, 128, 255] {
            let mut picture = Picture::from_fn(100, 20, |_, _| [ground; 3]);
            draw_labels(&mut picture, &labels(&["ball"]), 8);
            let corner: Vec<u8> = (0..64).map(|x| picture.pixel(4 + x, 6)[0]).collect();
            assert!(corner.contains(&255) && corner.contains(&(ground / 4)), "{ground}");
        }
    }

    #[test]
    fn no_labels_draw_nothing_and_long_ones_are_cut_off() {
        assert_eq!(changed(255, &[], 8), (0, 0));
        assert_eq!(changed(255, &["a name that is much longer than the picture is wide"], 64), (80, 200));
    }
}
