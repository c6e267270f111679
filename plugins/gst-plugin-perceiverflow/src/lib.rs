//! GStreamer elements that run Perceiver IO models on live media.
//!
//! | element | what it does |
//! |---|---|
//! | [`perceiveropticalflow`](opticalflow) | passes video through with the flow between its frames as metadata |
//! | [`perceiveroverlay`](overlay) | draws what the metadata says |
//! | [`perceiverflow`](perceiverbin) | both in one bin |
//!
//! Rust applications read the metadata with [`meta::FlowMeta`] and [`meta::LabelsMeta`].

mod caps;
mod colour;
mod convert;
pub mod meta;
mod models;
pub mod opticalflow;
pub mod overlay;
pub mod perceiverbin;

use gst::glib;

pub use plugin::plugin_register_static;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    meta::register();
    opticalflow::register(plugin)?;
    overlay::register(plugin)?;
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
