//! A decoder's cross-attention, folded: every query is answered in one pass over a tile, from its position to its outputs.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::{DType, Device, Module, Tensor, TensorId};
use rayon::prelude::*;

use super::{
    Tokens,
    cost::{DecoderShape, Form, TokenShape},
    encoder::centre,
    fixed::FixedNorm,
    tokens::Split,
};
use crate::{
    compute::{
        Columns, Format, LeftFactor, PANEL, PanelFactor, cholesky, inverse_deviations, normalise_columns, place_columns,
        scale_and_shift, share_columns,
    },
    error::Result,
    perceiver::{Linear, PerceiverLayer, weights::EPSILON},
};

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
    /// W1, hidden × E, and b1.
    weight: LeftFactor,
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
    /// V'ᵀ, E × N.
    attended: OnceLock<LeftFactor>,
    absorbed: OnceLock<Absorbed>,
}

/// The values behind the MLP's first layer.
#[derive(Debug)]
struct Absorbed {
    /// V''ᵀ, hidden × N.
    values: LeftFactor,
    /// W1 b + b1.
    bias: Vec<f32>,
    /// R, N × N, zero before its diagonal.
    factor: LeftFactor,
}

/// The last layers as one.
struct Head {
    /// W, outputs × E; none for the identity.
    attended: Option<Tensor>,
    /// W·W2, outputs × hidden.
    hidden: LeftFactor,
    /// W·b2 + c.
    bias: Vec<f32>,
}

impl FoldedDecoder {
    /// Folds a decoder's layers; none where there are several heads, whose projections share the work better.
    pub(in crate::perceiver) fn new(layer: &PerceiverLayer, final_layer: Option<&Linear>) -> Result<Option<Self>> {
        if layer.attention.num_heads != 1 || layer.attention.norm_inputs.is_none() {
            return Ok(None);
        }
        let format = layer.dense1.packed().unwrap_or(Format::F32);
        let mlp = Mlp {
            norm: FixedNorm::new(&layer.norm)?,
            weight: packed(&layer.dense1.matrix()?, format)?,
            bias: flat(&layer.dense1.bias)?,
        };
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
            out.par_chunks_mut(PANEL * outputs)
                .enumerate()
                .try_for_each_init(|| Tile::new(self.format()), |tile, (number, out)| tile.answer(&call, number * PANEL, out))?;
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
        let hidden = packed(&hidden, self.format())?;
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
        let upper: Vec<f32> =
            (0..n * n).map(|at| if at / n <= at % n { gram[at % n * n + at / n] as f32 } else { 0.0 }).collect();
        Ok(Absorbed {
            values: packed_transpose(&values, self.format())?,
            bias: flat(&bias)?,
            factor: packed(&Tensor::from_vec(upper, (n, n), &Device::Cpu)?, self.format())?.upper(),
        })
    }

    /// That of the products.
    fn format(&self) -> Format {
        self.mlp.weight.format()
    }
}

/// A layer's matrix, and its bias as a column.
fn columns(linear: &Linear) -> Result<(Tensor, Tensor)> {
    Ok((linear.matrix()?, linear.bias.unsqueeze(1)?))
}

fn flat(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.flatten_all()?.to_vec1()?)
}

/// A matrix, rows × depth, as the left factor of products with panels of queries.
fn packed(matrix: &Tensor, format: Format) -> Result<LeftFactor> {
    let ((rows, depth), mut factor) = (matrix.dims2()?, LeftFactor::new(format));
    factor.pack(&flat(matrix)?, rows, depth, depth);
    Ok(factor)
}

/// The same of its transpose.
fn packed_transpose(matrix: &Tensor, format: Format) -> Result<LeftFactor> {
    let ((depth, rows), mut factor) = (matrix.dims2()?, LeftFactor::new(format));
    factor.pack_transposed(&flat(matrix)?, rows, depth, rows);
    Ok(factor)
}

