//! `PerceiverBasicDecoder`: one cross-attention from queries to latents, and a linear layer (Perceiver IO, section 3.2).

use candle_core::{Device, Module, Tensor};
use serde::Deserialize;

use crate::{
    error::{Error, Result},
    perceiver::{
        FourierPositions, LayerOptions, LayerOutput, Linear, PerceiverConfig, PerceiverLayer, PositionArguments,
        PositionEncoding, Weights, fold::FoldedDecoder, position::one_or_many,
    },
};

/// Arguments of the decoder, named as published and with the published defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct BasicDecoderOptions {
    /// Channels of the output, when `final_project`.
    pub output_num_channels: usize,
    /// The grid of queries.
    #[serde(deserialize_with = "one_or_many")]
    pub output_index_dims: Vec<usize>,
    /// E, width of the queries.
    pub num_channels: usize,
    /// Channels of queries and keys in the attention.
    pub qk_channels: Option<usize>,
    /// Channels of values in the attention.
    pub v_channels: Option<usize>,
    /// H.
    pub num_heads: usize,
    /// Hidden width of the MLP in multiples of E.
    pub widening_factor: usize,
    /// Whether the attention adds its query.
    pub use_query_residual: bool,
    /// Whether the preprocessed features lead the queries.
    pub concat_preprocessed_input: bool,
    /// Whether a linear layer to `output_num_channels` follows.
    pub final_project: bool,
    /// Whether the decoder makes queries and nothing else.
    pub position_encoding_only: bool,
    /// Arguments of the queries' positions; none where the queries come from elsewhere.
    #[serde(flatten)]
    pub positions: PositionArguments,
}

impl Default for BasicDecoderOptions {
    fn default() -> Self {
        Self {
            output_num_channels: 0,
            output_index_dims: Vec::new(),
            num_channels: 128,
            qk_channels: None,
            v_channels: None,
            num_heads: 1,
            widening_factor: 1,
            use_query_residual: false,
            concat_preprocessed_input: false,
            final_project: true,
            position_encoding_only: false,
            positions: PositionArguments::default(),
        }
    }
}

/// What a decoder gives, published as `PerceiverDecoderOutput`.
#[derive(Clone, Debug)]
pub struct Decoded<L = Tensor> {
    /// B × O × output channels, or as the decoder shapes it.
    pub logits: L,
    /// B × H × O × N, when asked for.
    pub cross_attentions: Option<Tensor>,
}

/// Queries from positions, one cross-attention to the latents, and a linear layer.
#[derive(Clone, Debug)]
pub struct BasicDecoder {
    options: BasicDecoderOptions,
    positions: Option<PositionEncoding>,
    layer: Option<PerceiverLayer>,
    final_layer: Option<Linear>,
    folded: Option<FoldedDecoder>,
}

