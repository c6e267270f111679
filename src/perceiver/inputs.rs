//! What the encoder reads, kept in its parts: features, positions and padding stay apart until something needs them side by side.

use candle_core::{DType, Device, Module, Tensor};

use super::{FourierGrid, Linear};
use crate::error::{Error, Result};

/// Positions of a block of tokens.
#[derive(Clone, Debug)]
pub enum Positions {
    /// M × channels, the same for every row of the batch.
    Dense(Tensor),
    /// Fourier features of a grid, separable by axis.
    Fourier(FourierGrid),
}

impl Positions {
    /// M × channels.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn dense(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        match self {
            Self::Dense(table) => Ok(table.clone()),
            Self::Fourier(grid) => grid.dense(dtype, device),
        }
    }
}

/// How positions meet features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// Side by side, features first.
    #[default]
    Concat,
    /// Summed.
    Add,
}

/// Tokens of one modality.
#[derive(Clone, Debug)]
pub struct Block {
    /// B × M × channels: the features, or what `lift` makes them of.
    pub features: Tensor,
    /// The layer that is still to come before these channels are features.
    pub lift: Option<Linear>,
    /// The tokens' positions, and how they join the features.
    pub positions: Option<(Positions, Join)>,
    /// One row of channels behind every token, 1 × padding channels.
    pub padding: Option<Tensor>,
    /// What stands in place of masked tokens: B × M with 1 where masked, and the row that stands there, 1 × C.
    pub mask: Option<(Tensor, Tensor)>,
}

impl Block {
    /// Tokens without positions, padding or mask.
    pub fn bare(features: Tensor) -> Self {
        Self { features, lift: None, positions: None, padding: None, mask: None }
    }

    /// Number of tokens, M.
    ///
    /// # Errors
    /// When the features are not B × M × channels.
    pub fn tokens(&self) -> Result<usize> {
        Ok(self.features.dims3()?.1)
    }

    /// The same tokens with their features behind the layer that is still to come.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn lifted(&self) -> Result<Self> {
        let Some(layer) = &self.lift else { return Ok(self.clone()) };
        Ok(Self { features: layer.forward(&self.features)?, lift: None, ..self.clone() })
    }

    /// B × M × C: features, positions, padding; masked tokens replaced.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn dense(&self) -> Result<Tensor> {
        let (b, m, _) = self.features.dims3()?;
        let rows = |row: &Tensor| row.reshape((1, 1, row.elem_count()))?.broadcast_as((b, m, row.elem_count()));
        let mut dense = self.lifted()?.features;
        if let Some((positions, join)) = &self.positions {
            let positions = positions.dense(dense.dtype(), dense.device())?;
            let (rows, channels) = positions.dims2()?;
            dense = match join {
                Join::Concat => Tensor::cat(&[&dense, &positions.unsqueeze(0)?.broadcast_as((b, rows, channels))?], 2)?,
                Join::Add => dense.broadcast_add(&positions)?,
            };
        }
        if let Some(padding) = &self.padding {
            dense = Tensor::cat(&[&dense, &rows(padding)?], 2)?;
        }
        if let Some((masked, token)) = &self.mask {
            let keep = masked.affine(-1.0, 1.0)?.unsqueeze(2)?;
            dense = (dense.broadcast_mul(&keep)? + masked.unsqueeze(2)?.broadcast_mul(&rows(token)?)?)?;
        }
        Ok(dense)
    }
}

/// The tokens of every modality, in the order of the modalities' names.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Name and tokens; the name is empty where there is one modality only.
    pub blocks: Vec<(String, Block)>,
}

impl Inputs {
    /// The tokens of the only modality.
    pub fn single(block: Block) -> Self {
        Self { blocks: vec![(String::new(), block)] }
    }

    /// B × M × C over all modalities.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn dense(&self) -> Result<Tensor> {
        match self.blocks.as_slice() {
            [(_, block)] => block.dense(),
            blocks => Ok(Tensor::cat(&blocks.iter().map(|(_, block)| block.dense()).collect::<Result<Vec<_>>>()?, 1)?),
        }
    }

    /// B.
    ///
    /// # Errors
    /// When features are not B × M × channels, or there is no modality.
    pub fn batch(&self) -> Result<usize> {
        match self.blocks.first() {
            Some((_, block)) => Ok(block.features.dims3()?.0),
            None => Err(Error::tensor("inputs", "no modality", "one or more")),
        }
    }

    /// Tokens of each modality.
    ///
    /// # Errors
    /// When features are not B × M × channels.
    pub fn modality_sizes(&self) -> Result<Vec<(String, usize)>> {
        self.blocks.iter().map(|(name, block)| Ok((name.clone(), block.tokens()?))).collect()
    }
}
