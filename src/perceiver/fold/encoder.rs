//! The encoder's cross-attention, folded.

use std::sync::Arc;

use candle_core::{Device, Module, Tensor};

use super::{
    Tokens,
    cost::{EncoderShape, TokenShape},
};
use crate::{
    compute::{Axis, Features, Format, Gathered, Keys, Matrix, gather},
    error::Result,
    perceiver::PerceiverLayer,
};

/// Latents that read their inputs without projecting them.
#[derive(Clone, Debug)]
pub(in crate::perceiver) struct FoldedEncoder {
    layer: PerceiverLayer,
    /// k' of every head, (H · N) × C.
    queries: Arc<Vec<f32>>,
    shape: EncoderShape,
}

impl TokenShape {
    pub(super) fn of(tokens: &Tokens) -> Self {
        Self { count: tokens.count, width: tokens.width + tokens.table_width(), places: tokens.places() }
    }
}

impl FoldedEncoder {
    /// Folds a cross-attention whose queries are `latents`, N × D.
    pub(in crate::perceiver) fn new(layer: &PerceiverLayer, latents: &Tensor) -> Result<Self> {
        let attention = &layer.attention;
        let (qk, channels) = attention.key.dims()?;
        let (v, heads) = (attention.value.dims()?.0, attention.num_heads);
        let of_head = qk / heads;
        let queries = attention.query.forward(&attention.norm_queries.forward(latents)?)?;
        let keys = attention.key.matrix()?;
        let absorb = |head: usize| -> Result<Tensor> {
            let keys = keys.narrow(0, head * of_head, of_head)?;
            Ok((queries.narrow(1, head * of_head, of_head)?.matmul(&keys)? / (of_head as f64).sqrt())?)
        };
        let queries = Tensor::cat(&(0..heads).map(absorb).collect::<Result<Vec<_>>>()?, 0)?;
        let queries = match &attention.norm_inputs {
            Some(norm) => queries.broadcast_mul(&norm.gain)?,
            None => queries,
        };
        let mut queries = queries.flatten_all()?.to_vec1()?;
        queries.chunks_exact_mut(channels).for_each(centre);
        let shape = EncoderShape { latents: latents.dim(0)?, heads, channels, qk, v };
        Ok(Self { layer: layer.clone(), queries: Arc::new(queries), shape })
    }

    /// Whether folding saves work over these tokens.
    pub(in crate::perceiver) fn pays(&self, blocks: &[Tokens]) -> bool {
        self.shape.folds(blocks.iter().map(TokenShape::of))
    }

    /// The layer's answer to `latents` (B × N × D), those it was folded with, from all blocks: B × N × D.
    pub(in crate::perceiver) fn forward(&self, latents: &Tensor, blocks: &[Tokens]) -> Result<Tensor> {
        let (b, n, _) = latents.dims3()?;
        let EncoderShape { heads, channels, v, .. } = self.shape;
        let read = (0..b).map(|batch| self.read(batch, blocks)).collect::<Result<Vec<_>>>()?.concat();
        let read = Tensor::from_vec(read, (b, heads, n, channels), &Device::Cpu)?;
        let attention = &self.layer.attention;
        let read = match &attention.norm_inputs {
            Some(norm) => read.broadcast_mul(&norm.gain)?.broadcast_add(&norm.shift)?,
            None => read,
        };
        let (values, of_head) = (attention.value.matrix()?, v / heads);
        let project = |head: usize| -> Result<Tensor> {
            let rows = read.narrow(1, head, 1)?.reshape((b * n, channels))?;
            Ok(rows.matmul(&values.narrow(0, head * of_head, of_head)?.t()?)?)
        };
        let context = Tensor::cat(&(0..heads).map(project).collect::<Result<Vec<_>>>()?, 1)?;
        let context = context.broadcast_add(&attention.value.bias)?.reshape((b, n, v))?;
        self.layer.think(&attention.answer(latents, &context)?)
    }

