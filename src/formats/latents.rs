//! Latents of a series of windows in a safetensors file: encoded today, asked tomorrow.
//!
//! | tensor | type | shape | what |
//! |---|---|---|---|
//! | `latents` | F32 | W × N × D | the latents of W windows |
//! | `time` | U64 | W | when each window begins, in nanoseconds |
//! | `duration` | U64 | W | how long it lasts, in nanoseconds |
//!
//! The metadata hold `format` (`perceiverflow-latents`), `version` (`1`), `model_hash` (SHA-256 of the model, which alone can read
//! them) and `source` (the name of what was encoded). The header takes the first 4096 bytes, padded with blanks as the format allows, so
//! that windows go to the file as they come.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::PendingFile;
use crate::error::{Error, Result};

const FORMAT: &str = "perceiverflow-latents";
const VERSION: &str = "1";
/// Where the numbers begin.
const HEADER: usize = 4096;
/// Bytes before the header: its length.
const LENGTH: usize = 8;

/// What a file of latents is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatentsInfo {
    /// SHA-256 of the model, in hexadecimal.
    pub model_hash: String,
    /// The name of what was encoded.
    pub source: String,
    /// N and D.
    pub dims: [usize; 2],
}

/// The latents of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentsWindow {
    /// When the window begins.
    pub time: Duration,
    /// How long it lasts.
    pub duration: Duration,
    /// N × D numbers, row by row.
    pub values: Vec<f32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<String, String>,
    latents: Entry,
    time: Entry,
    duration: Entry,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

impl Header {
    fn new(info: &LatentsInfo, windows: usize) -> Self {
        let [n, d] = info.dims;
        let mut end = 0;
        let mut entry = |dtype: &str, bytes: usize, shape: Vec<usize>| {
            let start = end;
            end += (bytes * shape.iter().product::<usize>()) as u64;
            Entry { dtype: dtype.into(), shape, data_offsets: [start, end] }
        };
        let metadata = [("format", FORMAT), ("version", VERSION), ("model_hash", &info.model_hash), ("source", &info.source)];
        Self {
            metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            latents: entry("F32", size_of::<f32>(), vec![windows, n, d]),
            time: entry("U64", size_of::<u64>(), vec![windows]),
            duration: entry("U64", size_of::<u64>(), vec![windows]),
        }
    }
}

/// Where the numbers of a window begin, in bytes from the start of a file that a [`LatentsWriter`] wrote: of window `number`, from 0.
pub fn window_offset(dims: [usize; 2], number: u64) -> u64 {
    HEADER as u64 + number * (dims[0] * dims[1] * size_of::<f32>()) as u64
}

/// Writes a file of latents window by window. It has its name only once [`finish`](Self::finish) has succeeded; dropped before, it leaves
/// nothing.
#[derive(Debug)]
pub struct LatentsWriter {
    file: PendingFile,
    info: LatentsInfo,
    times: Vec<u64>,
    durations: Vec<u64>,
}

