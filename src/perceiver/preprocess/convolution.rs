//! Convolution in every precision.

use candle_core::{DType, Module, Tensor};
use candle_nn::Conv2d;

use crate::error::Result;

/// B × C × Y × X through a convolution. The tensor library has none in bfloat16 for the processor: there it is done in float32.
///
/// # Errors
/// When shapes do not fit.
pub(super) fn convolve(conv: &Conv2d, images: &Tensor) -> Result<Tensor> {
    if images.dtype() != DType::BF16 || !images.device().is_cpu() {
        return Ok(conv.forward(images)?);
    }
    let wide = |x: &Tensor| x.to_dtype(DType::F32);
    let conv = Conv2d::new(wide(conv.weight())?, conv.bias().map(wide).transpose()?, *conv.config());
    Ok(conv.forward(&wide(images)?)?.to_dtype(DType::BF16)?)
}
