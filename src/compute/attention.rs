//! Scaled dot-product attention (Vaswani et al. 2017, section 3.2), never holding more than a bounded part of the score matrix.

use candle_core::{DType, Result, Tensor};

use super::{factor, softmax};

/// Scores held at once, in elements, when nobody asked to see them: 128 MiB in float32.
const SCORES_AT_ONCE: usize = 1 << 25;

/// What attention gives.
#[derive(Debug)]
pub struct Attended {
    /// The weighted values: B × H × O × channels of a head.
    pub context: Tensor,
    /// The weights, B × H × O × M, when asked for.
    pub probabilities: Option<Tensor>,
}

/// softmax(q kᵀ / √d + mask) v for queries B × H × O × d, keys B × H × M × d and values B × H × M × any.
///
/// The factors of both products are taken in `format`; scores and probabilities are float32. `mask` is added to the scores (broadcast to B × H × O × M); `head_scale` multiplies the probabilities (broadcast likewise).
/// With `keep` the probabilities are returned, which needs memory for all of them.
///
/// # Errors
/// What the tensor library says about the shapes.
pub fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    head_scale: Option<&Tensor>,
    format: DType,
    keep: bool,
) -> Result<Attended> {
    let (b, h, o, d) = q.dims4()?;
    let m = k.dim(2)?;
    let q = factor(&(q * (1.0 / (d as f64).sqrt()))?, format)?;
    let (k, v) = (factor(&k.transpose(2, 3)?.contiguous()?, format)?, factor(&v.contiguous()?, format)?);
    let weights = |q: &Tensor, mask: Option<&Tensor>| -> Result<Tensor> {
        let scores = q.contiguous()?.matmul(&k)?.to_dtype(DType::F32)?;
        let scores = match mask {
            Some(mask) => scores.broadcast_add(mask)?,
            None => scores,
        };
        let probabilities = softmax(&scores)?;
        match head_scale {
            Some(scale) => probabilities.broadcast_mul(scale),
            None => Ok(probabilities),
        }
    };
    let context = |probabilities: &Tensor| factor(probabilities, format)?.matmul(&v)?.to_dtype(DType::F32);
    let rows = (SCORES_AT_ONCE / (b * h * m).max(1)).max(1);
    if keep || rows >= o || head_scale.is_some() {
        let probabilities = weights(&q, mask)?;
        return Ok(Attended { context: context(&probabilities)?, probabilities: keep.then_some(probabilities) });
    }
    let mut blocks = Vec::with_capacity(o.div_ceil(rows));
    for start in (0..o).step_by(rows) {
        let length = rows.min(o - start);
        let mask = match mask {
            Some(mask) if mask.dim(2)? == o => Some(mask.narrow(2, start, length)?),
            mask => mask.cloned(),
        };
        blocks.push(context(&weights(&q.narrow(2, start, length)?, mask.as_ref())?)?);
    }
    Ok(Attended { context: Tensor::cat(&blocks, 2)?, probabilities: None })
}