/// Everything that the tiles of one call share.
struct Call<'a> {
    decoder: &'a FoldedDecoder,
    queries: &'a Tokens,
    batch: usize,
    scales: Vec<f32>,
    /// k' as it meets the queries; of the axes but the last one transposed, size × N.
    keys: Split,
    /// Its columns of the features, N × F.
    features: LeftFactor,
    latents: &'a Latents,
    values: Values<'a>,
    head: &'a Head,
}

/// What a query's shares of the latents are multiplied with.
enum Values<'a> {
    /// V'ᵀ, E × N; then W, outputs × E.
    Attended { values: &'a LeftFactor, last: Option<LeftFactor> },
    /// V'' and R; then (V' Wᵀ)ᵀ, outputs × N.
    Absorbed { absorbed: &'a Absorbed, outputs: LeftFactor },
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
        keys.axes.iter_mut().rev().skip(1).for_each(|scores| *scores = transposed(scores, n));
        let format = decoder.format();
        let mut features = LeftFactor::new(format);
        features.pack(&keys.features, n, queries.width, queries.width);
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
            Values::Absorbed { absorbed, outputs: packed_transpose(&outputs, format)? }
        } else {
            if latents.attended.get().is_none() {
                // As above.
                let _ = latents.attended.set(packed_transpose(&latents.values, format)?);
            }
            let values = latents.attended.get().expect("set above");
            Values::Attended { values, last: head.attended.as_ref().map(|last| packed(last, format)).transpose()? }
        };
        Ok(Self { decoder, queries, batch, scales: queries.scales(batch)?, keys, features, latents, values, head })
    }
}

