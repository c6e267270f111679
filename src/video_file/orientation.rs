//! How a picture is turned before it is shown.
//!
//! Telephones record sideways and say so in a display matrix. The reader turns the pictures upright, so that the model, the drawing
//! and every later file agree on what is up; turns by other than quarter circles are not applied.

/// One of the eight ways to lay a picture on its grid: first mirrored on the main diagonal, then along the axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orientation {
    transposed: bool,
    flip_x: bool,
    flip_y: bool,
}

impl Orientation {
    /// Reads libav's display matrix: nine 32-bit numbers (a, b, u, c, d, v, x, y, w), of which a point (p, q) goes to
    /// (a·p + c·q, b·p + d·q). None when it turns by other than quarter circles.
    pub(super) fn from_display_matrix(bytes: &[u8]) -> Option<Self> {
        let entry = |index: usize| {
            let bytes = bytes.get(index * 4..index * 4 + 4)?;
            Some(i32::from_ne_bytes(bytes.try_into().ok()?).signum())
        };
        match [entry(0)?, entry(1)?, entry(3)?, entry(4)?] {
            [a, 0, 0, d] if a != 0 && d != 0 => Some(Self { transposed: false, flip_x: a < 0, flip_y: d < 0 }),
            [0, b, c, 0] if b != 0 && c != 0 => Some(Self { transposed: true, flip_x: c < 0, flip_y: b < 0 }),
            _ => None,
        }
    }

    /// Whether columns become rows.
    pub(super) fn transposed(self) -> bool {
        self.transposed
    }

    /// Turns a picture of `width` columns of three bytes upright.
    pub(super) fn apply(self, width: usize, rgb: Vec<u8>) -> Vec<u8> {
        if self == Self::default() {
            return rgb;
        }
        let height = rgb.len() / 3 / width;
        let (columns, rows) = if self.transposed { (height, width) } else { (width, height) };
        let mut upright = Vec::with_capacity(rgb.len());
        for row in 0..rows {
            for column in 0..columns {
                let x = if self.flip_x { columns - 1 - column } else { column };
                let y = if self.flip_y { rows - 1 - row } else { row };
                let from = if self.transposed { x * width + y } else { y * width + x };
                upright.extend_from_slice(&rgb[from * 3..from * 3 + 3]);
            }
        }
        upright
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Vec<u8> {
        [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30].iter().flat_map(|entry: &i32| entry.to_ne_bytes()).collect()
    }

    /// A picture of 3 × 2 with the pixels 0 1 2 / 3 4 5, turned.
    fn turned(a: i32, b: i32, c: i32, d: i32) -> Vec<u8> {
        let rgb = (0..6).flat_map(|pixel| [pixel; 3]).collect();
        Orientation::from_display_matrix(&matrix(a, b, c, d)).unwrap().apply(3, rgb).chunks(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn the_eight_ways() {
        assert_eq!(turned(1, 0, 0, 1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(turned(-1, 0, 0, 1), [2, 1, 0, 5, 4, 3]);
        assert_eq!(turned(1, 0, 0, -1), [3, 4, 5, 0, 1, 2]);
        assert_eq!(turned(-1, 0, 0, -1), [5, 4, 3, 2, 1, 0]);
        // A quarter turn clockwise: (p, q) goes to (-q, p), the left column becomes the top row, from the bottom up.
        assert_eq!(turned(0, 1, -1, 0), [3, 0, 4, 1, 5, 2]);
        assert_eq!(turned(0, -1, 1, 0), [2, 5, 1, 4, 0, 3]);
        assert_eq!(turned(0, 1, 1, 0), [0, 3, 1, 4, 2, 5]);
        assert_eq!(turned(0, -1, -1, 0), [5, 2, 4, 1, 3, 0]);
    }

    #[test]
    fn other_turns_are_left_alone() {
        assert_eq!(Orientation::from_display_matrix(&matrix(1, 1, -1, 1)), None);
        assert_eq!(Orientation::from_display_matrix(&[0; 8]), None);
    }
}
