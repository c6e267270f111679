//! The encoder: latents read the inputs once, then attend to themselves (Perceiver IO, section 3.1).

use candle_core::{D, DType, Tensor};

use super::{Keep, LayerOptions, LayerOutput, PerceiverConfig, PerceiverLayer, Weights, fold::FusedLatents};
use crate::error::{Error, Result};

/// One cross-attention, then `num_blocks` times the same block of self-attention layers.
#[derive(Clone, Debug)]
pub struct PerceiverEncoder {
    pub(super) cross_attention: PerceiverLayer,
    self_attends: Vec<PerceiverLayer>,
    /// The same layers for calls that ask for the latents alone.
    fused: Option<FusedLatents>,
    num_blocks: usize,
}

/// What the encoder gives.
#[derive(Clone, Debug)]
pub struct EncoderOutput {
    /// The latents, B × N × D.
    pub last_hidden_state: Tensor,
    /// The latents before every self-attention layer and after every block: `num_blocks · (layers + 1)`, the last of one block being the
    /// first of the next.
    pub hidden_states: Vec<Tensor>,
    /// Probabilities of every executed self-attention layer, B × H × N × N.
    pub attentions: Vec<Tensor>,
    /// Probabilities of the cross-attention, B × H × N × M.
    pub cross_attentions: Vec<Tensor>,
}

/// Factors on the attention probabilities of the self-attention layers' heads: one row of H for all layers, or one for each layer of
/// the block (later blocks use the same rows). transformers 4 only; 5 removed it.
#[derive(Clone, Debug)]
pub struct HeadMask {
    rows: Tensor,
}

impl HeadMask {
    /// Takes (H) or (layers × H).
    ///
    /// # Errors
    /// For a tensor of another rank.
    pub fn new(mask: &Tensor) -> Result<Self> {
        let mask = mask.to_dtype(DType::F32)?;
        match mask.rank() {
            1 => Ok(Self { rows: mask.unsqueeze(0)? }),
            2 => Ok(Self { rows: mask }),
            _ => Err(Error::tensor("head_mask", mask.dims(), "(heads) or (layers, heads)")),
        }
    }

    /// The factors of a layer, 1 × H × 1 × 1.
    fn layer(&self, layer: usize) -> Result<Tensor> {
        let (rows, heads) = self.rows.dims2()?;
        Ok(self.rows.get(layer.min(rows - 1))?.reshape((1, heads, 1, 1))?)
    }
}

impl PerceiverEncoder {
    /// Reads `cross_attention.…` and `self_attends.0.…`; the inputs have `kv_dim` channels.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or channels do not divide by heads.
    pub fn new(config: &PerceiverConfig, kv_dim: usize, weights: &Weights<'_>) -> Result<Self> {
        let cross = LayerOptions {
            is_cross_attention: true,
            qk_channels: config.qk_channels,
            v_channels: config.v_channels,
            num_heads: config.num_cross_attention_heads,
            q_dim: config.d_latents,
            kv_dim,
            widening_factor: config.cross_attention_widening_factor,
            use_query_residual: config.use_query_residual,
            shape: config.cross_attention_shape_for_attention,
            hidden_act: config.hidden_act,
        };
        let within = LayerOptions {
            is_cross_attention: false,
            num_heads: config.num_self_attention_heads,
            kv_dim: config.d_latents,
            widening_factor: config.self_attention_widening_factor,
            use_query_residual: true,
            ..cross.clone()
        };
        let layers = weights.pp("self_attends");
        let self_attends = (0..config.num_self_attends_per_block)
            .map(|layer| PerceiverLayer::new(&within, &layers.pp(layer)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            cross_attention: PerceiverLayer::new(&cross, &weights.pp("cross_attention"))?,
            fused: FusedLatents::new(&self_attends)?,
            self_attends,
            num_blocks: config.num_blocks,
        })
    }

    /// Encodes `inputs` (B × M × C) into `latents` (B × N × D). `mask` is 1 for tokens that count and 0 for others: B × M, or B × N × M.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(
        &self,
        latents: &Tensor,
        inputs: &Tensor,
        mask: Option<&Tensor>,
        head_mask: Option<&HeadMask>,
        keep: Keep,
    ) -> Result<EncoderOutput> {
        self.refine(self.read(latents, inputs, mask, keep)?, head_mask, keep)
    }

    /// The cross-attention alone.
    pub(super) fn read(&self, latents: &Tensor, inputs: &Tensor, mask: Option<&Tensor>, keep: Keep) -> Result<LayerOutput> {
        let mask = mask.map(|mask| additive(mask, inputs)).transpose()?;
        self.cross_attention.forward(latents, Some(inputs), mask.as_ref(), None, keep.attentions)
    }

    /// What follows the cross-attention: the blocks of self-attention layers over the latents that `read` holds.
    pub(super) fn refine(&self, read: LayerOutput, head_mask: Option<&HeadMask>, keep: Keep) -> Result<EncoderOutput> {
        let LayerOutput { mut hidden, probabilities } = read;
        let cross_attentions = probabilities.into_iter().collect();
        if let (Some(fused), None, Keep { hidden_states: false, attentions: false }) = (&self.fused, head_mask, keep) {
            let last_hidden_state = fused.forward(&hidden, self.num_blocks)?;
            return Ok(EncoderOutput { last_hidden_state, hidden_states: vec![], attentions: vec![], cross_attentions });
        }
        let (mut hidden_states, mut attentions) = (Vec::new(), Vec::new());
        let mut note = |hidden: &Tensor| {
            if keep.hidden_states {
                hidden_states.push(hidden.clone());
            }
        };
        for _ in 0..self.num_blocks {
            for (number, layer) in self.self_attends.iter().enumerate() {
                note(&hidden);
                let scale = head_mask.map(|mask| mask.layer(number)).transpose()?;
                let output = layer.forward(&hidden, None, None, scale.as_ref(), keep.attentions)?;
                hidden = output.hidden;
                attentions.extend(output.probabilities);
            }
            note(&hidden);
        }
        Ok(EncoderOutput { last_hidden_state: hidden, hidden_states, attentions, cross_attentions })
    }
}

/// 0 for tokens that count and float32's smallest number for others, to be added to the scores: a row without any token left
/// attends to all of them alike, as in the reference.
fn additive(mask: &Tensor, inputs: &Tensor) -> Result<Tensor> {
    let mask = match mask.rank() {
        2 => mask.unsqueeze(1)?.unsqueeze(1)?,
        3 => mask.unsqueeze(1)?,
        _ => return Err(Error::tensor("attention_mask", mask.dims(), "(batch, inputs) or (batch, latents, inputs)")),
    };
    if mask.dim(D::Minus1)? != inputs.dim(1)? {
        return Err(Error::tensor("attention_mask", mask.dims(), format!("{} inputs", inputs.dim(1)?)));
    }
    let smallest = f64::from(f32::MIN);
    Ok(mask.to_dtype(DType::F32)?.affine(-smallest, smallest)?)
}
