//! The shell: children, ghost pads, forwarded properties.

use std::sync::{LazyLock, Mutex, PoisonError};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::Task;
use crate::{
    caps,
    classify::{self, Classify},
    opticalflow::{self, OpticalFlow},
    overlay::{self, Overlay},
    settings::CHECKED,
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("perceiverflow", gst::DebugColorFlags::empty(), Some("Perceiver IO jobs in one bin"))
});

/// The bin's state: its one mutex is held for a single read or write. The elements of other tasks wait outside the bin, with the
/// properties that were set.
pub struct PerceiverBin {
    task: Mutex<Task>,
    flow: OpticalFlow,
    classify: Classify,
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
            classify: glib::Object::builder().property("name", "classify").build(),
            overlay: glib::Object::builder().property("name", "overlay").build(),
        }
    }
}

impl ObjectImpl for PerceiverBin {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = vec![
                glib::ParamSpecEnum::builder_with_default("task", Task::default())
                    .nick("Task")
                    .blurb("What the bin does; chosen before its first pad")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("model")
                    .nick("Model")
                    .blurb("Model of the task: a folder with config.json and weights, or builtin:NAME; optical flow alone has a default")
                    .default_value("builtin:flow")
                    .mutable_ready()
                    .build(),
            ];
            for forwarded in [opticalflow::properties(), classify::properties(), overlay::properties()].into_iter().flatten() {
                if properties.iter().all(|known| known.name() != forwarded.name()) {
                    properties.push(forwarded);
                }
            }
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match pspec.name() {
            "task" => self.set_task(value.get().expect(CHECKED)),
            name => self.with(name).for_each(|element| element.set_property_from_value(name, value)),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "task" => self.task().to_value(),
            name => self.with(name).next().map_or_else(|| pspec.default_value().clone(), |element| element.property_value(name)),
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
                        Some(bin.imp().worker(bin.imp().task()).emit_by_name::<bool>("reload-model", &[]).to_value())
                    })
                    .build(),
            ]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().add(&self.overlay).expect("a new bin has no child");
        self.move_in(self.task());
    }
}

impl PerceiverBin {
    fn task(&self) -> Task {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_task(&self, task: Task) {
        let before = self.task();
        if task == before {
            return;
        }
        if self.obj().num_pads() > 0 {
            gst::warning!(CAT, imp = self, "the task stays {before:?}: it is chosen before the first pad");
            return;
        }
        // The element of the task before takes its links along.
        self.obj().remove(self.worker(before)).expect("it was added for that task");
        self.move_in(task);
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }

    /// Puts the element of a task before the overlay.
    fn move_in(&self, task: Task) {
        let worker = self.worker(task);
        self.obj().add(worker).expect("it is in no bin");
        worker.link(&self.overlay).expect("both take the same caps");
    }

    /// The element that does the work of a task.
    fn worker(&self, task: Task) -> &gst::Element {
        match task {
            Task::OpticalFlow => self.flow.upcast_ref(),
            Task::Classify => self.classify.upcast_ref(),
        }
    }

    /// The elements that have a property, that of the task first.
    fn with<'a>(&'a self, property: &'a str) -> impl Iterator<Item = &'a gst::Element> {
        let first = self.worker(self.task());
        let all = [first, self.flow.upcast_ref(), self.classify.upcast_ref(), self.overlay.upcast_ref()];
        all.into_iter().filter(move |element| element.find_property(property).is_some())
    }

    /// What a pad of the bin stands for; none where the task has no such pad.
    fn target(&self, name: &str) -> Option<gst::Pad> {
        let task = self.task();
        match (name, task) {
            ("video_sink", _) => self.worker(task).static_pad("sink"),
            ("video_src", _) => self.overlay.static_pad("src"),
            ("flow_src", Task::OpticalFlow) | ("audio_sink" | "text_src", Task::Classify) => {
                self.worker(task).request_pad_simple(name)
            }
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
            [
                ("video_sink", Sink, caps::video()),
                ("video_src", Src, caps::video()),
                ("audio_sink", Sink, caps::audio(None)),
                ("flow_src", Src, caps::any_field()),
                ("text_src", Src, caps::labels()),
            ]
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
        let Some(target) = self.target(name) else {
            gst::warning!(CAT, imp = self, "{name}: task={:?} has no such pad", self.task());
            return None;
        };
        let ghost = gst::GhostPad::builder_from_template_with_target(template, &target).ok()?.name(name).build();
        ghost.set_active(true).ok()?;
        self.obj().add_pad(&ghost).ok()?;
        Some(ghost.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let target = pad.downcast_ref::<gst::GhostPad>().and_then(gst::GhostPad::target);
        // A pad that does not go inactive is removed all the same.
        let _ = pad.set_active(false);
        let _ = self.obj().remove_pad(pad);
        let requested = target.filter(|target| ["flow_src", "audio_sink", "text_src"].contains(&target.name().as_str()));
        if let Some((target, owner)) = requested.and_then(|target| target.parent_element().map(|owner| (target, owner))) {
            owner.release_request_pad(&target);
        }
    }
}

impl BinImpl for PerceiverBin {}
