//! The tables of a folder, when a run is over.

use std::{io::Write, path::Path};

use super::{folder, journal::History, lines, row::Row};
use crate::{
    error::{Error, Result},
    formats::PendingFile,
};

/// Leaves out rows of files whose content has changed since, where there may be some, and makes the table.
///
/// # Errors
/// When the folder's journal or rows cannot be read or written.
pub(super) fn settle(folder: &Path, stale_rows: bool) -> Result<()> {
    let path = folder::results(folder);
    if stale_rows {
        let history = History::read(&folder::journal(folder))?;
        let mut pending = PendingFile::create(&path)?;
        let mut kept = std::io::BufWriter::new(pending.file());
        lines::read(&path, |row: Row, line| {
            if history.counts(&row.file, &row.key) {
                kept.write_all(line.as_bytes()).map_err(Error::io(&path))?;
            }
            Ok(())
        })?;
        kept.flush().map_err(Error::io(&path))?;
        drop(kept);
        pending.publish()?;
    }
    #[cfg(feature = "parquet")]
    super::table::write(folder)?;
    Ok(())
}
