//! Between libav's pictures and packed RGB, with the right matrix and range.

use ffmpeg_next::{
    Error,
    format::Pixel,
    frame,
    software::scaling::{Context, Flags},
};

use super::{
    colour::{Matrix, full_range},
    unwrapped::{Owned, set_colours},
};
use crate::media::Picture;

const FLAGS: Flags = Flags::BICUBIC.union(Flags::ACCURATE_RND).union(Flags::FULL_CHR_H_INT).union(Flags::FULL_CHR_H_INP);

/// What a conversion was set up for: pixel format, size, matrix, full range.
type Source = (Pixel, u32, u32, Matrix, bool);

/// Decoded pictures of any format and size to RGB of one size.
pub(super) struct ToRgb {
    width: u32,
    height: u32,
    current: Option<(Source, Owned<Context>)>,
}

impl ToRgb {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, current: None }
    }

    /// The Y × X × 3 bytes of a decoded picture; one of another size is scaled.
    pub(super) fn convert(&mut self, decoded: &frame::Video) -> Result<Vec<u8>, Error> {
        let matrix = Matrix::of(decoded.color_space(), decoded.height() as usize);
        let source = (decoded.format(), decoded.width(), decoded.height(), matrix, full_range(decoded));
        let context = match &mut self.current {
            Some((set_up_for, context)) if *set_up_for == source => context,
            current => {
                let (format, width, height, matrix, full) = source;
                let mut context = Context::get(format, width, height, Pixel::RGB24, self.width, self.height, FLAGS)?;
                set_colours(&mut context, (matrix, full), (matrix, true));
                &mut current.insert((source, Owned(context))).1
            }
        };
        let mut rgb = frame::Video::empty();
        context.0.run(decoded, &mut rgb)?;
        let (row, rows) = (self.width as usize * 3, self.height as usize);
        let mut packed = Vec::with_capacity(row * rows);
        for line in rgb.data(0).chunks(rgb.stride(0)).take(rows) {
            packed.extend_from_slice(&line[..row]);
        }
        Ok(packed)
    }
}

/// Pictures to YUV 4:2:0 in limited range, the form every player takes.
pub(super) struct ToYuv {
    width: u32,
    height: u32,
    context: Owned<Context>,
}

impl ToYuv {
    /// For coded pictures of `width` × `height`.
    pub(super) fn new(width: u32, height: u32, matrix: Matrix) -> Result<Self, Error> {
        let mut context = Context::get(Pixel::RGB24, width, height, Pixel::YUV420P, width, height, FLAGS)?;
        set_colours(&mut context, (matrix, true), (matrix, false));
        Ok(Self { width, height, context: Owned(context) })
    }

    /// The coded form of `picture`. Where the coded size is larger, its last column and row are repeated.
    pub(super) fn convert(&mut self, picture: &Picture) -> Result<frame::Video, Error> {
        let mut rgb = frame::Video::new(Pixel::RGB24, self.width, self.height);
        let stride = rgb.stride(0);
        for (row, line) in rgb.data_mut(0).chunks_mut(stride).take(self.height as usize).enumerate() {
            let length = picture.width() * 3;
            let from = row.min(picture.height() - 1) * length;
            line[..length].copy_from_slice(&picture.rgb()[from..from + length]);
            for column in picture.width()..self.width as usize {
                line.copy_within(length - 3..length, column * 3);
            }
        }
        let mut yuv = frame::Video::empty();
        self.context.0.run(&rgb, &mut yuv)?;
        Ok(yuv)
    }
}
