//! Where layers get their tensors from: a checkpoint by published names, or fresh variables to be trained.

use std::sync::Arc;

use candle_core::{DType, Device, Module, Shape, Tensor};
use candle_nn::{Init, VarBuilder};

use super::{Activation, Folding};
use crate::{
    compute::{self, Format, RightFactor},
    error::Result,
};

/// Epsilon of every layer norm in the family, whatever `layer_norm_eps` says.
pub(super) const EPSILON: f32 = 1e-5;

/// A place in a checkpoint's tree of names. New variables (in training) are drawn as the reference draws them: weights from a normal
/// distribution of a given deviation, biases 0, gains 1.
#[derive(Clone)]
pub struct Weights<'a> {
    tensors: VarBuilder<'a>,
    deviation: f64,
    folding: Folding,
    mixed: bool,
}

impl<'a> Weights<'a> {
    /// The root of the tree in `tensors`; new variables get the deviation `initializer_range`. Models made from it are plain, as training
    /// needs them.
    pub fn new(tensors: VarBuilder<'a>, initializer_range: f64) -> Self {
        Self { tensors, deviation: initializer_range, folding: Folding::Off, mixed: false }
    }

    /// The same tree for models that are folded or not. Folded ones must not change: what follows from the weights is computed once.
    pub fn with_folding(self, folding: Folding) -> Self {
        Self { folding, ..self }
    }

    /// The same tree for models whose linear layers round their factors to bfloat16 and keep float32 weights, as mixed-precision training
    /// does ([`mixed_product`](compute::mixed_product)).
    pub fn with_mixed_products(self) -> Self {
        Self { mixed: true, ..self }
    }

    /// Whether what is made from here may be folded: asked for, and on a processor.
    pub(super) fn may_fold(&self) -> bool {
        self.folding == Folding::Auto && self.device().is_cpu()
    }

    /// The branch `name`.
    pub fn pp(&self, name: impl ToString) -> Self {
        Self { tensors: self.tensors.pp(name), ..self.clone() }
    }

    /// The device the tensors are on.
    pub fn device(&self) -> &Device {
        self.tensors.device()
    }

    /// The format of matrices.
    pub fn dtype(&self) -> DType {
        self.tensors.dtype()
    }

    /// The tensor `name` in float32.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        Ok(self.tensors.get_with_hints_dtype(shape, name, self.normal(), DType::F32)?)
    }

    /// The tensor `name` in the model's precision: a matrix, or the kernel of a convolution.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn matrix(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        Ok(self.tensors.get_with_hints(shape, name, self.normal())?)
    }

    fn normal(&self) -> Init {
        Init::Randn { mean: 0.0, stdev: self.deviation }
    }

    /// The tensor `name` in float32, constant when new.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn get_constant(&self, shape: impl Into<Shape>, name: &str, value: f64) -> Result<Tensor> {
        Ok(self.tensors.get_with_hints_dtype(shape, name, Init::Const(value), DType::F32)?)
    }

    /// A linear layer from `from` to `to` channels: `weight` (to × from) and `bias` (to).
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn linear(&self, from: usize, to: usize) -> Result<Linear> {
        self.linear_of(self.matrix((to, from), "weight")?)
    }

    /// A 1×1 convolution as the linear layer of channels that it is: `weight` (to × from × 1 × 1) and `bias` (to).
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn pointwise(&self, from: usize, to: usize) -> Result<Linear> {
        self.linear_of(self.matrix((to, from, 1, 1), "weight")?.reshape((to, from))?)
    }

    fn linear_of(&self, matrix: Tensor) -> Result<Linear> {
        let (to, from) = matrix.dims2()?;
        let bias = self.get_constant(to, "bias", 0.0)?;
        let weight = match Format::of(matrix.dtype()) {
            // What is folded does not change.
            Some(format) if self.may_fold() => {
                let values = matrix.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
                Weight::Packed(RightFactor::transposed(&values, to, from, format.over(from)).into())
            }
            _ if self.mixed => Weight::Mixed(matrix),
            _ => Weight::Tensor(matrix),
        };
        Ok(Linear { weight, bias })
    }

    /// A layer norm over `channels`: `weight` and `bias`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn layer_norm(&self, channels: usize) -> Result<LayerNorm> {
        Ok(LayerNorm { gain: self.get_constant(channels, "weight", 1.0)?, shift: self.get_constant(channels, "bias", 0.0)? })
    }
}

