//! The properties of `perceiverencode`: those that every element with a model has.

use gst::glib;

use crate::settings::OwnSettings;

/// It has none of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings;

impl OwnSettings for Settings {
    const MODEL: &'static str = "builtin:av";
    const NAMES: &'static str =
        "Multimodal model: a folder with config.json and weights, a Hub id in the local cache, or builtin:NAME";

    fn properties() -> Vec<glib::ParamSpec> {
        Vec::new()
    }

    fn set(&mut self, _name: &str, _value: &glib::Value) -> bool {
        false
    }

    fn get(&self, _name: &str) -> Option<glib::Value> {
        None
    }
}
