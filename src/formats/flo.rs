//! Middlebury `.flo`: the number 202021.25, X and Y as 32-bit integers, then u and v of every pixel as 32-bit floats, row by row from
//! the top, all little endian. Every vector is kept bit by bit, unknown ones too.

use std::path::Path;

use crate::{
    error::{Error, Result},
    media::FlowField,
};

/// The first four bytes: 202021.25, which spells PIEH.
pub const MAGIC: [u8; 4] = *b"PIEH";

const HEADER: usize = 12;
const VECTOR: usize = 8;

/// The bytes of a `.flo` file.
///
/// # Errors
/// When a side does not fit into 31 bits.
pub fn encode(field: &FlowField) -> Result<Vec<u8>> {
    let side = |side: usize| i32::try_from(side).map_err(|_| Error::tensor("flow", side, "a side of at most 2147483647"));
    let (width, height) = (side(field.width())?, side(field.height())?);
    let mut bytes = Vec::with_capacity(HEADER + field.uv().len() * VECTOR);
    bytes.extend(MAGIC);
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    for component in field.uv().as_flattened() {
        bytes.extend(component.to_le_bytes());
    }
    Ok(bytes)
}

/// Reads the bytes of a `.flo` file; `path` is its name for messages.
///
/// # Errors
/// When the first number is another, a side is not positive, or the length is not what the sides ask for.
pub fn decode(bytes: &[u8], path: impl AsRef<Path>) -> Result<FlowField> {
    let refused = |reason: String| Error::format(&path, reason);
    if !bytes.starts_with(&MAGIC) {
        return Err(refused("not Middlebury .flo: it does not begin with 202021.25 (PIEH)".into()));
    }
    let Some((header, vectors)) = bytes.split_at_checked(HEADER) else {
        return Err(refused(format!("{} bytes, too short for the {HEADER} bytes of a .flo header", bytes.len())));
    };
    let side = |at: usize| i32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let (width, height) = (side(4), side(8));
    if width < 1 || height < 1 {
        return Err(refused(format!("a .flo file of {width} × {height} pixels; both sides must be at least 1")));
    }
    // 31 and 31 bits and 8 bytes: the product fits into 66 bits, so it is taken in 128.
    let expected = width as u128 * height as u128 * VECTOR as u128;
    if vectors.len() as u128 != expected {
        let given = vectors.len();
        return Err(refused(format!("{given} bytes after the .flo header; {width} × {height} pixels take {expected}")));
    }
    let component = |bytes: &[u8], at: usize| f32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    let uv = vectors.chunks_exact(VECTOR).map(|vector| [component(vector, 0), component(vector, 4)]).collect();
    FlowField::new(width as usize, height as usize, uv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_comes_back() {
        let uv = vec![[1.5, -2.25], [1e10, 1e10], [f32::NAN, 0.0], [-0.0, 1e-40], [f32::INFINITY, 3.0], [0.1, 0.2]];
        let field = FlowField::new(3, 2, uv).unwrap();
        let bytes = encode(&field).unwrap();
        assert_eq!(bytes[..4], 202_021.25f32.to_le_bytes());
        let back = decode(&bytes, "f.flo").unwrap();
        let bits = |field: &FlowField| field.uv().as_flattened().iter().map(|c| c.to_bits()).collect::<Vec<_>>();
        assert_eq!((back.width(), back.height(), bits(&back)), (3, 2, bits(&field)));
    }

    #[test]
    fn truncated_files_are_refused() {
        let bytes = encode(&FlowField::from_fn(3, 2, |_, _| [0.0; 2])).unwrap();
        for length in 0..bytes.len() {
            let message = decode(&bytes[..length], "short.flo").unwrap_err().to_string();
            assert!(message.contains("short.flo"), "{message}");
        }
        assert!(decode(&[bytes.as_slice(), &[0]].concat(), "long.flo").is_err());
    }

    #[test]
    fn absurd_sizes_are_refused_before_anything_is_allocated() {
        for (width, height) in [(0, 4), (-1, 4), (i32::MAX, i32::MAX), (i32::MIN, i32::MIN), (1 << 16, 1 << 16)] {
            let bytes = [&MAGIC[..], &width.to_le_bytes(), &height.to_le_bytes(), &[0; 32]].concat();
            let message = decode(&bytes, "f.flo").unwrap_err().to_string();
            assert!(message.contains(&width.to_string()), "{message}");
        }
    }

    #[test]
    fn another_magic_is_refused() {
        let mut bytes = encode(&FlowField::from_fn(1, 1, |_, _| [0.0; 2])).unwrap();
        bytes[0] = b'p';
        assert!(decode(&bytes, "f.flo").unwrap_err().to_string().contains("202021.25"));
    }
}
