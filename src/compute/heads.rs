//! Attention of several heads that never holds a score matrix (as in Dao et al. 2022, "FlashAttention", with the online softmax of Milakov
//! and Gimelshein 2018).
//!
//! Everything is turned by a quarter: a tile is a panel of keys × queries (see [`columns`](super::columns)).

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{
    columns::scale_columns,
    packed::{Format, LeftFactor, PANEL, ROWS, pack_transposed, pair},
    rows::slice,
    softmax::exp,
    vectorise::vectorised,
};

/// Keys of a tile at most, whole blocks of them: its scores and both of its factors stay in the second-level cache.
const KEYS: usize = 44 * ROWS;

/// What several heads attend to, for each row of the batch: rows of all heads' channels, head by head.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// H.
    pub heads: usize,
    /// B.
    pub batch: usize,
    /// B × O × (H · channels of a query).
    pub queries: &'a [f32],
    /// B × M × (H · channels of a query).
    pub keys: &'a [f32],
    /// B × M × (H · channels of a value).
    pub values: &'a [f32],
    /// Rows of queries and of keys: O and M.
    pub rows: [usize; 2],
    /// From one row of queries, keys and values to the next, at least their channels: all may be columns of one matrix.
    pub strides: [usize; 3],
    /// Channels of a head's query, and of its value.
    pub channels: [usize; 2],
}

/// What [`attend_heads`] works with; its room is kept from call to call.
#[derive(Debug)]
pub struct HeadsRoom {
    format: Format,
    /// Of every head in every row of the batch.
    packed: Vec<Packed>,
}

impl HeadsRoom {
    /// The factors of both products are taken in `format`; everything between them is float32.
    pub fn new(format: Format) -> Self {
        Self { format, packed: Vec::new() }
    }
}

/// Keys and values of a head in one row of the batch.
#[derive(Debug)]
struct Packed {
    /// M × channels.
    keys: LeftFactor,
    /// Channels × M, transposed, a tile each.
    values: Vec<LeftFactor>,
}

/// softmax(q kᵀ / √d) v of every head into `out`, B × O × (H · channels of a value). On all cores; the result does not depend on their number.
///
/// # Panics
/// When a slice is of another length, or there is no key.
pub fn attend_heads(of: Heads<'_>, room: &mut HeadsRoom, out: &mut [f32]) {
    let Heads { heads, batch, queries, rows: [rows, keys], strides, channels: [qk, v], .. } = of;
    assert!(keys > 0, "attention to nothing");
    assert_eq!(out.len(), batch * rows * heads * v, "numbers for {rows} rows of {heads} heads");
    let format = room.format;
    room.packed.resize_with(batch * heads, || Packed { keys: LeftFactor::new(format), values: Vec::new() });
    room.packed.par_iter_mut().enumerate().for_each(|(number, packed)| packed.take(&of, number, format));
    let packed = &room.packed;
    let panels = rows.div_ceil(PANEL);
    // A panel of queries of one row of the batch is a piece of the result; its heads follow each other in it.
    out.par_chunks_mut((rows * heads * v).max(1)).enumerate().for_each(|(batch, out)| {
        out.par_chunks_mut(PANEL * heads * v).take(panels).enumerate().for_each_init(Tile::default, |tile, (panel, out)| {
            let count = out.len() / (heads * v);
            let first = (batch * rows + panel * PANEL) * strides[0];
            for head in 0..heads {
                tile.queries.clear();
                tile.queries.resize(format.units(qk) * PANEL, 0);
                let scale = 1.0 / (qk as f32).sqrt();
                pack_transposed(&queries[first + head * qk..], count, qk, strides[0], scale, format, &mut tile.queries);
                tile.attend(&packed[batch * heads + head], keys, format);
                for (query, out) in out.chunks_exact_mut(heads * v).enumerate() {
                    let share = 1.0 / tile.totals[query];
                    let out = &mut out[head * v..(head + 1) * v];
                    out.iter_mut().enumerate().for_each(|(channel, out)| *out = tile.sums[channel * PANEL + query] * share);
                }
            }
        });
    });
}

/// Keys of each tile but the last one: tiles as equal as whole blocks allow.
fn keys_at_once(keys: usize) -> usize {
    keys.div_ceil(keys.div_ceil(KEYS)).next_multiple_of(ROWS)
}

