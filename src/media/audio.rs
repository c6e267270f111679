//! A piece of sound with its place in time.

use std::time::Duration;

/// Some samples of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioChunk {
    /// The samples, in −1 … 1.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
    /// When the first of them is heard, from the start of the stream.
    pub time: Duration,
}
