//! What `perceiverencode` and `perceiverdecode` have in common: windows come in one by one, are asked of the shared model, and what it
//! answers leaves in their order.

mod line;
mod streaming;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gst::subclass::prelude::*;
use perceiverflow::{
    Error,
    engine::{Answer, Question},
};

use self::line::Line;
pub(crate) use self::line::Placed;
use crate::{
    element::{Base, Segment},
    multimodal::MultimodalModel,
    settings::OwnSettings,
};

/// The state that both elements have. Mutex order: that of the base; none of these is taken while another or one of those is held.
pub(crate) struct Stage<I: WindowStage> {
    pub(crate) base: Base<I>,
    /// A model that takes the other's place before the next window.
    successor: Mutex<Option<Arc<MultimodalModel>>>,
    line: Mutex<Line>,
    segment: Mutex<Segment>,
    /// From one window to the next; zero while unknown.
    period: Mutex<Duration>,
}

/// An element made of a [`Stage`]: what it asks of the model, and what it makes of the answers.
pub(crate) trait WindowStage: ElementImpl {
    /// The properties that are its own.
    type Settings: OwnSettings;

    /// The element's debug category.
    fn debug_category() -> gst::DebugCategory;

    /// The common state.
    fn stage(&self) -> &Stage<Self>
    where
        Self: Sized;

    /// Reads what the settings name before anything flows.
    ///
    /// # Errors
    /// When a setting does not fit the model.
    fn prepare(&self, _model: &MultimodalModel, _settings: &Self::Settings) -> Result<(), Error> {
        Ok(())
    }

    /// Takes the caps of the windows to come, for this model; gives those of what will come of them.
    ///
    /// # Errors
    /// When they are not what the model takes; with the caps that would be accepted.
    fn set_caps(&self, caps: &gst::CapsRef, model: &MultimodalModel) -> Result<gst::Caps, gst::ErrorMessage>;

    /// What is to be asked of the window that a buffer holds; the place may be completed.
    ///
    /// # Errors
    /// When the buffer does not hold a window of the model.
    fn question(&self, buffer: &gst::BufferRef, placed: &mut Placed, model: &MultimodalModel) -> Result<Question, Error>;

    /// Pushes what the model answered.
    ///
    /// # Errors
    /// What downstream says.
    fn give(&self, placed: Placed, answer: Answer) -> Result<(), gst::FlowError>;

    /// Whether a lost window leaves a hole, so that downstream is to be told.
    fn leaves_hole(&self) -> bool {
        true
    }

    /// Pushes what was kept for windows to come: there are none that follow.
    ///
    /// # Errors
    /// What downstream says.
    fn give_rest(&self) -> Result<(), gst::FlowError> {
        Ok(())
    }

    /// Forgets what was kept for windows to come.
    fn forget(&self) {}

    /// How long one window takes the model, as far as is known.
    fn processing(&self, model: &MultimodalModel) -> Duration;

    /// How long an answer is kept for the windows to come.
    fn kept(&self, _period: Duration) -> Duration {
        Duration::ZERO
    }
}

impl<I: WindowStage> Stage<I> {
    /// The stage of an element, with its pads by the templates of its class.
    pub(crate) fn new(template: impl Fn(&str) -> Option<gst::PadTemplate>, src: gst::PadFlags) -> Self {
        Self {
            base: Base::new(template, [gst::PadFlags::empty(), src]),
            successor: Mutex::default(),
            line: Mutex::default(),
            segment: Mutex::new(Segment::new()),
            period: Mutex::default(),
        }
    }
}
