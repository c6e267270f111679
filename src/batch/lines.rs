//! Files that only grow, line by line, and survive being cut off anywhere.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A file of lines, open for more. A line is there as a whole or not at all: what a killed process left half written goes when the file is
/// opened, what a full disk cut off goes at once.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Lines {
    /// Opens `path`, makes it if it is missing, and cuts off a last line without an end.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = || -> std::io::Result<(File, u64)> {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let length = whole_lines(&mut file)?;
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(Error::io(path))?;
        Ok(Self { path: path.to_owned(), file, length })
    }

    /// Adds whole lines.
    pub(super) fn append(&mut self, lines: &str) -> Result<()> {
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            // Where even this fails, the next one to open the file does it.
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(Error::io(&self.path)(error));
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Makes sure that all lines are on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io(&self.path))
    }
}

/// Hands every line of a file of JSON lines to `take`; a last one without an end is left out, a missing file has none.
pub(super) fn read<T: DeserializeOwned>(path: &Path, mut take: impl FnMut(T, &str) -> Result<()>) -> Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io(path))?,
    };
    let (mut reader, mut line) = (BufReader::new(file), String::new());
    for number in 1.. {
        line.clear();
        reader.read_line(&mut line).map_err(Error::io(path))?;
        if !line.ends_with('\n') {
            break;
        }
        let value = serde_json::from_str(&line).map_err(|error| Error::format(path, format!("line {number}: {error}")))?;
        take(value, &line)?;
    }
    Ok(())
}

/// How long a file is up to the end of its last whole line.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(begin))?;
        block.clear();
        Read::by_ref(file).take(end - begin).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_goes_wherever_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        let whole = "{\"a\":1}\n{\"a\":22}\n";
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut seen = Vec::new();
            read(&path, |value: serde_json::Value, _| {
                seen.push(value["a"].as_u64().unwrap());
                Ok(())
            })
            .unwrap();
            Lines::open(&path).unwrap().append("3\n").unwrap();
            let kept = &whole[..whole[..length].rfind('\n').map_or(0, |at| at + 1)];
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{kept}3\n"));
            assert_eq!(seen, [1, 22][..kept.lines().count()]);
        }
        std::fs::write(&path, "{\"a\":1}\nx\n").unwrap();
        let message = read(&path, |_: serde_json::Value, _| Ok(())).unwrap_err().to_string();
        assert!(message.contains("lines.jsonl") && message.contains("line 2"), "{message}");
        read(&folder.path().join("missing"), |_: serde_json::Value, _| panic!()).unwrap();
    }

    #[test]
    fn a_long_torn_line_is_found_over_many_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        std::fs::write(&path, format!("1\n{}", "x".repeat(200_000))).unwrap();
        drop(Lines::open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n");
    }
}
