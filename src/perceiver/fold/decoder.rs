//! A decoder's cross-attention, folded: every query is answered in one pass over a tile, from its position to its outputs.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::{DType, Device, Module, Tensor, TensorId};
use rayon::prelude::*;

use super::{
    Tokens,
    cost::{DecoderShape, Form, TokenShape},
    encoder::centre,
    tokens::Split,
};
use crate::{
    compute::{Matrix, answer_row, cholesky, normalise_row},
    error::Result,
    perceiver::{Linear, PerceiverLayer, weights::EPSILON},
};

/// Queries answered at once: many enough that reading the latents' matrices is little work beside their products.
const TILE: usize = 128;
/// Rows of R that are multiplied at once, each such block from its diagonal on.
const FACTOR_ROWS: usize = 128;

/// A decoder's cross-attention with one head, its MLP and its final projection.
#[derive(Clone, Debug)]
pub(in crate::perceiver) struct FoldedDecoder {
    layer: PerceiverLayer,
    final_layer: Option<Linear>,
    mlp: Arc<Mlp>,
    /// The latents that were last asked, prepared: a large array of queries comes in parts.
    last: Arc<Mutex<Option<Asked>>>,
}

/// The MLP's first layer and the norm before it.
#[derive(Debug)]
struct Mlp {
    gain: Vec<f32>,
    shift: Vec<f32>,
    /// W1, hidden × E, and b1.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Asked {
    z: TensorId,
    latents: Arc<Vec<Latents>>,
}

/// The latents of one row of the batch as keys and values.
#[derive(Debug)]
struct Latents {
    /// k', N × E.
    keys: Vec<f32>,
    /// k·(Wq b + bq)/√d, N.
    offsets: Vec<f32>,
    /// V', N × E.
    values: Tensor,
    absorbed: OnceLock<Absorbed>,
}

/// The values behind the MLP's first layer.
#[derive(Debug)]
struct Absorbed {
    /// V'', N × hidden.
    values: Vec<f32>,
    /// W1 b + b1.
    bias: Vec<f32>,
    /// R, N × N, zero below its diagonal.
    factor: Vec<f32>,
}

/// The last layers as one.
struct Head {
    /// W, outputs × E; none for the identity.
    attended: Option<Tensor>,
    /// W·W2, outputs × hidden.
    hidden: Vec<f32>,
    /// W·b2 + c.
    bias: Vec<f32>,
}

impl FoldedDecoder {
    /// Folds a decoder's layers; none where there are several heads, whose projections share the work better.
    pub(in crate::perceiver) fn new(layer: &PerceiverLayer, final_layer: Option<&Linear>) -> Result<Option<Self>> {
        if layer.attention.num_heads != 1 || layer.attention.norm_inputs.is_none() {
            return Ok(None);
        }
        let mlp = Mlp {
            gain: layer.norm.gain.to_vec1()?,
            shift: layer.norm.shift.to_vec1()?,
            weight: layer.dense1.matrix()?.flatten_all()?.to_vec1()?,
            bias: layer.dense1.bias.to_vec1()?,
        };
        Ok(Some(Self { layer: layer.clone(), final_layer: final_layer.cloned(), mlp: mlp.into(), last: Arc::default() }))
    }

    /// Answers queries from the latents `z` (B × N × D) through the final projection and, where there is one, `postprocessor`:
    /// B × O × outputs. `None` where the plain layer is cheaper.
    pub(in crate::perceiver) fn forward(
        &self,
        queries: &Tokens,
        z: &Tensor,
        postprocessor: Option<&Linear>,
    ) -> Result<Option<Tensor>> {
        let (b, n, _) = z.dims3()?;
        let shape = self.shape(n, postprocessor)?;
        let form = shape.form(TokenShape::of(queries));
        // What does not fit is left to the plain layer, which says so.
        let fits = queries.channels() == shape.channels && queries.serves(b) && z.device().is_cpu();
        if form == Form::Plain || !fits {
            return Ok(None);
        }
        let (head, outputs) = (self.head(postprocessor)?, shape.outputs);
        let latents = self.latents(z)?;
        let mut out = vec![0.0; b * queries.count * outputs];
        for ((batch, latents), out) in latents.iter().enumerate().zip(out.chunks_exact_mut((queries.count * outputs).max(1))) {
            let call = Call::new(self, queries, batch, latents, &head, form)?;
            out.par_chunks_mut(TILE * outputs)
                .enumerate()
                .try_for_each_init(Tile::default, |tile, (number, out)| tile.answer(&call, number * TILE, out))?;
        }
        Ok(Some(Tensor::from_vec(out, (b, queries.count, outputs), &Device::Cpu)?))
    }

