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

use super::CAT;
use crate::{
    bus, caps,
    multimodal::MultimodalModel,
    settings::InferenceSettings,
    stage::{self, Placed, Stage, WindowStage, flow_error, lock, post_result},
    tensor_bytes,
};

/// The element's state: that of its stage.
pub struct Encode {
    stage: Stage,
}

#[glib::object_subclass]
impl ObjectSubclass for Encode {
    const NAME: &'static str = "GstPerceiverEncode";
    type Type = super::Encode;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        Self { stage: Stage::new::<Self>(|name| class.pad_template(name)) }
    }
}

impl ObjectImpl for Encode {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = InferenceSettings::new("").properties(
                "Multimodal model: a folder with config.json and weights, or a Hub id in the local cache",
                "Which windows are dropped when the model cannot keep up",
            );
            properties.push(bus::stats_property());
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let known = lock(&self.stage.settings).set(pspec.name(), value);
        assert!(known, "{} is no property of this element", pspec.name());
        stage::announce_latency(self);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => stage::stats(self).to_value(),
            name => lock(&self.stage.settings).get(name).unwrap_or_else(|| unreachable!("{name} is no property of this element")),
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![
                glib::subclass::Signal::builder("reload-model")
                    .return_type::<bool>()
                    .action()
                    .class_handler(|args| {
                        let element = args[0].get::<super::Encode>().expect("a signal's first argument is its object");
                        Some(element.imp().reload_model().to_value())
                    })
                    .build(),
            ]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.stage.add_pads(&*self.obj());
    }
}

impl GstObjectImpl for Encode {}

impl ElementImpl for Encode {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::with_additional(
                "Perceiver latents",
                "Filter/Analyzer/Video/Audio",
                "Turns windows of video and sound into the latents of a Perceiver IO model",
                env!("CARGO_PKG_AUTHORS"),
                &[(
                    "Example",
                    "gst-launch-1.0 perceiverpreprocess name=windows model=MODEL ! queue ! perceiverencode model=MODEL ! gdppay ! \
                     filesink location=latents.gdp videotestsrc num-buffers=64 ! video/x-raw,framerate=25/1 ! windows.video_sink",
                )],
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::PadDirection::{Sink, Src};
            [("sink", Sink, caps::any_inputs()), ("src", Src, caps::any_latents())]
                .map(|(name, direction, caps)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).expect("the caps are valid")
                })
                .into()
        });
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        stage::change_state(self, transition, |_| Ok(()))
    }
}

impl WindowStage for Encode {
    fn category() -> gst::DebugCategory {
        *CAT
    }

    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn set_caps(&self, given: &gst::CapsRef, model: &MultimodalModel) -> Result<(), gst::ErrorMessage> {
        let accepted = caps::inputs(&model.task().preprocessor(Framing::default()), None);
        if !given.is_subset(&accepted) {
            return Err(gst::error_msg!(gst::StreamError::WrongType, ["windows {given}: accepted is {accepted}"]));
        }
        let rate = given.structure(0).and_then(|structure| structure.get("framerate").ok());
        let latents = caps::latents(model.task().latent_dims(), model.hash(), rate);
        if !self.stage.srcpad.push_event(gst::event::Caps::new(&latents)) {
            gst::debug!(CAT, imp = self, "downstream refuses {latents}");
        }
        Ok(())
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
        let latents = answer.latents().and_then(|latents| latents.to_vec()).map_err(|error| flow_error(self, &error))?;
        let mut buffer = tensor_bytes::write(&latents);
        let Placed { pts, meta } = placed;
        {
            let buffer = buffer.get_mut().expect("a new buffer has one owner");
            buffer.set_pts(pts);
            buffer.set_duration(meta.window.duration);
            buffer.set_offset(meta.window.id);
            meta.attach(buffer);
        }
        post_result(self, |structure| meta.window.write(structure));
        self.stage.srcpad.push(buffer).map(drop)
    }

    fn processing(&self, model: &MultimodalModel) -> Duration {
        model.encoding()
    }
}

impl Encode {
    fn reload_model(&self) -> bool {
        let Some(old) = lock(&self.stage.model).clone() else {
            gst::warning!(CAT, imp = self, "reload-model: no model is loaded before PAUSED");
            return false;
        };
        let settings = lock(&self.stage.settings).model.clone();
        match old.reloaded(&settings) {
            Ok(new) => {
                let replaced = lock(&self.stage.successor).replace(new);
                drop(replaced);
                true
            }
            Err(error) => {
                gst::element_imp_warning!(self, gst::ResourceError::Read, ["the model stays as it is: {error}"]);
                false
            }
        }
    }
}
