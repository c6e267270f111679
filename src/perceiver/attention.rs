//! The attention layer of the family, exactly as published: cross- or self-attention, then an MLP, each with its layer norm
//! (Perceiver IO, appendix C).

use candle_core::{Module, Tensor};
use serde::Deserialize;

use super::{Activation, AttentionShape, LayerNorm, Linear, Weights};
use crate::{
    compute::{Attended, attend, attend_with_heads},
    error::{Error, Result},
};

/// Shape of a layer, named as the reference's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LayerOptions {
    /// Whether keys and values come from other inputs than the queries.
    pub is_cross_attention: bool,
    /// Channels of queries and keys; by default the width that `shape` says, or the queries' in self-attention.
    #[serde(default)]
    pub qk_channels: Option<usize>,
    /// Channels of values; by default those of queries and keys.
    #[serde(default)]
    pub v_channels: Option<usize>,
    /// H.
    pub num_heads: usize,
    /// E, width of the queries' side and of the output.
    pub q_dim: usize,
    /// Width of the keys' and values' side.
    pub kv_dim: usize,
    /// Hidden width of the MLP in multiples of `q_dim`.
    pub widening_factor: usize,
    /// Whether the attention adds its query.
    #[serde(default = "yes")]
    pub use_query_residual: bool,
    /// `cross_attention_shape_for_attention`.
    #[serde(default)]
    pub shape: AttentionShape,
    /// `hidden_act`.
    #[serde(default)]
    pub hidden_act: Activation,
}

fn yes() -> bool {
    true
}

impl LayerOptions {
    /// Channels of queries and keys, and of values.
    fn channels(&self) -> Result<(usize, usize)> {
        let by_shape = match self.shape {
            AttentionShape::Kv if self.is_cross_attention => self.kv_dim,
            _ => self.q_dim,
        };
        let qk = self.qk_channels.unwrap_or(by_shape);
        let v = self.v_channels.unwrap_or(qk);
        for (field, channels) in [("qk_channels", qk), ("v_channels", v)] {
            if !channels.is_multiple_of(self.num_heads) {
                return Err(Error::config(field, channels, format!("a multiple of the {} heads", self.num_heads)));
            }
        }
        if !self.is_cross_attention && v != self.q_dim {
            return Err(Error::config("v_channels", v, format!("d_latents = {} in self-attention", self.q_dim)));
        }
        Ok((qk, v))
    }
}

/// Queries, keys, values and the output projection: `self.…` and `output.dense`.
#[derive(Clone, Debug)]
pub struct Attention {
    pub(super) norm_queries: LayerNorm,
    pub(super) norm_inputs: Option<LayerNorm>,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
    pub(super) num_heads: usize,
    pub(super) use_query_residual: bool,
}

/// An attention with the MLP behind it.
#[derive(Clone, Debug)]
pub struct PerceiverLayer {
    pub(super) attention: Attention,
    pub(super) norm: LayerNorm,
    pub(super) dense1: Linear,
    pub(super) dense2: Linear,
    pub(super) activation: Activation,
}

/// What a layer gives.
#[derive(Clone, Debug)]
pub struct LayerOutput {
    /// B × O × E.
    pub hidden: Tensor,
    /// B × H × O × M, when asked for.
    pub probabilities: Option<Tensor>,
}

impl Attention {
    fn new(options: &LayerOptions, weights: &Weights<'_>) -> Result<Self> {
        let (qk, v) = options.channels()?;
        let inner = weights.pp("self");
        let (norm_inputs, kv_dim) = match options.is_cross_attention {
            true => (Some(inner.pp("layernorm2").layer_norm(options.kv_dim)?), options.kv_dim),
            false => (None, options.q_dim),
        };
        Ok(Self {
            norm_queries: inner.pp("layernorm1").layer_norm(options.q_dim)?,
            norm_inputs,
            query: inner.pp("query").linear(options.q_dim, qk)?,
            key: inner.pp("key").linear(kv_dim, qk)?,
            value: inner.pp("value").linear(kv_dim, v)?,
            output: weights.pp("output").pp("dense").linear(v, options.q_dim)?,
            num_heads: options.num_heads,
            use_query_residual: options.use_query_residual,
        })
    }

