//! The shell: class, pads, states. What it does with the streams on its pads is in the modules below.

mod queries;
mod sound;
mod streaming;

use std::{
    sync::{Arc, Condvar, LazyLock, Mutex},
    time::Duration,
};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::stream::Stream;
use crate::{
    caps,
    element::{self, Base, ModelElement},
    lock::lock,
    names::Names,
};

/// The element's state. Only the streaming thread of `sink` cuts windows, asks the model and pushes; that of `audio_sink` hands its
/// sound to `state` and goes. Queries, properties and events from downstream come from other threads.
///
/// Mutex order: that of the base; none of these is taken while another or one of those is held.
pub struct Classify {
    base: Base<Self>,
    audio_pad: Mutex<Option<gst::Pad>>,
    classes: Mutex<Classes>,
    state: Mutex<State>,
    /// Something in `state` has changed for which the other streaming thread may wait.
    changed: Condvar,
}

/// The stream, and which of the two streaming threads must not wait now.
#[derive(Debug, Default)]
struct State {
    stream: Option<Stream>,
    flushing: bool,
    sound_flushing: bool,
    /// A seek is on its way through both streams.
    seek: Option<Seek>,
}

/// How far a seek has come. The sources of the two streams are flushed one after the other, and meanwhile one is ahead of the other.
#[derive(Clone, Copy, Debug, Default)]
struct Seek {
    stream_flushed: bool,
    sound_flushed: bool,
}

/// What is known of the model's classes.
#[derive(Clone, Debug, Default)]
struct Classes {
    names: Option<Arc<Names>>,
    /// What one window takes.
    expected: Duration,
}

#[glib::object_subclass]
impl ObjectSubclass for Classify {
    const NAME: &'static str = "GstPerceiverClassify";
    type Type = super::Classify;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        Self {
            base: Base::new(|name| class.pad_template(name), [gst::PadFlags::empty(); 2]),
            audio_pad: Mutex::default(),
            classes: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

element::model_object!(Classify, element::reload_signal::<Classify>);

impl ElementImpl for Classify {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver classifier",
                "Filter/Analyzer/Video/Audio",
                "Says with a Perceiver IO model what video and sound show, and attaches it to the buffers",
                "gst-launch-1.0 filesrc location=clip.mp4 ! decodebin name=clip clip. ! queue ! videoconvert ! \
                 perceiverclassify name=classify model=folder ! perceiveroverlay ! queue ! videoconvert ! autovideosink \
                 clip. ! queue ! audioconvert ! audioresample ! classify.audio_sink",
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
                element::template("sink", Sink, Always, &caps::video_or_audio(None)),
                element::template("src", Src, Always, &caps::video_or_audio(None)),
                element::template("audio_sink", Sink, Request, &caps::audio(None)),
                element::template("text_src", Src, Request, &caps::labels()),
            ]
        });
        &TEMPLATES
    }

    fn request_new_pad(&self, template: &gst::PadTemplate, _name: Option<&str>, _caps: Option<&gst::Caps>) -> Option<gst::Pad> {
        match template.direction() {
            gst::PadDirection::Sink => self.request_audio_pad(template),
            _ => self.base.request_results(&*self.obj(), template),
        }
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let sound = lock(&self.audio_pad).take_if(|ours| *ours == *pad).is_some();
        if sound {
            self.part_sound();
        }
        if sound || self.base.release_results(pad) {
            element::remove_pad(&*self.obj(), pad);
        }
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        element::change_state(self, transition)
    }
}
