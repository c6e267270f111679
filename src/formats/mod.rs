//! Results to bytes, and back.
//!
//! Optical flow is kept as Middlebury `.flo` ([`flo`]) or KITTI 16-bit PNG ([`kitti`]); [`read_flow`] and [`write_flow`] choose.
//! Latents are kept as safetensors ([`latents`]). Labels and texts leave as JSON lines ([`json_lines`]), labels in time also as WebVTT
//! ([`web_vtt`]). Whatever writes a file goes through [`PendingFile`], so that no reader ever sees half of one.

pub mod flo;
pub mod json_lines;
pub mod kitti;
pub mod latents;
mod pending;
pub mod web_vtt;

use std::{io::Write, path::Path};

pub use pending::{PendingFile, write_beside};

use crate::{
    error::{Error, Result},
    media::FlowField,
};

/// Reads a flow field from a `.flo` or KITTI PNG file; its first bytes say which, whatever its name.
///
/// # Errors
/// When the file cannot be read, is neither, or is damaged.
pub fn read_flow(path: impl AsRef<Path>) -> Result<FlowField> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    if bytes.starts_with(&flo::MAGIC) {
        flo::decode(&bytes, path)
    } else if bytes.starts_with(&kitti::MAGIC) {
        kitti::decode(&bytes, path)
    } else {
        Err(Error::format(path, "neither Middlebury .flo (which begins with PIEH) nor a 16-bit PNG in KITTI's layout"))
    }
}

/// Writes a flow field as Middlebury `.flo` or KITTI PNG, as the end of the name says.
///
/// # Errors
/// When the name ends in neither `.flo` nor `.png`, the format cannot hold the field, or the file cannot be written.
pub fn write_flow(path: impl AsRef<Path>, field: &FlowField) -> Result<()> {
    let path = path.as_ref();
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let bytes = match extension.as_deref() {
        Some("flo") => flo::encode(field)?,
        Some("png") => kitti::encode(field)?,
        _ => return Err(Error::option("flow file", path.display(), "a name ending in .flo or .png")),
    };
    write_beside(path, |file| file.write_all(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_chooses_when_writing_and_the_content_when_reading() {
        let folder = tempfile::tempdir().unwrap();
        let field = FlowField::from_fn(5, 3, |x, y| [x as f32 - 2.5, y as f32 * 0.25]);
        for name in ["f.flo", "f.PNG"] {
            let path = folder.path().join(name);
            write_flow(&path, &field).unwrap();
            assert_eq!(read_flow(&path).unwrap(), field);
            let renamed = folder.path().join("other.bin");
            std::fs::rename(&path, &renamed).unwrap();
            assert_eq!(read_flow(&renamed).unwrap(), field);
        }
    }

    #[test]
    fn what_is_neither_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.flo");
        std::fs::write(&path, "text").unwrap();
        let message = read_flow(&path).unwrap_err().to_string();
        assert!(message.contains("f.flo") && message.contains("PIEH"), "{message}");
        let message =
            write_flow(folder.path().join("f.txt"), &FlowField::from_fn(1, 1, |_, _| [0.0; 2])).unwrap_err().to_string();
        assert!(message.contains("f.txt") && message.contains(".flo or .png"), "{message}");
    }
}
