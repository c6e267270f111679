//! The shell: latents to whatever a head says of them.

mod output;

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use gst::{glib, prelude::*, subclass::prelude::*};
use perceiverflow::{
    Error,
    engine::{Answer, Question},
    tasks::{Framing, Head as Asked},
};

use self::output::Output;
use super::{
    CAT,
    joined::{Joined, Units},
    settings::Settings,
};
use crate::{
    caps::{self, HeadKind, HeadMedia},
    element,
    lock::lock,
    models::AskedModel,
    multimodal::MultimodalModel,
    names::Names,
    stage::{Placed, Stage, WindowStage},
    tensor_bytes, tensor_memory, times,
};

/// The element's state: that of its stage, and what it makes of answers. Mutex order: that of the stage; none of these is taken while
/// another or one of those is held.
pub struct Decode {
    stage: Stage<Self>,
    /// The classes' names from a file.
    names: Mutex<Option<Names>>,
    output: Mutex<Option<Output>>,
}

#[glib::object_subclass]
impl ObjectSubclass for Decode {
    const NAME: &'static str = "GstPerceiverDecode";
    type Type = super::Decode;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let stage = Stage::new(|name| class.pad_template(name), gst::PadFlags::FIXED_CAPS);
        Self { stage, names: Mutex::default(), output: Mutex::default() }
    }
}

element::model_object!(Decode, Vec::new);

impl ElementImpl for Decode {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver heads",
                "Filter/Analyzer/Video/Audio",
                "Asks the latents of a Perceiver IO model for video, sound or labels",
                "gst-launch-1.0 filesrc location=latents.gdp ! gdpdepay ! perceiverdecode model=MODEL head=labels ! text/x-raw ! \
                     fdsink",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| element::always(&caps::any_latents(), &caps::any_head()));
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        element::change_state(self, transition)
    }
}

impl WindowStage for Decode {
    type Settings = Settings;

    fn debug_category() -> gst::DebugCategory {
        *CAT
    }

    fn stage(&self) -> &Stage<Self> {
        &self.stage
    }

    fn prepare(&self, model: &MultimodalModel, settings: &Settings) -> Result<(), Error> {
        settings.queries()?.size(model.task().video_grid())?;
        *lock(&self.names) = settings.labels.names(model.task().label_names().len())?;
        *lock(&self.output) = None;
        Ok(())
    }

    fn set_caps(&self, given: &gst::CapsRef, model: &MultimodalModel) -> Result<gst::Caps, gst::ErrorMessage> {
        let follower = self.follow(given, model);
        let model = follower.as_deref().unwrap_or(model);
        let task = model.task();
        let accepted = caps::latents(task.latent_dims(), model.hash(), None);
        if !given.is_subset(&accepted) {
            return Err(gst::error_msg!(
                gst::StreamError::WrongType,
                ["latents {given}: accepted is {accepted}, those of this element's model"]
            ));
        }
        let rate = given.structure(0).and_then(|structure| structure.get("framerate").ok());
        let settings = lock(&self.stage.base.settings).own.clone();
        let shape = task.preprocessor(Framing::default()).shape();
        let wrong = |error: Error| gst::error_msg!(gst::LibraryError::Settings, ["{error}"]);
        let queries = settings.queries().map_err(wrong)?;
        let size = queries.size(task.video_grid()).map_err(wrong)?;
        let offered = caps::heads(task, &shape, settings.kinds(), size, rate.unwrap_or(gst::Fraction::new(0, 1)));
        let mut chosen = self.stage.base.srcpad.peer_query_caps(Some(&offered));
        if chosen.is_empty() {
            return Err(gst::error_msg!(gst::CoreError::Negotiation, ["downstream takes none of {offered}"]));
        }
        chosen.fixate();
        let Some(media) = HeadMedia::of(&chosen) else {
            return Err(gst::error_msg!(gst::CoreError::Negotiation, ["{chosen}: offered is {offered}"]));
        };
        let head = match media.head() {
            HeadKind::Video => Asked::Video(queries),
            HeadKind::Audio => Asked::Audio,
            HeadKind::Labels => Asked::Labels,
        };
        let period = rate.and_then(times::period).unwrap_or_default();
        let joined = match media {
            HeadMedia::Pictures => Some(Joined::new(Units::new(shape, shape.samples_per_frame), size.0 * size.1 * 3, period)),
            HeadMedia::Samples => Some(Joined::new(Units::new(shape, 1), 1, period)),
            HeadMedia::Labels(_) | HeadMedia::Numbers(_) => None,
        };
        let processing = model.decoding(head).map_err(wrong)?;
        *lock(&self.output) = Some(Output { media, head, size, processing, joined });
        Ok(chosen)
    }

    fn question(&self, buffer: &gst::BufferRef, _placed: &mut Placed, model: &MultimodalModel) -> Result<Question, Error> {
        // By what the memory is, and not by what the caps say: recorded latents are bytes whatever they were live.
        let latents = match tensor_memory::read(buffer) {
            Some(latents) => latents,
            None => model.task().latents(tensor_bytes::read(buffer)?)?,
        };
        // Windows come after caps.
        let head = lock(&self.output).as_ref().map_or(Asked::Labels, |output| output.head);
        Ok(Question::Decode(latents, head))
    }

    fn give(&self, placed: Placed, answer: Answer) -> Result<(), gst::FlowError> {
        let values = answer.values().map_err(|error| element::broken(self, &error))?;
        self.give_values(placed, values)
    }

    fn leaves_hole(&self) -> bool {
        !self.overlaps()
    }

    fn give_rest(&self) -> Result<(), gst::FlowError> {
        let rest = lock(&self.output).as_mut().and_then(|output| output.joined.as_mut()?.finish());
        rest.map_or(Ok(()), |piece| self.push_piece(piece))
    }

    fn forget(&self) {
        // Held numbers go with the piece.
        drop(lock(&self.output).as_mut().and_then(|output| output.joined.as_mut()?.finish()));
    }

    fn processing(&self, _model: &MultimodalModel) -> Duration {
        lock(&self.output).as_ref().map_or(Duration::ZERO, |output| output.processing)
    }

    fn kept(&self, period: Duration) -> Duration {
        if self.overlaps() { period } else { Duration::ZERO }
    }
}

impl Decode {
    fn overlaps(&self) -> bool {
        lock(&self.output).as_ref().and_then(|output| output.joined.as_ref()).is_some_and(Joined::overlaps)
    }

    /// The model that an encoder of this process has loaded anew, when latents are its and not the old one's.
    fn follow(&self, latents: &gst::CapsRef, model: &MultimodalModel) -> Option<Arc<MultimodalModel>> {
        let wanted = latents.structure(0)?.get::<&str>("perceiver-hash").ok()?;
        if *wanted == **model.hash() {
            return None;
        }
        let settings = lock(&self.stage.base.settings).inference.model.clone();
        let newer = MultimodalModel::shared(&settings).ok().filter(|newer| *wanted == **newer.hash())?;
        let replaced = lock(&self.stage.base.model).replace(newer.clone());
        // The last holder of the old one waits for its thread, after the lock is free.
        drop(replaced);
        Some(newer)
    }
}
