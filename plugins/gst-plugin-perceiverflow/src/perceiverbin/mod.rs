//! SECTION:element-perceiverflow
//! @see_also: perceiveropticalflow, perceiverclassify, perceiveroverlay, perceiverpreprocess, perceiverencode, perceiverdecode, perceivertext
//!
//! `perceiverflow` is a whole job in one bin: it holds the elements that the `task` needs and forwards their properties, the
//! statistics and the signal `reload-model`.
//!
//! `task=optical-flow` is `perceiveropticalflow ! perceiveroverlay`, with `video_sink` before and `video_src` behind; the request pad
//! `flow_src` gives the raw field. `task=classify` is `perceiverclassify ! perceiveroverlay`, with the same pads for the video; its
//! sound joins at `audio_sink`, and `text_src` gives the labels as text. Pads are made on request, and a plain link requests them.
//! The task is chosen before the first of them.
//!
//! `task=autoencode` is `perceiverpreprocess ! perceiverencode ! tee` with a `perceiverdecode` behind it for each of `video_src`,
//! `audio_src` and `text_src`: what the model remembers of `video_sink` and `audio_sink`, each window encoded once.
//!
//! `task=fill-mask` is `perceivertext` between `text_sink` and `text_src`: subtitles whose gaps are filled, or that are classified, as the
//! model says.
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 videotestsrc pattern=ball num-buffers=50 ! perceiverflow task=optical-flow mode=arrows ! videoconvert ! autovideosink
//! ```
//!
//! ```shell
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin name=clip \
//!     clip. ! queue ! videoconvert ! perceiverflow name=labels task=classify model=folder ! queue ! videoconvert ! autovideosink \
//!     clip. ! queue ! audioconvert ! audioresample ! labels.audio_sink
//! ```

mod imp;

use gst::{glib, prelude::*};

/// What the bin does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverFlowTask")]
#[repr(i32)]
pub enum Task {
    /// Estimates and draws optical flow.
    #[default]
    #[enum_value(name = "Optical flow: where each pixel goes", nick = "optical-flow")]
    OpticalFlow,
    /// Says what video and sound show, and writes it on the picture.
    #[enum_value(name = "Classify: what video and sound show", nick = "classify")]
    Classify,
    /// Encodes video and sound, and asks the latents for video, sound and labels.
    #[enum_value(name = "Autoencode: video and sound as the model remembers them", nick = "autoencode")]
    Autoencode,
    /// Fills the gaps of texts, or says what they are about.
    #[enum_value(name = "Fill mask: the gaps of subtitles, or what they are about", nick = "fill-mask")]
    FillMask,
}

glib::wrapper! {
    /// The bin `perceiverflow`.
    pub struct PerceiverBin(ObjectSubclass<imp::PerceiverBin>) @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Task::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "perceiverflow", gst::Rank::NONE, PerceiverBin::static_type())
}
