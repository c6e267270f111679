//! The innermost loops of a product in plain operations, for every processor: what the others are held against.

use super::{PANEL, ROWS, tile::Tile};

/// Products of float32 units.
pub(super) fn multiply_f32(tile: &Tile<'_>) {
    let mut sums = [[0f32; PANEL]; ROWS];
    for (left, right) in tile.left.chunks_exact(tile.rows).zip(tile.right.chunks_exact(PANEL)) {
        for (&left, sums) in left.iter().zip(&mut sums) {
            let left = f32::from_bits(left);
            sums.iter_mut().zip(right).for_each(|(sum, &right)| *sum += left * f32::from_bits(right));
        }
    }
    sums.iter().take(tile.rows).enumerate().for_each(|(row, sums)| tile.put(row, 0, sums));
}