    fn shape(&self, latents: usize, postprocessor: Option<&Linear>) -> Result<DecoderShape> {
        let attention = &self.layer.attention;
        let (hidden, channels) = self.layer.dense1.weight.dims2()?;
        let rows = |linear: &Linear| linear.bias.elem_count();
        let last: Vec<usize> = self.final_layer.iter().chain(postprocessor).map(rows).collect();
        let (plain_outputs, outputs) = (last.iter().sum(), last.last().copied().unwrap_or(channels));
        Ok(DecoderShape {
            latents,
            channels,
            qk: rows(&attention.key),
            v: rows(&attention.value),
            hidden,
            plain_outputs,
            outputs,
            residual: attention.use_query_residual,
        })
    }

    fn head(&self, postprocessor: Option<&Linear>) -> Result<Head> {
        let mut composed: Option<(Tensor, Tensor)> = None;
        for linear in self.final_layer.iter().chain(postprocessor) {
            let (matrix, bias) = (linear.matrix()?, linear.bias.unsqueeze(1)?);
            composed = Some(match composed {
                None => (matrix, bias),
                Some((before, before_bias)) => ((matrix.matmul(&before)?), (matrix.matmul(&before_bias)? + bias)?),
            });
        }
        let (matrix, bias) = (self.layer.dense2.matrix()?, self.layer.dense2.bias.unsqueeze(1)?);
        let (hidden, bias) = match &composed {
            None => (matrix, bias),
            Some((last, last_bias)) => (last.matmul(&matrix)?, (last.matmul(&bias)? + last_bias)?),
        };
        let values = |x: &Tensor| x.flatten_all()?.to_vec1();
        Ok(Head { attended: composed.map(|(last, _)| last), hidden: values(&hidden)?, bias: values(&bias)? })
    }

    /// `z` prepared; what it was asked before is not prepared again.
    fn latents(&self, z: &Tensor) -> Result<Arc<Vec<Latents>>> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = last().as_ref().filter(|asked| asked.z == z.id()) {
            return Ok(asked.latents.clone());
        }
        // Not under the lock: a thread that waits for its share of a product may be handed another call of this decoder.
        let prepared = (0..z.dim(0)?).map(|batch| self.prepare(&z.get(batch)?)).collect::<Result<Vec<_>>>()?;
        let latents = Arc::new(prepared);
        *last() = Some(Asked { z: z.id(), latents: latents.clone() });
        Ok(latents)
    }

    /// `z` is N × D.
    fn prepare(&self, z: &Tensor) -> Result<Latents> {
        let attention = &self.layer.attention;
        let z = match &attention.norm_inputs {
            Some(norm) => norm.forward(z)?,
            None => z.clone(),
        };
        let keys = attention.key.forward(&z)?;
        let keys = (&keys / (keys.dim(1)? as f64).sqrt())?;
        let norm = &attention.norm_queries;
        let offsets = keys.matmul(&attention.query.forward(&norm.shift.unsqueeze(0)?)?.t()?)?;
        let absorbed = keys.matmul(&attention.query.matrix()?)?.broadcast_mul(&norm.gain)?;
        let channels = absorbed.dim(1)?;
        let mut keys = absorbed.flatten_all()?.to_vec1()?;
        keys.chunks_exact_mut(channels).for_each(centre);
        let values = attention.output.forward(&attention.value.forward(&z)?)?;
        Ok(Latents { keys, offsets: offsets.flatten_all()?.to_vec1()?, values, absorbed: OnceLock::new() })
    }

    fn absorb(&self, latents: &Latents) -> Result<Absorbed> {
        let (n, channels) = latents.values.dims2()?;
        let mut centred = latents.values.flatten_all()?.to_vec1()?;
        centred.chunks_exact_mut(channels).for_each(centre);
        let centred = Tensor::from_vec(centred, (n, channels), &Device::Cpu)?;
        let (norm, weight) = (&self.layer.norm, self.layer.dense1.matrix()?);
        let values = centred.broadcast_mul(&norm.gain)?.matmul(&weight.t()?)?;
        let bias = self.layer.dense1.forward(&norm.shift.unsqueeze(0)?)?;
        let centred = centred.to_dtype(DType::F64)?;
        let mut gram = centred.matmul(&centred.t()?)?.flatten_all()?.to_vec1::<f64>()?;
        cholesky(&mut gram, n);
        let upper = |at: usize| if at % n >= at / n { gram[at % n * n + at / n] as f32 } else { 0.0 };
        let values = values.flatten_all()?.to_vec1()?;
        Ok(Absorbed { values, bias: bias.flatten_all()?.to_vec1()?, factor: (0..n * n).map(upper).collect() })
    }
}

