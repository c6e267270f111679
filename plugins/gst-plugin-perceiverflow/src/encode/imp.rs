//! The shell: windows to latents.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use gst::{glib, prelude::*, subclass::prelude::*};
use perceiverflow::{
    Error,
    engine::{Answer, Question},
    tasks::Framing,
};

use super::{CAT, settings::Settings};
use crate::{
    caps, element,
    multimodal::MultimodalModel,
    stage::{Placed, Stage, WindowStage},
    tensor_bytes,
};

/// The element's state: that of its stage.
pub struct Encode {
    stage: Stage<Self>,
}

#[glib::object_subclass]
impl ObjectSubclass for Encode {
    const NAME: &'static str = "GstPerceiverEncode";
    type Type = super::Encode;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        Self { stage: Stage::new(|name| class.pad_template(name)) }
    }
}

element::model_object!(Encode, element::reload_signal::<Encode>);

impl ElementImpl for Encode {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver latents",
                "Filter/Analyzer/Video/Audio",
                "Turns windows of video and sound into the latents of a Perceiver IO model",
                "gst-launch-1.0 perceiverpreprocess name=windows model=MODEL ! queue ! perceiverencode model=MODEL ! gdppay ! \
                     filesink location=latents.gdp videotestsrc num-buffers=64 ! video/x-raw,framerate=25/1 ! windows.video_sink",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| element::always(&caps::any_inputs(), &caps::any_latents()));
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        element::change_state(self, transition)
    }
}

impl WindowStage for Encode {
    type Settings = Settings;

    fn debug_category() -> gst::DebugCategory {
        *CAT
    }

    fn stage(&self) -> &Stage<Self> {
        &self.stage
    }

    fn set_caps(&self, given: &gst::CapsRef, model: &MultimodalModel) -> Result<gst::Caps, gst::ErrorMessage> {
        let accepted = caps::inputs(&model.task().preprocessor(Framing::default()), None);
        if !given.is_subset(&accepted) {
            return Err(gst::error_msg!(gst::StreamError::WrongType, ["windows {given}: accepted is {accepted}"]));
        }
        let rate = given.structure(0).and_then(|structure| structure.get("framerate").ok());
        Ok(caps::latents(model.task().latent_dims(), model.hash(), rate))
    }

    fn question(&self, buffer: &gst::BufferRef, placed: &mut Placed, model: &MultimodalModel) -> Result<Question, Error> {
        let inputs = match placed.meta.inputs.clone() {
            Some(inputs) => inputs,
            None => {
                let mut numbers = tensor_bytes::read(buffer)?;
                let preprocessor = model.task().preprocessor(Framing::default());
                let audio = numbers.split_off(numbers.len().saturating_sub(preprocessor.shape().samples()));
                Arc::new(preprocessor.inputs(numbers, audio)?)
            }
        };
        placed.meta.inputs = Some(inputs.clone());
        Ok(Question::Encode(inputs))
    }

    fn give(&self, placed: Placed, answer: Answer) -> Result<(), gst::FlowError> {
        let latents = answer.latents().and_then(|latents| latents.to_vec()).map_err(|error| element::broken(self, &error))?;
        let mut buffer = tensor_bytes::write(&latents);
        let Placed { pts, meta } = placed;
        {
            let buffer = buffer.get_mut().expect("a new buffer has one owner");
            buffer.set_pts(pts);
            buffer.set_duration(meta.window.duration);
            buffer.set_offset(meta.window.id);
            meta.attach(buffer);
        }
        element::post_result(self, |structure| meta.window.write(structure));
        self.stage.base.push(buffer)
    }

    fn processing(&self, model: &MultimodalModel) -> Duration {
        model.encoding()
    }
}
