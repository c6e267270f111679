//! GStreamer elements that run Perceiver IO models on live media.
//!
//! | element | what it does |
//! |---|---|
//! | [`perceiveropticalflow`](opticalflow) | passes video through with the flow between its frames as metadata |
//! | [`perceiverclassify`](classify) | passes video or audio through with the labels of its windows as metadata |
//! | [`perceiverpreprocess`](preprocess) | cuts video and sound into windows |
//! | [`perceiverencode`](encode) | turns windows into latents |
//! | [`perceiverdecode`](decode) | asks latents for video, sound or labels |
//! | [`perceiveroverlay`](overlay) | draws what the metadata says |
//! | [`perceivertext`](text) | fills the gaps of subtitles or says what they are about |
//! | [`perceiverflow`](perceiverbin) | whole jobs in one bin: flow, labels, reconstruction |
//!
//! Rust applications read the metadata with [`meta::FlowMeta`], [`meta::LabelsMeta`] and [`meta::WindowMeta`].

mod asked;
mod caps;
pub mod classify;
mod colour;
mod convert;
pub mod decode;
mod element;
pub mod encode;
mod flush;
mod label_bytes;
mod label_settings;
mod latency;
mod lateness;
mod line;
mod lock;
pub mod meta;
mod models;
mod multimodal;
mod names;
pub mod opticalflow;
pub mod overlay;
mod pace;
mod passing;
pub mod perceiverbin;
pub mod preprocess;
mod queue;
mod report;
mod result_pad;
mod settings;
mod sound;
mod stage;
mod tensor_bytes;
mod tensor_memory;
pub mod text;
mod times;
mod window_settings;

use gst::{glib, prelude::*};

pub use plugin::plugin_register_static;
pub use queue::Leaky;
pub use settings::ResultPolicy;
pub use window_settings::{MissingAudio, PartialWindow, ResizeMode};

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    meta::register();
    for enumeration in [
        Leaky::static_type(),
        ResultPolicy::static_type(),
        MissingAudio::static_type(),
        PartialWindow::static_type(),
        ResizeMode::static_type(),
    ] {
        enumeration.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    opticalflow::register(plugin)?;
    classify::register(plugin)?;
    overlay::register(plugin)?;
    preprocess::register(plugin)?;
    encode::register(plugin)?;
    decode::register(plugin)?;
    text::register(plugin)?;
    perceiverbin::register(plugin)
}

#[allow(missing_docs, reason = "GStreamer's macro writes these items")]
mod plugin {
    use super::plugin_init;

    gst::plugin_define!(
        perceiverflow,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