/// Everything that the tiles of one call share.
struct Call<'a> {
    decoder: &'a FoldedDecoder,
    queries: &'a Tokens,
    batch: usize,
    scales: Vec<f32>,
    /// k' as it meets the queries; of the axes transposed, size × N.
    keys: Split,
    latents: &'a Latents,
    values: Values<'a>,
    head: &'a Head,
}

/// What a query's shares of the latents are multiplied with.
enum Values<'a> {
    /// V', N × E; then W, outputs × E.
    Attended { values: Vec<f32>, last: Option<Vec<f32>> },
    /// V'' and R; then V' Wᵀ, N × outputs.
    Absorbed { absorbed: &'a Absorbed, outputs: Vec<f32> },
}

impl<'a> Call<'a> {
    fn new(
        decoder: &'a FoldedDecoder,
        queries: &'a Tokens,
        batch: usize,
        latents: &'a Latents,
        head: &'a Head,
        form: Form,
    ) -> Result<Self> {
        let n = latents.offsets.len();
        let mut keys = queries.split(&latents.keys, n);
        keys.axes.iter_mut().for_each(|scores| *scores = transposed(scores, n));
        let flat = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
        let values = if form == Form::FoldedMlp {
            if latents.absorbed.get().is_none() {
                // Another call may have been faster; both found the same.
                let _ = latents.absorbed.set(decoder.absorb(latents)?);
            }
            let outputs = match &head.attended {
                Some(last) => latents.values.matmul(&last.t()?)?,
                None => latents.values.clone(),
            };
            let absorbed = latents.absorbed.get().expect("set above");
            Values::Absorbed { absorbed, outputs: flat(&outputs)? }
        } else {
            let last = head.attended.as_ref().map(flat).transpose()?;
            Values::Attended { values: flat(&latents.values)?, last }
        };
        Ok(Self { decoder, queries, batch, scales: queries.scales(batch), keys, latents, values, head })
    }
}