/// The same of tensors on a processor, float32: queries B × O × (H · channels), keys B × M × (H · channels), values B × M × any multiple of H.
/// Not differentiable.
///
/// # Errors
/// When shapes do not fit, or a tensor is not float32.
pub fn attend_with_heads(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, format: Format) -> Result<Tensor> {
    q.contiguous()?.apply_op3_no_bwd(&k.contiguous()?, &v.contiguous()?, &AttendHeads { heads, format })
}

struct AttendHeads {
    heads: usize,
    format: Format,
}

impl CustomOp3 for AttendHeads {
    fn name(&self) -> &'static str {
        "attend-heads"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_at: &Layout,
        k: &CpuStorage,
        k_at: &Layout,
        v: &CpuStorage,
        v_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Self { heads, format } = *self;
        let (batch, rows, of_query) = q_at.shape().dims3()?;
        let (keys, of_value) = (k_at.shape().dims3()?.1, v_at.shape().dims3()?.2);
        let fits = k_at.dims() == [batch, keys, of_query] && v_at.dims() == [batch, keys, of_value] && keys > 0;
        if !fits || !of_query.is_multiple_of(heads) || !of_value.is_multiple_of(heads) {
            candle_core::bail!("{heads} heads over {:?}, {:?} and {:?}", q_at.dims(), k_at.dims(), v_at.dims());
        }
        let mut out = vec![0.0; batch * rows * of_value];
        attend_heads(
            Heads {
                heads,
                batch,
                queries: slice(q, q_at)?,
                keys: slice(k, k_at)?,
                values: slice(v, v_at)?,
                rows: [rows, keys],
                strides: [of_query, of_query, of_value],
                channels: [of_query / heads, of_value / heads],
            },
            &mut HeadsRoom::new(format),
            &mut out,
        );
        Ok((CpuStorage::F32(out), Shape::from((batch, rows, of_value))))
    }
}

impl Packed {
    /// Takes keys and values of one head in one row of the batch.
    fn take(&mut self, of: &Heads<'_>, number: usize, format: Format) {
        let (batch, head) = (number / of.heads, number % of.heads);
        let [_, count] = of.rows;
        let [_, by_key, by_value] = of.strides;
        let [qk, v] = of.channels;
        self.keys.pack(&of.keys[batch * count * by_key + head * qk..], count, qk, by_key);
        let at_once = keys_at_once(count);
        self.values.resize_with(count.div_ceil(at_once), || LeftFactor::new(format));
        for (values, first) in self.values.iter_mut().zip((0..count).step_by(at_once)) {
            let from = (batch * count + first) * by_value + head * v;
            values.pack_transposed(&of.values[from..], v, at_once.min(count - first), by_value);
        }
    }
}

/// What one thread works with; its room is kept from tile to tile.
#[derive(Default)]
struct Tile {
    /// A panel of queries.
    queries: Vec<u32>,
    /// Keys × [`PANEL`].
    scores: Vec<f32>,
    /// e^(score − maximum), as a factor.
    weights: Vec<u32>,
    /// Σ weight · value: channels × [`PANEL`].
    sums: Vec<f32>,
    maxima: [f32; PANEL],
    totals: [f32; PANEL],
}

impl Tile {
    fn attend(&mut self, of: &Packed, keys: usize, format: Format) {
        (self.maxima, self.totals) = ([f32::NEG_INFINITY; PANEL], [0.0; PANEL]);
        let at_once = keys_at_once(keys);
        for (number, values) in of.values.iter().enumerate() {
            let first = number * at_once;
            let count = at_once.min(keys - first);
            self.scores.resize(at_once * PANEL, 0.0);
            let scores = &mut self.scores[..count * PANEL];
            of.keys.times(&self.queries, first..first + count, scores, false);
            let mut factors = [0.0; PANEL];
            self.weights.resize(format.units(at_once) * PANEL, 0);
            let weights = &mut self.weights[..format.units(count) * PANEL];
            weigh(scores, weights, format, &mut self.maxima, &mut self.totals, &mut factors);
            self.sums.resize(values.rows() * PANEL, 0.0);
            if number > 0 {
                scale_columns(&mut self.sums, &factors);
            }
            values.times(weights, 0..values.rows(), &mut self.sums, number > 0);
        }
    }
}

