//! The latents' attention to themselves without a tensor between its steps: norms are taken as factors are packed, queries, keys and values are
//! products of one packed factor, sums and activations happen where the products are, and all of it in rooms that are kept from layer to layer.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::fixed::{Dense, FixedNorm};
use crate::{
    compute::{Format, Heads, HeadsRoom, LeftStack, attend_heads},
    error::Result,
    perceiver::{Activation, Linear, PerceiverLayer},
};

/// A block of self-attention layers on a processor.
#[derive(Clone, Debug)]
pub(in crate::perceiver) struct FusedLatents {
    layers: Arc<[Layer]>,
    format: Format,
}

#[derive(Debug)]
struct Layer {
    norm: FixedNorm,
    query: Dense,
    key: Dense,
    value: Dense,
    heads: usize,
    output: Dense,
    mlp_norm: FixedNorm,
    dense1: Dense,
    dense2: Dense,
}

/// What the layers work in.
struct Room {
    left: LeftStack,
    heads: HeadsRoom,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    context: Vec<f32>,
    hidden: Vec<f32>,
}

impl FusedLatents {
    /// Fuses layers whose matrices are packed; none where they are not, or not all in one format, or the MLP's activation is not GELU.
    pub(in crate::perceiver) fn new(layers: &[PerceiverLayer]) -> Result<Option<Self>> {
        let formats = |layer: &PerceiverLayer| {
            let of = &layer.attention;
            [&of.query, &of.key, &of.value, &of.output, &layer.dense1, &layer.dense2].map(Linear::packed)
        };
        let Some(Some(format)) = layers.first().map(|layer| formats(layer)[0]) else { return Ok(None) };
        let fits = |layer: &PerceiverLayer| {
            let adds = layer.attention.norm_inputs.is_none() && layer.attention.use_query_residual;
            adds && layer.activation == Activation::Gelu && formats(layer) == [Some(format); 6]
        };
        if !layers.iter().all(fits) {
            return Ok(None);
        }
        let layers = layers.iter().map(Layer::new).collect::<Result<Vec<_>>>()?;
        Ok(Some(Self { layers: layers.into(), format }))
    }

    /// The latents, B × N × D, behind `blocks` times the layers.
    pub(in crate::perceiver) fn forward(&self, latents: &Tensor, blocks: usize) -> Result<Tensor> {
        let (b, n, d) = latents.dims3()?;
        let mut values = latents.flatten_all()?.to_vec1()?;
        let mut room = Room::new(self.format);
        for layer in (0..blocks).flat_map(|_| self.layers.iter()) {
            layer.apply(&mut values, [b, n], &mut room);
        }
        Ok(Tensor::from_vec(values, (b, n, d), &Device::Cpu)?)
    }
}

impl Layer {
    fn new(layer: &PerceiverLayer) -> Result<Self> {
        let of = &layer.attention;
        Ok(Self {
            norm: FixedNorm::new(&of.norm_queries)?,
            query: Dense::new(&of.query)?,
            key: Dense::new(&of.key)?,
            value: Dense::new(&of.value)?,
            heads: of.num_heads,
            output: Dense::new(&of.output)?,
            mlp_norm: FixedNorm::new(&layer.norm)?,
            dense1: Dense::new(&layer.dense1)?,
            dense2: Dense::new(&layer.dense2)?,
        })
    }

    /// `latents`, B × N × D, become what the layer makes of them.
    fn apply(&self, latents: &mut [f32], [b, n]: [usize; 2], room: &mut Room) {
        let (rows, width) = (b * n, self.norm.channels());
        room.left.pack(latents, width, Some(self.norm.get()));
        for (dense, out) in [(&self.query, &mut room.queries), (&self.key, &mut room.keys), (&self.value, &mut room.values)] {
            dense.write(&room.left, rows, false, out);
        }
        let (qk, v) = (self.query.bias.len(), self.value.bias.len());
        room.context.resize(rows * v, 0.0);
        let of = Heads {
            heads: self.heads,
            batch: b,
            queries: &room.queries,
            keys: &room.keys,
            values: &room.values,
            rows: [n, n],
            strides: [qk, qk, v],
            channels: [qk / self.heads, v / self.heads],
        };
        attend_heads(of, &mut room.heads, &mut room.context);
        room.left.pack(&room.context, v, None);
        self.output.add(&room.left, latents);
        room.left.pack(latents, width, Some(self.mlp_norm.get()));
        self.dense1.write(&room.left, rows, true, &mut room.hidden);
        room.left.pack(&room.hidden, self.dense1.bias.len(), None);
        self.dense2.add(&room.left, latents);
    }
}

impl Room {
    fn new(format: Format) -> Self {
        let none = Vec::new;
        Self {
            left: LeftStack::new(format),
            heads: HeadsRoom::new(format),
            queries: none(),
            keys: none(),
            values: none(),
            context: none(),
            hidden: none(),
        }
    }
}
