//! One call of any model on made-up inputs, timed by stage.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Tensor};

use super::{Model, autoencode::QUERIES_AT_ONCE};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    perceiver::{
        PerceiverConfig, Stage, Watch,
        models::{ForwardOptions, MultimodalInputs, NEIGHBOURHOOD_CHANNELS},
    },
};

/// A model with inputs of the size that its configuration asks for. What they say does not matter to the time.
#[derive(Debug)]
pub struct Trial {
    model: Model,
    device: Device,
    inputs: Vec<Tensor>,
}

impl Trial {
    /// Opens the model of a checkpoint. Pictures for the architectures that take any size have `picture` rows and columns; batch 1.
    ///
    /// # Errors
    /// When its architecture is none of ours or leaves its inputs open (`PerceiverModel`), or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision, picture: [usize; 2]) -> Result<Self> {
        let device = device.open()?;
        let model = Model::build(checkpoint, &device, precision)?;
        let inputs = inputs(&model, checkpoint.config(), picture, &device)?;
        Ok(Self { model, device, inputs })
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Calls the model once, of the multimodal one all outputs asked for. The stages it went through, in order, with the time of each.
    ///
    /// # Errors
    /// What the model says.
    pub fn call(&self) -> Result<Vec<(Stage, Duration)>> {
        let stages = RefCell::new((Instant::now(), Vec::new()));
        let note = |stage: Stage| {
            // A device that works on by itself is waited for; what failed there is said by the call.
            let _ = self.device.synchronize();
            let (since, stages) = &mut *stages.borrow_mut();
            stages.push((stage, since.elapsed()));
            *since = Instant::now();
        };
        let options = ForwardOptions { watch: Watch::new(&note), ..Default::default() };
        let input = &self.inputs[0];
        match &self.model {
            Model::Bare(model) => drop(model.forward(input, options)?),
            Model::MaskedLM(model) => drop(model.forward(input, options)?),
            Model::SequenceClassification(model) => drop(model.forward(input, options)?),
            Model::ImageClassification(model) => drop(model.forward(input, options)?),
            Model::OpticalFlow(model) => drop(model.forward(input, options)?),
            Model::MultimodalAutoencoding(model) => {
                let window = MultimodalInputs { image: input, audio: &self.inputs[1], label: None };
                let encoded = model.encode(window, options)?;
                model.reconstruct(&encoded.last_hidden_state, QUERIES_AT_ONCE)?;
                note(Stage::Decoder);
            }
        }
        Ok(stages.into_inner().1)
    }
}

fn inputs(model: &Model, config: &PerceiverConfig, picture: [usize; 2], device: &Device) -> Result<Vec<Tensor>> {
    let levels = |shape: &[usize]| Tensor::rand(0f32, 1.0, shape, device);
    let bytes = || -> Result<Tensor> { Ok(Tensor::ones((1, config.max_position_embeddings), DType::U32, device)?) };
    let learned = config.architectures.iter().any(|name| name == "PerceiverForImageClassificationLearned");
    Ok(match model {
        Model::Bare(_) => {
            let accepted = "an architecture with a head: a bare model has no inputs of its own";
            return Err(Error::config("architectures", "PerceiverModel", accepted));
        }
        Model::MaskedLM(_) | Model::SequenceClassification(_) => vec![bytes()?],
        Model::ImageClassification(_) => {
            let [rows, columns] = if learned { [config.image_size; 2] } else { picture };
            vec![levels(&[1, 3, rows, columns])?]
        }
        Model::OpticalFlow(_) => {
            let [rows, columns] = config.train_size;
            vec![levels(&[1, 2, NEIGHBOURHOOD_CHANNELS, rows, columns])?]
        }
        Model::MultimodalAutoencoding(_) => {
            let side = config.image_size * config.multimodal.patch;
            let samples = config.num_frames * config.audio_samples_per_frame;
            vec![levels(&[1, config.num_frames, 3, side, side])?, levels(&[1, samples, 1])?]
        }
    })
}
