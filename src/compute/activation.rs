//! GELU, x·Φ(x) with the normal distribution's Φ (Hendrycks and Gimpel 2016), in its erf form, as the published checkpoints use it.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::{rows, vectorise::vectorised};

/// GELU of every element. Differentiable.
///
/// # Errors
/// What the tensor library says.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if rows::served(x) { x.contiguous()?.apply_op1(Gelu) } else { x.gelu_erf() }
}

vectorised! {
    /// GELU of every element, in place, on the calling thread.
    pub fn gelu_in_place(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x *= normal_distribution(*x).0);
    }
}

vectorised! {
    /// Each element times GELU's derivative at the element of `x` in its place.
    fn times_gelu_gradient(values: &mut [f32], x: &[f32]) {
        for (value, &x) in values.iter_mut().zip(x) {
            let (distribution, density) = normal_distribution(x);
            *value *= distribution + x * density;
        }
    }
}

struct Gelu;
struct GeluGradient;

/// Elements in one row of work: any number does, since each element stands alone.
const BLOCK: usize = 1024;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = rows::slice(storage, layout)?;
        let mut out = x.to_vec();
        each_block(&mut out, |_, out| gelu_in_place(out));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        x.contiguous()?.apply_op2_no_bwd(&gradient.contiguous()?, &GeluGradient).map(Some)
    }
}

impl CustomOp2 for GeluGradient {
    fn name(&self) -> &'static str {
        "gelu-gradient"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, gradient: &CpuStorage, gradient_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = rows::slice(x, x_at)?;
        let mut out = rows::slice(gradient, gradient_at)?.to_vec();
        each_block(&mut out, |at, out| times_gelu_gradient(out, &x[at..]));
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }
}

fn each_block(out: &mut [f32], work: impl Fn(usize, &mut [f32]) + Sync) {
    use rayon::prelude::*;
    out.par_chunks_mut(BLOCK).with_min_len(8).enumerate().for_each(|(block, out)| work(block * BLOCK, out));
}

/// Φ(x) and its derivative. Φ by formula 7.1.26 of Abramowitz and Stegun, "Handbook of Mathematical Functions": off by at most
/// 1.5e-7 / 2, below what float32 resolves next to 1.
#[inline(always)]
fn normal_distribution(x: f32) -> (f32, f32) {
    const INVERSE_SQRT_2_PI: f32 = 0.398_942_3;
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / z.mul_add(0.327_591_1, 1.0);
    let bell = super::softmax::exp(-(z * z));
    let series = [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6];
    let series = series.into_iter().fold(1.061_405_4, |sum: f32, next| sum.mul_add(t, next));
    let tail = 0.5 * t * series * bell;
    (if x < 0.0 { tail } else { 1.0 - tail }, INVERSE_SQRT_2_PI * bell)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn kernel_equals_the_plain_form_and_so_does_its_gradient() {
        let x = Var::from_tensor(&Tensor::arange_step(-8f32, 8.0, 0.003, &Device::Cpu).unwrap()).unwrap();
        let (ours, plain) = (gelu(&x).unwrap(), x.gelu_erf().unwrap());
        let gradient = |y: &Tensor| y.sum_all().unwrap().backward().unwrap().get(&x).unwrap().clone();
        let difference = |a: &Tensor, b: &Tensor| (a - b).unwrap().abs().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        assert!(difference(&ours, &plain) < 1e-6);
        assert!(difference(&gradient(&ours), &gradient(&plain)) < 1e-5);
    }
}
