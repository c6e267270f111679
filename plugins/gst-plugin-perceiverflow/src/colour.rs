//! Luma and chroma against RGB, by the colorimetry of the caps: integers in 1/65536, exact to the rounding of one byte.

use gst::glib;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoColorimetry, VideoInfo};

/// Fractional bits of the coefficients.
const BITS: u32 = 16;

/// The way between 8-bit Y'CbCr and 8-bit R'G'B' for one matrix and range. Grey is its luma alone.
#[derive(Clone, Debug)]
pub(crate) struct Colour {
    /// What black's luma is: 16 in limited range, 0 in full.
    black: i32,
    /// Y' to each of R', G' and B'.
    luma: i32,
    /// Cr to R', Cb and Cr to G' (both taken away), Cb to B'.
    red_cr: i32,
    green_cb: i32,
    green_cr: i32,
    blue_cb: i32,
    /// R', G' and B' to Y', Cb and Cr.
    rows: [[i32; 3]; 3],
}

/// The video that fixed caps describe.
///
/// Where caps leave the matrix open, GStreamer puts its default in the place of all they say of colours. What they say of the range holds
/// here: decoders know that alone of many files.
///
/// # Errors
/// When they are no raw video.
pub(crate) fn video_info(caps: &gst::CapsRef) -> Result<VideoInfo, glib::BoolError> {
    let info = VideoInfo::from_caps(caps)?;
    let said = caps.structure(0).and_then(|structure| structure.get::<&str>("colorimetry").ok());
    let said = said.and_then(|said| said.parse::<VideoColorimetry>().ok());
    let known = |said: &VideoColorimetry| said.matrix() == VideoColorMatrix::Unknown && said.range() != VideoColorRange::Unknown;
    let Some(said) = said.filter(|said| info.is_yuv() && known(said)) else { return Ok(info) };
    let usual = info.colorimetry();
    let colours = VideoColorimetry::new(said.range(), usual.matrix(), usual.transfer(), usual.primaries());
    VideoInfo::builder_from_info(&info).colorimetry(&colours).build()
}

impl Colour {
    /// The conversion that a colorimetry asks for. An unknown matrix is taken as BT.601, an unknown range as limited.
    pub(crate) fn of(colorimetry: &VideoColorimetry) -> Self {
        let (red, blue) = match colorimetry.matrix() {
            VideoColorMatrix::Bt709 => (0.2126, 0.0722),
            VideoColorMatrix::Bt2020 => (0.2627, 0.0593),
            VideoColorMatrix::Smpte240m => (0.212, 0.087),
            VideoColorMatrix::Fcc => (0.30, 0.11),
            _ => (0.299, 0.114),
        };
        Self::new(red, blue, colorimetry.range() == VideoColorRange::Range0_255)
    }

    /// `red` and `blue` are the shares of R' and B' in the luma, Kr and Kb.
    fn new(red: f64, blue: f64, full: bool) -> Self {
        let green = 1.0 - red - blue;
        let (black, luma_span, chroma_span) = if full { (0, 255.0, 255.0) } else { (16, 219.0, 224.0) };
        let fixed = |value: f64| (value * f64::from(1 << BITS)).round() as i32;
        let chroma = |share: f64| 2.0 * (1.0 - share) * 255.0 / chroma_span;
        let back = |share: f64| 1.0 / chroma(share);
        Self {
            black,
            luma: fixed(255.0 / luma_span),
            red_cr: fixed(chroma(red)),
            green_cb: fixed(chroma(blue) * blue / green),
            green_cr: fixed(chroma(red) * red / green),
            blue_cb: fixed(chroma(blue)),
            rows: [
                [red, green, blue].map(|share| fixed(share * luma_span / 255.0)),
                [-red * back(blue), -green * back(blue), (1.0 - blue) * back(blue)].map(fixed),
                [(1.0 - red) * back(red), -green * back(red), -blue * back(red)].map(fixed),
            ],
        }
    }

    /// R', G', B' of a luma `y` and the chroma `cb`, `cr` around 128.
    pub(crate) fn rgb(&self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let y = (i32::from(y) - self.black) * self.luma;
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        [y + self.red_cr * cr, y - self.green_cb * cb - self.green_cr * cr, y + self.blue_cb * cb].map(byte)
    }

    /// The luma of a colour.
    pub(crate) fn luma(&self, rgb: [u8; 3]) -> u8 {
        byte(self.row(0, rgb) + (self.black << BITS))
    }

    /// The chroma Cb and Cr of a colour.
    pub(crate) fn chroma(&self, rgb: [u8; 3]) -> [u8; 2] {
        [1, 2].map(|row| byte(self.row(row, rgb) + (128 << BITS)))
    }

    fn row(&self, row: usize, rgb: [u8; 3]) -> i32 {
        self.rows[row].iter().zip(rgb).map(|(&share, value)| share * i32::from(value)).sum()
    }
}

/// The nearest byte to a number in 1/65536.
fn byte(fixed: i32) -> u8 {
    ((fixed + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        gst::init().unwrap();
        Colour::of(&text.parse().unwrap())
    }

    #[test]
    fn black_white_and_red_of_the_standards() {
        for (name, white, red) in [("bt601", 235, [81, 90, 240]), ("bt709", 235, [63, 102, 240])] {
            let colour = colour(name);
            assert_eq!((colour.luma([0; 3]), colour.luma([255; 3])), (16, white), "{name}");
            let [cb, cr] = colour.chroma([255, 0, 0]);
            assert_eq!([colour.luma([255, 0, 0]), cb, cr], red, "{name}");
        }
    }

    #[test]
    fn full_range_reaches_both_ends() {
        let full = colour("1:4:0:0");
        assert_eq!((full.luma([0; 3]), full.luma([255; 3])), (0, 255));
        assert_eq!((full.rgb(0, 128, 128), full.rgb(255, 128, 128)), ([0; 3], [255; 3]));
    }

    #[test]
    fn every_colour_comes_back_within_the_rounding_of_its_bytes() {
        for name in ["bt601", "bt709", "bt2020", "smpte240m", "1:4:0:0", "1:3:5:1"] {
            let colour = colour(name);
            for red in (0..=255).step_by(15) {
                for green in (0..=255).step_by(15) {
                    for blue in (0..=255).step_by(15) {
                        let rgb = [red, green, blue].map(|value| value as u8);
                        let [cb, cr] = colour.chroma(rgb);
                        let back = colour.rgb(colour.luma(rgb), cb, cr);
                        let error = (0..3).map(|c| rgb[c].abs_diff(back[c])).max().unwrap();
                        assert!(error <= 2, "{name}: {rgb:?} came back as {back:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn full_range_holds_also_where_the_matrix_has_no_name() {
        gst::init().unwrap();
        let of = |colorimetry: &str, height: i32| {
            let caps = gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .field("width", 64)
                .field("height", height)
                .field("framerate", gst::Fraction::new(25, 1))
                .field("colorimetry", colorimetry)
                .build();
            let colours = video_info(&caps).unwrap().colorimetry();
            (colours.range(), colours.matrix())
        };
        use VideoColorMatrix::{Bt601, Bt709};
        use VideoColorRange::{Range0_255, Range16_235};
        assert_eq!(of("1:0:0:0", 48), (Range0_255, Bt601));
        assert_eq!(of("1:0:0:0", 720), (Range0_255, Bt709));
        assert_eq!(of("0:0:0:0", 48), (Range16_235, Bt601));
        assert_eq!(of("bt709", 48), (Range16_235, Bt709));
    }
}
