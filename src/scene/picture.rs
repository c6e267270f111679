//! Drawing a scene.

use super::{Appearance, Scene};
use crate::media::Picture;

impl Scene {
    /// The frame at time `t`.
    pub fn picture(&self, t: f32) -> Picture {
        self.picture_with(t, &Appearance::default())
    }

    /// The frame at time `t`, exposed as `appearance` says.
    pub fn picture_with(&self, t: f32, appearance: &Appearance) -> Picture {
        let mut frame = vec![0.0; self.width * self.height * 3];
        for layer in &self.layers {
            let placement = layer.motion().at(t);
            let [rows, columns] = layer.bounds(&placement, self.width, self.height);
            for y in rows {
                let row = &mut frame[(y * self.width + columns.start) * 3..(y * self.width + columns.end) * 3];
                for (x, pixel) in columns.clone().zip(row.chunks_exact_mut(3)) {
                    let [r, g, b, opacity] = layer.texture().sample(placement.to_texture([x as f32, y as f32]));
                    let share = opacity / 255.0;
                    for (below, above) in pixel.iter_mut().zip([r, g, b]) {
                        *below += share * (above - *below);
                    }
                }
            }
        }
        Picture::new(self.width, self.height, appearance.expose(frame, self.width)).expect("as many values as the frame has")
    }
}
