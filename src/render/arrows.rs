//! Arrows over a picture.

use crate::media::{FlowField, Picture};

/// Half the width of a shaft, in pixels.
const HALF_WIDTH: f32 = 0.75;

/// How far the outline goes beyond the arrow, so that it shows on any ground.
const OUTLINE: f32 = 1.1;

const INSIDE: f32 = 255.0;
const EDGE: f32 = 0.0;

/// Draws an arrow every `step` pixels, from the middle of each square; one of `max_magnitude` pixels of motion is as long as a step
/// is wide, longer motion draws no longer arrow. Motion too small to have a direction is a dot; unknown flow has nothing.
pub(super) fn draw_arrows(picture: &mut Picture, field: &FlowField, max_magnitude: f32, step: usize) {
    let reach = 0.95 * step as f32;
    for y in (step / 2..field.height()).step_by(step) {
        for x in (step / 2..field.width()).step_by(step) {
            let [u, v] = field.at(x, y);
            if !FlowField::is_known([u, v]) {
                continue;
            }
            let length = (u * u + v * v).sqrt();
            let drawn = (length / max_magnitude).min(1.0) * reach;
            let scale = if length > 0.0 { drawn / length } else { 0.0 };
            Arrow::new([x as f32, y as f32], [u * scale, v * scale]).draw(picture);
        }
    }
}

/// A shaft and the two barbs of its head, as line segments from the tip.
struct Arrow {
    start: [f32; 2],
    tip: [f32; 2],
    barbs: Option<[[f32; 2]; 2]>,
}

impl Arrow {
    fn new([x, y]: [f32; 2], [dx, dy]: [f32; 2]) -> Self {
        let length = (dx * dx + dy * dy).sqrt();
        let tip = [x + dx, y + dy];
        // Below that a head is a blot.
        let barbs = (length >= 2.5).then(|| {
            let head = (0.35 * length).clamp(2.0, 6.0) / length;
            let barb = |side: f32| [tip[0] - head * (dx + side * 0.6 * dy), tip[1] - head * (dy - side * 0.6 * dx)];
            [barb(1.0), barb(-1.0)]
        });
        Self { start: [x, y], tip, barbs }
    }

    fn distance(&self, point: [f32; 2]) -> f32 {
        let shaft = to_segment(point, self.start, self.tip);
        self.barbs.iter().flatten().fold(shaft, |nearest, &barb| nearest.min(to_segment(point, barb, self.tip)))
    }

    /// Blends it over the pixels it touches, each by how much of it is covered.
    fn draw(&self, picture: &mut Picture) {
        let ends = || [self.start, self.tip].into_iter().chain(self.barbs.into_iter().flatten());
        let margin = HALF_WIDTH + OUTLINE + 1.0;
        let span = |axis: usize, side: usize| {
            let low = ends().map(|end| end[axis]).fold(f32::INFINITY, f32::min) - margin;
            let high = ends().map(|end| end[axis]).fold(f32::NEG_INFINITY, f32::max) + margin;
            low.max(0.0) as usize..((high.max(0.0) as usize) + 1).min(side)
        };
        let (rows, columns) = (span(1, picture.height()), span(0, picture.width()));
        for y in rows {
            for x in columns.clone() {
                let distance = self.distance([x as f32, y as f32]);
                let outlined = (HALF_WIDTH + OUTLINE + 0.5 - distance).clamp(0.0, 1.0);
                if outlined > 0.0 {
                    let inside = (HALF_WIDTH + 0.5 - distance).clamp(0.0, 1.0);
                    let pixel = picture.pixel(x, y).map(|value| {
                        let edged = f32::from(value) + outlined * (EDGE - f32::from(value));
                        (edged + inside * (INSIDE - edged) + 0.5) as u8
                    });
                    picture.set_pixel(x, y, pixel);
                }
            }
        }
    }
}

fn to_segment([x, y]: [f32; 2], [ax, ay]: [f32; 2], [bx, by]: [f32; 2]) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let squared = dx * dx + dy * dy;
    let along = if squared > 0.0 { (((x - ax) * dx + (y - ay) * dy) / squared).clamp(0.0, 1.0) } else { 0.0 };
    let (ex, ey) = (x - ax - along * dx, y - ay - along * dy);
    (ex * ex + ey * ey).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_change_only_near_the_arrow() {
        let grey = Picture::from_fn(64, 32, |_, _| [128; 3]);
        let mut drawn = grey.clone();
        let field = FlowField::from_fn(64, 32, |_, _| [4.0, 0.0]);
        draw_arrows(&mut drawn, &field, 4.0, 32);
        // Arrows begin at (16, 16) and (48, 16) and are 30.4 long.
        let changed = |x: usize, y: usize| drawn.pixel(x, y) != grey.pixel(x, y);
        assert!(changed(16, 16) && changed(40, 16) && changed(63, 16));
        for y in 0..32 {
            for x in 0..64 {
                assert!(!changed(x, y) || (x >= 13 && (7..=25).contains(&y)), "{x} {y}");
            }
        }
    }

    #[test]
    fn every_arrow_has_light_and_dark() {
        for ground in [0, 128, 255] {
            let mut picture = Picture::from_fn(32, 32, |_, _| [ground; 3]);
            draw_arrows(&mut picture, &FlowField::from_fn(32, 32, |_, _| [1.0, 1.0]), 1.0, 32);
            assert!(picture.rgb().contains(&255) && picture.rgb().iter().any(|&value| value < 20));
        }
    }

    #[test]
    fn unknown_flow_has_no_arrow_and_edges_are_not_crossed() {
        let plain = Picture::from_fn(16, 16, |_, _| [9; 3]);
        let mut picture = plain.clone();
        draw_arrows(&mut picture, &FlowField::from_fn(16, 16, |_, _| [1e10, 0.0]), 1.0, 4);
        assert_eq!(picture, plain);
        for vector in [[-1e8, -1e8], [1e8, 1e8], [0.0, 0.0]] {
            draw_arrows(&mut picture, &FlowField::from_fn(16, 16, |_, _| vector), 1.0, 4);
        }
    }
}
