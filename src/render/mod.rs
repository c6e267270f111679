//! Results to pixels. Pure functions: no files, no streams, no state.

mod arrows;
mod blend;
mod labels;
mod style;
mod text;
mod wheel;

pub use labels::draw_labels;
pub use style::{FlowMode, FlowStyle};
pub use text::{CHARACTER, draw_text};
pub use wheel::wheel_colour;

use crate::{
    error::{Error, Result},
    media::{FlowField, Picture},
};

/// The share of known vectors that an automatic maximum looks at.
const AUTO_QUANTILE: f64 = 0.99;

/// How far an automatic maximum may go beyond them.
const AUTO_HEADROOM: f32 = 1.25;

/// No automatic maximum is below this many pixels.
const AUTO_LEAST: f32 = 0.5;

/// Draws `field` onto `picture`, which has its size.
///
/// # Errors
/// When the sizes differ or `style` is out of range; the picture is untouched then.
pub fn draw_flow(picture: &mut Picture, field: &FlowField, style: &FlowStyle) -> Result<()> {
    style.check()?;
    let (given, accepted) = ((field.height(), field.width()), (picture.height(), picture.width()));
    if given != accepted {
        return Err(Error::tensor("flow", given, format!("{accepted:?}, the rows and columns of the picture")));
    }
    let max_magnitude = if style.max_magnitude > 0.0 { style.max_magnitude } else { auto_maximum(field) };
    match style.mode {
        FlowMode::Wheel => *picture = wheel::wheel(field, max_magnitude),
        FlowMode::Arrows => arrows::draw_arrows(picture, field, max_magnitude, style.arrow_step),
        FlowMode::Blend => blend::blend(picture, &wheel::wheel(field, max_magnitude), style.alpha),
    }
    Ok(())
}

/// What an automatic maximum is for this field: the largest length, but at most a quarter above the one that 99 % of the known
/// vectors do not exceed, so that a few outliers do not wash out the rest; at least half a pixel, so that the noise of a scene at
/// rest stays pale.
pub fn auto_maximum(field: &FlowField) -> f32 {
    // Squares keep the order and save a root for every pixel.
    let mut squares: Vec<f32> = field.known().map(|[u, v]| u * u + v * v).collect();
    if squares.is_empty() {
        return AUTO_LEAST;
    }
    let at = ((squares.len() - 1) as f64 * AUTO_QUANTILE) as usize;
    let (_, &mut usual, above) = squares.select_nth_unstable_by(at, f32::total_cmp);
    let largest = above.iter().copied().fold(usual, f32::max);
    largest.sqrt().min(AUTO_HEADROOM * usual.sqrt()).max(AUTO_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey() -> Picture {
        Picture::from_fn(20, 10, |_, _| [100; 3])
    }

    #[test]
    fn blending_goes_from_the_picture_to_the_wheel() {
        let field = FlowField::from_fn(20, 10, |x, y| [x as f32 - 10.0, y as f32]);
        let drawn = |mode, alpha| {
            let mut picture = grey();
            draw_flow(&mut picture, &field, &FlowStyle { mode, alpha, ..FlowStyle::default() }).unwrap();
            picture
        };
        assert_eq!(drawn(FlowMode::Blend, 0.0), grey());
        assert_eq!(drawn(FlowMode::Blend, 1.0), drawn(FlowMode::Wheel, 0.5));
        assert_ne!(drawn(FlowMode::Arrows, 0.5), grey());
    }

    #[test]
    fn another_size_is_refused_and_nothing_is_drawn() {
        let field = FlowField::from_fn(10, 20, |_, _| [1.0, 0.0]);
        let mut picture = grey();
        let message = draw_flow(&mut picture, &field, &FlowStyle::default()).unwrap_err().to_string();
        assert!(message.contains("(20, 10)") && message.contains("(10, 20)"), "{message}");
        assert_eq!(picture, grey());
    }

    #[test]
    fn an_outlier_does_not_set_the_automatic_maximum() {
        let outlier = FlowField::from_fn(50, 10, |x, y| if (x, y) == (3, 3) { [500.0, 0.0] } else { [3.0, 4.0] });
        assert_eq!(auto_maximum(&outlier), 6.25);
        assert_eq!(auto_maximum(&FlowField::from_fn(50, 10, |x, _| [x as f32 / 10.0, 0.0])), 4.9);
        assert_eq!(auto_maximum(&FlowField::from_fn(4, 4, |_, _| [0.0, 0.01])), AUTO_LEAST);
        assert_eq!(auto_maximum(&FlowField::from_fn(4, 4, |_, _| [1e10, 0.0])), AUTO_LEAST);
    }

    #[test]
    fn a_fixed_maximum_is_kept() {
        let field = FlowField::from_fn(20, 10, |_, _| [2.0, 0.0]);
        let red = |max_magnitude| {
            let mut picture = grey();
            let style = FlowStyle { mode: FlowMode::Wheel, max_magnitude, ..FlowStyle::default() };
            draw_flow(&mut picture, &field, &style).unwrap();
            picture.pixel(0, 0)
        };
        assert_eq!(red(0.0), [255, 0, 0]);
        assert_eq!(red(4.0), [255, 127, 127]);
    }
}
