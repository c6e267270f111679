//! KITTI's 16-bit RGB PNG: u = (R − 2¹⁵) / 64, v = (G − 2¹⁵) / 64, and B says whether the vector is known. Vectors are rounded to 1/64
//! pixel; unknown ones are kept as unknown.

use std::{io::Cursor, path::Path};

use image::{ColorType, ExtendedColorType, ImageDecoder, ImageFormat, Limits, codecs::png::PngDecoder};

use crate::{
    error::{Error, Result},
    media::{FlowField, UNKNOWN},
};

/// The first eight bytes, those of every PNG.
pub const MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

const ZERO: f32 = 32_768.0;
const STEPS_PER_PIXEL: f32 = 64.0;

/// No PNG unpacks to more than this many times its size: deflate needs a bit for 129 bytes at best.
const MAX_RATIO: u64 = 1032;

/// The components of an unknown vector, well above [`UNKNOWN`].
const UNKNOWN_VECTOR: [f32; 2] = [10.0 * UNKNOWN; 2];

/// The bytes of a PNG file.
///
/// # Errors
/// When a known component lies outside -512 to 511.98 pixels, or a side is more than PNG can hold.
pub fn encode(field: &FlowField) -> Result<Vec<u8>> {
    let side = |side: usize| u32::try_from(side).map_err(|_| Error::tensor("flow", side, "a side that PNG can hold"));
    let (width, height) = (side(field.width())?, side(field.height())?);
    let mut samples = Vec::with_capacity(field.uv().len() * 6);
    for &vector in field.uv() {
        let pixel = if FlowField::is_known(vector) { [step(vector[0])?, step(vector[1])?, 1] } else { [0; 3] };
        samples.extend(pixel.map(u16::to_ne_bytes).as_flattened());
    }
    let mut bytes = Cursor::new(Vec::new());
    image::write_buffer_with_format(&mut bytes, &samples, width, height, ExtendedColorType::Rgb16, ImageFormat::Png)
        .map_err(|e| Error::tensor("flow", (height, width), format!("sides that PNG can hold ({e})")))?;
    Ok(bytes.into_inner())
}

fn step(component: f32) -> Result<u16> {
    let step = (component * STEPS_PER_PIXEL + ZERO).round();
    if (0.0..=65_535.0).contains(&step) {
        Ok(step as u16)
    } else {
        Err(Error::tensor("flow", component, "-512 to 511.98 pixels for a KITTI PNG; .flo holds any"))
    }
}

/// Reads the bytes of a PNG file; `path` is its name for messages.
///
/// # Errors
/// When it is no PNG, one of other than three 16-bit channels, or damaged.
pub fn decode(bytes: &[u8], path: impl AsRef<Path>) -> Result<FlowField> {
    let unreadable = |e: image::ImageError| Error::format(&path, format!("not a readable PNG ({e})"));
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), Limits::default()).map_err(unreadable)?;
    if decoder.color_type() != ColorType::Rgb16 {
        let given = decoder.color_type();
        return Err(Error::format(&path, format!("a PNG of {given:?}; KITTI's flow has three 16-bit channels (Rgb16)")));
    }
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > bytes.len() as u64 * MAX_RATIO {
        let given = bytes.len();
        return Err(Error::format(&path, format!("{given} bytes cannot hold the {width} × {height} pixels of the PNG header")));
    }
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut samples).map_err(unreadable)?;
    let vector = |pixel: &[u8]| {
        let [r, g, b] = std::array::from_fn(|channel| u16::from_ne_bytes([pixel[2 * channel], pixel[2 * channel + 1]]));
        if b == 0 { UNKNOWN_VECTOR } else { [r, g].map(|step| (f32::from(step) - ZERO) / STEPS_PER_PIXEL) }
    };
    FlowField::new(width as usize, height as usize, samples.chunks_exact(6).map(vector).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Picture;

    #[test]
    fn known_vectors_come_back_to_a_64th_and_unknown_ones_as_unknown() {
        let uv = vec![[0.0, 0.0], [-512.0, 511.984_4], [3.1, -7.7], [1e10, 0.0], [f32::NAN, 1.0], [0.25, 0.5]];
        let field = FlowField::new(3, 2, uv).unwrap();
        let back = decode(&encode(&field).unwrap(), "f.png").unwrap();
        for (&before, &after) in field.uv().iter().zip(back.uv()) {
            assert_eq!(FlowField::is_known(before), FlowField::is_known(after));
            if FlowField::is_known(before) {
                assert!((0..2).all(|i| (before[i] - after[i]).abs() <= 0.5 / 64.0), "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn the_layout_is_kittis() {
        let bytes = encode(&FlowField::new(1, 1, vec![[1.0, -1.0]]).unwrap()).unwrap();
        let image = image::load_from_memory(&bytes).unwrap().into_rgb16();
        assert_eq!(image.get_pixel(0, 0).0, [32_768 + 64, 32_768 - 64, 1]);
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        for component in [600.0, -512.1, 512.0] {
            let field = FlowField::new(1, 1, vec![[0.0, component]]).unwrap();
            let message = encode(&field).unwrap_err().to_string();
            assert!(message.contains("511.98") && message.contains(".flo"), "{message}");
        }
    }

    #[test]
    fn truncated_and_other_pngs_are_refused() {
        let bytes = encode(&FlowField::from_fn(9, 9, |x, y| [x as f32, y as f32])).unwrap();
        for length in [0, 7, 20, 40, bytes.len() / 2] {
            let message = decode(&bytes[..length], "short.png").unwrap_err().to_string();
            assert!(message.contains("short.png"), "{message}");
        }
        let picture = Picture::from_fn(2, 2, |_, _| [1, 2, 3]).to_png();
        assert!(decode(&picture, "picture.png").unwrap_err().to_string().contains("16-bit"));
    }

    #[test]
    fn a_lying_size_is_refused_before_it_is_allocated() {
        let mut bytes = encode(&FlowField::from_fn(2, 2, |_, _| [0.0; 2])).unwrap();
        // Columns and rows in the header chunk, whose checksum then has to be right again.
        bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let crc = crc(&bytes[12..29]).to_be_bytes();
        bytes[29..33].copy_from_slice(&crc);
        let message = decode(&bytes, "huge.png").unwrap_err().to_string();
        assert!(message.contains("huge.png") && message.contains("65536"), "{message}");
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
}
