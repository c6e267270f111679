//! Every property of every element: what it starts at, that it can be set, what it says of itself.

use gst::{glib, prelude::*};

use crate::stage::init;

/// The elements of the plugin.
fn elements() -> Vec<gst::Element> {
    init();
    let features = gst::Registry::get().features_by_plugin("perceiverflow");
    let factories = features.into_iter().filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok());
    factories.map(|factory| factory.create().build().unwrap()).collect()
}

/// The properties of the element's own class.
fn own(element: &gst::Element) -> impl Iterator<Item = glib::ParamSpec> {
    let class = element.type_();
    element.list_properties().to_vec().into_iter().filter(move |spec| spec.owner_type() == class)
}

/// A value that is not the default.
fn another(spec: &glib::ParamSpec) -> glib::Value {
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        return spec.maximum().to_value();
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt64>() {
        return (spec.minimum() + 7).to_value();
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecFloat>() {
        return if spec.default_value() == spec.maximum() { spec.minimum() } else { spec.maximum() }.to_value();
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecBoolean>() {
        return (!spec.default_value()).to_value();
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecEnum>() {
        let class = spec.enum_class();
        let other = class.values().iter().find(|value| value.value() != spec.default_value_as_i32());
        return class.to_value(other.unwrap().value()).unwrap();
    }
    assert!(spec.is::<glib::ParamSpecString>(), "{spec:?} is of a type that this test does not know");
    "another".to_value()
}

/// Values of any type can be compared as they print.
fn text(value: &glib::Value) -> String {
    format!("{value:?}")
}

#[test]
fn every_property_can_be_set_and_read_and_starts_at_its_default() {
    let elements = elements();
    assert_eq!(elements.len(), 8);
    for element in elements {
        for spec in own(&element) {
            let name = format!("{} of {}", spec.name(), element.name());
            let start = element.property_value(spec.name());
            assert_eq!(spec.value_type(), start.type_(), "{name}");
            assert!(spec.nick() != spec.name() && spec.blurb().is_some_and(|blurb| !blurb.is_empty()), "{name}");
            if !spec.flags().contains(glib::ParamFlags::WRITABLE) {
                continue;
            }
            let mutable = [gst::PARAM_FLAG_MUTABLE_READY, gst::PARAM_FLAG_MUTABLE_PLAYING];
            assert!(mutable.into_iter().any(|flag| spec.flags().contains(flag)), "{name} says when it may change");
            assert_eq!(text(&start), text(spec.default_value()), "{name}");
            let other = another(&spec);
            assert_ne!(text(&other), text(&start), "{name}");
            for value in [&other, spec.default_value()] {
                element.set_property_from_value(spec.name(), value);
                assert_eq!(text(&element.property_value(spec.name())), text(value), "{name}");
            }
        }
    }
}
