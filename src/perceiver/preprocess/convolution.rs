//! Convolution in every precision.

use candle_core::{DType, Module, Tensor};
use candle_nn::Conv2d;

use crate::{compute::factor, error::Result};

/// B × C × Y × X through a convolution, its kernel in the model's precision: float32.
///
/// # Errors
/// When shapes do not fit.
pub(super) fn convolve(conv: &Conv2d, images: &Tensor) -> Result<Tensor> {
    let format = conv.weight().dtype();
    let bare = Conv2d::new(factor(conv.weight(), format)?, None, *conv.config());
    let features = bare.forward(&factor(images, format)?)?.to_dtype(DType::F32)?;
    match conv.bias() {
        Some(bias) => Ok(features.broadcast_add(&bias.reshape((1, (), 1, 1))?)?),
        None => Ok(features),
    }
}
