//! The shell: children, ghost pads, forwarded properties.

use std::sync::{LazyLock, Mutex, PoisonError};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::Task;
use crate::{
    caps,
    opticalflow::{self, OpticalFlow},
    overlay::{self, Overlay},
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("perceiverflow", gst::DebugColorFlags::empty(), Some("Perceiver IO jobs in one bin"))
});

/// The bin's state: its one mutex is held for a single read or write.
pub struct PerceiverBin {
    task: Mutex<Task>,
    flow: OpticalFlow,
    overlay: Overlay,
}

#[glib::object_subclass]
impl ObjectSubclass for PerceiverBin {
    const NAME: &'static str = "GstPerceiverFlow";
    type Type = super::PerceiverBin;
    type ParentType = gst::Bin;

    fn new() -> Self {
        Self {
            task: Mutex::default(),
            flow: glib::Object::builder().property("name", "flow").build(),
            overlay: glib::Object::builder().property("name", "overlay").build(),
        }
    }
}

impl ObjectImpl for PerceiverBin {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let task = glib::ParamSpecEnum::builder_with_default("task", Task::default())
                .nick("Task")
                .blurb("What the bin does")
                .mutable_ready()
                .build();
            [task].into_iter().chain(opticalflow::properties()).chain(overlay::properties()).collect()
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match pspec.name() {
            "task" => {
                let task = value.get().expect("GObject checks the type of a property's value");
                *self.task.lock().unwrap_or_else(PoisonError::into_inner) = task;
            }
            name => self.child_with(name).set_property_from_value(name, value),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "task" => self.task.lock().unwrap_or_else(PoisonError::into_inner).to_value(),
            name => self.child_with(name).property_value(name),
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![
                glib::subclass::Signal::builder("reload-model")
                    .return_type::<bool>()
                    .action()
                    .class_handler(|args| {
                        let bin = args[0].get::<super::PerceiverBin>().expect("a signal's first argument is its object");
                        Some(bin.imp().flow.emit_by_name::<bool>("reload-model", &[]).to_value())
                    })
                    .build(),
            ]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let bin = self.obj();
        bin.add_many([self.flow.upcast_ref::<gst::Element>(), self.overlay.upcast_ref()]).expect("a new bin has no child");
        self.flow.link(&self.overlay).expect("both take the same caps");
    }
}

impl PerceiverBin {
    /// The child that a forwarded property belongs to.
    fn child_with(&self, property: &str) -> &gst::Element {
        if self.flow.find_property(property).is_some() { self.flow.upcast_ref() } else { self.overlay.upcast_ref() }
    }

    /// What a pad of the bin stands for.
    fn target(&self, name: &str) -> Option<gst::Pad> {
        match name {
            "video_sink" => self.flow.static_pad("sink"),
            "video_src" => self.overlay.static_pad("src"),
            "flow_src" => self.flow.request_pad_simple("flow_src"),
            _ => None,
        }
    }
}

impl GstObjectImpl for PerceiverBin {}

impl ElementImpl for PerceiverBin {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::with_additional(
                "Perceiver flow",
                "Filter/Analyzer/Effect/Video",
                "Runs a Perceiver IO model on a stream and draws what it says",
                env!("CARGO_PKG_AUTHORS"),
                &[(
                    "Example",
                    "gst-launch-1.0 videotestsrc pattern=ball num-buffers=50 ! perceiverflow task=optical-flow ! videoconvert ! \
                     autovideosink",
                )],
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::PadDirection::{Sink, Src};
            // A plain link to something that takes any caps requests the first that fits: the video.
            [("video_sink", Sink, caps::video()), ("video_src", Src, caps::video()), ("flow_src", Src, caps::any_field())]
                .map(|(name, direction, caps)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Request, &caps).expect("the caps are valid")
                })
                .into()
        });
        &TEMPLATES
    }

    fn request_new_pad(&self, template: &gst::PadTemplate, _name: Option<&str>, _caps: Option<&gst::Caps>) -> Option<gst::Pad> {
        let name = template.name_template();
        if self.obj().static_pad(name).is_some() {
            gst::warning!(CAT, imp = self, "{name} is there already; put a tee behind it");
            return None;
        }
        let ghost = gst::GhostPad::builder_from_template_with_target(template, &self.target(name)?).ok()?.name(name).build();
        ghost.set_active(true).ok()?;
        self.obj().add_pad(&ghost).ok()?;
        Some(ghost.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let target = pad.downcast_ref::<gst::GhostPad>().and_then(gst::GhostPad::target);
        // A pad that does not go inactive is removed all the same.
        let _ = pad.set_active(false);
        let _ = self.obj().remove_pad(pad);
        if let Some(target) = target.filter(|target| target.name() == "flow_src") {
            self.flow.release_request_pad(&target);
        }
    }
}

impl BinImpl for PerceiverBin {}
