//! Training of an optical-flow model on synthetic pairs.

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::{FlowPair, FlowPairs, Task, Trainer};
use crate::{
    error::Result,
    perceiver::{
        Keep, PerceiverConfig, Weights,
        models::{NEIGHBOURHOOD_CHANNELS, PerceiverForOpticalFlow},
    },
    scene::TextureLibrary,
    tasks::neighbourhoods,
};

/// The training of an optical-flow model.
pub type FlowTrainer = Trainer<FlowTask>;

/// An optical-flow model, and pairs with exact flow.
#[derive(Clone, Debug)]
pub struct FlowTask {
    /// The model.
    pub config: PerceiverConfig,
    /// Where the pairs' textures come from.
    pub library: TextureLibrary,
}

/// Below this error, in pixels, the loss turns from a cone to a bowl.
const SMOOTH: f64 = 0.01;

/// Pairs as tensors.
#[derive(Clone, Debug)]
pub struct FlowBatch {
    /// B × 2 × 27 × Y × X.
    frames: Tensor,
    /// B × Y × X × 2, in pixels.
    flow: Tensor,
    /// B × Y × X.
    weights: Tensor,
}

impl Task for FlowTask {
    type Model = PerceiverForOpticalFlow;
    type Batch = FlowBatch;

    fn config(&self) -> &PerceiverConfig {
        &self.config
    }

    fn model(&self, weights: &Weights<'_>) -> Result<PerceiverForOpticalFlow> {
        PerceiverForOpticalFlow::new(&self.config, weights)
    }

    fn batch(&self, seed: u64, numbers: Range<u64>, device: &Device) -> Result<FlowBatch> {
        let [height, width] = self.config.train_size;
        batch(&FlowPairs::new(self.library.clone(), width, height, seed), numbers, device)
    }

    /// The mean endpoint error of the model's answer, in pixels.
    fn loss(&self, model: &PerceiverForOpticalFlow, batch: &FlowBatch) -> Result<Tensor> {
        let logits = model.forward(&batch.frames, Keep::default())?.logits;
        error(&(logits * self.config.optical_flow.pixels_per_unit)?, batch)
    }

    /// That of no flow.
    fn blind_loss(&self, batch: &FlowBatch) -> Result<f64> {
        Ok(f64::from(error(&batch.flow.zeros_like()?, batch)?.to_scalar::<f32>()?))
    }
}

/// The weighted mean of |flow − truth|, in pixels.
fn error(flow: &Tensor, batch: &FlowBatch) -> Result<Tensor> {
    let lengths = ((flow - &batch.flow)?.sqr()?.sum(3)? + SMOOTH * SMOOTH)?.sqrt()?;
    Ok(((lengths * &batch.weights)?.sum_all()? / f64::from(batch.weights.sum_all()?.to_scalar::<f32>()?).max(1.0))?)
}

fn batch(pairs: &FlowPairs, numbers: Range<u64>, device: &Device) -> Result<FlowBatch> {
    let (mut frames, mut flow, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    let (mut count, mut size) = (0, (0, 0));
    for number in numbers {
        let pair: FlowPair = pairs.pair(number);
        (count, size) = (count + 1, (pair.flow.height(), pair.flow.width()));
        [&pair.first, &pair.second].into_iter().for_each(|frame| neighbourhoods(frame, &mut frames));
        // A pixel that does not count may hold anything; zero keeps it from spoiling the sum.
        let vectors = pair.flow.pixels().iter().zip(&pair.weights);
        flow.extend(vectors.flat_map(|(&vector, &weight)| if weight == 0.0 { [0.0; 2] } else { vector }));
        weights.extend(pair.weights);
    }
    let (height, width) = size;
    Ok(FlowBatch {
        frames: Tensor::from_vec(frames, (count, 2, NEIGHBOURHOOD_CHANNELS, height, width), device)?,
        flow: Tensor::from_vec(flow, (count, height, width, 2), device)?,
        weights: Tensor::from_vec(weights, (count, height, width), device)?,
    })
}
