//! Products in bfloat16 with float32 sums that gradients pass through: half of mixed-precision training (Micikevicius et al. 2018). The other
//! half, weights and everything between the products in float32, is the model's.

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{Finish, Format, LeftFactor, RightFactor, rows::slice};

/// `x` (rows × from) times the transpose of `w` (to × from), both float32 and rounded to bfloat16 for the product, as they and the gradient
/// are for the products of the gradients. Rows × to, in float32. On a processor, one with instructions for it ([`Format::of`]).
///
/// # Errors
/// When shapes do not fit, or a tensor is not float32.
pub fn mixed_product(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        x.contiguous()?.apply_op2(&w.contiguous()?, Mixed::Rows)
    } else {
        let bf16 = |x: &Tensor| x.to_dtype(DType::BF16);
        bf16(x)?.matmul(&bf16(w)?.t()?)?.to_dtype(DType::F32)
    }
}

/// Products of a (rows × a's columns) and b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mixed {
    /// a · bᵀ.
    Rows,
    /// a · b.
    Plain,
    /// aᵀ · b.
    Columns,
}

/// Rows of a result that are worked on at once.
const BLOCK: usize = 48;

impl CustomOp2 for Mixed {
    fn name(&self) -> &'static str {
        "mixed-product"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_at: &Layout, b: &CpuStorage, b_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((a, (rows, columns)), (b, (b_rows, b_columns))) =
            ((slice(a, a_at)?, a_at.shape().dims2()?), (slice(b, b_at)?, b_at.shape().dims2()?));
        let (inner, other, of_result) = match self {
            Self::Rows => (columns, b_columns, (rows, b_rows)),
            Self::Plain => (columns, b_rows, (rows, b_columns)),
            Self::Columns => (rows, b_rows, (columns, b_columns)),
        };
        if inner != other {
            candle_core::bail!("a product of {rows} x {columns} and {b_rows} x {b_columns}, {self:?}");
        }
        let out = match self {
            Self::Rows => RightFactor::transposed(b, b_rows, b_columns, Format::Bf16).product(a, Finish::default()),
            Self::Plain => RightFactor::new(b, b_rows, b_columns, Format::Bf16).product(a, Finish::default()),
            Self::Columns => {
                let right = RightFactor::new(b, b_rows, b_columns, Format::Bf16);
                let mut out = vec![0f32; columns * b_columns];
                out.par_chunks_mut((BLOCK * b_columns).max(1)).enumerate().for_each(|(block, out)| {
                    let mut left = LeftFactor::new(Format::Bf16);
                    left.pack_transposed(&a[block * BLOCK..], out.len() / b_columns, rows, columns);
                    right.multiply(&left, out, b_columns, 0, false);
                });
                out
            }
        };
        Ok((CpuStorage::F32(out), of_result.into()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        if *self != Self::Rows {
            candle_core::bail!("{self:?} has no gradient of its own");
        }
        let gradient = gradient.contiguous()?;
        let by_x = x.track_op().then(|| gradient.apply_op2_no_bwd(&w.contiguous()?, &Self::Plain)).transpose()?;
        Ok((by_x, Some(gradient.apply_op2_no_bwd(&x.contiguous()?, &Self::Columns)?)))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn product_and_gradients_are_those_of_float32_but_for_rounding() {
        if Format::of(DType::BF16).is_none() {
            println!("skipped: this processor has no bfloat16 products");
            return;
        }
        let normal = |shape: &[usize]| Var::from_tensor(&Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()).unwrap();
        for (rows, from, to) in [(5, 7, 3), (200, 130, 61), (1030, 64, 96)] {
            let (x, w, weights) = (normal(&[rows, from]), normal(&[to, from]), normal(&[rows, to]));
            let gradients = |y: &Tensor| (y * weights.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            let (mixed, plain) = (mixed_product(&x, &w).unwrap(), x.matmul(&w.t().unwrap()).unwrap());
            let (of_mixed, of_plain) = (gradients(&mixed), gradients(&plain));
            let off = |a: &Tensor, b: &Tensor| {
                let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
                norm(&(a - b).unwrap()) / norm(b)
            };
            let all = [
                off(&mixed, &plain),
                off(of_mixed.get(&x).unwrap(), of_plain.get(&x).unwrap()),
                off(of_mixed.get(&w).unwrap(), of_plain.get(&w).unwrap()),
            ];
            // Two factors with 8 bits each.
            assert!(all.iter().all(|&off| (1e-4..6e-3).contains(&off)), "{rows} {from} {to}: {all:?}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        assert!(mixed_product(&zeros((3, 4)), &zeros((5, 6))).unwrap_err().to_string().contains("3 x 4"));
    }
}
