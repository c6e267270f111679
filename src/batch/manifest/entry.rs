//! A line of a list: JSON, or CSV with the same names in its first row.
//!
//! | field | what it is |
//! |---|---|
//! | `path` | the file, relative to the list's folder, or an address that libav reads |
//! | `id` | its name in the results; without one, the path |
//! | `duration` | seconds that it lasts, for plans |
//! | `frame_distance`, `inference_interval`, `stride_frames`, `time_limit` | what is different for this file, as the options of the command line |

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{super::Shard, Input, csv};
use crate::{
    error::{Error, Result},
    video_file::is_address,
};

/// What is different for one file of a run; none means as for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileOptions {
    /// Frames from the first to the second of a window of flow, 1 or more.
    pub frame_distance: Option<usize>,
    /// Frames from one window of flow to the next, 1 or more.
    pub inference_interval: Option<u64>,
    /// Frames from one window of a multimodal model to the next, 1 or more.
    pub stride_frames: Option<usize>,
    /// How long the file may be waited for in all.
    pub time_limit: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: PathBuf,
    id: Option<String>,
    duration: Option<f64>,
    frame_distance: Option<usize>,
    inference_interval: Option<u64>,
    stride_frames: Option<usize>,
    time_limit: Option<f64>,
}

/// The inputs of JSON lines; empty lines are left out.
pub(super) fn of_json_lines(list: &Path, text: &str) -> Result<Vec<Input>> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            let entry = serde_json::from_str(line).map_err(|error| refused(list, number, &error))?;
            input(list, number, entry)
        })
        .collect()
}

/// The inputs of CSV whose first row names the fields; an empty field is as good as none.
pub(super) fn of_csv(list: &Path, text: &str) -> Result<Vec<Input>> {
    let mut records = csv::records(text).into_iter();
    let Some((_, names)) = records.next() else { return Ok(Vec::new()) };
    records
        .map(|(number, record)| {
            if record.len() != names.len() {
                let reason = format!("line {number} has {} fields, its first line {}", record.len(), names.len());
                return Err(Error::format(list, reason));
            }
            let fields = names.iter().map(|name| name.trim().to_owned()).zip(record).filter(|(_, field)| !field.is_empty());
            let fields = fields.map(|(name, field)| {
                let text = matches!(name.as_str(), "path" | "id");
                let number = || serde_json::from_str(field.trim()).ok().filter(Value::is_number);
                let value = if text { None } else { number() };
                (name, value.unwrap_or(Value::String(field)))
            });
            let entry = serde_json::from_value(Value::Object(fields.collect::<Map<_, _>>()));
            input(list, number, entry.map_err(|error| refused(list, number, &error))?)
        })
        .collect()
}

fn input(list: &Path, number: usize, entry: Entry) -> Result<Input> {
    let seconds = |name: &str, seconds: Option<f64>| {
        let time = seconds.map(Duration::try_from_secs_f64).transpose();
        time.map_err(|error| Error::format(list, format!("line {number}: {name}: {error}; accepted are seconds")))
    };
    let counts = [
        ("frame_distance", entry.frame_distance.map(|count| count as u64)),
        ("inference_interval", entry.inference_interval),
        ("stride_frames", entry.stride_frames.map(|count| count as u64)),
    ];
    if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == Some(0)) {
        return Err(Error::format(list, format!("line {number}: {name} = 0; accepted is 1 or more")));
    }
    let path = if is_address(&entry.path) { entry.path } else { list.parent().unwrap_or(Path::new("")).join(entry.path) };
    Ok(Input {
        id: entry.id.unwrap_or_else(|| path.to_string_lossy().into_owned()),
        path,
        duration: seconds("duration", entry.duration)?,
        share: Shard::default(),
        options: FileOptions {
            frame_distance: entry.frame_distance,
            inference_interval: entry.inference_interval,
            stride_frames: entry.stride_frames,
            time_limit: seconds("time_limit", entry.time_limit)?,
        },
    })
}

fn refused(list: &Path, number: usize, error: &serde_json::Error) -> Error {
    Error::format(list, format!("line {number}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "lists/all";

    #[test]
    fn both_forms_say_the_same() {
        let json = r#"{"id":"a","path":"a.mp4","duration":2.5,"stride_frames":4}
{"path":"http://host/b.mp4","time_limit":1}"#;
        let csv = "path,id,duration,stride_frames,time_limit\r\na.mp4,a,2.5,4,\r\nhttp://host/b.mp4,,,,1\r\n";
        let (json, csv) = (of_json_lines(Path::new(LIST), json).unwrap(), of_csv(Path::new(LIST), csv).unwrap());
        assert_eq!(json, csv);
        assert_eq!((json[0].path.to_str(), json[0].duration), (Some("lists/a.mp4"), Some(Duration::from_millis(2500))));
        assert_eq!((json[1].id.as_str(), json[1].options.time_limit), ("http://host/b.mp4", Some(Duration::from_secs(1))));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, parts) in [
            ("{\"path\":\"a\"}\n{\"path\":\"b\",\"speed\":2}", ["line 2", "speed"]),
            ("{\"id\":\"a\"}", ["line 1", "path"]),
            ("{\"path\":\"a\",\"duration\":-1}", ["line 1", "duration"]),
            ("{\"path\":\"a\",\"frame_distance\":0}", ["frame_distance", "1 or more"]),
        ] {
            let message = of_json_lines(Path::new(LIST), text).unwrap_err().to_string();
            assert!(parts.iter().all(|part| message.contains(part)) && message.contains(LIST), "{message}");
        }
        let message = of_csv(Path::new(LIST), "path,id\na\n").unwrap_err().to_string();
        assert!(message.contains("line 2 has 1 fields"), "{message}");
        let message = of_csv(Path::new(LIST), "path,duration\na,long\n").unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("long"), "{message}");
    }
}