vectorised! {
    /// Scores, keys × [`PANEL`], to weights e^(score − maximum) in their format. The maxima and totals of what came before go on; `factors` is
    /// by how much what was summed before shrinks.
    fn weigh(
        scores: &[f32],
        weights: &mut [u32],
        format: Format,
        maxima: &mut [f32; PANEL],
        totals: &mut [f32; PANEL],
        factors: &mut [f32; PANEL],
    ) {
        let before = *maxima;
        let mut largest = before;
        for row in scores.chunks_exact(PANEL) {
            largest.iter_mut().zip(row).for_each(|(largest, &score)| *largest = if score > *largest { score } else { *largest });
        }
        for lane in 0..PANEL {
            factors[lane] = exp(before[lane] - largest[lane]);
        }
        let mut sums = [0f32; PANEL];
        match format {
            Format::F32 => {
                for (row, out) in scores.chunks_exact(PANEL).zip(weights.chunks_exact_mut(PANEL)) {
                    for lane in 0..PANEL {
                        let weight = exp(row[lane] - largest[lane]);
                        sums[lane] += weight;
                        out[lane] = weight.to_bits();
                    }
                }
            }
            Format::Bf16 => {
                let pairs = scores.chunks_exact(2 * PANEL);
                let last = pairs.remainder();
                let mut weights = weights.chunks_exact_mut(PANEL);
                for (rows, out) in pairs.zip(weights.by_ref()) {
                    for lane in 0..PANEL {
                        let weight = exp(rows[lane] - largest[lane]);
                        let other = exp(rows[PANEL + lane] - largest[lane]);
                        sums[lane] += weight + other;
                        out[lane] = pair(weight, other);
                    }
                }
                // The key that is lacking at the end has no weight.
                for (row, out) in last.chunks_exact(PANEL).zip(weights) {
                    for lane in 0..PANEL {
                        let weight = exp(row[lane] - largest[lane]);
                        sums[lane] += weight;
                        out[lane] = pair(weight, 0.0);
                    }
                }
            }
        }
        for lane in 0..PANEL {
            totals[lane] = totals[lane] * factors[lane] + sums[lane];
        }
        *maxima = largest;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, DType, Device, Tensor};

    use super::*;

    /// The same by the tensor library, B × O × (H · channels).
    fn plain(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Vec<f32> {
        let split = |x: &Tensor| {
            let (b, rows, channels) = x.dims3().unwrap();
            x.reshape((b, rows, heads, channels / heads)).unwrap().transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let (q, k, v) = (split(q), split(k), split(v));
        let scores = (q.matmul(&k.t().unwrap().contiguous().unwrap()).unwrap() / (q.dim(3).unwrap() as f64).sqrt()).unwrap();
        let weights = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
        let out = weights.matmul(&v).unwrap().transpose(1, 2).unwrap();
        out.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn heads_attend_as_in_the_plain_form() {
        // One head; several of odd widths; more keys than a tile, fewer than a panel, and values wider than queries.
        for (batch, heads, rows, keys, qk, v) in [(1, 1, 5, 3, 4, 4), (2, 3, 70, 1100, 5, 13), (1, 8, 64, 40, 32, 160)] {
            let random =
                |rows: usize, channels: usize| Tensor::randn(0f32, 2.0, (batch, rows, heads * channels), &Device::Cpu).unwrap();
            let (q, k, values) = (random(rows, qk), random(keys, qk), random(keys, v));
            let expected = plain(&q, &k, &values, heads);
            let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (queries, keys_of, values_of) = (flat(&q), flat(&k), flat(&values));
            let of = Heads {
                heads,
                batch,
                queries: &queries,
                keys: &keys_of,
                values: &values_of,
                rows: [rows, keys],
                strides: [heads * qk, heads * qk, heads * v],
                channels: [qk, v],
            };
            let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
            for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::BF16, 3e-2)] {
                let Some(format) = Format::of(dtype) else { continue };
                let attended = || {
                    let mut out = vec![f32::NAN; expected.len()];
                    attend_heads(of, &mut HeadsRoom::new(format), &mut out);
                    out
                };
                let found = attended();
                let difference = found.iter().zip(&expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(difference <= tolerance * largest, "{dtype:?}, {heads} heads: {difference} of {largest}");
                let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
                assert_eq!(found, pool.install(attended), "the number of threads shows");
            }
        }
    }
}
