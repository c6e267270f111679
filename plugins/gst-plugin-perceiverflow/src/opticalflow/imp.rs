//! The shell: class, pads, states. What it does with a stream is in the module below.

mod streaming;

use std::sync::{LazyLock, Mutex};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::stream::Stream;
use crate::{
    caps,
    element::{self, Base},
};

/// The element's state. Mutex order: that of the base; `stream` is not taken while one of those is held, nor the other way round.
pub struct OpticalFlow {
    base: Base<Self>,
    stream: Mutex<Option<Stream>>,
}

#[glib::object_subclass]
impl ObjectSubclass for OpticalFlow {
    const NAME: &'static str = "GstPerceiverOpticalFlow";
    type Type = super::OpticalFlow;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        Self { base: Base::new(|name| class.pad_template(name), [gst::PadFlags::PROXY_CAPS; 2]), stream: Mutex::default() }
    }
}

element::model_object!(OpticalFlow, element::reload_signal::<OpticalFlow>);

impl ElementImpl for OpticalFlow {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver optical flow",
                "Filter/Analyzer/Video",
                "Estimates the motion of every pixel with a Perceiver IO model and attaches it to the frames",
                "gst-launch-1.0 videotestsrc pattern=ball num-buffers=50 ! perceiveropticalflow ! perceiveroverlay ! videoconvert ! \
                 autovideosink",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::{
                PadDirection::{Sink, Src},
                PadPresence::{Always, Request},
            };
            vec![
                element::template("sink", Sink, Always, &caps::video()),
                element::template("src", Src, Always, &caps::video()),
                element::template("flow_src", Src, Request, &caps::any_field()),
            ]
        });
        &TEMPLATES
    }

    fn request_new_pad(&self, template: &gst::PadTemplate, _name: Option<&str>, _caps: Option<&gst::Caps>) -> Option<gst::Pad> {
        self.base.request_results(&*self.obj(), template)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if self.base.release_results(pad) {
            element::remove_pad(&*self.obj(), pad);
        }
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        element::change_state(self, transition)
    }
}
