//! What a file's results hang on: its content, the model and the options.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    video_file::is_address,
};

/// Parts of a file that are looked at.
const SAMPLES: u64 = 16;
/// Bytes of each part. A file up to [`SAMPLES`] times this long is looked at as a whole.
const SAMPLE: u64 = 1 << 14;
/// Hexadecimal digits of a key: enough that no two of any archive are alike by chance.
const DIGITS: usize = 32;

/// The key of a file's results: a hash of what the file holds, of the model and of the options. Of a long file its length and some parts,
/// evenly spread from its first to its last byte, stand for the whole: reading an archive twice would cost more than it is worth. Of an
/// address, the address does.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn key(path: &Path, model: &str, options: &str) -> Result<String> {
    let mut digest = Sha256::new();
    for text in [model, options] {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    if is_address(path) {
        digest.update(path.to_string_lossy().as_bytes());
    } else {
        look_at(path, &mut digest).map_err(Error::io(path))?;
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..DIGITS].to_owned())
}

fn look_at(path: &Path, digest: &mut Sha256) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    digest.update(length.to_le_bytes());
    let mut sample = Vec::new();
    for at in starts(length) {
        file.seek(SeekFrom::Start(at))?;
        sample.clear();
        file.by_ref().take(SAMPLE).read_to_end(&mut sample)?;
        digest.update(&sample);
    }
    Ok(())
}

/// Where the parts begin.
fn starts(length: u64) -> impl Iterator<Item = u64> {
    let last = length.saturating_sub(SAMPLE);
    let whole = length <= SAMPLES * SAMPLE;
    (0..SAMPLES)
        .map(move |number| if whole { number * SAMPLE } else { (last as u128 * number as u128 / (SAMPLES - 1) as u128) as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_byte_length_model_or_option_is_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        let key_of = |bytes: &[u8], model: &str, options: &str| {
            std::fs::write(&path, bytes).unwrap();
            key(&path, model, options).unwrap()
        };
        for length in [0, 100, (SAMPLE * SAMPLES) as usize, 1_000_000] {
            let mut bytes = vec![7; length];
            let plain = key_of(&bytes, "m", "o");
            assert_eq!((plain.len(), &plain), (DIGITS, &key_of(&bytes, "m", "o")));
            assert!(plain != key_of(&bytes, "n", "o") && plain != key_of(&bytes, "m", "p") && plain != key_of(&bytes, "mo", ""));
            for at in [0, length / 15, length.saturating_sub(1)].into_iter().filter(|&at| at < length) {
                bytes[at] = 8;
                assert_ne!(plain, key_of(&bytes, "m", "o"), "byte {at} of {length}");
                bytes[at] = 7;
            }
            bytes.push(7);
            assert_ne!(plain, key_of(&bytes, "m", "o"));
        }
        assert!(key(&folder.path().join("gone"), "m", "o").unwrap_err().to_string().contains("gone"));
    }
}
