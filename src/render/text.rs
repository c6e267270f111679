//! Text on pictures, in an 8×8 bitmap font.

use font8x8::UnicodeFonts;

use crate::media::Picture;

/// Columns and rows of a character at scale 1.
pub const CHARACTER: usize = 8;

/// Draws a line of text with its top-left corner at column `x`, row `y`, each dot of the font `scale` × `scale` pixels. What lies outside
/// the picture, and characters the font lacks, are left out.
pub fn draw_text(picture: &mut Picture, x: usize, y: usize, scale: usize, text: &str, colour: [u8; 3]) {
    for (place, character) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(character).or_else(|| font8x8::LATIN_FONTS.get(character)).unwrap_or_default();
        for (row, dots) in glyph.into_iter().enumerate() {
            for column in (0..CHARACTER).filter(|column| dots >> column & 1 == 1) {
                let (left, top) = (x + (place * CHARACTER + column) * scale, y + row * scale);
                for (dx, dy) in (0..scale).flat_map(|dy| (0..scale).map(move |dx| (dx, dy))) {
                    picture.set_pixel(left + dx, top + dy, colour);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_leaves_its_dots_and_the_edge_cuts_it() {
        let mut picture = Picture::from_fn(20, 10, |_, _| [0; 3]);
        draw_text(&mut picture, 0, 0, 1, "I", [255; 3]);
        let dots = picture.rgb().iter().filter(|&&byte| byte == 255).count() / 3;
        assert!((10..40).contains(&dots), "{dots}");
        draw_text(&mut picture, 16, 6, 2, "W", [255; 3]);
    }
}
