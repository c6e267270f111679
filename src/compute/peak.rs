//! How fast the device multiplies matrices: what a stage's speed is a share of.

use std::time::Instant;

use candle_core::{DType, Device, Result, Tensor};

use super::{Finish, Format, RightFactor, factor};

/// Products of one size that are timed, after one that is not.
const RUNS: usize = 3;

/// Floating-point operations in a second of the fastest of a few products of `side` × `side` matrices, as a model's layers multiply in this
/// format on this device; a multiply-add counts as 2.
///
/// # Errors
/// What the tensor library says.
pub fn product_peak(device: &Device, format: DType, side: usize) -> Result<f64> {
    let matrix = || Tensor::randn(0f32, 1.0, (side, side), device);
    let (left, right) = (matrix()?, matrix()?);
    let fastest = match Format::of(format).filter(|_| device.is_cpu()) {
        Some(format) => {
            let values = |x: &Tensor| x.flatten_all()?.to_vec1();
            let (left, right) = (values(&left)?, RightFactor::new(&values(&right)?, side, side, format));
            fastest(|| {
                right.product(&left, Finish::default());
                Ok(())
            })?
        }
        None => {
            let (left, right) = (factor(&left, format)?, factor(&right, format)?);
            fastest(|| {
                left.matmul(&right)?;
                device.synchronize()
            })?
        }
    };
    Ok(2.0 * (side as f64).powi(3) / fastest)
}

fn fastest(product: impl Fn() -> Result<()>) -> Result<f64> {
    product()?;
    let mut fastest = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        product()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest)
}
