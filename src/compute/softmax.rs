//! Softmax over the last axis, the row maximum subtracted first.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor};

use super::{
    lanes::{maximum, sum},
    rows,
    vectorise::vectorised,
};

/// Softmax over the last axis. Differentiable.
///
/// # Errors
/// What the tensor library says.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    if rows::served(x) { x.contiguous()?.apply_op1(Softmax) } else { candle_nn::ops::softmax(x, D::Minus1) }
}

struct Softmax;
struct SoftmaxGradient;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = rows::slice(storage, layout)?;
        let width = layout.dims().last().copied().unwrap_or(1);
        let mut out = x.to_vec();
        rows::fill_rows(&mut out, width, |_, row| softmax_row(row));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        result.apply_op2_no_bwd(&gradient.contiguous()?, &SoftmaxGradient).map(Some)
    }
}

impl CustomOp2 for SoftmaxGradient {
    fn name(&self) -> &'static str {
        "softmax-gradient"
    }

    fn cpu_fwd(&self, y: &CpuStorage, y_at: &Layout, gradient: &CpuStorage, gradient_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = rows::slice(y, y_at)?;
        let mut out = rows::slice(gradient, gradient_at)?.to_vec();
        let width = y_at.dims().last().copied().unwrap_or(1);
        rows::fill_rows(&mut out, width, |row, out| {
            let y = &y[row * width..(row + 1) * width];
            let along: f32 = y.iter().zip(out.iter()).map(|(y, g)| y * g).sum();
            out.iter_mut().zip(y).for_each(|(g, y)| *g = y * (*g - along));
        });
        Ok((CpuStorage::F32(out), y_at.shape().clone()))
    }
}

vectorised! {
    /// Softmax of one row, in place.
    pub(super) fn softmax_row(row: &mut [f32]) {
        let largest = maximum(row);
        row.iter_mut().for_each(|x| *x = exp(*x - largest));
        let scale = 1.0 / sum(row);
        row.iter_mut().for_each(|x| *x *= scale);
    }
}

/// eˣ for x ≤ 88 (as for −87 below that), in operations that a compiler can vectorise inside [`vectorised`]: 2ⁿ by the exponent bits, the rest by
/// the polynomial of the least relative error, 9·10⁻⁸. Within 4·10⁻⁷.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // 1.5 · 2²³: adding it rounds to an integer, which then stands in the lowest bits; with the exponent of 1, as an exponent's bits.
    const SHIFT: f32 = 12_582_912.0 + 127.0;
    // ln 2 in two parts, so that x − n·ln 2 keeps its last bits.
    const LN_2: [f32; 2] = [std::f32::consts::LN_2, -1.904_654_2e-9];
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = n.mul_add(-LN_2[1], n.mul_add(-LN_2[0], x));
    let series = [4.189_816e-2, 0.166_676_38, 0.499_991_48, 0.999_999_7, 1.0];
    let series = series.into_iter().fold(8.290_272e-3, |sum: f32, next| sum.mul_add(r, next));
    series * f32::from_bits(shifted.to_bits() << 23)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn exp_is_accurate() {
        for step in 0..870_000 {
            let x = -step as f32 * 1e-4;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 4e-7 * exact, "{x}: {} {exact}", exp(x));
        }
    }

    #[test]
    fn kernel_equals_the_plain_form_and_so_does_its_gradient() {
        for width in [1, 7, 100, 1025] {
            let x = Var::from_tensor(&Tensor::randn(0f32, 4.0, (3, 5, width), &Device::Cpu).unwrap()).unwrap();
            let weights = Tensor::randn(0f32, 1.0, (3, 5, width), &Device::Cpu).unwrap();
            let (ours, plain) = (softmax(&x).unwrap(), candle_nn::ops::softmax(&x, D::Minus1).unwrap());
            let gradient = |y: &Tensor| (y * &weights).unwrap().sum_all().unwrap().backward().unwrap().get(&x).unwrap().clone();
            let difference = |a: &Tensor, b: &Tensor| {
                (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap()
            };
            assert!(difference(&ours, &plain) < 2e-6);
            // Gradients are sums over a row of weighted normal numbers.
            assert!(difference(&gradient(&ours), &gradient(&plain)) < 1e-5);
        }
    }
}
