//! What units of H.264 a packet has, as far as finding a place to begin at needs it.

use super::unwrapped::extra_data;
use ffmpeg_next::Stream;

/// The type of a unit of a picture at which all that came before is forgotten.
const IDR: u8 = 5;

/// Bytes of the length before each unit, where a stream has such (as in MP4 and Matroska); none where units begin with start codes.
pub(super) fn length_bytes(stream: &Stream<'_>) -> Option<usize> {
    match extra_data(stream) {
        Some(data) if data.first() == Some(&1) => data.get(4).map(|byte| usize::from(byte & 3) + 1),
        _ => None,
    }
}

/// Whether a packet has a picture at which all that came before is forgotten.
pub(super) fn has_idr(packet: &[u8], length_bytes: Option<usize>) -> bool {
    let is_idr = |header: &u8| header & 0x1f == IDR;
    let Some(length_bytes) = length_bytes else {
        return packet.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && is_idr(&bytes[3]));
    };
    let mut rest = packet;
    while let Some((length, unit)) = rest.split_at_checked(length_bytes) {
        if unit.first().is_some_and(is_idr) {
            return true;
        }
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        rest = unit.get(length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_by_length_and_by_start_code() {
        let (parameters, idr, other) = ([0x67, 5, 5], [0x65, 9], [0x41, 0x65]);
        let by_length =
            |units: &[&[u8]]| units.iter().flat_map(|unit| [&[0, unit.len() as u8], *unit].concat()).collect::<Vec<_>>();
        let by_code = |units: &[&[u8]]| units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect::<Vec<_>>();
        for (units, expected) in [(vec![&parameters[..], &idr], true), (vec![&parameters[..], &other], false), (vec![], false)] {
            assert_eq!(has_idr(&by_length(&units), Some(2)), expected);
            assert_eq!(has_idr(&by_code(&units), None), expected);
        }
        assert!(!has_idr(&[0, 9], Some(2)) && !has_idr(&[0, 200, 1], Some(2)));
    }
}
