//! A linear layer in one pass.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Finish, RightFactor};
use crate::compute::rows::slice;

/// `x` (… × depth) times `matrix`, plus `bias`; then GELU, where asked for, and plus `residual`, which has the result's shape:
/// … × columns. On a processor; not differentiable.
///
/// # Errors
/// When shapes do not fit, or a tensor is not float32.
pub fn linear(x: &Tensor, matrix: &RightFactor, bias: &Tensor, gelu: bool, residual: Option<&Tensor>) -> Result<Tensor> {
    let (x, bias) = (x.contiguous()?, bias.contiguous()?);
    let op = Linear { matrix, gelu };
    match residual {
        Some(residual) => x.apply_op3_no_bwd(&bias, &residual.contiguous()?, &op),
        None => x.apply_op2_no_bwd(&bias, &op),
    }
}

struct Linear<'a> {
    matrix: &'a RightFactor,
    gelu: bool,
}

impl Linear<'_> {
    fn apply(&self, x: &[f32], x_at: &Layout, bias: &[f32], residual: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
        let (depth, columns) = (self.matrix.depth(), self.matrix.columns());
        let mut shape = x_at.dims().to_vec();
        if shape.pop() != Some(depth) || bias.len() != columns {
            candle_core::bail!("a product of {:?} with {depth} x {columns} and a bias of {}", x_at.dims(), bias.len());
        }
        shape.push(columns);
        let shape = Shape::from(shape);
        if residual.is_some_and(|residual| residual.len() != shape.elem_count()) {
            candle_core::bail!("a residual of another shape than {shape:?}");
        }
        let out = self.matrix.product(x, Finish { bias: Some(bias), gelu: self.gelu, residual });
        Ok((CpuStorage::F32(out), shape))
    }
}

impl CustomOp2 for Linear<'_> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, bias: &CpuStorage, bias_at: &Layout) -> Result<(CpuStorage, Shape)> {
        self.apply(slice(x, x_at)?, x_at, slice(bias, bias_at)?, None)
    }
}

impl CustomOp3 for Linear<'_> {
    fn name(&self) -> &'static str {
        "linear-residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        bias: &CpuStorage,
        bias_at: &Layout,
        residual: &CpuStorage,
        residual_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.apply(slice(x, x_at)?, x_at, slice(bias, bias_at)?, Some(slice(residual, residual_at)?))
    }
}