impl LatentsWriter {
    /// Begins the file `path`.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(path: impl AsRef<Path>, info: LatentsInfo) -> Result<Self> {
        let mut file = PendingFile::create(path)?;
        let begun = file.file().write_all(&[b' '; HEADER]);
        begun.map_err(Error::io(file.path()))?;
        Ok(Self { file, info, times: Vec::new(), durations: Vec::new() })
    }

    /// Adds the next window.
    ///
    /// # Errors
    /// When it has another number of values than the first said, or the file cannot be written.
    pub fn push(&mut self, window: &LatentsWindow) -> Result<()> {
        let [n, d] = self.info.dims;
        if window.values.len() != n * d {
            return Err(Error::tensor("latents", window.values.len(), format!("{n} x {d} numbers")));
        }
        let bytes: Vec<u8> = window.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.write(&bytes)?;
        self.times.push(nanoseconds(window.time));
        self.durations.push(nanoseconds(window.duration));
        Ok(())
    }

    /// Writes times and header and gives the file its name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        let series = self.times.iter().chain(&self.durations).flat_map(|time| time.to_le_bytes());
        let bytes: Vec<u8> = series.collect();
        self.write(&bytes)?;
        let mut header =
            serde_json::to_vec(&Header::new(&self.info, self.times.len())).map_err(|e| self.refused(&e.to_string()))?;
        let space = HEADER - LENGTH;
        if header.len() > space {
            return Err(self.refused("its source has too long a name for the header"));
        }
        header.resize(space, b' ');
        let length = (space as u64).to_le_bytes();
        let write = |file: &mut File| -> io::Result<()> {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&length)?;
            file.write_all(&header)
        };
        write(self.file.file()).map_err(Error::io(self.file.path()))?;
        self.file.publish()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.file().write_all(bytes);
        written.map_err(Error::io(self.file.path()))
    }

    fn refused(&self, reason: &str) -> Error {
        Error::format(self.file.path(), reason)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads a file of latents, one window at a time.
#[derive(Debug)]
pub struct LatentsReader {
    path: PathBuf,
    file: File,
    info: LatentsInfo,
    /// Where the numbers begin.
    start: u64,
    times: Vec<[u64; 2]>,
}

impl LatentsReader {
    /// Opens `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is none of latents, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(Error::io(path))?;
        let size = file.metadata().map_err(Error::io(path))?.len();
        let refused = |reason: &str| Error::format(path, format!("no file of latents: {reason}"));
        let mut length = [0; LENGTH];
        file.read_exact(&mut length).map_err(|_| refused("too short for a safetensors header"))?;
        let length = u64::from_le_bytes(length);
        // Other writers may pad less or more; nobody needs more than this.
        const LONGEST: u64 = 1 << 20;
        if length > LONGEST || length + LENGTH as u64 > size {
            return Err(refused(&format!("its header claims {length} bytes")));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(Error::io(path))?;
        let header: Header = serde_json::from_slice(&header).map_err(|e| refused(&e.to_string()))?;
        let of = |name: &str| header.metadata.get(name).cloned().unwrap_or_default();
        if (of("format").as_str(), of("version").as_str()) != (FORMAT, VERSION) {
            let given = format!("format {:?}, version {:?}", of("format"), of("version"));
            return Err(refused(&format!("{given}; accepted is {FORMAT:?}, version {VERSION:?}")));
        }
        let &[windows, n, d] = header.latents.shape.as_slice() else {
            return Err(refused(&format!("latents of shape {:?}; accepted is W, N, D", header.latents.shape)));
        };
        let info = LatentsInfo { model_hash: of("model_hash"), source: of("source"), dims: [n, d] };
        let start = length + LENGTH as u64;
        let numbers = [windows, n, d, size_of::<f32>()].iter().try_fold(1u64, |bytes, &side| bytes.checked_mul(side as u64));
        let whole = numbers.and_then(|bytes| bytes.checked_add(2 * size_of::<u64>() as u64 * windows as u64)?.checked_add(start));
        let (Some(numbers), Some(whole)) = (numbers, whole) else { return Err(refused("its shape overflows")) };
        if whole != size {
            return Err(refused(&format!("{size} bytes, where {windows} windows of {n} x {d} take {whole}")));
        }
        let expected = Header::new(&info, windows);
        let places = |header: &Header| [&header.latents, &header.time, &header.duration].map(|entry| entry.data_offsets);
        if places(&header) != places(&expected) {
            return Err(refused("its tensors do not lie in the order latents, time, duration"));
        }
        let mut bytes = vec![0; (whole - start - numbers) as usize];
        file.seek(SeekFrom::Start(start + numbers)).and_then(|_| file.read_exact(&mut bytes)).map_err(Error::io(path))?;
        let series: Vec<u64> = bytes.chunks_exact(8).map(|b| u64::from_le_bytes(std::array::from_fn(|at| b[at]))).collect();
        let times = (0..windows).map(|window| [series[window], series[windows + window]]).collect();
        Ok(Self { path: path.to_owned(), file, info, start, times })
    }

    /// What the file is about.
    pub fn info(&self) -> &LatentsInfo {
        &self.info
    }

    /// W, how many windows it holds.
    pub fn windows(&self) -> usize {
        self.times.len()
    }

    /// Reads window `number`, from 0.
    ///
    /// # Errors
    /// When there is none of that number, or the file cannot be read.
    pub fn read(&mut self, number: usize) -> Result<LatentsWindow> {
        let &[time, duration] = self
            .times
            .get(number)
            .ok_or_else(|| Error::option("window", number, format!("0 to {}", self.times.len().saturating_sub(1))))?;
        let mut bytes = vec![0; self.info.dims[0] * self.info.dims[1] * size_of::<f32>()];
        let at = self.start + (number * bytes.len()) as u64;
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(Error::io(&self.path))?;
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(std::array::from_fn(|at| b[at]))).collect();
        Ok(LatentsWindow { time: Duration::from_nanos(time), duration: Duration::from_nanos(duration), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> LatentsInfo {
        LatentsInfo { model_hash: "ab12".into(), source: "clip \"one\".mp4".into(), dims: [2, 3] }
    }

    fn window(number: u64) -> LatentsWindow {
        LatentsWindow {
            time: Duration::from_nanos(640_000_000 * number + 7),
            duration: Duration::from_millis(640),
            values: (0..6).map(|value| value as f32 + number as f32 * 0.1).collect(),
        }
    }

    fn written(folder: &Path, windows: u64) -> PathBuf {
        let path = folder.join("clip.safetensors");
        let mut writer = LatentsWriter::create(&path, info()).unwrap();
        (0..windows).for_each(|number| writer.push(&window(number)).unwrap());
        assert!(!path.exists(), "no half of a file under its name");
        writer.finish().unwrap();
        path
    }

    #[test]
    fn windows_come_back_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = LatentsReader::open(written(folder.path(), 3)).unwrap();
        assert_eq!((reader.info(), reader.windows()), (&info(), 3));
        for number in [2, 0, 1] {
            assert_eq!(reader.read(number).unwrap(), window(number as u64));
        }
        assert!(reader.read(3).unwrap_err().to_string().contains("0 to 2"));
    }

    #[test]
    fn any_safetensors_library_reads_it() {
        for windows in [0, 2] {
            let folder = tempfile::tempdir().unwrap();
            let bytes = std::fs::read(written(folder.path(), windows)).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(tensors.tensor("latents").unwrap().shape(), [windows as usize, 2, 3]);
            assert_eq!(tensors.tensor("time").unwrap().shape(), [windows as usize]);
        }
    }

    #[test]
    fn other_and_damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(written(folder.path(), 2)).unwrap();
        let damaged = folder.path().join("damaged.safetensors");
        let refused = |bytes: &[u8]| {
            std::fs::write(&damaged, bytes).unwrap();
            let message = LatentsReader::open(&damaged).unwrap_err().to_string();
            assert!(message.contains("damaged.safetensors"), "{message}");
        };
        (0..bytes.len()).step_by(37).for_each(|length| refused(&bytes[..length]));
        refused(&[bytes.as_slice(), &[0]].concat());
        refused(&[&u64::MAX.to_le_bytes(), &bytes[8..]].concat());
        let text = |from: &str, to: &str| {
            let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
        };
        refused(&text("[2,2,3]", "[9,2,3]"));
        refused(&text("[2,2,3]", "[2,2,2]"));
        refused(&text("-latents", "-flatted"));
        refused(&text(r#""version":"1""#, r#""version":"2""#));
    }

    #[test]
    fn a_window_of_another_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LatentsWriter::create(folder.path().join("l.safetensors"), info()).unwrap();
        assert!(writer.push(&LatentsWindow { values: vec![0.0; 5], ..window(0) }).is_err());
    }
}
