//! What happens as JSON lines, for machines.
//!
//! | event | fields |
//! |---|---|
//! | `began` | `worker`, `file`, `duration` (seconds, where the file tells) |
//! | `window` | `worker`, `file`, `end` (seconds from the start of the file) |
//! | `done` | `file`, `windows`, `damaged` (packets and pictures), `earlier` (whether an earlier run did it) |
//! | `failed` | `file`, `detail`, `earlier` |
//! | `report` | `report`: what report.json holds; the last line |

use perceiverflow::batch::{Event, Report};
use serde_json::json;

/// The line of an event, if it has one.
pub(super) fn line(event: &Event) -> Option<String> {
    let value = match event {
        Event::Began { worker, file, duration } => {
            json!({ "event": "began", "worker": worker, "file": &**file, "duration": duration.map(|time| time.as_secs_f64()) })
        }
        Event::Window { worker, file, end, .. } => {
            json!({ "event": "window", "worker": worker, "file": &**file, "end": end.as_secs_f64() })
        }
        Event::Left { .. } => return None,
        Event::Done { file, windows, damaged, earlier } => {
            json!({ "event": "done", "file": &**file, "windows": windows, "damaged": damaged, "earlier": earlier })
        }
        Event::Failed { file, detail, earlier } => {
            json!({ "event": "failed", "file": &**file, "detail": detail, "earlier": earlier })
        }
    };
    Some(format!("{value}\n"))
}

/// The last line.
pub(super) fn report(report: &Report) -> String {
    format!("{}\n", json!({ "event": "report", "report": report }))
}
