//! A file in the making: libav writes it, and it gets its name when it is whole.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use ffmpeg_next::{
    Dictionary, Error as LibavError,
    format::{
        self,
        context::{Output, StreamIo},
        flag::Flags,
    },
};

use super::{container::Container, libav};
use crate::{
    error::{Error, Result},
    formats::PendingFile,
};

/// What a system says of storage, and a codec never does.
const STORAGE: [ErrorKind; 4] =
    [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::ReadOnlyFilesystem, ErrorKind::FileTooLarge];

/// What encoders and tracks write to.
pub(super) struct OutputFile {
    pub(super) path: PathBuf,
    pub(super) output: Output,
    unfinished: PendingFile,
}

impl OutputFile {
    /// Begins the file `path`, without streams yet.
    pub(super) fn create(path: &Path, container: &Container) -> Result<Self> {
        libav::start();
        let mut unfinished = PendingFile::create(path)?;
        let file = unfinished.file().try_clone().map_err(Error::io(path))?;
        let output = StreamIo::from_write_seek(file)
            .and_then(|file| format::output_to_stream(file, None, Some(container.muxer)))
            .map_err(|error| Self::failure(path, "beginning the file", error))?;
        Ok(Self { path: path.to_owned(), output, unfinished })
    }

    /// Whether encoders have to tell their settings to the container rather than in their packets.
    pub(super) fn global_header(&self) -> bool {
        self.output.format().flags().contains(Flags::GLOBAL_HEADER)
    }

    /// Writes the beginning, once all streams are announced. Sound that begins before zero, the run-in of its codec, must not push the
    /// rest of the file later.
    pub(super) fn begin(&mut self, mut options: Dictionary<'_>) -> Result<()> {
        options.set("avoid_negative_ts", "disabled");
        let begun = self.output.write_header_with(options);
        begun.map(drop).map_err(|error| self.failed("beginning the file", error))
    }

    /// Closes the file and gives it its name.
    pub(super) fn publish(mut self) -> Result<()> {
        let closed = self.output.write_trailer();
        closed.map_err(|error| self.failed("writing", error))?;
        drop(self.output);
        self.unfinished.publish()
    }

    /// The error of something that did not work.
    pub(super) fn failed(&self, doing: &str, error: LibavError) -> Error {
        Self::failure(&self.path, doing, error)
    }

    /// The same for `path`: the system's own words where it refused, so that a full disk is known for one.
    pub(super) fn failure(path: &Path, doing: &str, error: LibavError) -> Error {
        let refused = match error {
            LibavError::Other { errno } => Some(io::Error::from_raw_os_error(errno)),
            _ => None,
        };
        match refused.filter(|error| STORAGE.contains(&error.kind())) {
            Some(refused) => Error::io(path)(refused),
            None => Error::format(path, format!("{doing} failed ({error})")),
        }
    }
}
