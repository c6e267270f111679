//! libav itself: its start, its voice and its versions.

use std::sync::Once;

use ffmpeg_next::{
    codec, encoder, format, log,
    software::{resampling, scaling},
    util,
};

use super::container;

/// Lets libav fill its table of error texts, once.
pub(super) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // It only fills tables; the error in its signature is never returned.
        let _ = ffmpeg_next::init();
    });
}

/// Whether libav's own messages go to standard error, for the whole process: for a program to call, not a library.
pub fn show_libav_messages(show: bool) {
    log::set_level(if show { log::Level::Info } else { log::Level::Fatal });
}

/// The FFmpeg libraries this program runs with.
#[derive(Clone, Debug)]
pub struct Libav {
    /// Each library's name and version.
    pub versions: Vec<(&'static str, String)>,
    /// The encoders that [`VideoWriter`](super::VideoWriter) would use, best first, and whether they are there.
    pub encoders: Vec<(&'static str, bool)>,
}

impl Libav {
    /// Asks the libraries.
    pub fn probe() -> Self {
        let version = |number: u32| format!("{}.{}.{}", number >> 16, number >> 8 & 0xff, number & 0xff);
        Self {
            versions: vec![
                ("libavcodec", version(codec::version())),
                ("libavformat", version(format::version())),
                ("libavutil", version(util::version())),
                ("libswresample", version(resampling::version())),
                ("libswscale", version(scaling::version())),
            ],
            encoders: container::encoders().map(|name| (name, encoder::find_by_name(name).is_some())).collect(),
        }
    }
}
