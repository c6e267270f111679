//! How a flow field is drawn.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

/// What a flow field becomes: `wheel`, `arrows` or `blend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlowMode {
    /// The colour wheel instead of the picture.
    Wheel,
    /// Arrows over the picture.
    Arrows,
    /// The colour wheel blended over the picture.
    #[default]
    Blend,
}

impl fmt::Display for FlowMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wheel => "wheel",
            Self::Arrows => "arrows",
            Self::Blend => "blend",
        })
    }
}

impl FromStr for FlowMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Wheel, Self::Arrows, Self::Blend]
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| Error::option("mode", text, "wheel, arrows or blend"))
    }
}

/// Settings of [`draw_flow`](super::draw_flow).
#[derive(Clone, Debug, PartialEq)]
pub struct FlowStyle {
    /// What to draw.
    pub mode: FlowMode,
    /// The motion in pixels that has full saturation or the longest arrow; 0 takes [`auto_maximum`](super::auto_maximum) of each
    /// field.
    pub max_magnitude: f32,
    /// Pixels from one arrow to the next, at least 1.
    pub arrow_step: usize,
    /// How much of the picture the wheel covers when blended, from 0 to 1.
    pub alpha: f32,
}

impl Default for FlowStyle {
    fn default() -> Self {
        Self { mode: FlowMode::default(), max_magnitude: 0.0, arrow_step: 16, alpha: 0.5 }
    }
}

impl FlowStyle {
    /// Whether every setting is in range.
    ///
    /// # Errors
    /// When one is not; the message names it.
    pub fn check(&self) -> Result<()> {
        if !(self.max_magnitude.is_finite() && self.max_magnitude >= 0.0) {
            return Err(Error::option("max-magnitude", self.max_magnitude, "0 (automatic) or more pixels"));
        }
        if self.arrow_step == 0 {
            return Err(Error::option("arrow-step", self.arrow_step, "1 or more pixels"));
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(Error::option("alpha", self.alpha, "0 to 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_round_trip_and_others_are_refused() {
        for name in ["wheel", "arrows", "blend"] {
            assert_eq!(name.parse::<FlowMode>().unwrap().to_string(), name);
        }
        let message = "rainbow".parse::<FlowMode>().unwrap_err().to_string();
        assert!(message.contains("rainbow") && message.contains("wheel, arrows or blend"), "{message}");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let default = FlowStyle::default();
        assert!(default.check().is_ok());
        for (style, name) in [
            (FlowStyle { max_magnitude: -1.0, ..default.clone() }, "max-magnitude"),
            (FlowStyle { max_magnitude: f32::NAN, ..default.clone() }, "max-magnitude"),
            (FlowStyle { arrow_step: 0, ..default.clone() }, "arrow-step"),
            (FlowStyle { alpha: 1.5, ..default.clone() }, "alpha"),
        ] {
            assert!(style.check().unwrap_err().to_string().starts_with(name));
        }
    }
}
