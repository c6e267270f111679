//! Optical flow: two pictures in, a displacement for every pixel out.
//!
//! The way of the authors' notebook: pictures to −1 … 1, tiles, the 3×3 neighbourhood of every pixel (zeros beyond the tile's edge),
//! the model, and a mean of the tiles weighted by the distance to their edge. A model may ask for several estimates from coarse to
//! fine (`optical_flow.halvings` in its configuration); the second picture is then warped by what is known before each.

use candle_core::{Device, Tensor};

use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    media::{FlowField, Picture, Raster, Tile, TileGrid},
    perceiver::{
        Keep, PerceiverConfig,
        models::{NEIGHBOURHOOD_CHANNELS, PerceiverForOpticalFlow},
    },
};

/// Tokens in one model call, over all its tiles: large enough to fill the processor, small enough to stay in its memory.
const TOKENS_AT_ONCE: usize = 16 * 1024;

/// How pictures of any size meet a model of one tile size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiling {
    /// Tiles at the picture's own scale that share at least `overlap` pixels, blended by their distance to the edge. A picture smaller
    /// than a tile is continued by its edge.
    Native {
        /// Pixels that neighbouring tiles share at least.
        overlap: usize,
    },
    /// The whole picture resized to one tile: the fewest model calls, less detail.
    Fit,
}

impl Default for Tiling {
    /// Native tiles with the authors' overlap of 20 pixels.
    fn default() -> Self {
        Self::Native { overlap: 20 }
    }
}

/// A flow model with its way from pictures to tensors and back.
#[derive(Debug)]
pub struct OpticalFlow {
    model: PerceiverForOpticalFlow,
    config: PerceiverConfig,
    device: Device,
    hash: String,
}

impl OpticalFlow {
    /// Opens a flow model: a folder with `config.json` and `model.safetensors`, or `builtin:flow`.
    ///
    /// # Errors
    /// When the model cannot be found or read, is no flow model, or the device is not there.
    pub fn open(model: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        Self::of(&Checkpoint::open(model)?, device, precision)
    }

    /// The same from a checkpoint that is open already.
    ///
    /// # Errors
    /// When it is no flow model, or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        let built = checkpoint.build(&device, precision, PerceiverForOpticalFlow::new)?;
        Ok(Self::new(built, checkpoint.config().clone(), device, checkpoint.hash().to_owned()))
    }

    /// A model that is loaded already, on `device`.
    pub fn new(model: PerceiverForOpticalFlow, config: PerceiverConfig, device: Device, hash: String) -> Self {
        Self { model, config, device, hash }
    }

    /// The model's tile: columns and rows.
    pub fn tile(&self) -> (usize, usize) {
        let [height, width] = self.config.train_size;
        (width, height)
    }

    /// SHA-256 over configuration and weights, in hexadecimal: names the model wherever results go.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The flow from the first picture of each pair to the second, in pixels of the pictures.
    ///
    /// # Errors
    /// When the two pictures of a pair differ in size, or the overlap is not smaller than the tile.
    pub fn estimate(&self, pairs: &[(&Picture, &Picture)], tiling: Tiling) -> Result<Vec<FlowField>> {
        pairs.iter().map(|(first, second)| self.estimate_pair(first, second, tiling)).collect()
    }

    fn estimate_pair(&self, first: &Picture, second: &Picture, tiling: Tiling) -> Result<FlowField> {
        let (width, height) = (first.width(), first.height());
        if (width, height) != (second.width(), second.height()) {
            let accepted = format!("{height} rows and {width} columns, as the first");
            return Err(Error::tensor("second picture", (second.height(), second.width()), accepted));
        }
        let (first, second) = (Raster::from(first), Raster::from(second));
        let flow = match tiling {
            Tiling::Native { overlap } => self.coarse_to_fine(&first, &second, overlap)?,
            Tiling::Fit => {
                let (columns, rows) = self.tile();
                let flow = self.coarse_to_fine(&first.resized(columns, rows), &second.resized(columns, rows), 0)?;
                scaled(&flow, width, height)
            }
        };
        Ok(flow.into())
    }

    /// One estimate for each of the model's `halvings`, each upon the one before.
    fn coarse_to_fine(&self, first: &Raster<3>, second: &Raster<3>, overlap: usize) -> Result<Raster<2>> {
        let (width, height) = (first.width(), first.height());
        let (columns, rows) = self.tile();
        let mut known: Option<Raster<2>> = None;
        for &halvings in &self.config.optical_flow.halvings {
            let (w, h) = (width.div_ceil(1 << halvings), height.div_ceil(1 << halvings));
            // Less than half a tile of picture would be more continued edge than picture.
            if halvings > 0 && (2 * w < columns || 2 * h < rows) {
                continue;
            }
            let (first, second) = (first.resized(w, h), second.resized(w, h));
            known = Some(match known {
                None => self.tiled(&first, &second, overlap)?,
                Some(flow) => {
                    let flow = scaled(&flow, w, h);
                    let rest = self.tiled(&first, &second.warped(&flow), overlap)?;
                    composed(&rest, &flow)
                }
            });
        }
        Ok(known.unwrap_or_else(|| Raster::filled(width, height, [0.0; 2])))
    }

    /// One estimate, over as many tiles as the picture needs.
    fn tiled(&self, first: &Raster<3>, second: &Raster<3>, overlap: usize) -> Result<Raster<2>> {
        let (columns, rows) = self.tile();
        let (width, height) = (first.width(), first.height());
        let grid = TileGrid::new((width.max(columns), height.max(rows)), (columns, rows), overlap)?;
        let tiles: Vec<Tile> = grid.tiles().collect();
        let tokens = columns * rows / self.config.optical_flow.patch.pow(2);
        let mut sum = Raster::filled(width, height, [0f32; 2]);
        let mut weights = vec![0f32; width * height];
        for tiles in tiles.chunks((TOKENS_AT_ONCE / tokens).max(1)) {
            let answers = self.call(first, second, tiles)?;
            for (tile, answer) in tiles.iter().zip(answers.chunks_exact(columns * rows * 2)) {
                for (at, vector) in answer.chunks_exact(2).enumerate() {
                    let (column, row) = (at % columns, at / columns);
                    let (x, y) = (tile.x + column, tile.y + row);
                    if x < width && y < height {
                        let weight = grid.weight(column, row);
                        let pixel = &mut sum.pixels_mut()[y * width + x];
                        *pixel = [pixel[0] + weight * vector[0], pixel[1] + weight * vector[1]];
                        weights[y * width + x] += weight;
                    }
                }
            }
        }
        for (pixel, weight) in sum.pixels_mut().iter_mut().zip(weights) {
            *pixel = pixel.map(|component| component / weight);
        }
        Ok(sum)
    }

    /// One model call: the flow of some tiles in pixels, tiles × Y × X × 2.
    fn call(&self, first: &Raster<3>, second: &Raster<3>, tiles: &[Tile]) -> Result<Vec<f32>> {
        let (columns, rows) = self.tile();
        let mut frames = Vec::with_capacity(tiles.len() * 2 * NEIGHBOURHOOD_CHANNELS * columns * rows);
        for tile in tiles {
            for frame in [first, second] {
                neighbourhoods(&frame.cut(tile.x, tile.y, columns, rows), &mut frames);
            }
        }
        let frames = Tensor::from_vec(frames, (tiles.len(), 2, NEIGHBOURHOOD_CHANNELS, rows, columns), &self.device)?;
        let output = self.model.forward(&frames, Keep::default())?;
        let pixels = (output.logits * self.config.optical_flow.pixels_per_unit)?;
        Ok(pixels.flatten_all()?.to_vec1()?)
    }
}

