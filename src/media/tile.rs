//! Cutting a picture of any size into tiles of one size, and joining what was computed for each.
//!
//! The grid and the weights are those of the optical-flow notebook of the Perceiver IO authors, with every origin clamped to the
//! picture and doubles dropped (in the original, widths such as 1920 put a tile over the edge).

use crate::error::{Error, Result};

/// A tile's place: its top-left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
}

/// Tiles of one size that cover a picture, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileGrid {
    tile: (usize, usize),
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl TileGrid {
    /// Covers a picture of `width` × `height` with tiles of `tile_width` × `tile_height` that share at least `overlap` pixels.
    ///
    /// # Errors
    /// When the picture is smaller than a tile, or the overlap is not smaller than both of the tile's sides.
    pub fn new((width, height): (usize, usize), (tile_width, tile_height): (usize, usize), overlap: usize) -> Result<Self> {
        if overlap >= tile_width.min(tile_height) {
            return Err(Error::option("tile-overlap", overlap, format!("less than the tile's {tile_width}x{tile_height}")));
        }
        if width < tile_width || height < tile_height {
            return Err(Error::tensor(
                "picture",
                (height, width),
                format!("at least one tile of {tile_height} rows and {tile_width} columns"),
            ));
        }
        let origins = |side: usize, tile: usize| {
            let mut origins: Vec<usize> = (0..side).step_by(tile - overlap).map(|at| at.min(side - tile)).collect();
            origins.dedup();
            origins
        };
        Ok(Self { tile: (tile_width, tile_height), rows: origins(height, tile_height), columns: origins(width, tile_width) })
    }

    /// First row of each row of tiles.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// First column of each column of tiles.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The tiles, row by row.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> + '_ {
        self.rows.iter().flat_map(|&y| self.columns.iter().map(move |&x| Tile { x, y }))
    }

    /// How much a tile's value at column `x`, row `y` of the tile counts where tiles overlap: the distance to its nearest edge,
    /// from 1 upwards.
    pub fn weight(&self, x: usize, y: usize) -> f32 {
        let (width, height) = self.tile;
        (x + 1).min(width - x).min(y + 1).min(height - y) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(width: usize, tile: usize, overlap: usize) -> Vec<usize> {
        TileGrid::new((width, tile), (tile, tile), overlap).unwrap().columns
    }

    #[test]
    fn published_origins() {
        let rows = |height| TileGrid::new((496, height), (496, 368), 20).unwrap().rows;
        assert_eq!(rows(368), [0]);
        assert_eq!(rows(369), [0, 1]);
        assert_eq!(rows(720), [0, 348, 352]);
        assert_eq!(rows(1080), [0, 348, 696, 712]);
        let columns = |width| TileGrid::new((width, 368), (496, 368), 20).unwrap().columns;
        assert_eq!(columns(1024), [0, 476, 528]);
        assert_eq!(columns(1920), [0, 476, 952, 1424]);
    }

    #[test]
    fn every_pixel_is_covered_and_no_tile_leaves_the_picture() {
        for width in 10..80 {
            for overlap in 0..9 {
                let origins = columns(width, 10, overlap);
                assert!(origins.iter().all(|&x| x + 10 <= width), "{width} {overlap}");
                assert!((0..width).all(|at| origins.iter().any(|&x| (x..x + 10).contains(&at))), "{width} {overlap}");
                assert!(origins.windows(2).all(|pair| pair[0] < pair[1]), "{width} {overlap}");
            }
        }
    }

    #[test]
    fn what_cannot_be_covered_is_refused() {
        assert!(TileGrid::new((9, 10), (10, 10), 0).is_err());
        assert!(TileGrid::new((10, 10), (10, 10), 10).is_err());
    }
}