/// A linear layer, y = x Wᵀ + b.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Weight,
    pub(super) bias: Tensor,
}

/// W, to × from.
#[derive(Clone, Debug)]
enum Weight {
    /// In the model's precision.
    Tensor(Tensor),
    /// In float32, rounded for each product.
    Mixed(Tensor),
    /// Its transpose as products on a processor read it; fixed.
    Packed(Arc<RightFactor>),
}

impl Linear {
    /// The format of the matrix.
    pub fn dtype(&self) -> DType {
        match &self.weight {
            Weight::Tensor(matrix) | Weight::Mixed(matrix) => matrix.dtype(),
            Weight::Packed(matrix) => matrix.format().dtype(),
        }
    }

    /// The format of the products, where they are those of packed factors.
    pub(super) fn packed(&self) -> Option<Format> {
        match &self.weight {
            Weight::Tensor(_) | Weight::Mixed(_) => None,
            Weight::Packed(matrix) => Some(matrix.format()),
        }
    }

    /// Channels of the output and of the input.
    pub(super) fn dims(&self) -> candle_core::Result<(usize, usize)> {
        match &self.weight {
            Weight::Tensor(matrix) | Weight::Mixed(matrix) => matrix.dims2(),
            Weight::Packed(matrix) => Ok((matrix.columns(), matrix.depth())),
        }
    }

    /// The matrix, to × from, in float32.
    pub(super) fn matrix(&self) -> candle_core::Result<Tensor> {
        match &self.weight {
            Weight::Tensor(matrix) | Weight::Mixed(matrix) => matrix.to_dtype(DType::F32),
            Weight::Packed(matrix) => Tensor::from_vec(matrix.to_transposed(), self.dims()?, self.bias.device()),
        }
    }

    /// Wᵀ as products on a processor read it: what is packed already, else in float32.
    pub(super) fn factor(&self) -> candle_core::Result<Arc<RightFactor>> {
        match &self.weight {
            Weight::Packed(matrix) => Ok(matrix.clone()),
            Weight::Tensor(_) | Weight::Mixed(_) => {
                let ((to, from), values) = (self.dims()?, self.matrix()?.flatten_all()?.to_vec1()?);
                Ok(RightFactor::transposed(&values, to, from, Format::F32).into())
            }
        }
    }

    /// The activation of y.
    pub(super) fn activated(&self, x: &Tensor, activation: Activation) -> candle_core::Result<Tensor> {
        match (&self.weight, activation) {
            (Weight::Packed(matrix), Activation::Gelu) => compute::linear(x, matrix, &self.bias, true, None),
            _ => activation.forward(&self.forward(x)?),
        }
    }

    /// y + `residual`, which has its shape.
    pub(super) fn plus(&self, x: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        match &self.weight {
            Weight::Packed(matrix) => compute::linear(x, matrix, &self.bias, false, Some(residual)),
            Weight::Tensor(_) | Weight::Mixed(_) => self.forward(x)? + residual,
        }
    }
}

impl Module for Linear {
    /// … × from channels to … × to channels.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (to, from) = self.dims()?;
        // One product over all rows: a product for each row of the batch would read the weights that often.
        let rows = |x: &Tensor| x.reshape(((), from));
        let y = match &self.weight {
            Weight::Packed(matrix) => return compute::linear(x, matrix, &self.bias, false, None),
            Weight::Mixed(weight) => compute::mixed_product(&rows(x)?, weight)?,
            Weight::Tensor(weight) => {
                let factor = |x: &Tensor| compute::factor(x, self.dtype());
                factor(&rows(x)?)?.matmul(&factor(weight)?.t()?)?.to_dtype(DType::F32)?
            }
        };
        let y = compute::add_bias(&y, &self.bias)?;
        let dims: Vec<usize> = x.dims()[..x.rank() - 1].iter().copied().chain([to]).collect();
        y.reshape(dims)
    }
}

/// Layer normalisation with epsilon 1e-5.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    pub(super) gain: Tensor,
    pub(super) shift: Tensor,
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        compute::layer_norm(x, &self.gain, &self.shift, EPSILON)
    }
}
