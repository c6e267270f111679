//! `Conv2DDownsample`: the convolutional stem, a factor of about 4.

use candle_core::{ModuleT, Tensor};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig};

use super::convolution::convolve;
use crate::{error::Result, perceiver::Weights};

/// A 7×7 convolution of stride 2 with three zeros on each side, batch norm with its running statistics, ReLU, and a 3×3 max pool of stride 2
/// without padding, rounded down: 224 → 112 → 55.
#[derive(Clone, Debug)]
pub struct Conv2dDownsample {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

impl Conv2dDownsample {
    /// Reads `conv.weight` and, with a batch norm, `batchnorm.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(in_channels: usize, out_channels: usize, use_batchnorm: bool, weights: &Weights<'_>) -> Result<Self> {
        let kernel = weights.pp("conv").matrix((out_channels, in_channels, 7, 7), "weight")?;
        let config = Conv2dConfig { stride: 2, padding: 3, ..Default::default() };
        let norm = use_batchnorm.then(|| batch_norm(out_channels, &weights.pp("batchnorm"))).transpose()?;
        Ok(Self { conv: Conv2d::new(kernel, None, config), norm })
    }

    /// B × C × Y × X to B × out × about Y/4 × about X/4.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let x = convolve(&self.conv, images)?;
        let x = match &self.norm {
            Some(norm) => norm.forward_t(&x, false)?,
            None => x,
        };
        Ok(x.relu()?.max_pool2d_with_stride(3, 2)?)
    }
}

fn batch_norm(channels: usize, weights: &Weights<'_>) -> Result<BatchNorm> {
    Ok(BatchNorm::new(
        channels,
        weights.get_constant(channels, "running_mean", 0.0)?,
        weights.get_constant(channels, "running_var", 1.0)?,
        weights.get_constant(channels, "weight", 1.0)?,
        weights.get_constant(channels, "bias", 0.0)?,
        1e-5,
    )?)
}
