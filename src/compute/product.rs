//! Matrix products in the precision a model is opened in.
//!
//! A model's matrices are kept in its precision and everything between the products is float32, so that the residual stream, the norms and the
//! softmax round as little as if the whole model were float32. GPUs, and the packed products ([`RightFactor`](super::RightFactor)) of processors
//! with the instructions for it, multiply in 16 bits and add up in 32, so the other factor is rounded too. Everywhere else on processors a
//! matrix is widened for its product, and what was lost is what rounding the matrix lost.

use candle_core::{DType, Result, Tensor};

/// A factor of a product or a convolution whose matrix is in `format`: as the device of the tensor multiplies it. Differentiable.
///
/// # Errors
/// What the tensor library says.
pub fn factor(x: &Tensor, format: DType) -> Result<Tensor> {
    x.to_dtype(if x.device().is_cpu() { DType::F32 } else { format })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_processor_rounds_nothing_but_what_was_rounded_before() {
        let x = Tensor::randn(0f32, 1.0, (5, 70), &Device::Cpu).unwrap();
        let rounded = x.to_dtype(DType::BF16).unwrap();
        let values = |x: &Tensor| factor(x, DType::BF16).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(values(&x), x.to_vec2::<f32>().unwrap());
        assert_eq!(values(&rounded), rounded.to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap());
    }
}
