//! SECTION:element-perceiverdecode
//! @see_also: perceiverpreprocess, perceiverencode
//!
//! `perceiverdecode` asks one head of a multimodal Perceiver IO model about latents that `perceiverencode` made, now or long ago. It
//! needs the model that made them; any other is refused by the hash in their caps. Latents in `memory:PerceiverTensor` are asked where they
//! are, those in system memory are brought to the model's device.
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 filesrc location=latents.gdp ! gdpdepay ! perceiverdecode model=MODEL head=labels threshold=0.3 \
//!     ! text/x-raw ! webvttenc ! filesink location=labels.vtt
//! ```
//!
//! ## Heads and forms
//!
//! | `head` | form | what leaves |
//! |---|---|---|
//! | `video` | `video/x-raw` | T frames of RGB for each window |
//! | `audio` | `audio/x-raw` | float32 samples, one channel, at the model's rate |
//! | `labels` | `text/x-raw` | for each window lines as `speech 93%`, the surest first |
//! | `labels` | `application/x-json` | for each window one object, with the end of its line |
//! | all | `other/tensors` | the head's own numbers, float32; `perceiver-head` in the caps says whose |
//!
//! With `head=auto` the first of them that downstream accepts is chosen. Buffers carry their windows' time and duration; a window without
//! output (lost, or no label above `threshold`) becomes a GAP event.
//!
//! `query-roi` and `query-stride` make the video cheaper by asking for fewer pixels: nothing is cut away afterwards. `top-k` and
//! `threshold` choose among the labels, `labels-file` names them.
//!
//! Windows that overlap (by the framerate in the caps) are crossfaded linearly, so the frames and samples of a window wait for the next
//! one, and the latency says so. A lost window among them leaves no GAP: its neighbours fill in as far as they reach.
//!
//! ## How good the reconstruction is
//!
//! Where latents come straight from `perceiverencode`, the window itself travels with them. Then the metadata `PerceiverWindowMeta` of frames and samples has the window's reconstruction error: `mse` (mean squared error) and `decibels`
//! (PSNR of video, of the pixels that were asked for; SNR of audio).
//!
//! ## When the model cannot keep up
//!
//! As in `perceiverencode`: `leaky=no` waits, `downstream` and `upstream` drop, count and warn.
//!
//! ## Messages
//!
//! With `post-messages`, each window is an element message `perceiver-result`: `stream-time`, `running-time`, `duration` (uint64, ns),
//! `window-id` (uint64), `model-hash` (string); of labels `labels` (strings), `confidences` (doubles), `indices` (uint); of video and
//! audio, where it is known, `mse` and `decibels` (double).

mod imp;
mod joined;
pub(crate) mod settings;

use std::sync::LazyLock;

use gst::{glib, prelude::*};

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("perceiverdecode", gst::DebugColorFlags::empty(), Some("Perceiver IO heads")));

/// Which head is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverHead")]
#[repr(i32)]
pub enum Head {
    /// The one whose form downstream accepts.
    #[default]
    #[enum_value(name = "Auto: the one whose form downstream accepts", nick = "auto")]
    Auto,
    /// The video.
    #[enum_value(name = "Video: the window's pictures", nick = "video")]
    Video,
    /// The sound.
    #[enum_value(name = "Audio: the window's sound", nick = "audio")]
    Audio,
    /// The classes.
    #[enum_value(name = "Labels: the window's classes", nick = "labels")]
    Labels,
}

glib::wrapper! {
    /// The element `perceiverdecode`.
    pub struct Decode(ObjectSubclass<imp::Decode>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Head::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "perceiverdecode", gst::Rank::NONE, Decode::static_type())
}
