//! Where layers get their tensors from: a checkpoint by published names, or fresh variables to be trained.

use candle_core::{DType, Device, Module, Shape, Tensor};
use candle_nn::{Init, VarBuilder};

use super::Folding;
use crate::{compute, error::Result};

/// Epsilon of every layer norm in the family, whatever `layer_norm_eps` says.
pub(super) const EPSILON: f32 = 1e-5;

/// A place in a checkpoint's tree of names. New variables (in training) are drawn as the reference draws them: weights from a normal
/// distribution of a given deviation, biases 0, gains 1.
#[derive(Clone)]
pub struct Weights<'a> {
    tensors: VarBuilder<'a>,
    deviation: f64,
    folding: Folding,
}

impl<'a> Weights<'a> {
    /// The root of the tree in `tensors`; new variables get the deviation `initializer_range`. Models made from it are plain, as training
    /// needs them.
    pub fn new(tensors: VarBuilder<'a>, initializer_range: f64) -> Self {
        Self { tensors, deviation: initializer_range, folding: Folding::Off }
    }

    /// The same tree for models that are folded or not. Folded ones must not change: what follows from the weights is computed once.
    pub fn with_folding(self, folding: Folding) -> Self {
        Self { folding, ..self }
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
        Ok(Linear { weight: self.matrix((to, from), "weight")?, bias: self.get_constant(to, "bias", 0.0)? })
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
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

impl Linear {
    /// The format of the matrix.
    pub fn dtype(&self) -> DType {
        self.weight.dtype()
    }

    /// The matrix, to × from, in float32.
    pub(super) fn matrix(&self) -> candle_core::Result<Tensor> {
        self.weight.to_dtype(DType::F32)
    }
}

impl Module for Linear {
    /// … × from channels to … × to channels.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (to, from) = self.weight.dims2()?;
        // One product over all rows: a product for each row of the batch would read the weights that often.
        let rows = x.reshape(((), from))?;
        let factor = |x: &Tensor| compute::factor(x, self.dtype());
        let y = factor(&rows)?.matmul(&factor(&self.weight)?.t()?)?.to_dtype(DType::F32)?;
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
