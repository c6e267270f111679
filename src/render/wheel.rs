//! The Middlebury colour wheel: hue is direction, saturation is length.
//!
//! Baker et al., "A Database and Evaluation Methodology for Optical Flow", 2007, and the colour code published with it: 55 hues
//! in six arcs, white for no motion, full saturation at the maximum, darkened by a quarter above it, black where the flow is unknown.

use std::{f32::consts::TAU, sync::LazyLock};

use crate::media::{FlowField, Picture};

/// How many hues lie from each colour to the next: red to yellow, green, cyan, blue, magenta and back to red.
const ARCS: [usize; 6] = [15, 6, 4, 11, 13, 6];

const HUES: usize = 55;

/// For each arc the channel that stays full, the one that changes, and whether it rises.
const CHANNELS: [(usize, usize, bool); 6] =
    [(0, 1, true), (1, 0, false), (1, 2, true), (2, 1, false), (2, 0, true), (0, 2, false)];

static WHEEL: LazyLock<[[f32; 3]; HUES]> = LazyLock::new(|| {
    let mut hues = [[0.0; 3]; HUES];
    let mut at = 0;
    for (length, (full, changing, rising)) in ARCS.into_iter().zip(CHANNELS) {
        for step in 0..length {
            // The published code works in whole numbers here.
            let changed = (255 * step / length) as f32 / 255.0;
            hues[at][full] = 1.0;
            hues[at][changing] = if rising { changed } else { 1.0 - changed };
            at += 1;
        }
    }
    hues
});

/// The colour of a vector in units of the maximum; black when it is unknown.
pub fn wheel_colour([u, v]: [f32; 2]) -> [u8; 3] {
    if FlowField::is_known([u, v]) { colour(&WHEEL, [u, v]) } else { [0; 3] }
}

/// The field in colours, with full saturation at `max_magnitude` pixels, which is above 0.
pub(super) fn wheel(field: &FlowField, max_magnitude: f32) -> Picture {
    let (wheel, scale) = (&*WHEEL, 1.0 / max_magnitude);
    let mut rgb = vec![0; field.uv().len() * 3];
    for (pixel, &vector) in rgb.as_chunks_mut().0.iter_mut().zip(field.uv()) {
        if FlowField::is_known(vector) {
            *pixel = colour(wheel, vector.map(|component| component * scale));
        }
    }
    Picture::new(field.width(), field.height(), rgb).expect("three bytes for every vector")
}

#[inline]
fn colour(wheel: &[[f32; 3]; HUES], [u, v]: [f32; 2]) -> [u8; 3] {
    let radius = (u * u + v * v).sqrt();
    let place = direction(u, v) * (HUES - 1) as f32;
    let first = (place as usize).min(HUES - 2);
    let fraction = place - first as f32;
    std::array::from_fn(|channel| {
        let hue = wheel[first][channel] + fraction * (wheel[first + 1][channel] - wheel[first][channel]);
        let light = if radius <= 1.0 { 1.0 - radius * (1.0 - hue) } else { 0.75 * hue };
        (255.0 * light) as u8
    })
}

/// The direction of a vector, clockwise as one sees it, as a share of a full turn from 0 (right) to 1 (right again), within 2e-6. A
/// polynomial in place of `f32::atan2` makes the wheel several times as fast.
#[inline]
fn direction(u: f32, v: f32) -> f32 {
    let (x, y) = (u.abs(), v.abs());
    let ratio = x.min(y) / x.max(y).max(f32::MIN_POSITIVE);
    let square = ratio * ratio;
    let series = [0.999_977_26, -0.332_623_47, 0.193_543_46, -0.116_432_87, 0.052_653_32, -0.011_721_2];
    let turns = ratio / TAU * series.iter().rev().fold(0.0, |sum, coefficient| sum * square + coefficient);
    let turns = if y > x { 0.25 - turns } else { turns };
    let turns = if u < 0.0 { 0.5 - turns } else { turns };
    if v < 0.0 { 1.0 - turns } else { turns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(a: [u8; 3], b: [u8; 3]) -> u8 {
        (0..3).map(|channel| a[channel].abs_diff(b[channel])).max().unwrap()
    }

    #[test]
    fn the_arcs_fill_the_wheel() {
        assert_eq!(ARCS.iter().sum::<usize>(), HUES);
        assert_eq!([WHEEL[0], WHEEL[15], WHEEL[21]], [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]);
        assert_eq!([WHEEL[25], WHEEL[36], WHEEL[49]], [[0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]);
    }

    #[test]
    fn the_axes_have_the_published_colours() {
        // Right, down, left, up: places 0, 13.5, 27 and 40.5 of the wheel, from the published tables. One step is left to rounding.
        for (vector, expected) in
            [([1.0, 0.0], [255, 0, 0]), ([0.0, 1.0], [255, 229, 0]), ([-1.0, 0.0], [0, 209, 255]), ([0.0, -1.0], [88, 0, 255])]
        {
            assert!(jump(wheel_colour(vector), expected) <= 1, "{vector:?}: {:?}", wheel_colour(vector));
        }
    }

    #[test]
    fn no_motion_is_white_and_unknown_black_and_too_much_darker() {
        assert_eq!(wheel_colour([0.0, 0.0]), [255; 3]);
        assert_eq!(wheel_colour([1e10, 0.0]), [0; 3]);
        assert_eq!(wheel_colour([f32::NAN, 0.0]), [0; 3]);
        assert_eq!(wheel_colour([2.0, 0.0]), [191, 0, 0]);
        let field = FlowField::new(2, 1, vec![[5e9, 0.0], [50.0, 0.0]]).unwrap();
        let picture = wheel(&field, 100.0);
        assert_eq!([picture.pixel(0, 0), picture.pixel(1, 0)], [[0; 3], [255, 127, 127]]);
    }

    #[test]
    fn directions_are_those_of_the_arc_tangent() {
        for step in 0..1000 {
            let share = step as f32 / 1000.0;
            let (u, v) = (2.0 * (share * TAU).cos(), 2.0 * (share * TAU).sin());
            let expected = v.atan2(u).rem_euclid(TAU) / TAU;
            assert!((direction(u, v) - expected).abs() < 2e-6, "{share}: {} {expected}", direction(u, v));
        }
        assert_eq!([direction(0.0, 0.0), direction(3.0, 0.0), direction(0.0, -3.0)], [0.0, 0.0, 0.75]);
    }

    #[test]
    fn colours_change_little_with_direction_and_length() {
        let at = |step: usize, radius: f32| {
            let angle = step as f32 / 720.0 * TAU;
            wheel_colour([radius * angle.cos(), radius * angle.sin()])
        };
        for step in 0..720 {
            // The wheel does not close: left and right of motion to the right lie its first and its last hue, 43 apart.
            let allowed = if step == 719 { 43 + 8 } else { 8 };
            assert!(jump(at(step, 0.999), at(step + 1, 0.999)) <= allowed, "{step}");
            assert!(jump(at(step, 0.5), at(step, 0.51)) < 5, "{step}");
        }
    }
}
