//! The few things libav offers and `ffmpeg-next` does not wrap: the only unsafe code of this folder.
//!
//! Everything here reads or sets plain fields of structures that the safe wrapper owns and keeps alive for the call. libav is a C
//! library, so none of it can be written without; each block says why it is sound.

use std::ffi::c_int;

use ffmpeg_next::{
    Packet, Rescale, Stream, StreamMut, codec, ffi,
    format::{self, context::Input},
    frame,
    packet::Ref,
    software::scaling,
};

use super::{colour::Matrix, time::Ratio};

/// A scaling context that moves between threads with its owner.
pub(super) struct Owned<T>(pub(super) T);

#[allow(unsafe_code)]
// SAFETY: a scaling context is plain memory of its own, bound to no thread; `Owned` hands it out by `&mut` only.
unsafe impl Send for Owned<scaling::Context> {}

/// Sets matrix and range (full or not) on both sides of a conversion. Sides that are RGB ignore theirs.
#[allow(unsafe_code)]
pub(super) fn set_colours(context: &mut scaling::Context, from: (Matrix, bool), to: (Matrix, bool)) {
    // SAFETY: the context is alive and exclusively ours; the coefficient tables are static. The result only says whether the
    // conversion has such settings at all, which RGB to RGB has not.
    unsafe {
        ffi::sws_setColorspaceDetails(
            context.as_mut_ptr(),
            ffi::sws_getCoefficients(coefficients(from.0)),
            c_int::from(from.1),
            ffi::sws_getCoefficients(coefficients(to.0)),
            c_int::from(to.1),
            0,
            1 << 16,
            1 << 16,
        );
    }
}

fn coefficients(matrix: Matrix) -> c_int {
    match matrix {
        Matrix::Bt601 => ffi::SWS_CS_ITU601,
        Matrix::Bt709 => ffi::SWS_CS_ITU709,
        Matrix::Bt2020 => ffi::SWS_CS_BT2020,
    }
}

/// Whether a picture is there, but not as it was: parts of its packets could not be decoded, and the decoder filled the holes.
#[allow(unsafe_code)]
pub(super) fn is_concealed(picture: &frame::Video) -> bool {
    // SAFETY: a plain field of a frame that the wrapper keeps alive.
    picture.is_corrupt() || unsafe { (*picture.as_ptr()).decode_error_flags } != 0
}

/// When the earliest stream of a file starts, in microseconds.
#[allow(unsafe_code)]
pub(super) fn start_time(input: &Input) -> Option<i64> {
    // SAFETY: a plain field of an open context.
    Some(unsafe { (*input.as_ptr()).start_time }).filter(|&start| start != ffi::AV_NOPTS_VALUE)
}

/// Whether the times of a container begin anywhere and may jump.
#[allow(unsafe_code)]
pub(super) fn has_running_clock(input: &Input) -> bool {
    // SAFETY: an open context has a format, which is a static description.
    unsafe { (*(*input.as_ptr()).iformat).flags & ffi::AVFMT_TS_DISCONT != 0 }
}

/// Whether the file's duration was read from it, not reckoned from its bit rate.
#[allow(unsafe_code)]
pub(super) fn duration_is_declared(input: &Input) -> bool {
    // SAFETY: a plain field of an open context.
    let method = unsafe { (*input.as_ptr()).duration_estimation_method };
    method != ffi::AVDurationEstimationMethod::AVFMT_DURATION_FROM_BITRATE
}

/// Whether a packet is only there to decode others: what becomes of it is not shown.
#[allow(unsafe_code)]
pub(super) fn is_shown(packet: &Packet) -> bool {
    // SAFETY: a plain field of a packet that is alive.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD == 0 }
}

/// What a container says to the decoder of a stream beforehand.
#[allow(unsafe_code)]
pub(super) fn extra_data(stream: &Stream<'_>) -> Option<Vec<u8>> {
    // SAFETY: the stream belongs to an open context, whose parameters own so many bytes there, if any; they are copied out.
    unsafe {
        let parameters = (*stream.as_ptr()).codecpar;
        let (data, size) = ((*parameters).extradata, usize::try_from((*parameters).extradata_size).ok()?);
        (!data.is_null()).then(|| std::slice::from_raw_parts(data, size).to_vec())
    }
}

