//! The shell: class, pads, states. What it does with texts is in the module below.

mod streaming;

use std::{
    sync::{LazyLock, Mutex},
    time::Duration,
};

use gst::{glib, prelude::*, subclass::prelude::*};

use crate::{
    caps,
    element::{self, Base, Segment},
    meta::ResultWindow,
};

/// The element's state. Mutex order: that of the base; none of these is taken while another or one of those is held.
pub struct Text {
    base: Base<Self>,
    stream: Mutex<Stream>,
    /// The text that the model is asked about now.
    open: Mutex<Option<Open>>,
}

/// What is known of the texts that come in.
#[derive(Debug)]
struct Stream {
    /// Whether they have markup in them.
    markup: bool,
    segment: Segment,
    /// How long the newest is shown; zero while unknown.
    shown: Duration,
}

impl Default for Stream {
    fn default() -> Self {
        Self { markup: false, segment: Segment::new(), shown: Duration::ZERO }
    }
}

/// A text that waits for its answer.
#[derive(Debug)]
struct Open {
    buffer: gst::Buffer,
    text: String,
    window: ResultWindow,
}

#[glib::object_subclass]
impl ObjectSubclass for Text {
    const NAME: &'static str = "GstPerceiverText";
    type Type = super::Text;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let flags = [gst::PadFlags::empty(), gst::PadFlags::FIXED_CAPS];
        Self { base: Base::new(|name| class.pad_template(name), flags), stream: Mutex::default(), open: Mutex::default() }
    }
}

element::model_object!(Text, element::reload_signal::<Text>);

impl ElementImpl for Text {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver text",
                "Filter/Analyzer/Subtitle",
                "Fills masked bytes of text, or says what it is about, with a Perceiver IO language model",
                "gst-launch-1.0 filesrc location=gaps.srt ! subparse ! perceivertext model=folder ! webvttenc ! \
                 filesink location=filled.vtt",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| element::always(&caps::any_text(), &caps::text()));
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        element::change_state(self, transition)
    }
}
