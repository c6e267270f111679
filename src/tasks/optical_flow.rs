//! Optical flow: two pictures in, a displacement for every pixel out.

use crate::{
    compute::{DeviceChoice, Precision},
    error::Result,
    media::{FlowField, Picture},
};

/// How pictures of any size meet a model of one tile size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiling {
    /// Tiles at the picture's own scale that share at least `overlap` pixels, blended by their distance to the edge.
    Native {
        /// Pixels that neighbouring tiles share at least.
        overlap: usize,
    },
    /// The whole picture resized to one tile: one model call, less detail.
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
pub struct OpticalFlow {}

impl OpticalFlow {
    /// Opens a flow model: a folder with `config.json` and weights, or `builtin:flow`.
    ///
    /// # Errors
    /// When the model cannot be found or read, is no flow model, or the device is not there.
    pub fn open(_model: &str, _device: DeviceChoice, _precision: Precision) -> Result<Self> {
        todo!()
    }

    /// The flow from the first picture of each pair to the second, in pixels of the pictures. All pictures of a pair have one size.
    ///
    /// # Errors
    /// When the two pictures of a pair differ in size, or the overlap does not fit the tile.
    pub fn estimate(&self, _pairs: &[(&Picture, &Picture)], _tiling: Tiling) -> Result<Vec<FlowField>> {
        todo!()
    }

    /// The model's tile: columns and rows.
    pub fn tile(&self) -> (usize, usize) {
        todo!()
    }

    /// SHA-256 over configuration and weights, in hexadecimal: names the model wherever results go.
    pub fn hash(&self) -> &str {
        todo!()
    }
}
