//! A sine that is the same on every machine: the system's mathematical library may round its own differently elsewhere.

use std::f32::consts::TAU;

/// The largest whole number not above `x`. Written with casts because `f32::floor` is a library call on plain x86-64.
#[inline]
pub(super) fn floor(x: f32) -> i32 {
    let cut = x as i32;
    cut.saturating_sub(i32::from(cut as f32 > x))
}

/// The sine of `turns` full turns, within 1e-6.
#[inline]
pub(super) fn sine(turns: f32) -> f32 {
    let within = turns - floor(turns + 0.5) as f32;
    let quarter = if within > 0.25 {
        0.5 - within
    } else if within < -0.25 {
        -0.5 - within
    } else {
        within
    };
    let x = quarter * TAU;
    let xx = x * x;
    x * (1.0 + xx * (-1.0 / 6.0 + xx * (1.0 / 120.0 + xx * (-1.0 / 5040.0 + xx * (1.0 / 362_880.0 - xx * (1.0 / 39_916_800.0))))))
}

/// The cosine of `turns` full turns, within 1e-6.
#[inline]
pub(super) fn cosine(turns: f32) -> f32 {
    sine(turns + 0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_library() {
        for step in -4000..4000 {
            let turns = step as f32 / 1000.0;
            let expected = (f64::from(turns) * std::f64::consts::TAU).sin() as f32;
            assert!((sine(turns) - expected).abs() < 1e-6, "{turns}");
            assert_eq!(floor(turns), turns.floor() as i32);
        }
    }
}
