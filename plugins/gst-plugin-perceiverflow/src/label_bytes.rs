//! Labels as bytes: lines for people, or one object for programs.

use std::time::Duration;

use perceiverflow::formats::json_lines;

use crate::{caps::LabelMedia, meta::LabelsMeta};

/// A window's labels as downstream wants them; nothing where there are none. `pts` places a window that lies outside of stream time, and
/// `stream` names what it is of.
pub(crate) fn write(meta: &LabelsMeta, pts: gst::ClockTime, media: LabelMedia, stream: &str) -> Option<Vec<u8>> {
    let labels = &meta.labels;
    if labels.as_slice().is_empty() {
        return None;
    }
    let text = match media {
        LabelMedia::Text => labels.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        LabelMedia::Json => {
            let start = Duration::from(meta.window.stream_time.unwrap_or(pts));
            let window = Some(start..start + meta.window.duration.into());
            json_lines::labels(&json_lines::Source { input: stream, window, model: &meta.window.model_hash }, labels)
        }
    };
    Some(text.into_bytes())
}
