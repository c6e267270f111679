//! Several modalities to one sequence of tokens: `PerceiverMultimodalPreprocessor` (Perceiver IO, section 4.4).

use std::collections::BTreeMap;

use candle_core::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{AudioPreprocessor, ImagePreprocessor, OneHotPreprocessor, TextPreprocessor};
use crate::{
    error::{Error, Result},
    perceiver::{Block, Inputs, Weights},
};

/// The preprocessor of one modality.
#[derive(Clone, Debug)]
pub enum ModalityPreprocessor {
    /// Bytes of text.
    Text(TextPreprocessor),
    /// Images or video.
    Image(Box<ImagePreprocessor>),
    /// Class labels.
    OneHot(OneHotPreprocessor),
    /// Sound.
    Audio(AudioPreprocessor),
}

impl ModalityPreprocessor {
    /// Channels of a token.
    pub fn num_channels(&self) -> usize {
        match self {
            Self::Text(text) => text.num_channels(),
            Self::Image(image) => image.num_channels(),
            Self::OneHot(labels) => labels.num_channels(),
            Self::Audio(audio) => audio.num_channels(),
        }
    }

    /// Tokens of `input`.
    ///
    /// # Errors
    /// When its shape is not the modality's.
    pub fn forward(&self, input: &Tensor) -> Result<Block> {
        match self {
            Self::Text(text) => text.forward(input),
            Self::Image(image) => image.forward(input, false),
            Self::OneHot(labels) => labels.forward(input),
            Self::Audio(audio) => audio.forward(input),
        }
    }
}

/// Pads the tokens of every modality to one width with a trained row, replaces some of them by a trained mask token, and joins them in the
/// order of the modalities' names.
#[derive(Clone, Debug)]
pub struct MultimodalPreprocessor {
    modalities: BTreeMap<String, Modality>,
    num_channels: usize,
}

#[derive(Clone, Debug)]
struct Modality {
    preprocessor: ModalityPreprocessor,
    padding: Tensor,
    /// How likely a token is replaced, and by what.
    mask: Option<(f64, Tensor)>,
}

impl MultimodalPreprocessor {
    /// Reads `padding.NAME` (1 × what the modality lacks) and, for the modalities in `mask_probs`, `mask.NAME` (1 × C). The widest
    /// modality is padded by `min_padding_size` channels.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(
        modalities: BTreeMap<String, ModalityPreprocessor>,
        mask_probs: &BTreeMap<String, f64>,
        min_padding_size: usize,
        weights: &Weights<'_>,
    ) -> Result<Self> {
        if min_padding_size == 0 {
            return Err(Error::config("min_padding_size", 0, "1 or more"));
        }
        for (name, probability) in mask_probs {
            if !modalities.contains_key(name) || !(0.0..=1.0).contains(probability) {
                let given = format!("{probability} for {name}");
                return Err(Error::config("mask_probs", given, "0 to 1 for a modality there is"));
            }
        }
        let widest = modalities.values().map(ModalityPreprocessor::num_channels).max().unwrap_or_default();
        let num_channels = widest + min_padding_size;
        let (paddings, tokens) = (weights.pp("padding"), weights.pp("mask"));
        let build = |(name, preprocessor): (String, ModalityPreprocessor)| -> Result<(String, Modality)> {
            let padding = paddings.get((1, num_channels - preprocessor.num_channels()), &name)?;
            let mask = match mask_probs.get(&name) {
                Some(&probability) => Some((probability, tokens.get((1, num_channels), &name)?)),
                None => None,
            };
            Ok((name, Modality { preprocessor, padding, mask }))
        };
        Ok(Self { modalities: modalities.into_iter().map(build).collect::<Result<_>>()?, num_channels })
    }

    /// C, channels of a token.
    pub fn num_channels(&self) -> usize {
        self.num_channels
    }

    /// The tokens of every modality. As in the reference, tokens are masked in evaluation as in training: all of a modality's with
    /// probability 1, none with 0, and in between those that `seed` draws.
    ///
    /// # Errors
    /// When a modality is missing or surplus, or its input has another shape.
    pub fn forward(&self, inputs: &BTreeMap<String, Tensor>, seed: u64) -> Result<Inputs> {
        if !inputs.keys().eq(self.modalities.keys()) {
            let names = |names: Vec<&String>| format!("{names:?}");
            let accepted = names(self.modalities.keys().collect());
            return Err(Error::option("inputs", names(inputs.keys().collect()), accepted));
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut block = |(name, modality): (&String, &Modality)| -> Result<(String, Block)> {
            let block = modality.preprocessor.forward(&inputs[name])?;
            let (b, m, _) = block.features.dims3()?;
            let mask = match &modality.mask {
                Some((probability, token)) if *probability > 0.0 => {
                    let masked: Vec<f32> = (0..b * m).map(|_| f32::from(u8::from(random.random_bool(*probability)))).collect();
                    let masked = Tensor::from_vec(masked, (b, m), token.device())?;
                    Some((masked, token.clone()))
                }
                _ => None,
            };
            Ok((name.clone(), Block { padding: Some(modality.padding.clone()), mask, ..block }))
        };
        Ok(Inputs { blocks: self.modalities.iter().map(&mut block).collect::<Result<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use candle_nn::VarBuilder;

    use super::*;

    fn labels_masked_by(probability: f64) -> Result<MultimodalPreprocessor> {
        let modalities = [("label".to_owned(), ModalityPreprocessor::OneHot(OneHotPreprocessor::new(3)))];
        let weights = Weights::new(VarBuilder::zeros(DType::F32, &Device::Cpu), 0.02);
        MultimodalPreprocessor::new(modalities.into(), &[("label".to_owned(), probability)].into(), 2, &weights)
    }

    fn inputs(name: &str) -> BTreeMap<String, Tensor> {
        [(name.to_owned(), Tensor::ones((400, 3), DType::F32, &Device::Cpu).unwrap())].into()
    }

    #[test]
    fn a_probability_masks_about_that_part_of_the_tokens_and_the_seed_says_which() {
        let preprocessor = labels_masked_by(0.25).unwrap();
        let sums = |seed: u64| -> Vec<f32> {
            let tokens = preprocessor.forward(&inputs("label"), seed).unwrap().dense().unwrap();
            tokens.sum((1, 2)).unwrap().to_vec1().unwrap()
        };
        // The mask token here is zero, and so is the padding.
        let masked = sums(7).iter().filter(|&&sum| sum == 0.0).count();
        assert!((70..130).contains(&masked), "{masked} of 400");
        assert_eq!(sums(7), sums(7));
        assert_ne!(sums(7), sums(8));
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_named() {
        assert!(labels_masked_by(1.5).unwrap_err().to_string().contains("mask_probs"));
        let message = labels_masked_by(1.0).unwrap().forward(&inputs("sound"), 0).unwrap_err().to_string();
        assert!(message.contains("sound") && message.contains("label"), "{message}");
    }
}
