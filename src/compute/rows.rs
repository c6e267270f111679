//! What the processor's kernels share: contiguous float32 rows, spread over the cores.

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor};
use rayon::prelude::*;

/// Elements below which handing rows to other cores costs more than it saves.
const WORTH_SHARING: usize = 1 << 14;

/// Whether the kernels here serve this tensor.
pub(super) fn served(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The elements of a contiguous float32 tensor.
pub(super) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let elements = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&elements[start..end]),
        None => Err(candle_core::Error::RequiresContiguous { op: "kernel" }.bt()),
    }
}

/// What `read` makes of the elements of a float32 tensor on a processor, in their place where they are contiguous.
///
/// # Errors
/// When the tensor is another one.
pub fn read_rows<R>(x: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(read(slice(storage, layout)?)),
        _ => candle_core::bail!("rows of a tensor that is not on a processor"),
    }
}

/// Fills `out` row by row: `fill(number of the row, the row)`. Rows of `width` elements.
pub(super) fn fill_rows(out: &mut [f32], width: usize, fill: impl Fn(usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    if out.len() < WORTH_SHARING {
        out.chunks_exact_mut(width).enumerate().for_each(|(row, out)| fill(row, out));
    } else {
        let rows_at_once = (WORTH_SHARING / width / 4).max(1);
        out.par_chunks_mut(width * rows_at_once).enumerate().for_each(|(block, out)| {
            out.chunks_exact_mut(width).enumerate().for_each(|(row, out)| fill(block * rows_at_once + row, out));
        });
    }
}