impl BasicDecoder {
    /// Reads `output_position_encodings.…`, `positions_projection`, `decoding_cross_attention.…` and `final_layer`, as far as the options
    /// ask for them.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(config: &PerceiverConfig, options: BasicDecoderOptions, weights: &Weights<'_>) -> Result<Self> {
        let positions = options.positions.build("output_position_encodings", weights)?;
        if options.position_encoding_only {
            return Ok(Self { options, positions, layer: None, final_layer: None, folded: None });
        }
        let layer = LayerOptions {
            is_cross_attention: true,
            qk_channels: options.qk_channels,
            v_channels: options.v_channels,
            num_heads: options.num_heads,
            q_dim: options.num_channels,
            kv_dim: config.d_latents,
            widening_factor: options.widening_factor,
            use_query_residual: options.use_query_residual,
            shape: config.cross_attention_shape_for_attention,
            hidden_act: config.hidden_act,
        };
        let final_layer =
            options.final_project.then(|| weights.pp("final_layer").linear(options.num_channels, options.output_num_channels));
        let layer = PerceiverLayer::new(&layer, &weights.pp("decoding_cross_attention"))?;
        let final_layer = final_layer.transpose()?;
        let folded = if weights.may_fold() { FoldedDecoder::new(&layer, final_layer.as_ref())? } else { None };
        Ok(Self { layer: Some(layer), final_layer, folded, positions, options })
    }

    /// The layers that answer, folded, where they may be.
    pub(in crate::perceiver) fn folded(&self) -> Option<&FoldedDecoder> {
        self.folded.as_ref()
    }

    /// The Fourier positions of the queries and the grid they belong to, where the queries are nothing else.
    pub(super) fn fourier(&self) -> Option<(&FourierPositions, &[usize])> {
        let positions = self.positions.as_ref()?.fourier()?;
        (!self.options.concat_preprocessed_input).then_some((positions, &self.options.output_index_dims))
    }

    /// Number of outputs: cells of the grid of queries.
    pub fn outputs(&self) -> usize {
        self.options.output_index_dims.iter().product()
    }

    /// The published property of this name: the output's channels where there is a final projection, whatever the queries' width.
    ///
    /// # Errors
    /// Without a position encoding.
    pub fn num_query_channels(&self) -> Result<usize> {
        let positions = self.positions()?;
        Ok(match (self.options.position_encoding_only, self.options.final_project) {
            (true, _) => positions.channels(),
            (false, true) => self.options.output_num_channels,
            (false, false) => self.options.num_channels,
        })
    }

    /// Queries, B × O × E, of every output, or of `points` (flat indices into the grid of outputs, row-major). With a learned table the
    /// points do not matter: it is returned whole, as in the reference. Fourier queries of every output lie on the grid of `inputs`'
    /// trailing axes, as given to the preprocessor. `features` (B × O × channels) lead the queries where the options say so.
    ///
    /// # Errors
    /// When points lie outside the grid, or what is needed is missing.
    pub fn query(&self, inputs: &Tensor, features: Option<&Tensor>, points: Option<&[u32]>) -> Result<Tensor> {
        let positions = self.positions()?;
        let (b, dtype, device) = (inputs.dim(0)?, inputs.dtype(), inputs.device());
        let encoded = match points {
            Some(points) => {
                let at = unravel(points, &self.options.output_index_dims)?.to_device(device)?;
                let (points, axes) = at.dims2()?;
                positions.points(&at.unsqueeze(0)?.broadcast_as((b, points, axes))?.contiguous()?, dtype)?
            }
            None => {
                let table = positions.grid(inputs.dims().get(2..).unwrap_or_default(), false, dtype, device)?;
                let table = table.dense(dtype, device)?;
                let (rows, channels) = table.dims2()?;
                table.unsqueeze(0)?.broadcast_as((b, rows, channels))?.contiguous()?
            }
        };
        match (self.options.concat_preprocessed_input, features) {
            (false, _) => Ok(encoded),
            (true, Some(features)) => Ok(Tensor::cat(&[features, &encoded], 2)?),
            (true, None) => Err(Error::tensor("inputs_without_pos", "none", "the preprocessed features, to lead the queries")),
        }
    }

    /// Answers `query` (B × O × E) from the latents `z` (B × N × D).
    ///
    /// # Errors
    /// When shapes do not fit, or the decoder only makes queries.
    pub fn forward(&self, query: &Tensor, z: &Tensor, keep: bool) -> Result<Decoded> {
        let only_queries = || Error::config("position_encoding_only", true, "false, for a decoder that answers");
        let layer = self.layer.as_ref().ok_or_else(only_queries)?;
        let LayerOutput { hidden, probabilities } = layer.forward(query, Some(z), None, None, keep)?;
        let logits = match &self.final_layer {
            Some(linear) => linear.forward(&hidden)?,
            None => hidden,
        };
        Ok(Decoded { logits, cross_attentions: probabilities })
    }

    fn positions(&self) -> Result<&PositionEncoding> {
        self.positions
            .as_ref()
            .ok_or_else(|| Error::config("position_encoding_type", "none", "trainable or fourier, for queries"))
    }
}

/// Positions of flat indices into a row-major grid: points × axes in −1 … 1 (excluded), in steps of 2/n. Not the inclusive grid of the
/// encoder; the reference differs there too.
///
/// # Errors
/// When an index lies outside the grid.
pub fn unravel(points: &[u32], index_dims: &[usize]) -> Result<Tensor> {
    let cells: usize = index_dims.iter().product();
    let mut out = vec![0f32; points.len() * index_dims.len()];
    for (&point, row) in points.iter().zip(out.chunks_exact_mut(index_dims.len().max(1))) {
        let mut rest = point as usize;
        if rest >= cells {
            return Err(Error::tensor("subsampled_output_points", point, format!("less than {cells}")));
        }
        for (at, &n) in row.iter_mut().zip(index_dims).rev() {
            *at = -1.0 + 2.0 * (rest % n) as f32 / n as f32;
            rest /= n;
        }
    }
    Ok(Tensor::from_vec(out, (points.len(), index_dims.len()), &Device::Cpu)?)
}
