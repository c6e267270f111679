//! The shell: children, ghost pads, forwarded properties.

use std::sync::{LazyLock, Mutex};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::Task;
use crate::{
    caps,
    classify::{self, Classify},
    decode::{self, Decode, Head},
    element,
    encode::Encode,
    lock::lock,
    opticalflow::{self, OpticalFlow},
    overlay::{self, Overlay},
    preprocess::{self, Preprocess},
    settings::{CHECKED, Settings},
    text::{self, Text},
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("perceiverflow", gst::DebugColorFlags::empty(), Some("Perceiver IO jobs in one bin"))
});

/// The pads of the bin that ask a head about latents.
const HEADS: [(&str, Head); 3] = [("video_src", Head::Video), ("audio_src", Head::Audio), ("text_src", Head::Labels)];

/// The bin's state: its one mutex is held for a single read or write. The elements of other tasks wait outside the bin, with the
/// properties that were set.
pub struct PerceiverBin {
    task: Mutex<Task>,
    flow: OpticalFlow,
    classify: Classify,
    overlay: Overlay,
    preprocess: Preprocess,
    encode: Encode,
    text: Text,
    tee: gst::Element,
    /// One for each of [`HEADS`]; in the bin while its pad is there.
    heads: [Decode; 3],
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
            preprocess: glib::Object::builder().property("name", "preprocess").build(),
            encode: glib::Object::builder().property("name", "encode").build(),
            text: glib::Object::builder().property("name", "text").build(),
            tee: core_element("tee"),
            heads: HEADS.map(|(pad, head)| {
                let name = pad.replace("src", "head");
                glib::Object::builder().property("name", name).property("head", head).build()
            }),
        }
    }
}

/// An element that is part of GStreamer itself.
fn core_element(name: &str) -> gst::Element {
    gst::ElementFactory::make(name).build().expect("GStreamer's core elements are there")
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
                    .blurb(
                        "Model of the task: a folder with config.json and weights, a Hub id in the local cache, or builtin:NAME; unless it \
                         is set, builtin:flow for optical flow, builtin:av for classify and autoencode, none for fill-mask",
                    )
                    .default_value("builtin:flow")
                    .mutable_ready()
                    .build(),
            ];
            let all = [
                Settings::<opticalflow::settings::Settings>::properties(),
                Settings::<classify::settings::Settings>::properties(),
                overlay::properties(),
                preprocess::properties(),
                Settings::<decode::settings::Settings>::properties(),
                Settings::<text::settings::Settings>::properties(),
            ];
            for forwarded in all.into_iter().flatten() {
                // The pads say which heads are asked.
                let taken = forwarded.name() == "head" || properties.iter().any(|known| known.name() == forwarded.name());
                if !taken {
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
        self.move_in(self.task());
    }
}

impl PerceiverBin {
    fn task(&self) -> Task {
        *lock(&self.task)
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
        // The elements of the task before take their links along.
        self.obj().remove_many(self.chain(before)).expect("they were added for that task");
        self.move_in(task);
        *lock(&self.task) = task;
    }

    /// Puts the elements of a task into the bin.
    fn move_in(&self, task: Task) {
        let chain = self.chain(task);
        self.obj().add_many(&chain).expect("they are in no bin");
        gst::Element::link_many(&chain).expect("each takes what the one before it gives");
    }

    /// The elements of a task, in the order of the data.
    fn chain(&self, task: Task) -> Vec<gst::Element> {
        match task {
            Task::OpticalFlow | Task::Classify => vec![self.worker(task).clone(), self.overlay.clone().upcast()],
            Task::Autoencode => vec![self.preprocess.clone().upcast(), self.worker(task).clone(), self.tee.clone()],
            Task::FillMask => vec![self.worker(task).clone()],
        }
    }

    /// The element that does the work of a task.
    fn worker(&self, task: Task) -> &gst::Element {
        match task {
            Task::OpticalFlow => self.flow.upcast_ref(),
            Task::Classify => self.classify.upcast_ref(),
            Task::Autoencode => self.encode.upcast_ref(),
            Task::FillMask => self.text.upcast_ref(),
        }
    }