fn transposed(matrix: &[f32], rows: usize) -> Vec<f32> {
    let columns = matrix.len() / rows;
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

/// What one thread works with; its room is kept from tile to tile.
#[derive(Default)]
struct Tile {
    /// Shares of the latents, queries × N.
    shares: Vec<f32>,
    /// a, queries × E, and its norm; or R w, queries × N.
    attended: Vec<f32>,
    normed: Vec<f32>,
    /// queries × hidden.
    hidden: Vec<f32>,
    /// Scores of the axes but the last one, N.
    base: Vec<f32>,
}

impl Tile {
    /// The outputs of as many queries as `out` has room for, from the `first` one on.
    fn answer(&mut self, call: &Call<'_>, first: usize, out: &mut [f32]) -> Result<()> {
        let (outputs, n) = (call.head.bias.len(), call.latents.offsets.len());
        let count = out.len() / outputs;
        self.share(call, first, count);
        let shares = Matrix::new(&self.shares, count, n);
        let mlp = &call.decoder.mlp;
        let (hidden, channels) = (mlp.bias.len(), mlp.gain.len());
        self.hidden.resize(count * hidden, 0.0);
        match &call.values {
            Values::Attended { values, last } => {
                self.attended.resize(count * channels, 0.0);
                shares.multiply(Matrix::new(values, n, channels), &mut self.attended, channels, 0, false);
                if call.decoder.layer.attention.use_query_residual {
                    self.normed.resize(channels, 0.0);
                    for (query, attended) in self.attended.chunks_exact_mut(channels).enumerate() {
                        call.queries.write(call.batch, first + query, &mut self.normed);
                        attended.iter_mut().zip(&self.normed).for_each(|(attended, query)| *attended += query);
                    }
                }
                self.normed.clone_from(&self.attended);
                self.normed.chunks_exact_mut(channels).for_each(|row| normalise_row(row, &mlp.gain, &mlp.shift, EPSILON));
                let weight = Matrix::new(&mlp.weight, hidden, channels).t();
                Matrix::new(&self.normed, count, channels).multiply(weight, &mut self.hidden, hidden, 0, false);
                add_to_rows(&mut self.hidden, &mlp.bias);
                match last {
                    Some(last) => {
                        let last = Matrix::new(last, outputs, channels).t();
                        Matrix::new(&self.attended, count, channels).multiply(last, out, outputs, 0, false);
                    }
                    None => out.copy_from_slice(&self.attended),
                }
            }
            Values::Absorbed { absorbed, outputs: values } => {
                shares.multiply(Matrix::new(&absorbed.values, n, hidden), &mut self.hidden, hidden, 0, false);
                self.attended.resize(count * n, 0.0);
                for start in (0..n).step_by(FACTOR_ROWS) {
                    let rows = FACTOR_ROWS.min(n - start);
                    let block = Matrix::new(&absorbed.factor[start * n..(start + rows) * n], rows, n).columns(start..n);
                    shares.columns(start..n).multiply(block.t(), &mut self.attended, n, start, false);
                }
                for (row, projected) in self.hidden.chunks_exact_mut(hidden).zip(self.attended.chunks_exact(n)) {
                    let variance = projected.iter().map(|x| x * x).sum::<f32>() / channels as f32;
                    let scale = 1.0 / (variance + EPSILON).sqrt();
                    row.iter_mut().zip(&absorbed.bias).for_each(|(x, bias)| *x = *x * scale + bias);
                }
                shares.multiply(Matrix::new(values, n, outputs), out, outputs, 0, false);
            }
        }
        call.decoder.layer.activation.apply(&mut self.hidden)?;
        let last = Matrix::new(&call.head.hidden, outputs, hidden).t();
        Matrix::new(&self.hidden, count, hidden).multiply(last, out, outputs, 0, true);
        add_to_rows(out, &call.head.bias);
        Ok(())
    }

    /// How much of each latent each query takes.
    fn share(&mut self, call: &Call<'_>, first: usize, count: usize) {
        let (width, n) = (call.queries.width, call.latents.offsets.len());
        self.shares.clear();
        self.shares.resize(count * n, 0.0);
        if width > 0 {
            let features = &call.queries.features(call.batch)[first * width..(first + count) * width];
            let keys = Matrix::new(&call.keys.features, n, width).t();
            Matrix::new(features, count, width).multiply(keys, &mut self.shares, n, 0, false);
        }
        let mut based_on: Option<Vec<usize>> = None;
        for (row, query) in self.shares.chunks_exact_mut(n).zip(first..) {
            let mut place = call.queries.place(query);
            let along = match (place.next(), call.keys.axes.last()) {
                (Some(at), Some(scores)) => &scores[at * n..(at + 1) * n],
                _ => &[],
            };
            let rest: Vec<usize> = place.collect();
            // Neighbours differ on the last axis only.
            if based_on.as_ref() != Some(&rest) {
                self.base.clone_from(&call.keys.constant);
                for (scores, at) in call.keys.axes.iter().rev().skip(1).zip(&rest) {
                    self.base.iter_mut().zip(&scores[at * n..(at + 1) * n]).for_each(|(base, score)| *base += score);
                }
                based_on = Some(rest);
            }
            answer_row(row, &self.base, along, call.scales[query], &call.latents.offsets);
        }
    }
}

fn add_to_rows(rows: &mut [f32], bias: &[f32]) {
    rows.chunks_exact_mut(bias.len().max(1)).for_each(|row| row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias));
}