/// Appends the 3×3 neighbourhood of every pixel, 27 × Y × X ordered (row, column, colour), with zeros beyond the edge.
pub(crate) fn neighbourhoods(raster: &Raster<3>, out: &mut Vec<f32>) {
    let (width, height) = (raster.width() as isize, raster.height() as isize);
    for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
        for colour in 0..3 {
            for y in dy..height + dy {
                if !(0..height).contains(&y) {
                    out.extend(std::iter::repeat_n(0.0, width as usize));
                    continue;
                }
                let row = &raster.pixels()[(y * width) as usize..((y + 1) * width) as usize];
                out.extend((dx..width + dx).map(|x| if (0..width).contains(&x) { row[x as usize][colour] } else { 0.0 }));
            }
        }
    }
}

/// A flow field for a picture of another size: resized, its vectors stretched with the picture.
fn scaled(flow: &Raster<2>, width: usize, height: usize) -> Raster<2> {
    let (stretch_x, stretch_y) = (width as f32 / flow.width() as f32, height as f32 / flow.height() as f32);
    let mut resized = flow.resized(width, height);
    resized.pixels_mut().iter_mut().for_each(|vector| *vector = [vector[0] * stretch_x, vector[1] * stretch_y]);
    resized
}

/// The flow to the second picture, when `rest` leads to the second picture warped by `flow`.
fn composed(rest: &Raster<2>, flow: &Raster<2>) -> Raster<2> {
    let width = rest.width();
    Raster::from_fn(width, rest.height(), |x, y| {
        let [u, v] = rest.pixels()[y * width + x];
        let [further_u, further_v] = flow.sample(x as f32 + u, y as f32 + v);
        [u + further_u, v + further_v]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composition_of_two_shifts_is_their_sum() {
        let sum = composed(&Raster::filled(4, 3, [1.0, -0.5]), &Raster::filled(4, 3, [0.25, 2.0]));
        assert!(sum.pixels().iter().all(|&vector| vector == [1.25, 1.5]));
    }

    #[test]
    fn vectors_stretch_with_the_picture() {
        let flow = scaled(&Raster::filled(4, 3, [1.0, 1.0]), 8, 9);
        assert!(flow.pixels().iter().all(|vector| (vector[0] - 2.0).abs() < 1e-6 && (vector[1] - 3.0).abs() < 1e-6));
    }

    #[test]
    fn neighbourhoods_are_ordered_by_row_column_and_colour() {
        let raster = Raster::from_fn(2, 2, |x, y| [1.0, 2.0, 3.0].map(|colour| colour + 10.0 * (1 + x + 2 * y) as f32));
        let mut out = Vec::new();
        neighbourhoods(&raster, &mut out);
        // The centre's red plane, then the plane of what lies to the right, in blue.
        assert_eq!(out[4 * 3 * 4..][..4], [11.0, 21.0, 31.0, 41.0]);
        assert_eq!(out[(5 * 3 + 2) * 4..][..4], [23.0, 0.0, 43.0, 0.0]);
    }
}
