//! A decoder's cross-attention, folded: every query is answered in one pass over a tile, from its position to its outputs.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::{DType, Device, Module, Tensor, TensorId};
use rayon::prelude::*;

use super::{
    Tokens,
    cost::{DecoderShape, Form, TokenShape},
    encoder::centre,
    fixed::{Dense, FixedNorm},
    tokens::Split,
};
use crate::{
    compute::{Format, LeftFactor, RightFactor, answer_row, cholesky, divide_by_deviation},
    error::Result,
    perceiver::{Linear, PerceiverLayer, weights::EPSILON},
};

/// Queries answered at once: many enough that reading the latents' matrices is little work beside their products.
const TILE: usize = 96;

/// A decoder's cross-attention with one head, its MLP and its final projection.
#[derive(Clone, Debug)]
pub(in crate::perceiver) struct FoldedDecoder {
    layer: PerceiverLayer,
    /// The final projection, and W2: matrices and biases as columns.
    final_layer: Option<(Tensor, Tensor)>,
    last_dense: (Tensor, Tensor),
    mlp: Arc<Mlp>,
    /// The latents that were last asked, prepared: a large array of queries comes in parts.
    last: Arc<Mutex<Option<Asked>>>,
}

/// The MLP's first layer and the norm before it.
#[derive(Debug)]
struct Mlp {
    norm: FixedNorm,
    /// W1 and b1.
    dense: Dense,
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
    attended: OnceLock<RightFactor>,
    absorbed: OnceLock<Absorbed>,
}

/// The values behind the MLP's first layer.
#[derive(Debug)]
struct Absorbed {
    /// V'', N × hidden.
    values: RightFactor,
    /// W1 b + b1.
    bias: Vec<f32>,
    /// Rᵀ, N × N, zero above its diagonal.
    factor: RightFactor,
}

/// The last layers as one.
struct Head {
    /// W, outputs × E; none for the identity.
    attended: Option<Tensor>,
    /// (W·W2)ᵀ, hidden × outputs.
    hidden: RightFactor,
    /// W·b2 + c.
    bias: Vec<f32>,
}

impl FoldedDecoder {
    /// Folds a decoder's layers; none where there are several heads, whose projections share the work better.
    pub(in crate::perceiver) fn new(layer: &PerceiverLayer, final_layer: Option<&Linear>) -> Result<Option<Self>> {
        if layer.attention.num_heads != 1 || layer.attention.norm_inputs.is_none() {
            return Ok(None);
        }
        let mlp = Mlp { norm: FixedNorm::new(&layer.norm)?, dense: Dense::new(&layer.dense1)? };
        let last_dense = columns(&layer.dense2)?;
        let final_layer = final_layer.map(columns).transpose()?;
        Ok(Some(Self { layer: layer.clone(), final_layer, last_dense, mlp: mlp.into(), last: Arc::default() }))
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
                .try_for_each_init(|| Tile::new(self.format()), |tile, (number, out)| tile.answer(&call, number * TILE, out))?;
        }
        Ok(Some(Tensor::from_vec(out, (b, queries.count, outputs), &Device::Cpu)?))
    }

    fn shape(&self, latents: usize, postprocessor: Option<&Linear>) -> Result<DecoderShape> {
        let attention = &self.layer.attention;
        let (hidden, channels) = self.layer.dense1.dims()?;
        let rows = |linear: &Linear| linear.bias.elem_count();
        let projected = self.final_layer.iter().map(|(_, bias)| bias.elem_count());
        let last: Vec<usize> = projected.chain(postprocessor.map(rows)).collect();
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
        for (matrix, bias) in self.final_layer.iter().cloned().chain(postprocessor.map(columns).transpose()?) {
            composed = Some(match composed {
                None => (matrix, bias),
                Some((before, before_bias)) => ((matrix.matmul(&before)?), (matrix.matmul(&before_bias)? + bias)?),
            });
        }
        let (matrix, bias) = self.last_dense.clone();
        let (hidden, bias) = match &composed {
            None => (matrix, bias),
            Some((last, last_bias)) => (last.matmul(&matrix)?, (last.matmul(&bias)? + last_bias)?),
        };
        let (outputs, channels) = hidden.dims2()?;
        let hidden = RightFactor::transposed(&flat(&hidden)?, outputs, channels, self.format());
        Ok(Head { attended: composed.map(|(last, _)| last), hidden, bias: flat(&bias)? })
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
        let mut keys = flat(&absorbed)?;
        keys.chunks_exact_mut(channels).for_each(centre);
        let values = attention.output.forward(&attention.value.forward(&z)?)?;
        Ok(Latents { keys, offsets: flat(&offsets)?, values, attended: OnceLock::new(), absorbed: OnceLock::new() })
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
        let lower: Vec<f32> = (0..n * n).map(|at| if at / n >= at % n { gram[at] as f32 } else { 0.0 }).collect();
        Ok(Absorbed {
            values: RightFactor::new(&flat(&values)?, n, bias.elem_count(), self.format()),
            bias: flat(&bias)?,
            factor: RightFactor::new(&lower, n, n, self.format()).lower(),
        })
    }

    /// That of the products.
    fn format(&self) -> Format {
        self.mlp.dense.weight.format()
    }
}

