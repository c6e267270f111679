//! What GObject and GStreamer ask of an element's class: properties, the signal, templates, words for `gst-inspect-1.0`.

use gst::{glib, prelude::*, subclass::prelude::*};

use super::{ModelElement, announce_latency, bus::stats, lock};
use crate::{models::AskedModel, settings::Settings};

/// Makes an element with a [`Base`](super::Base) a GObject: its properties, the given signals, and the pads that are always there. The
/// traits are GLib's and the statics one for each class, so nothing generic can take the macro's place.
macro_rules! model_object {
    ($element:ident, $signals:expr) => {
        impl ObjectImpl for $element {
            fn properties() -> &'static [glib::ParamSpec] {
                static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(element::properties::<$element>);
                &PROPERTIES
            }

            fn signals() -> &'static [glib::subclass::Signal] {
                static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new($signals);
                &SIGNALS
            }

            fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
                element::set_property(self, value, pspec);
            }

            fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
                element::property(self, pspec)
            }

            fn constructed(&self) {
                self.parent_constructed();
                element::add_pads(self);
            }
        }

        impl GstObjectImpl for $element {}
    };
}
pub(crate) use model_object;

/// Every property of the element.
pub(crate) fn properties<I: ModelElement>() -> Vec<glib::ParamSpec> {
    Settings::<I::Own>::properties()
}

/// Adds the pads that are always there.
pub(crate) fn add_pads<I: ModelElement>(imp: &I) {
    let element = imp.obj();
    for pad in [&imp.base().sinkpad, &imp.base().srcpad] {
        element.upcast_ref::<gst::Element>().add_pad(pad).expect("a new element has no pad of that name");
    }
}

/// Sets a property of the element.
pub(crate) fn set_property<I: ModelElement>(imp: &I, value: &glib::Value, pspec: &glib::ParamSpec) {
    lock(&imp.base().settings).set(pspec.name(), value);
    announce_latency(imp);
}

/// Reads a property of the element.
pub(crate) fn property<I: ModelElement>(imp: &I, pspec: &glib::ParamSpec) -> glib::Value {
    match pspec.name() {
        "stats" => stats(imp).to_value(),
        name => lock(&imp.base().settings).get(name),
    }
}

/// The signal `reload-model`.
pub(crate) fn reload_signal<I: ModelElement>() -> Vec<glib::subclass::Signal> {
    let reload = |args: &[glib::Value]| {
        let element = args[0].get::<gst::Element>().expect("a signal's first argument is its object");
        let element = element.downcast_ref::<I::Type>().expect("the class's signals are emitted on its objects");
        Some(reload_model(I::from_obj(element)).to_value())
    };
    vec![glib::subclass::Signal::builder("reload-model").return_type::<bool>().action().class_handler(reload).build()]
}

fn reload_model<I: ModelElement>(imp: &I) -> bool {
    let base = imp.base();
    let Ok(old) = base.model() else {
        gst::warning!(I::category(), imp = imp, "reload-model: no model is loaded before PAUSED");
        return false;
    };
    let settings = lock(&base.settings).inference.model.clone();
    match old.reloaded(&settings) {
        Ok(new) => {
            drop(old);
            imp.adopt(new);
            announce_latency(imp);
            true
        }
        Err(error) => {
            gst::element_imp_warning!(imp, gst::ResourceError::Read, ["the model stays as it is: {error}"]);
            false
        }
    }
}

/// A template of a pad.
pub(crate) fn template(
    name: &str,
    direction: gst::PadDirection,
    presence: gst::PadPresence,
    caps: &gst::Caps,
) -> gst::PadTemplate {
    gst::PadTemplate::new(name, direction, presence, caps).expect("the caps are valid")
}

/// The templates of an element with nothing but `sink` and `src`.
pub(crate) fn always(sink: &gst::Caps, src: &gst::Caps) -> Vec<gst::PadTemplate> {
    [("sink", gst::PadDirection::Sink, sink), ("src", gst::PadDirection::Src, src)]
        .map(|(name, direction, caps)| template(name, direction, gst::PadPresence::Always, caps))
        .into()
}

/// What the element is called, its class and what it does, with a pipeline for people to try.
pub(crate) fn metadata(name: &str, class: &str, description: &str, example: &str) -> gst::subclass::ElementMetadata {
    gst::subclass::ElementMetadata::with_additional(name, class, description, env!("CARGO_PKG_AUTHORS"), &[("Example", example)])
}

/// Takes a requested pad away from its element.
pub(crate) fn remove_pad(element: &impl IsA<gst::Element>, pad: &gst::Pad) {
    // A pad that does not go inactive is removed all the same.
    let _ = pad.set_active(false);
    let _ = element.remove_pad(pad);
}