    /// P u of every head and latent for one row of the batch, (H · N) × C.
    fn read(&self, batch: usize, blocks: &[Tokens]) -> Result<Vec<f32>> {
        let gathered = |tokens| Ok((tokens, self.gather(batch, tokens)?));
        let blocks =
            blocks.iter().filter(|tokens| tokens.count > 0).map(gathered).collect::<Result<Vec<(&Tokens, Gathered)>>>()?;
        let (rows, channels) = (self.queries.len() / self.shape.channels, self.shape.channels);
        // What each block counts for: its own maxima were subtracted from its scores.
        let largest = |row: usize| blocks.iter().map(|(_, gathered)| gathered.maxima[row]).fold(f32::NEG_INFINITY, f32::max);
        let largest: Vec<f32> = (0..rows).map(largest).collect();
        let share = |gathered: &Gathered, row: usize| (gathered.maxima[row] - largest[row]).exp();
        let total = |row: usize| blocks.iter().map(|(_, gathered)| gathered.totals[row] * share(gathered, row)).sum::<f32>();
        let totals: Vec<f32> = (0..rows).map(total).collect();
        let mut read = vec![0.0; rows * channels];
        for (tokens, gathered) in &blocks {
            let positions: Vec<Vec<f32>> = tokens
                .axes
                .iter()
                .zip(&gathered.axes)
                .map(|(axis, sums)| {
                    let width = axis.channels.len();
                    let mut products = vec![0.0; rows * width];
                    let table = Matrix::new(&axis.table, axis.size, width);
                    Matrix::new(sums, rows, axis.size).multiply(table, &mut products, width, 0, false);
                    products
                })
                .collect();
            for (row, read) in read.chunks_exact_mut(channels).enumerate() {
                let share = share(gathered, row) / totals[row];
                let weight = gathered.weights[row];
                let add = |sums: &mut [f32], more: &[f32]| sums.iter_mut().zip(more).for_each(|(sum, x)| *sum += share * x);
                let features = &gathered.features[0][row * tokens.width..(row + 1) * tokens.width];
                match &tokens.lift {
                    Some(lift) => lift.add(features, weight, share, read),
                    None => add(read, features),
                }
                if let Some(table) = gathered.features.get(1) {
                    let width = tokens.table_width();
                    add(&mut read[tokens.lifted()..], &table[row * width..(row + 1) * width]);
                }
                for (axis, products) in tokens.axes.iter().zip(&positions) {
                    let products = &products[row * axis.channels.len()..];
                    axis.channels.iter().zip(products).for_each(|(&channel, product)| read[channel] += share * product);
                }
                let constant = &mut read[channels - tokens.constant.len()..];
                constant.iter_mut().zip(&tokens.constant).for_each(|(sum, constant)| *sum += share * weight * constant);
            }
        }
        read.chunks_exact_mut(channels).for_each(centre);
        Ok(read)
    }

    fn gather(&self, batch: usize, tokens: &Tokens) -> Result<Gathered> {
        let split = tokens.split(&self.queries, self.queries.len() / self.shape.channels);
        let axes: Vec<Axis> = tokens.axes.iter().zip(split.axes).map(|(axis, scores)| Axis { size: axis.size, scores }).collect();
        let (scales, format) = (tokens.scales(batch)?, self.layer.attention.key.packed().unwrap_or(Format::F32));
        let of =
            |features: &[Features<'_>]| gather(Keys { features, scales: &scales, axes: &axes, offsets: &split.constant }, format);
        let features = Features { values: tokens.features(batch), queries: &split.features };
        let with_table = tokens.read_table(|values| of(&[features, Features { values, queries: &split.table }]))?;
        Ok(with_table.unwrap_or_else(|| of(&[features])))
    }
}

/// Takes the mean away: P.
pub(super) fn centre(row: &mut [f32]) {
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64;
    row.iter_mut().for_each(|x| *x = (f64::from(*x) - mean) as f32);
}
