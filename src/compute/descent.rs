//! An optimiser's arithmetic, in place: one pass over the memory for each running mean, and one for the step.

use candle_core::{CpuStorage, DType, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};

use super::rows;

/// What is fainter counts as 0: arithmetic with subnormal numbers takes a hundred times as long, and running means fade into them.
const FAINT: f32 = 1e-30;
/// What has a square fainter than that.
const FAINT_ROOT: f32 = 1e-15;

/// `x` becomes `keep · x + (1 − keep) · scale · y`. Nothing else may share the memory of `x`.
///
/// # Errors
/// When the shapes differ.
pub fn approach(x: &mut Tensor, y: &Tensor, keep: f64, scale: f64) -> Result<()> {
    if !is_served(x) {
        *x = ((&*x * keep)? + (y * ((1.0 - keep) * scale))?)?.detach();
        return Ok(());
    }
    let [keep, share] = [keep, (1.0 - keep) * scale].map(|factor| factor as f32);
    x.inplace_op2(&y.contiguous()?, &Pass(move |x: f32, y: f32| keep * unless_below(FAINT, x) + share * unless_below(FAINT, y)))
}

/// `x` becomes `keep · x + (1 − keep) · (scale · y)²`. Nothing else may share the memory of `x`.
///
/// # Errors
/// When the shapes differ.
pub fn approach_square(x: &mut Tensor, y: &Tensor, keep: f64, scale: f64) -> Result<()> {
    if !is_served(x) {
        *x = ((&*x * keep)? + (y.sqr()? * ((1.0 - keep) * scale * scale))?)?.detach();
        return Ok(());
    }
    let [keep, share] = [keep, (1.0 - keep) * scale * scale].map(|factor| factor as f32);
    let square = move |x: f32, y: f32| {
        let y = unless_below(FAINT_ROOT, y);
        keep * unless_below(FAINT, x) + share * (y * y)
    };
    x.inplace_op2(&y.contiguous()?, &Pass(square))
}

/// A step of Adam: `decay · x − rate · (first / corrections[0]) / (√(second / corrections[1]) + epsilon)`.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f64,
    /// What is left of the weights.
    pub decay: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// What the running means of the gradient and of its square are too small by, as they began at 0.
    pub corrections: [f64; 2],
}

impl AdamStep {
    /// Takes the step, in the memory of `x`.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn descend(self, x: &Var, first: &Tensor, second: &Tensor) -> Result<()> {
        let Self { rate, decay, epsilon, corrections } = self;
        if !is_served(x) {
            let direction = ((first / corrections[0])? / ((second / corrections[1])?.sqrt()? + epsilon)?)?;
            return x.set(&((x.as_tensor() * decay)? - (direction * rate)?)?);
        }
        let [step, decay, epsilon, shrink] =
            [rate / corrections[0], decay, epsilon, 1.0 / corrections[1]].map(|factor| factor as f32);
        x.inplace_op3(
            first,
            second,
            &PassOfTwo(move |x: f32, first: f32, second: f32| decay * x - step * first / ((second * shrink).sqrt() + epsilon)),
        )
    }
}

fn unless_below(least: f32, x: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

fn is_served(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32 && x.is_contiguous()
}

/// A new `x` from the old one and what lies at the same place of another tensor.
struct Pass<F>(F);

impl<F: Fn(f32, f32) -> f32> InplaceOp2 for Pass<F> {
    fn name(&self) -> &'static str {
        "approach"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_at: &Layout, y: &CpuStorage, y_at: &Layout) -> Result<()> {
        let y = of_shape(y, y_at, x_at)?;
        memory_of(x, x_at)?.iter_mut().zip(y).for_each(|(x, y)| *x = (self.0)(*x, *y));
        Ok(())
    }
}

/// As [`Pass`], of two others.
struct PassOfTwo<F>(F);

impl<F: Fn(f32, f32, f32) -> f32> InplaceOp3 for PassOfTwo<F> {
    fn name(&self) -> &'static str {
        "descend"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_at: &Layout,
        first: &CpuStorage,
        first_at: &Layout,
        second: &CpuStorage,
        second_at: &Layout,
    ) -> Result<()> {
        let (first, second) = (of_shape(first, first_at, x_at)?, of_shape(second, second_at, x_at)?);
        let others = first.iter().zip(second);
        memory_of(x, x_at)?.iter_mut().zip(others).for_each(|(x, (first, second))| *x = (self.0)(*x, *first, *second));
        Ok(())
    }
}

fn of_shape<'a>(storage: &'a CpuStorage, at: &Layout, wanted: &Layout) -> Result<&'a [f32]> {
    if at.shape() != wanted.shape() {
        bail!("an optimiser's {:?} meets weights of {:?}", at.shape(), wanted.shape());
    }
    rows::slice(storage, at)
}

fn memory_of<'a>(storage: &'a mut CpuStorage, at: &Layout) -> Result<&'a mut [f32]> {
    match storage {
        CpuStorage::F32(numbers) => Ok(&mut numbers[at.start_offset()..][..at.shape().elem_count()]),
        _ => bail!("weights that are not float32"),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn numbers(seed: f32) -> Tensor {
        let numbers = Tensor::arange(0f32, 35.0, &Device::Cpu).unwrap();
        (numbers * f64::from(seed)).unwrap().sin().unwrap().reshape((5, 7)).unwrap()
    }

    fn compare(kernel: &Tensor, plain: &Tensor) {
        let apart = (kernel - plain).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(apart < 1e-6, "{apart}");
    }

    #[test]
    fn kernels_equal_the_plain_forms() {
        let gradient = numbers(0.3);
        let (mut mean, mut square) = (numbers(0.7), numbers(0.9).sqr().unwrap());
        let [plain_mean, plain_square] = [&mean, &square].map(|x| x.copy().unwrap());
        approach(&mut mean, &gradient, 0.9, 0.5).unwrap();
        approach_square(&mut square, &gradient, 0.99, 0.5).unwrap();
        let scaled = (&gradient * 0.5).unwrap();
        let expected = ((&plain_mean * 0.9).unwrap() + (&scaled * 0.1).unwrap()).unwrap();
        compare(&mean, &expected);
        let expected = ((&plain_square * 0.99).unwrap() + (scaled.sqr().unwrap() * 0.01).unwrap()).unwrap();
        compare(&square, &expected);

        let step = AdamStep { rate: 0.1, decay: 0.999, epsilon: 1e-8, corrections: [0.3, 0.04] };
        let weights = Var::from_tensor(&numbers(1.1)).unwrap();
        let before = weights.as_tensor().copy().unwrap();
        step.descend(&weights, &mean, &square).unwrap();
        let direction = ((&mean / 0.3).unwrap() / ((&square / 0.04).unwrap().sqrt().unwrap() + 1e-8).unwrap()).unwrap();
        compare(weights.as_tensor(), &((before * 0.999).unwrap() - (direction * 0.1).unwrap()).unwrap());
        assert!(step.descend(&weights, &mean.t().unwrap().contiguous().unwrap(), &square).is_err());
    }
}