    /// The elements that have a property, that of the task first.
    fn with<'a>(&'a self, property: &'a str) -> impl Iterator<Item = &'a gst::Element> {
        let first = self.worker(self.task());
        let others =
            [self.flow.upcast_ref(), self.classify.upcast_ref(), self.overlay.upcast_ref(), self.preprocess.upcast_ref()];
        let heads = self.heads.iter().map(Cast::upcast_ref);
        let all = [first].into_iter().chain(others).chain([self.encode.upcast_ref(), self.text.upcast_ref()]).chain(heads);
        all.filter(move |element: &&gst::Element| element.find_property(property).is_some())
    }

    /// What a pad of the bin stands for; none where the task has no such pad.
    fn target(&self, name: &str) -> Option<gst::Pad> {
        let task = self.task();
        match (name, task) {
            ("video_sink" | "audio_sink", Task::Autoencode) => self.preprocess.request_pad_simple(name),
            (_, Task::Autoencode) => self.add_head(name),
            ("text_sink", Task::FillMask) => self.worker(task).static_pad("sink"),
            ("text_src", Task::FillMask) => self.worker(task).static_pad("src"),
            (_, Task::FillMask) | ("text_sink", _) => None,
            ("video_sink", _) => self.worker(task).static_pad("sink"),
            ("video_src", _) => self.overlay.static_pad("src"),
            ("flow_src", Task::OpticalFlow) | ("audio_sink" | "text_src", Task::Classify) => {
                self.worker(task).request_pad_simple(name)
            }
            _ => None,
        }
    }

    /// Puts a head behind the tee.
    fn add_head(&self, pad: &str) -> Option<gst::Pad> {
        let at = HEADS.iter().position(|(name, _)| *name == pad)?;
        let head: &gst::Element = self.heads[at].upcast_ref();
        let queue = core_element("queue");
        // The heads' outputs end in one file as often as not, and then one waits for another; latents are small.
        queue.set_properties(&[("max-size-buffers", &0u32), ("max-size-bytes", &0u32), ("max-size-time", &0u64)]);
        self.obj().add_many([&queue, head]).ok()?;
        gst::Element::link_many([&self.tee, &queue, head]).ok()?;
        for element in [head, &queue] {
            element.sync_state_with_parent().ok()?;
        }
        head.static_pad("src")
    }

    /// Takes a head and its queue away.
    fn remove_head(&self, head: &gst::Element) {
        let before = |element: &gst::Element| element.static_pad("sink").and_then(|pad| pad.peer());
        let queue = before(head).and_then(|pad| pad.parent_element());
        if let Some(pad) = queue.as_ref().and_then(before) {
            self.tee.release_request_pad(&pad);
        }
        for element in queue.iter().chain([head]) {
            // An element that does not stop is removed all the same.
            let _ = element.set_state(gst::State::Null);
            let _ = self.obj().remove(element);
        }
    }
}

impl GstObjectImpl for PerceiverBin {}

impl ElementImpl for PerceiverBin {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver flow",
                "Filter/Analyzer/Effect/Video",
                "Runs a Perceiver IO model on a stream and draws what it says",
                "gst-launch-1.0 videotestsrc pattern=ball num-buffers=50 ! perceiverflow task=optical-flow ! videoconvert ! \
                     autovideosink",
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
                ("audio_src", Src, caps::audio(None)),
                ("flow_src", Src, caps::any_field()),
                ("text_sink", Sink, caps::any_text()),
                ("text_src", Src, caps::labels()),
            ]
            .map(|(name, direction, caps)| element::template(name, direction, gst::PadPresence::Request, &caps))
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
        element::remove_pad(&*self.obj(), pad);
        let Some((target, owner)) = target.and_then(|target| target.parent_element().map(|owner| (target, owner))) else {
            return;
        };
        if self.heads.iter().any(|head| *head == owner) {
            self.remove_head(&owner);
        } else if ["flow_src", "audio_sink", "text_src", "video_sink"].contains(&target.name().as_str()) {
            owner.release_request_pad(&target);
        }
    }
}

impl BinImpl for PerceiverBin {}
