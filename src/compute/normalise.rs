//! Layer normalisation (Ba et al. 2016) over the last axis: (x − μ)/√(σ² + ε)·gain + shift, with the biased variance.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{
    lanes::{squares, sum},
    rows,
    vectorise::vectorised,
};

/// Layer normalisation of the last axis; `gain` and `shift` have its length. Differentiable.
///
/// # Errors
/// When the lengths differ, or what the tensor library says.
pub fn layer_norm(x: &Tensor, gain: &Tensor, shift: &Tensor, epsilon: f32) -> Result<Tensor> {
    if rows::served(x) {
        x.contiguous()?.apply_op3(&gain.contiguous()?, &shift.contiguous()?, LayerNorm { epsilon })
    } else {
        candle_nn::ops::layer_norm_slow(x, gain, shift, epsilon)
    }
}

vectorised! {
    /// Layer normalisation of one row, in place, on the calling thread. `gain` and `shift` have its length.
    fn normalise_row(row: &mut [f32], gain: &[f32], shift: &[f32], epsilon: f32) {
        let length = row.len() as f32;
        let mean = sum(row) / length;
        let inverse = 1.0 / (squares(row, mean) / length + epsilon).sqrt();
        for ((x, gain), shift) in row.iter_mut().zip(gain).zip(shift) {
            *x = (*x - mean) * inverse * gain + shift;
        }
    }
}

/// The norm of one layer. `gain` and `shift` have the length of its rows.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Factors of the channels.
    pub gain: &'a [f32],
    /// What is added behind them.
    pub shift: &'a [f32],
    /// ε.
    pub epsilon: f32,
}

impl Norm<'_> {
    /// Layer normalisation of one row, in place, on the calling thread.
    ///
    /// # Panics
    /// When the row has another length.
    pub fn apply(&self, row: &mut [f32]) {
        assert!(row.len() == self.gain.len() && row.len() == self.shift.len(), "a norm of another length than {}", row.len());
        normalise_row(row, self.gain, self.shift, self.epsilon);
    }
}

struct LayerNorm {
    epsilon: f32,
}

impl LayerNorm {
    /// The mean of a row and one over its deviation.
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let length = row.len() as f32;
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() as f32 / length;
        let variance = row.iter().map(|&x| (x - mean) * (x - mean)).sum::<f32>() / length;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        gain: &CpuStorage,
        gain_at: &Layout,
        shift: &CpuStorage,
        shift_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, gain, shift) = (rows::slice(x, x_at)?, rows::slice(gain, gain_at)?, rows::slice(shift, shift_at)?);
        let width = x_at.dims().last().copied().unwrap_or(1);
        if gain.len() != width || shift.len() != width {
            candle_core::bail!("layer norm over {width} channels with a gain of {} and a shift of {}", gain.len(), shift.len());
        }
        let mut out = x.to_vec();
        rows::fill_rows(&mut out, width, |_, row| normalise_row(row, gain, shift, self.epsilon));
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _shift: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let width = gain.elem_count();
        let (inputs, upstream) = (x.flatten_all()?.to_vec1::<f32>()?, gradient.flatten_all()?.to_vec1::<f32>()?);
        let gains = gain.to_vec1::<f32>()?;
        let mut to_input = vec![0f32; inputs.len()];
        let block = width * 64;
        let (to_gain, to_shift) = to_input
            .par_chunks_mut(block)
            .zip(inputs.par_chunks(block).zip(upstream.par_chunks(block)))
            .map(|(out, (x, g))| {
                let (mut to_gain, mut to_shift) = (vec![0f32; width], vec![0f32; width]);
                for ((out, x), g) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(g.chunks_exact(width)) {
                    self.row_gradient(out, x, g, &gains, &mut to_gain, &mut to_shift);
                }
                (to_gain, to_shift)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .fold((vec![0f32; width], vec![0f32; width]), |(mut gain, mut shift), (g, s)| {
                gain.iter_mut().zip(g).for_each(|(sum, part)| *sum += part);
                shift.iter_mut().zip(s).for_each(|(sum, part)| *sum += part);
                (gain, shift)
            });
        let device = x.device();
        Ok((
            Some(Tensor::from_vec(to_input, x.shape(), device)?),
            Some(Tensor::from_vec(to_gain, width, device)?),
            Some(Tensor::from_vec(to_shift, width, device)?),
        ))
    }
}

impl LayerNorm {
    /// With n = (x − μ)/σ and h = g·gain: the gradient of x is (h − mean(h) − n·mean(h·n))/σ.
    fn row_gradient(&self, out: &mut [f32], x: &[f32], g: &[f32], gain: &[f32], to_gain: &mut [f32], to_shift: &mut [f32]) {
        let (mean, inverse) = self.moments(x);
        let (mut sum, mut along) = (0f32, 0f32);
        for channel in 0..out.len() {
            let n = (x[channel] - mean) * inverse;
            to_gain[channel] += g[channel] * n;
            to_shift[channel] += g[channel];
            let h = g[channel] * gain[channel];
            sum += h;
            along += h * n;
        }
        let length = out.len() as f32;
        let (sum, along) = (sum / length, along / length);
        for channel in 0..out.len() {
            let n = (x[channel] - mean) * inverse;
            out[channel] = (g[channel] * gain[channel] - sum - n * along) * inverse;
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn kernel_equals_the_plain_form_and_so_do_its_gradients() {
        let normal = |shape: &[usize]| Var::from_tensor(&Tensor::randn(0.3f32, 1.5, shape, &Device::Cpu).unwrap()).unwrap();
        let (x, gain, shift, weights) = (normal(&[2, 70, 33]), normal(&[33]), normal(&[33]), normal(&[2, 70, 33]));
        let ours = layer_norm(&x, &gain, &shift, 1e-5).unwrap();
        let plain = candle_nn::ops::layer_norm_slow(&x, &gain, &shift, 1e-5).unwrap();
        let gradients = |y: &Tensor| (y * weights.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let (of_ours, of_plain) = (gradients(&ours), gradients(&plain));
        let difference = |a: &Tensor, b: &Tensor| {
            (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap()
        };
        assert!(difference(&ours, &plain) < 1e-5);
        for var in [&x, &gain, &shift] {
            assert!(difference(of_ours.get(var).unwrap(), of_plain.get(var).unwrap()) < 1e-4);
        }
    }
}
