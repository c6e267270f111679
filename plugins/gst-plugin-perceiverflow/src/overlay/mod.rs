//! SECTION:element-perceiveroverlay
//! @see_also: perceiveropticalflow, perceiverclassify, perceiverflow
//!
//! `perceiveroverlay` draws on each frame what its metadata says. It runs no model: whatever attached the metadata
//! (`perceiveropticalflow`, `perceiverclassify`) may be anywhere upstream, on the other side of a `tee` or a colour conversion.
//!
//! Flow is drawn as the Middlebury colour wheel instead of the picture (`mode=wheel`), as arrows on it, or as the wheel blended
//! over it. Hue is direction; saturation, or the length of an arrow, is speed up to `max-magnitude` pixels.
//!
//! Labels are written in the top left corner, each with its name and its confidence, in white on a darkened plate. A frame with both
//! has both. Frames without metadata pass unchanged, and so does every pixel that is not drawn on. All properties may change while
//! playing.
//!
//! Metadata survives colour conversion and scaling: a field is stretched to the frame it is drawn on. Elements that crop, turn or
//! letterbox the picture move its pixels and drop a field; put the overlay before them.
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 videotestsrc pattern=ball num-buffers=50 ! perceiveropticalflow \
//!     ! perceiveroverlay mode=arrows arrow-step=24 ! videoconvert ! autovideosink
//! ```

mod imp;

use gst::{glib, prelude::*};
use perceiverflow::render::FlowMode;

/// What flow becomes on the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverOverlayMode")]
#[repr(i32)]
pub enum Mode {
    /// The colour wheel instead of the picture.
    #[enum_value(name = "Wheel: the colour wheel instead of the picture", nick = "wheel")]
    Wheel,
    /// Arrows.
    #[enum_value(name = "Arrows: arrows on the picture", nick = "arrows")]
    Arrows,
    /// The colour wheel blended over the picture.
    #[default]
    #[enum_value(name = "Blend: the colour wheel blended over the picture", nick = "blend")]
    Blend,
}

impl From<Mode> for FlowMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Wheel => Self::Wheel,
            Mode::Arrows => Self::Arrows,
            Mode::Blend => Self::Blend,
        }
    }
}

glib::wrapper! {
    /// The element `perceiveroverlay`.
    pub struct Overlay(ObjectSubclass<imp::Overlay>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) use imp::properties;

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Mode::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "perceiveroverlay", gst::Rank::NONE, Overlay::static_type())
}
