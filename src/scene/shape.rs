//! Outlines of foreground layers.

use rand::Rng;

use super::sine::{cosine, sine};

/// An outline around the origin, in texels.
#[derive(Clone, Debug)]
pub struct Shape {
    outline: Outline,
    radius: f32,
}

#[derive(Clone, Debug)]
enum Outline {
    /// Half axes along x and y.
    Ellipse([f32; 2]),
    /// The corners of a simple polygon.
    Polygon(Vec<[f32; 2]>),
    /// Distance of the edge from the origin, in equal steps of direction around the circle.
    Blob(Vec<f32>),
}

/// Directions in which a blob's edge is known.
const BLOB_DIRECTIONS: usize = 64;

impl Shape {
    /// A disc.
    pub fn disc(radius: f32) -> Self {
        Self { outline: Outline::Ellipse([radius; 2]), radius }
    }

    /// A star of `points` points whose inner corners lie at `waist` (0 to 1) of the way out; a waist of 1 is a regular polygon of
    /// twice the corners. Fewer than 2 points are taken as 2.
    pub fn star(radius: f32, points: usize, waist: f32) -> Self {
        let points = points.max(2);
        let corner = |at: usize| {
            let turns = at as f32 / (2 * points) as f32 - 0.25;
            let radius = if at.is_multiple_of(2) { radius } else { radius * waist };
            [radius * cosine(turns), radius * sine(turns)]
        };
        Self { outline: Outline::Polygon((0..2 * points).map(corner).collect()), radius }
    }

    /// An ellipse, a polygon or a rounded blob of at most this radius.
    pub fn random<R: Rng + ?Sized>(rng: &mut R, radius: f32) -> Self {
        let outline = match rng.random_range(0..3) {
            0 => Outline::Ellipse([radius, radius * rng.random_range(0.3..1.0)]),
            1 => Outline::Polygon(polygon(rng, radius)),
            _ => Outline::Blob(blob(rng, radius)),
        };
        Self { outline, radius }
    }

    /// No part of it lies farther from the origin.
    pub fn radius(&self) -> f32 {
        self.radius
    }

    /// About how deep inside the outline `place` lies, in texels; negative outside.
    pub(super) fn depth(&self, place: [f32; 2]) -> f32 {
        let [x, y] = place;
        match &self.outline {
            Outline::Ellipse([a, b]) => {
                // First-order distance: the implicit function over the length of its gradient.
                let (u, v) = (x / a, y / b);
                let length = (u * u + v * v).sqrt();
                let gradient = ((u / a) * (u / a) + (v / b) * (v / b)).sqrt();
                if gradient > 0.0 { (1.0 - length) * length / gradient } else { a.min(*b) }
            }
            Outline::Polygon(corners) => polygon_depth(corners, place),
            Outline::Blob(edge) => {
                let at = direction(place) * edge.len() as f32;
                let (low, fraction) = (at as usize % edge.len(), at - at.trunc());
                let (low, high) = (edge[low], edge[(low + 1) % edge.len()]);
                low + fraction * (high - low) - (x * x + y * y).sqrt()
            }
        }
    }
}

/// Corners around the origin at uneven directions and distances; every second polygon is a bar.
fn polygon<R: Rng + ?Sized>(rng: &mut R, radius: f32) -> Vec<[f32; 2]> {
    if rng.random_bool(0.5) {
        let across = rng.random_range(0.08..0.6f32);
        let along = (1.0 - across * across).sqrt();
        return [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
            .map(|[x, y]| [x * along * radius, y * across * radius])
            .into();
    }
    let corners = rng.random_range(3..9usize);
    (0..corners)
        .map(|at| {
            let turns = (at as f32 + rng.random_range(-0.2..0.2)) / corners as f32;
            let distance = radius * rng.random_range(0.45..1.0);
            [distance * cosine(turns), distance * sine(turns)]
        })
        .collect()
}

/// A circle with a few bulges.
fn blob<R: Rng + ?Sized>(rng: &mut R, radius: f32) -> Vec<f32> {
    let mut edge = vec![0.75; BLOB_DIRECTIONS];
    for bulges in 2..6 {
        let (size, phase) = (rng.random_range(0.0..0.25) / bulges as f32, rng.random::<f32>());
        for (at, distance) in edge.iter_mut().enumerate() {
            *distance += size * sine((at * bulges) as f32 / BLOB_DIRECTIONS as f32 + phase);
        }
    }
    let largest = edge.iter().copied().fold(0.0, f32::max);
    edge.iter().map(|distance| distance / largest * radius).collect()
}

/// The direction of `place` as a share of a full turn, 0 to 1 (exclusive), not uniform in angle: an arc tangent is not needed to
/// look up an edge that is given in the same measure.
fn direction([x, y]: [f32; 2]) -> f32 {
    let sum = x.abs() + y.abs();
    if sum == 0.0 {
        return 0.0;
    }
    let quarter = x / sum;
    let turns = if y >= 0.0 { 0.25 - 0.25 * quarter } else { 0.75 + 0.25 * quarter };
    if turns < 1.0 { turns } else { 0.0 }
}

/// Distance to the nearest side, positive inside.
fn polygon_depth(corners: &[[f32; 2]], [x, y]: [f32; 2]) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    for (at, &[ax, ay]) in corners.iter().enumerate() {
        let [bx, by] = corners[(at + 1) % corners.len()];
        let (dx, dy) = (bx - ax, by - ay);
        let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        let (ex, ey) = (x - ax - along * dx, y - ay - along * dy);
        nearest = nearest.min(ex * ex + ey * ey);
        if (ay > y) != (by > y) && x < ax + (y - ay) / dy * dx {
            inside = !inside;
        }
    }
    if inside { nearest.sqrt() } else { -nearest.sqrt() }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn depth_is_the_distance_to_the_edge() {
        let disc = Shape::disc(10.0);
        assert!((disc.depth([7.0, 0.0]) - 3.0).abs() < 0.1 * 10.0);
        assert!(disc.depth([10.0, 0.0]).abs() < 1e-4 && disc.depth([0.0, 11.0]) < -0.5 && disc.depth([0.0, 0.0]) > 5.0);
        let square = Shape { outline: Outline::Polygon(vec![[-5.0, -5.0], [5.0, -5.0], [5.0, 5.0], [-5.0, 5.0]]), radius: 8.0 };
        assert_eq!([square.depth([0.0, 0.0]), square.depth([4.0, 0.0]), square.depth([7.0, 0.0])], [5.0, 1.0, -2.0]);
    }

    #[test]
    fn random_shapes_stay_within_their_radius_and_hold_the_origin() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..200 {
            let shape = Shape::random(&mut rng, 20.0);
            assert!(shape.depth([0.0, 0.0]) > 0.0, "{shape:?}");
            for step in 0..32 {
                let turns = step as f32 / 32.0;
                assert!(shape.depth([20.5 * cosine(turns), 20.5 * sine(turns)]) < 0.0, "{shape:?}");
            }
        }
    }
}