fn transposed(matrix: &[f32], rows: usize) -> Vec<f32> {
    let columns = matrix.len() / rows;
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

/// What one thread works with; its room is kept from panel to panel. All panels are rows × [`PANEL`] queries.
struct Tile {
    /// The right factor of the product at hand.
    right: PanelFactor,
    /// Shares of the latents, N rows, before they are divided by their sums.
    shares: Vec<f32>,
    /// a, E rows, and its norm; or R w, N rows.
    attended: Vec<f32>,
    normed: Vec<f32>,
    hidden: Vec<f32>,
    outputs: Vec<f32>,
    /// Scores of the axes but the last one, N.
    base: Vec<f32>,
    /// A query, E.
    query: Vec<f32>,
}

/// No queries, for lanes that have none.
const NONE: Columns = [0.0; PANEL];

impl Tile {
    fn new(format: Format) -> Self {
        let none = Vec::new;
        Self {
            right: PanelFactor::new(format),
            shares: none(),
            attended: none(),
            normed: none(),
            hidden: none(),
            outputs: none(),
            base: none(),
            query: none(),
        }
    }

    /// The outputs of as many queries as `out` has room for, from the `first` one on.
    fn answer(&mut self, call: &Call<'_>, first: usize, out: &mut [f32]) -> Result<()> {
        let outputs = call.head.bias.len();
        let count = out.len() / outputs;
        let shares = self.share(call, first, count);
        self.right.take(&self.shares);
        let mlp = &call.decoder.mlp;
        let (hidden, channels) = (mlp.bias.len(), mlp.norm.channels());
        self.hidden.resize(hidden * PANEL, 0.0);
        self.outputs.resize(outputs * PANEL, 0.0);
        match &call.values {
            Values::Attended { values, last } => {
                self.attended.resize(channels * PANEL, 0.0);
                values.multiply(&self.right, &mut self.attended, false);
                self.attended
                    .chunks_exact_mut(PANEL)
                    .for_each(|row| row.iter_mut().zip(&shares).for_each(|(x, share)| *x *= share));
                if call.decoder.layer.attention.use_query_residual {
                    self.query.resize(channels, 0.0);
                    for query in 0..count {
                        call.queries.write(call.batch, first + query, &mut self.query);
                        let attended = self.attended.iter_mut().skip(query).step_by(PANEL);
                        attended.zip(&self.query).for_each(|(attended, query)| *attended += query);
                    }
                }
                self.normed.clone_from(&self.attended);
                let norm = mlp.norm.get();
                normalise_columns(&mut self.normed, norm.gain, norm.shift, norm.epsilon);
                self.right.take(&self.normed);
                mlp.weight.multiply(&self.right, &mut self.hidden, false);
                scale_and_shift(&mut self.hidden, &[1.0; PANEL], &mlp.bias);
                match last {
                    Some(last) => {
                        self.right.take(&self.attended);
                        last.multiply(&self.right, &mut self.outputs, false);
                    }
                    None => self.outputs.copy_from_slice(&self.attended),
                }
            }
            Values::Absorbed { absorbed, outputs: values } => {
                let n = call.latents.offsets.len();
                absorbed.values.multiply(&self.right, &mut self.hidden, false);
                self.attended.resize(n * PANEL, 0.0);
                absorbed.factor.multiply(&self.right, &mut self.attended, false);
                let mut inverse = NONE;
                inverse_deviations(&self.attended, &shares, channels, EPSILON, &mut inverse);
                let factors = std::array::from_fn(|lane| shares[lane] * inverse[lane]);
                scale_and_shift(&mut self.hidden, &factors, &absorbed.bias);
                values.multiply(&self.right, &mut self.outputs, false);
                self.outputs
                    .chunks_exact_mut(PANEL)
                    .for_each(|row| row.iter_mut().zip(&shares).for_each(|(x, share)| *x *= share));
            }
        }
        call.decoder.layer.activation.apply(&mut self.hidden)?;
        self.right.take(&self.hidden);
        call.head.hidden.multiply(&self.right, &mut self.outputs, true);
        for (query, out) in out.chunks_exact_mut(outputs).enumerate() {
            let column = self.outputs.iter().skip(query).step_by(PANEL);
            out.iter_mut().zip(column).zip(&call.head.bias).for_each(|((out, x), bias)| *out = x + bias);
        }
        Ok(())
    }

    /// How much of each latent each query takes, and what these shares are to be multiplied with.
    fn share(&mut self, call: &Call<'_>, first: usize, count: usize) -> Columns {
        let (width, n) = (call.queries.width, call.latents.offsets.len());
        self.shares.resize(n * PANEL, 0.0);
        self.place(call, first, count);
        if width > 0 {
            self.right.take_columns(&call.queries.features(call.batch)[first * width..(first + count) * width], width);
            call.features.multiply(&self.right, &mut self.shares, true);
        }
        let (mut scales, mut totals) = (NONE, NONE);
        scales[..count].copy_from_slice(&call.scales[first..first + count]);
        share_columns(&mut self.shares, &scales, &call.latents.offsets, &mut totals);
        totals.map(|total| 1.0 / total)
    }

    /// Scores of the queries' places.
    fn place(&mut self, call: &Call<'_>, first: usize, count: usize) {
        let n = call.latents.offsets.len();
        let size = call.queries.axes.last().map_or(0, |axis| axis.size);
        let places: Vec<Vec<usize>> = (first..first + count).map(|query| call.queries.place(query).collect()).collect();
        let follows = |one: &Vec<usize>, next: &Vec<usize>| match (one.split_first(), next.split_first()) {
            (Some((one, rest)), Some((next, next_rest))) => one + 1 == *next && rest == next_rest,
            _ => true,
        };
        let mut column = 0;
        for places in places.chunk_by(follows) {
            let (at, rest) = places[0].split_first().map_or((0, &[][..]), |(at, rest)| (*at, rest));
            self.base.clone_from(&call.keys.constant);
            for (scores, at) in call.keys.axes.iter().rev().skip(1).zip(rest) {
                self.base.iter_mut().zip(&scores[at * n..(at + 1) * n]).for_each(|(base, score)| *base += score);
            }
            let along = call.keys.axes.last().map_or(&[][..], |scores| &scores[at..]);
            place_columns(&mut self.shares, column, places.len(), &self.base, along, size);
            column += places.len();
        }
        // Lanes without a query repeat what stood there before, which is of no consequence.
    }
}
