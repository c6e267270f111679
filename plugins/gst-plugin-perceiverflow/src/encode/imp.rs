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
    tensor_bytes, tensor_memory,
};

/// How latents leave.
enum Form {
    /// Where the model left them.
    Tensors,
    /// In system memory.
    Bytes,
}

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
        // In what memory latents leave may change for a neighbour that comes later.
        Self { stage: Stage::new(|name| class.pad_template(name), gst::PadFlags::empty()) }
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
        Ok(self.suited(&caps::latents(model.task().latent_dims(), model.hash(), rate)))
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
        let broken = |error| element::broken(self, &error);
        let latents = answer.latents().map_err(broken)?;
        let mut buffer = match self.form()? {
            Form::Tensors => tensor_memory::write(latents),
            Form::Bytes => tensor_bytes::write(&latents.to_vec().map_err(broken)?),
        };
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

impl Encode {
    /// Which of several caps downstream is to have.
    fn suited(&self, latents: &gst::Caps) -> gst::Caps {
        caps::chosen_latents(latents, &self.stage.base.srcpad.peer_query_caps(None))
    }

    /// How latents leave now: what is linked downstream may have changed since the caps went there.
    fn form(&self) -> Result<Form, gst::FlowError> {
        let pad = &self.stage.base.srcpad;
        let mut caps = pad.current_caps().ok_or(gst::FlowError::NotNegotiated)?;
        if pad.check_reconfigure() {
            let model = self.stage.base.model()?;
            let rate = caps.structure(0).and_then(|structure| structure.get("framerate").ok());
            let suited = self.suited(&caps::latents(model.task().latent_dims(), model.hash(), rate));
            if suited != caps {
                pad.push_event(gst::event::Caps::new(&suited));
                caps = suited;
            }
        }
        Ok(if caps::are_tensors(&caps) { Form::Tensors } else { Form::Bytes })
    }
}
