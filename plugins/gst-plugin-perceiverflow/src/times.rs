//! Times of GStreamer and of the library.

use std::time::Duration;

use gst_video::VideoInfo;

/// A time within five hundred years, as all timestamps are.
pub(crate) fn clock_time(time: Duration) -> gst::ClockTime {
    gst::ClockTime::try_from(time).unwrap_or(gst::ClockTime::MAX)
}

/// How long one of so many a second lasts; none where the rate varies.
pub(crate) fn period(rate: gst::Fraction) -> Option<Duration> {
    (rate.numer() > 0).then(|| Duration::from_secs(1).mul_f64(f64::from(rate.denom()) / f64::from(rate.numer())))
}

/// From one frame to the next, where the caps say so.
pub(crate) fn frame_time(info: &VideoInfo) -> Option<Duration> {
    period(info.fps())
}
