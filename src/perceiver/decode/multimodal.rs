//! `PerceiverMultimodalDecoder`: the queries of every modality, answered by one cross-attention (Perceiver IO, section 4.4).

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::{BasicDecoder, BasicDecoderOptions, BasicVideoAutoencodingDecoder, ClassificationDecoder, Decoded};
use crate::{
    error::{Error, Result},
    perceiver::{Linear, PerceiverConfig, Weights, fold::Tokens},
};

/// Which outputs to decode, by modality: flat indices into its grid of outputs. A modality that is absent is decoded whole, one without
/// indices is left out.
pub type Points = BTreeMap<String, Vec<u32>>;

/// Makes the queries of one modality.
#[derive(Clone, Debug)]
pub enum ModalityDecoder {
    /// Of a grid.
    Basic(BasicDecoder),
    /// Of the class scores.
    Classification(ClassificationDecoder),
    /// Of the pixels of a video.
    Video(BasicVideoAutoencodingDecoder),
}

impl ModalityDecoder {
    /// The decoder within, for its queries.
    pub fn basic(&self) -> &BasicDecoder {
        match self {
            Self::Basic(decoder) => decoder,
            Self::Classification(decoder) => decoder.basic(),
            Self::Video(decoder) => decoder.basic(),
        }
    }
}

/// Queries of several modalities, one behind the other in the order of the modalities' names.
#[derive(Clone, Debug)]
pub struct MultimodalQuery {
    /// B × O × E.
    pub tokens: Tensor,
    /// Queries of each modality that is decoded.
    pub modality_sizes: BTreeMap<String, usize>,
}

/// Pads the queries of every modality to one width with a trained row and answers them all.
#[derive(Clone, Debug)]
pub struct MultimodalDecoder {
    modalities: BTreeMap<String, (ModalityDecoder, Tensor)>,
    num_query_channels: usize,
    decoder: BasicDecoder,
}

impl MultimodalDecoder {
    /// Reads `decoder.…` and `padding.NAME` (1 × what the modality's queries lack). The tensors of `modalities`, which make queries and
    /// nothing else, are below `modalities.NAME`. The widest query is padded by `min_padding_size` channels, which gives the width that
    /// `options` leave open.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(
        config: &PerceiverConfig,
        modalities: BTreeMap<String, ModalityDecoder>,
        options: BasicDecoderOptions,
        min_padding_size: usize,
        weights: &Weights<'_>,
    ) -> Result<Self> {
        if min_padding_size == 0 {
            return Err(Error::config("min_padding_size", 0, "1 or more"));
        }
        let widths = modalities.values().map(|modality| modality.basic().num_query_channels()).collect::<Result<Vec<_>>>()?;
        let num_query_channels = widths.iter().max().copied().unwrap_or_default() + min_padding_size;
        let paddings = weights.pp("padding");
        let modalities = modalities.into_iter().zip(widths).map(|((name, modality), width)| {
            let padding = paddings.get((1, num_query_channels - width), &name)?;
            Ok((name, (modality, padding)))
        });
        let options = BasicDecoderOptions { num_channels: num_query_channels, ..options };
        Ok(Self {
            modalities: modalities.collect::<Result<_>>()?,
            num_query_channels,
            decoder: BasicDecoder::new(config, options, &weights.pp("decoder"))?,
        })
    }

    /// E, width of the queries.
    pub fn num_query_channels(&self) -> usize {
        self.num_query_channels
    }

    /// Number of outputs of each modality.
    pub fn outputs(&self) -> BTreeMap<String, usize> {
        self.modalities.iter().map(|(name, (modality, _))| (name.clone(), modality.basic().outputs())).collect()
    }

    /// Queries of `points`, for the batch, type and device of `inputs`. What is decoded whole is asked at the same places as by points:
    /// the reference, which would ask elsewhere, fails there.
    ///
    /// # Errors
    /// For a modality there is not, points outside its grid, or no points at all.
    pub fn query(&self, inputs: &Tensor, points: &Points) -> Result<MultimodalQuery> {
        self.check(points)?;
        let (mut queries, mut modality_sizes) = (Vec::new(), BTreeMap::new());
        for (name, (modality, padding)) in &self.modalities {
            let decoder = modality.basic();
            let query = match points.get(name) {
                Some(points) if points.is_empty() => continue,
                Some(points) => decoder.query(inputs, None, Some(points))?,
                None => decoder.query(inputs, None, Some(&(0..decoder.outputs() as u32).collect::<Vec<_>>()))?,
            };
            let (b, o, _) = query.dims3()?;
            let padding = padding.unsqueeze(0)?.broadcast_as((b, o, padding.elem_count()))?;
            queries.push(Tensor::cat(&[&query, &padding], 2)?);
            modality_sizes.insert(name.clone(), o);
        }
        if queries.is_empty() {
            return Err(Error::option("subsampled_output_points", "no point of any modality", "at least one point"));
        }
        Ok(MultimodalQuery { tokens: Tensor::cat(&queries, 1)?, modality_sizes })
    }

    /// Whether there are the modalities that points are of.
    ///
    /// # Errors
    /// When there are not.
    pub(in crate::perceiver) fn check(&self, points: &Points) -> Result<()> {
        match points.keys().find(|name| !self.modalities.contains_key(*name)) {
            None => Ok(()),
            Some(name) => {
                let names = format!("{:?}", self.modalities.keys().collect::<Vec<_>>());
                Err(Error::option("subsampled_output_points", name, names))
            }
        }
    }

    /// Answers one modality at its `points`, all of them where they are `None`, from the latents `z` (B × N × D), through the layer of the
    /// modality's postprocessor: B × O × its channels. `None` where this cannot be folded or does not pay.
    ///
    /// # Errors
    /// For a modality there is not, or points outside its grid.
    pub(in crate::perceiver) fn fold(
        &self,
        name: &str,
        points: Option<&[u32]>,
        z: &Tensor,
        postprocessor: &Linear,
    ) -> Result<Option<Tensor>> {
        let Some((modality, padding)) = self.modalities.get(name) else { return Ok(None) };
        let (Some(folded), Some((positions, index_dims))) = (self.decoder.folded(), modality.basic().fourier()) else {
            return Ok(None);
        };
        let cells = index_dims.iter().product::<usize>() as u32;
        let all: Vec<u32>;
        let points = match points {
            Some(points) => points,
            None => {
                all = (0..cells).collect();
                &all
            }
        };
        if let Some(point) = points.iter().find(|&&point| point >= cells) {
            return Err(Error::tensor("subsampled_output_points", point, format!("less than {cells}")));
        }
        folded.forward(&Tokens::at(positions, index_dims, points, padding)?, z, Some(postprocessor))
    }

    /// Answers queries (B × O × E) from the latents `z` (B × N × D): B × O × output channels.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, query: &Tensor, z: &Tensor, keep: bool) -> Result<Decoded> {
        self.decoder.forward(query, z, keep)
    }
}
