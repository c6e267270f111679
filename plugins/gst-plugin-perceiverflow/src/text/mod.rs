//! SECTION:element-perceivertext
//! @see_also: perceiverclassify, subparse, webvttenc
//!
//! `perceivertext` asks a Perceiver IO language model about text: subtitles, captions, lines of a log. Each buffer is one sentence or cue,
//! `text/x-raw`; what leaves is UTF-8 at the same time with the same duration. The model's architecture says what is asked:
//!
//! | architecture | what happens |
//! |---|---|
//! | `PerceiverForMaskedLM` | every `[MASK]` in the text becomes the byte that the model thinks likeliest; a run of them is a word |
//! | `PerceiverForSequenceClassification` | the text passes unchanged and carries its labels as `PerceiverLabelsMeta` |
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 filesrc location=gaps.srt ! subparse ! perceivertext model=MODEL ! webvttenc ! filesink location=filled.vtt
//! ```
//!
//! A sentence is a window of its own, and its latents are asked once. So there is nothing to cut, nothing to share between heads and
//! nothing to keep for later, and this is one element where video and sound have `perceiverpreprocess`, `perceiverencode` and
//! `perceiverdecode`.
//!
//! ## What leaves
//!
//! With `output=text` the text: filled, or with labels on it. With `output=labels` (a classifier's) lines as `praise 93%`, the surest
//! label first, `top-k` of them. Markup of `format=pango-markup` is taken out, since the model was trained on plain text. Bytes are
//! guessed one by one; should they be no UTF-8 together, what is wrong becomes U+FFFD.
//!
//! A text without `[MASK]` and an empty text are not asked about. One that is no UTF-8, or longer than the model takes (its
//! `max_position_embeddings`, less two), passes unchanged; so does one too late for downstream, with `qos=true`. They count as dropped
//! windows in `stats`, and a warning on the bus, at most one a second, says why. With `output=labels` a GAP stands in their place.
//!
//! ## When the model cannot keep up
//!
//! The streaming thread waits for the model: texts are seldom, and one that left with the next would come seconds late. Put a `queue`
//! before the element in a live pipeline, leaky if texts may be lost.
//!
//! ## Messages
//!
//! With `post-messages`, each answer is an element message `perceiver-result`: `window-id` (uint64), `stream-time`, `running-time`,
//! `duration` (uint64, ns), `model-hash` (string) and `text` (string, as it left). Of a classifier, `labels` (strings), `confidences`
//! (doubles) and `indices` (unsigned integers). Of a masked language model `gaps` (unsigned integers: the places of the guessed bytes in
//! the filled text) and, an array for each of them with its `top-k` guesses, the likeliest first, `guesses` (unsigned integers, 0 to
//! 255) and `probabilities` (doubles).
//!
//! ## Changing the model
//!
//! The signal `reload-model` reads `model` again while the element runs, and answers whether it did. The new model must answer the same
//! question: gaps, or as many classes.

mod imp;
mod markup;
mod model;
pub(crate) mod settings;

use std::sync::LazyLock;

use gst::{glib, prelude::*};

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("perceivertext", gst::DebugColorFlags::empty(), Some("Perceiver IO text")));

/// What leaves the element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverTextOutput")]
#[repr(i32)]
pub enum Output {
    /// The text.
    #[default]
    #[enum_value(name = "Text: the text itself, filled or with its labels as metadata", nick = "text")]
    Text,
    /// A line for each label.
    #[enum_value(name = "Labels: a line for each label in the place of the text", nick = "labels")]
    Labels,
}

glib::wrapper! {
    /// The element `perceivertext`.
    pub struct Text(ObjectSubclass<imp::Text>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Output::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "perceivertext", gst::Rank::NONE, Text::static_type())
}
