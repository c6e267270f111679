//! Tensors as bytes: float32 in the machine's byte order, one tensor behind the other.

use perceiverflow::{Error, Result};

/// The numbers of a buffer, all its memories in their order.
///
/// # Errors
/// When the buffer cannot be read, or does not hold whole numbers.
pub(crate) fn read(buffer: &gst::BufferRef) -> Result<Vec<f32>> {
    let map = buffer.map_readable().map_err(|error| Error::tensor("buffer", error.to_string(), "one that can be read"))?;
    let (numbers, rest) = map.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Error::tensor("buffer", map.len(), "bytes in fours, float32"));
    }
    Ok(numbers.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect())
}

/// A buffer of one tensor.
pub(crate) fn write(numbers: &[f32]) -> gst::Buffer {
    gst::Buffer::from_mut_slice(numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>())
}

/// A buffer of two tensors, each a memory of its own.
pub(crate) fn write_pair(first: &[f32], second: &[f32]) -> gst::Buffer {
    let mut buffer = write(first);
    buffer.append(write(second));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_one_memory_or_two() {
        gst::init().unwrap();
        assert_eq!(read(&write(&[1.5, -2.0])).unwrap(), [1.5, -2.0]);
        let pair = write_pair(&[1.0], &[2.0, 3.0]);
        assert_eq!((pair.n_memory(), read(&pair).unwrap()), (2, vec![1.0, 2.0, 3.0]));
        assert!(read(&gst::Buffer::from_mut_slice(vec![0u8; 5])).is_err());
    }
}
