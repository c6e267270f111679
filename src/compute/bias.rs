//! One row added to every row.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::rows;

/// `x` plus `bias` along the last axis, which has the bias's length. Differentiable.
///
/// # Errors
/// When the lengths differ.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if rows::served(x) { x.contiguous()?.apply_op2(&bias.contiguous()?, AddBias) } else { x.broadcast_add(bias) }
}

struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, bias: &CpuStorage, bias_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (rows::slice(x, x_at)?, rows::slice(bias, bias_at)?);
        let width = x_at.dims().last().copied().unwrap_or(1);
        if bias.len() != width {
            candle_core::bail!("a bias of {} added to {width} channels", bias.len());
        }
        let mut out = x.to_vec();
        rows::fill_rows(&mut out, width, |_, row| row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias));
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, bias: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = bias.elem_count();
        let upstream = gradient.flatten_all()?.to_vec1::<f32>()?;
        let sums = upstream.par_chunks(width * 256).map(|rows| {
            let mut sum = vec![0f32; width];
            rows.chunks_exact(width).for_each(|row| sum.iter_mut().zip(row).for_each(|(sum, g)| *sum += g));
            sum
        });
        // Collected first: the order of the additions, and with it the last bit, does not depend on the threads.
        let mut sum = vec![0f32; width];
        for part in sums.collect::<Vec<_>>() {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        Ok((Some(gradient.clone()), Some(Tensor::from_vec(sum, width, bias.device())?)))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn kernel_equals_the_plain_form_and_so_do_its_gradients() {
        let normal = |shape: &[usize]| Var::from_tensor(&Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()).unwrap();
        let (x, bias, weights) = (normal(&[3, 300, 7]), normal(&[7]), normal(&[3, 300, 7]));
        let gradients = |y: &Tensor| (y * weights.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, plain) = (add_bias(&x, &bias).unwrap(), x.broadcast_add(&bias).unwrap());
        let (of_ours, of_plain) = (gradients(&ours), gradients(&plain));
        let difference = |a: &Tensor, b: &Tensor| {
            (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap()
        };
        assert_eq!(difference(&ours, &plain), 0.0);
        assert!(difference(of_ours.get(&bias).unwrap(), of_plain.get(&bias).unwrap()) < 1e-4);
        assert_eq!(difference(of_ours.get(&x).unwrap(), of_plain.get(&x).unwrap()), 0.0);
    }
}
