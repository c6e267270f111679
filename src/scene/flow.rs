//! The exact optical flow of a scene.

use super::{Placement, Scene};
use crate::media::FlowField;

impl Scene {
    /// Where each pixel of the frame at time `t0` is at time `t1`, within 1e-3 pixels, and whether it can be seen there: its layer
    /// is in front at that place and the place is in the frame. Both Y × X.
    ///
    /// A pixel belongs to the nearest layer that covers more than half of it.
    pub fn flow(&self, t0: f32, t1: f32) -> (FlowField, Vec<bool>) {
        let [from, to] = [t0, t1].map(|t| self.layers.iter().map(|layer| layer.motion().at(t)).collect::<Vec<_>>());
        let owners = self.owners(&from);
        let (right, bottom) = ((self.width - 1) as f32, (self.height - 1) as f32);
        let mut visible = Vec::with_capacity(owners.len());
        let field = FlowField::from_fn(self.width, self.height, |x, y| {
            let owner = usize::from(owners[y * self.width + x]);
            let point = [x as f32, y as f32];
            let [u, v] = to[owner].to_frame(from[owner].to_texture(point));
            let in_frame = (0.0..=right).contains(&u) && (0.0..=bottom).contains(&v);
            visible.push(in_frame && self.owner(&to, [u, v]) == owner);
            [u - point[0], v - point[1]]
        });
        (field, visible)
    }

    /// The layer each pixel belongs to, Y × X.
    fn owners(&self, placements: &[Placement]) -> Vec<u16> {
        let mut owners = vec![0; self.width * self.height];
        for (at, (layer, placement)) in self.layers.iter().zip(placements).enumerate().skip(1) {
            let [rows, columns] = layer.bounds(placement, self.width, self.height);
            for y in rows {
                for x in columns.clone() {
                    if layer.texture().covers(placement.to_texture([x as f32, y as f32])) {
                        owners[y * self.width + x] = at as u16;
                    }
                }
            }
        }
        owners
    }

    /// The layer that `point` belongs to.
    fn owner(&self, placements: &[Placement], point: [f32; 2]) -> usize {
        let covers = |at: &usize| self.layers[*at].texture().covers(placements[*at].to_texture(point));
        (1..self.layers.len()).rev().find(covers).unwrap_or(0)
    }
}