/// The byte after the last one that the index of a stream points to, where the file has such an index.
#[allow(unsafe_code)]
pub(super) fn indexed_bytes(stream: &Stream<'_>) -> Option<u64> {
    // SAFETY: the stream belongs to an open context; entries live until the next call on it, and are copied out before.
    unsafe {
        let stream = stream.as_ptr().cast_mut();
        (0..ffi::avformat_index_get_entries_count(stream))
            .filter_map(|index| ffi::avformat_index_get_entry(stream, index).as_ref())
            .filter_map(|entry| u64::try_from(entry.pos).ok()?.checked_add(u64::try_from(entry.size()).ok()?))
            .max()
    }
}

/// Width of a pixel over its height, by container and codec.
#[allow(unsafe_code)]
pub(super) fn pixel_aspect(input: &mut Input, stream: usize) -> Option<Ratio> {
    let stream = input.stream(stream)?;
    // SAFETY: both belong to the same open context; no frame is given, which is allowed. Nothing is changed.
    let aspect =
        unsafe { ffi::av_guess_sample_aspect_ratio(input.as_ptr().cast_mut(), stream.as_ptr().cast_mut(), std::ptr::null_mut()) };
    Ratio::positive(aspect.num, aspect.den)
}

/// Tells the container what the encoder already knows of the pixels' shape.
#[allow(unsafe_code)]
pub(super) fn set_pixel_aspect(stream: &mut StreamMut<'_>, aspect: Ratio) {
    let aspect = ffi::AVRational { num: aspect.numerator as c_int, den: aspect.denominator as c_int };
    // SAFETY: a plain field of a stream of an open context.
    unsafe { (*stream.as_mut_ptr()).sample_aspect_ratio = aspect };
}

/// Describes `to` as `from` is, codec by codec: what copying packets needs. The tag is left to the new container.
#[allow(unsafe_code)]
pub(super) fn describe_as(to: &mut StreamMut<'_>, from: &Stream<'_>) -> Result<(), ffmpeg_next::Error> {
    // SAFETY: both streams belong to open contexts, and libav copies everything it needs.
    unsafe {
        let (to, from) = (to.as_mut_ptr(), from.as_ptr());
        match ffi::avcodec_parameters_copy((*to).codecpar, (*from).codecpar) {
            error if error < 0 => return Err(error.into()),
            _ => (*(*to).codecpar).codec_tag = 0,
        }
        (*to).disposition = (*from).disposition;
    }
    Ok(())
}

/// How far before its start a sound stream may have packets that only prepare its decoder, in ticks of the stream.
#[allow(unsafe_code)]
pub(super) fn leading_samples(stream: &Stream<'_>) -> i64 {
    // SAFETY: plain fields of a stream of an open context.
    let (samples, rate) = unsafe {
        let parameters = (*stream.as_ptr()).codecpar;
        ((*parameters).initial_padding, (*parameters).sample_rate)
    };
    if rate > 0 { samples.rescale((1, rate), stream.time_base()) } else { 0 }
}

/// Lets the demuxer skip the packets of a stream.
#[allow(unsafe_code)]
pub(super) fn discard(stream: &mut StreamMut<'_>) {
    // SAFETY: a plain field of a stream of an open context.
    unsafe { (*stream.as_mut_ptr()).discard = ffi::AVDiscard::AVDISCARD_ALL };
}

/// Whether a container can hold a codec.
#[allow(unsafe_code)]
pub(super) fn holds(container: &format::Output, codec: codec::Id) -> bool {
    // SAFETY: the format is a static description; nothing is changed.
    unsafe { ffi::avformat_query_codec(container.as_ptr(), codec.into(), ffi::FF_COMPLIANCE_NORMAL) == 1 }
}