    /// `hidden` B × O × E asks, `inputs` B × M × C answer (absent in self-attention). `mask` is added to the scores, `head_scale`
    /// multiplies the probabilities; both broadcast to B × H × O × M.
    fn forward(
        &self,
        hidden: &Tensor,
        inputs: Option<&Tensor>,
        mask: Option<&Tensor>,
        head_scale: Option<&Tensor>,
        keep: bool,
    ) -> Result<LayerOutput> {
        let queries = self.norm_queries.forward(hidden)?;
        let inputs = match (&self.norm_inputs, inputs) {
            (Some(norm), Some(inputs)) => norm.forward(inputs)?,
            (None, None) => queries.clone(),
            _ => {
                return Err(Error::tensor(
                    "inputs",
                    inputs.map(Tensor::dims),
                    "inputs in cross-attention, none in self-attention",
                ));
            }
        };
        let (q, k, v) = (self.query.forward(&queries)?, self.key.forward(&inputs)?, self.value.forward(&inputs)?);
        if let (Some(format), None, None, false) = (self.query.packed(), mask, head_scale, keep) {
            let context = attend_with_heads(&q, &k, &v, self.num_heads, format)?;
            return Ok(LayerOutput { hidden: self.answer(hidden, &context)?, probabilities: None });
        }
        let [q, k, v] = [self.heads(&q)?, self.heads(&k)?, self.heads(&v)?];
        let Attended { context, probabilities } = attend(&q, &k, &v, mask, head_scale, self.query.dtype(), keep)?;
        Ok(LayerOutput { hidden: self.answer(hidden, &context.transpose(1, 2)?.flatten_from(2)?)?, probabilities })
    }

    /// What `hidden` (B × O × E) becomes with the weighted values of all heads, B × O × channels of the values.
    pub(super) fn answer(&self, hidden: &Tensor, context: &Tensor) -> Result<Tensor> {
        Ok(if self.use_query_residual { self.output.plus(context, hidden)? } else { self.output.forward(context)? })
    }

    /// B × T × channels → B × H × T × channels / H.
    fn heads(&self, x: &Tensor) -> Result<Tensor> {
        let (b, t, channels) = x.dims3()?;
        Ok(x.reshape((b, t, self.num_heads, channels / self.num_heads))?.transpose(1, 2)?.contiguous()?)
    }
}

impl PerceiverLayer {
    /// Reads the layer's tensors: `attention.…`, `layernorm`, `mlp.dense1`, `mlp.dense2`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or channels do not divide by the heads.
    pub fn new(options: &LayerOptions, weights: &Weights<'_>) -> Result<Self> {
        let (width, hidden) = (options.q_dim, options.q_dim * options.widening_factor);
        let mlp = weights.pp("mlp");
        Ok(Self {
            attention: Attention::new(options, &weights.pp("attention"))?,
            norm: weights.pp("layernorm").layer_norm(width)?,
            dense1: mlp.pp("dense1").linear(width, hidden)?,
            dense2: mlp.pp("dense2").linear(hidden, width)?,
            activation: options.hidden_act,
        })
    }

    /// `hidden` B × O × E asks, `inputs` B × M × C answer (absent in self-attention). `mask` is added to the scores, `head_scale`
    /// multiplies the probabilities; both broadcast to B × H × O × M. `keep` returns the probabilities.
    ///
    /// # Errors
    /// When shapes do not fit the layer.
    pub fn forward(
        &self,
        hidden: &Tensor,
        inputs: Option<&Tensor>,
        mask: Option<&Tensor>,
        head_scale: Option<&Tensor>,
        keep: bool,
    ) -> Result<LayerOutput> {
        let LayerOutput { hidden, probabilities } = self.attention.forward(hidden, inputs, mask, head_scale, keep)?;
        Ok(LayerOutput { hidden: self.think(&hidden)?, probabilities })
    }

    /// The part behind the attention: `hidden` (B × O × E) with the MLP's answer added.
    pub(super) fn think(&self, hidden: &Tensor) -> Result<Tensor> {
        let inner = self.dense1.activated(&self.norm.forward(hidden)?, self.activation)?;
        Ok(self.dense2.plus(&inner, hidden)?)
    }
}
