//! A picture with its place in time.

use std::{sync::Arc, time::Duration};

use super::Picture;

/// One frame of a video. Cloning shares the picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The picture.
    pub picture: Arc<Picture>,
    /// When it is shown first, from the start of the stream.
    pub time: Duration,
    /// How long it is shown, where that is known.
    pub duration: Option<Duration>,
}
