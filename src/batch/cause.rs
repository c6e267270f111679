//! What a failure is called, so that a hundred files that fail alike are counted together.

use std::io::ErrorKind;

use crate::error::Error;

/// The kind of a failure in few words, without what differs from file to file.
pub(super) fn of(error: &Error) -> String {
    match error {
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound => "the file does not exist".into(),
            ErrorKind::PermissionDenied => "the file may not be read".into(),
            _ => without_details(&source.to_string()),
        },
        Error::Format { reason, .. } => without_details(reason),
        Error::Option { name, .. } => name.clone(),
        Error::Tensor { name, .. } => format!("tensor {name}"),
        other => without_details(&other.to_string()),
    }
}

/// The kind of a failure in writing what a file becomes.
pub(super) fn of_output(error: &Error) -> String {
    let reason = match error {
        Error::Io { source, .. } => without_details(&source.to_string()),
        other => of(other),
    };
    format!("its output cannot be written, {reason}")
}

/// A message up to where it goes into details.
fn without_details(message: &str) -> String {
    let end = message.find([':', ';', '(']).unwrap_or(message.len());
    let words: Vec<&str> =
        message[..end].split_whitespace().take_while(|word| !word.contains(|c: char| c.is_ascii_digit())).collect();
    words.join(" ").trim_end_matches(',').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_fail_alike_have_one_cause() {
        let truncated = |seconds: f64| of(&Error::format("a.mp4", format!("the file is truncated: it ends after {seconds} s")));
        assert_eq!((truncated(1.0), truncated(2.5)), ("the file is truncated".into(), "the file is truncated".into()));
        let unreadable = "not a video file that FFmpeg can read, or its beginning only (Invalid data)";
        assert_eq!(of(&Error::format("b", unreadable)), "not a video file that FFmpeg can read, or its beginning only");
        assert_eq!(of(&Error::format("b", "reading failed after 1.250 s (x)")), "reading failed after");
        assert_eq!(of(&Error::io("c")(ErrorKind::NotFound.into())), "the file does not exist");
        let denied = Error::io("d")(std::io::Error::from_raw_os_error(13));
        assert_eq!(of(&denied), "the file may not be read");
        assert_eq!(of_output(&denied), "its output cannot be written, Permission denied");
    }
}
