//! `Conv2DDownsample`: the convolutional stem, a factor of about 4.

use candle_core::{DType, Module, ModuleT, Tensor};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig};

use crate::{compute::factor, error::Result, perceiver::Weights};

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
        let format = self.conv.weight().dtype();
        let conv = Conv2d::new(factor(self.conv.weight(), format)?, None, *self.conv.config());
        let x = conv.forward(&factor(images, format)?)?.to_dtype(DType::F32)?;
        let x = match &self.norm {
            Some(norm) => norm.forward_t(&x, false)?,
            None => x,
        };
        max_pool(&max_pool(&x.relu()?, 2)?, 3)
    }
}

/// The highest of three neighbours on an axis, of every second three. Made of selections, because the tensor library's own pooling has no
/// gradient where windows overlap.
fn max_pool(x: &Tensor, axis: usize) -> Result<Tensor> {
    let count = (x.dim(axis)?.saturating_sub(3) / 2 + 1) as u32;
    let neighbour = |first: u32| -> candle_core::Result<Tensor> {
        x.index_select(&Tensor::arange_step(first, first + 2 * count, 2, x.device())?, axis)
    };
    Ok(neighbour(0)?.maximum(&neighbour(1)?)?.maximum(&neighbour(2)?)?)
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

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn the_pool_is_the_librarys_and_has_a_gradient() {
        for (rows, columns) in [(7, 8), (3, 5), (12, 9)] {
            let x = Var::randn(0f32, 1.0, (2, 3, rows, columns), &Device::Cpu).unwrap();
            let pooled = max_pool(&max_pool(&x, 2).unwrap(), 3).unwrap();
            let expected = x.max_pool2d_with_stride(3, 2).unwrap();
            let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!((pooled.dims(), values(&pooled)), (expected.dims(), values(&expected)));
            let gradients = pooled.sum_all().unwrap().backward().unwrap();
            let sum: f32 = values(gradients.get(&x).unwrap()).iter().sum();
            assert_eq!(sum as usize, pooled.elem_count());
        }
    }
}
