//! The tables of a folder, when a run is over.

use std::{io::Write, path::Path};

use super::{folder, journal::History, lines, row::Row};
use crate::{error::Result, formats::PendingFile};

/// Leaves out rows of files whose content has changed since, where there may be some.
///
/// # Errors
/// When the folder's journal or rows cannot be read or written.
pub(super) fn settle(folder: &Path, stale_rows: bool) -> Result<()> {
    let path = folder::results(folder);
    let history = History::read(&folder::journal(folder))?;
    if stale_rows {
        let mut pending = PendingFile::create(&path)?;
        let mut kept = std::io::BufWriter::new(pending.file());
        lines::read(&path, |row: Row, line| {
            if history.counts(&row.file, &row.key) {
                kept.write_all(line.as_bytes()).map_err(crate::Error::io(&path))?;
            }
            Ok(())
        })?;
        kept.flush().map_err(crate::Error::io(&path))?;
        drop(kept);
        pending.publish()?;
    }
    Ok(())
}