/// A layer's matrix, and its bias as a column.
fn columns(linear: &Linear) -> Result<(Tensor, Tensor)> {
    Ok((linear.matrix()?, linear.bias.unsqueeze(1)?))
}

fn flat(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.flatten_all()?.to_vec1()?)
}

/// Everything that the tiles of one call share.
struct Call<'a> {
    decoder: &'a FoldedDecoder,
    queries: &'a Tokens,
    batch: usize,
    scales: Vec<f32>,
    /// k' as it meets the queries; of the axes transposed, size × N.
    keys: Split,
    /// Its columns of the features, transposed: F × N.
    features: RightFactor,
    latents: &'a Latents,
    values: Values<'a>,
    head: &'a Head,
}

/// What a query's shares of the latents are multiplied with.
enum Values<'a> {
    /// V', N × E; then Wᵀ, E × outputs.
    Attended { values: &'a RightFactor, last: Option<RightFactor> },
    /// V'' and R; then V' Wᵀ, N × outputs.
    Absorbed { absorbed: &'a Absorbed, outputs: RightFactor },
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
        let (format, channels) = (decoder.format(), decoder.mlp.norm.channels());
        let features = RightFactor::transposed(&keys.features, n, queries.width, format);
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
            Values::Absorbed { absorbed, outputs: RightFactor::new(&flat(&outputs)?, n, head.bias.len(), format) }
        } else {
            let values = flat(&latents.values)?;
            let values = latents.attended.get_or_init(|| RightFactor::new(&values, n, channels, format));
            let last = head.attended.as_ref().map(flat).transpose()?;
            let last = last.map(|last| RightFactor::transposed(&last, head.bias.len(), channels, format));
            Values::Attended { values, last }
        };
        Ok(Self { decoder, queries, batch, scales: queries.scales(batch)?, keys, features, latents, values, head })
    }
}

fn transposed(matrix: &[f32], rows: usize) -> Vec<f32> {
    let columns = matrix.len() / rows;
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

/// What one thread works with; its room is kept from tile to tile.
struct Tile {
    /// The left factor of the product at hand.
    left: LeftFactor,
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
    fn new(format: Format) -> Self {
        let none = Vec::new;
        let left = LeftFactor::new(format);
        Self { left, shares: none(), attended: none(), normed: none(), hidden: none(), base: none() }
    }

    /// The outputs of as many queries as `out` has room for, from the `first` one on.
    fn answer(&mut self, call: &Call<'_>, first: usize, out: &mut [f32]) -> Result<()> {
        let (outputs, n) = (call.head.bias.len(), call.latents.offsets.len());
        let count = out.len() / outputs;
        self.share(call, first, count);
        self.left.pack(&self.shares, count, n, n);
        let mlp = &call.decoder.mlp;
        let (hidden, channels) = (mlp.dense.bias.len(), mlp.norm.channels());
        self.hidden.resize(count * hidden, 0.0);
        match &call.values {
            Values::Attended { values, last } => {
                self.attended.resize(count * channels, 0.0);
                values.multiply(&self.left, &mut self.attended, channels, 0, false);
                if call.decoder.layer.attention.use_query_residual {
                    self.normed.resize(channels, 0.0);
                    for (query, attended) in self.attended.chunks_exact_mut(channels).enumerate() {
                        call.queries.write(call.batch, first + query, &mut self.normed);
                        attended.iter_mut().zip(&self.normed).for_each(|(attended, query)| *attended += query);
                    }
                }
                self.normed.clone_from(&self.attended);
                self.normed.chunks_exact_mut(channels).for_each(|row| mlp.norm.get().apply(row));
                self.left.pack(&self.normed, count, channels, channels);
                mlp.dense.weight.multiply(&self.left, &mut self.hidden, hidden, 0, false);
                add_to_rows(&mut self.hidden, &mlp.dense.bias);
                match last {
                    Some(last) => {
                        self.left.pack(&self.attended, count, channels, channels);
                        last.multiply(&self.left, out, outputs, 0, false);
                    }
                    None => out.copy_from_slice(&self.attended),
                }
            }
            Values::Absorbed { absorbed, outputs: values } => {
                absorbed.values.multiply(&self.left, &mut self.hidden, hidden, 0, false);
                self.attended.resize(count * n, 0.0);
                absorbed.factor.multiply(&self.left, &mut self.attended, n, 0, false);
                for (row, projected) in self.hidden.chunks_exact_mut(hidden).zip(self.attended.chunks_exact(n)) {
                    divide_by_deviation(row, projected, channels, EPSILON, &absorbed.bias);
                }
                values.multiply(&self.left, out, outputs, 0, false);
            }
        }
        call.decoder.layer.activation.apply(&mut self.hidden)?;
        self.left.pack(&self.hidden, count, hidden, hidden);
        call.head.hidden.multiply(&self.left, out, outputs, 0, true);
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
            self.left.pack(features, count, width, width);
            call.features.multiply(&self.left, &mut self.shares, n, 0, false);
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
