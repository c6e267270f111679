//! Mapped video frames to pictures and back. Every plane's own stride is honoured, and chroma by its own subsampling, so that odd
//! sizes and padded buffers need no case of their own.

use gst_video::{VideoFrameRef, prelude::*};
use perceiverflow::{Error, Result, media::Picture};

use crate::colour::Colour;

/// One component of a mapped frame: how its samples lie in the bytes of its plane.
#[derive(Clone, Copy, Debug)]
struct Layout {
    stride: usize,
    step: usize,
    shift_x: u32,
    shift_y: u32,
}

impl Layout {
    fn of(info: &gst_video::VideoInfo, component: u32) -> Result<Self> {
        let index = component as usize;
        let format = info.format_info();
        let stride = info.comp_stride(component as u8);
        Ok(Self {
            stride: usize::try_from(stride)
                .map_err(|_| Error::option("stride", stride, "rows from the top, not from the bottom"))?,
            step: info.comp_pstride(component as u8) as usize,
            shift_x: format.w_sub()[index],
            shift_y: format.h_sub()[index],
        })
    }

    /// The bytes from the row that holds pixel row `y` on.
    fn row<'a>(&self, data: &'a [u8], y: usize) -> &'a [u8] {
        &data[(y >> self.shift_y) * self.stride..]
    }

    /// Where in its row the sample of pixel column `x` lies.
    fn column(&self, x: usize) -> usize {
        (x >> self.shift_x) * self.step
    }
}

/// The picture that a frame of any of [`FORMATS`](crate::caps::FORMATS) shows.
///
/// # Errors
/// When a plane is stored from the bottom up.
pub(crate) fn read(frame: &VideoFrameRef<&gst::BufferRef>) -> Result<Picture> {
    let info = frame.info();
    let (width, height) = (info.width() as usize, info.height() as usize);
    let component = |number: u32| -> Result<(Layout, &[u8])> {
        let data = frame.comp_data(number).map_err(|e| Error::option("plane", number, e.to_string()))?;
        Ok((Layout::of(info, number)?, data))
    };
    let (first, first_data) = component(0)?;
    let colour = Colour::of(&info.colorimetry());
    let mut rgb = Vec::with_capacity(width * height * 3);
    if info.is_gray() {
        for y in 0..height {
            let row = first.row(first_data, y);
            rgb.extend((0..width).flat_map(|x| colour.rgb(row[first.column(x)], 128, 128)));
        }
    } else {
        let (second, second_data) = component(1)?;
        let (third, third_data) = component(2)?;
        let is_rgb = info.is_rgb();
        for y in 0..height {
            let rows = [first.row(first_data, y), second.row(second_data, y), third.row(third_data, y)];
            let samples = (0..width).map(|x| [rows[0][first.column(x)], rows[1][second.column(x)], rows[2][third.column(x)]]);
            if is_rgb {
                rgb.extend(samples.flatten());
            } else {
                rgb.extend(samples.flat_map(|[luma, cb, cr]| colour.rgb(luma, cb, cr)));
            }
        }
    }
    Picture::new(width, height, rgb)
}

/// Writes into a frame what differs between the picture that [`read`] gave and the same picture `after` drawing. Pixels that were
/// not drawn on keep their bytes; so does transparency.
///
/// # Errors
/// When a plane is stored from the bottom up.
pub(crate) fn write_changes(frame: &mut VideoFrameRef<&mut gst::BufferRef>, before: &Picture, after: &Picture) -> Result<()> {
    let info = frame.info().clone();
    let colour = Colour::of(&info.colorimetry());
    let components = if info.is_gray() { 1 } else { 3 };
    for number in 0..components {
        let layout = Layout::of(&info, number)?;
        let data = frame.comp_data_mut(number).map_err(|e| Error::option("plane", number, e.to_string()))?;
        let sample = |rgb: [u8; 3]| match number {
            _ if info.is_rgb() => rgb[number as usize],
            0 => colour.luma(rgb),
            _ => colour.chroma(rgb)[number as usize - 1],
        };
        let (block_x, block_y) = (1 << layout.shift_x, 1 << layout.shift_y);
        for top in (0..after.height()).step_by(block_y) {
            let bottom = (top + block_y).min(after.height());
            let rows = top * after.width() * 3..bottom * after.width() * 3;
            if before.rgb()[rows.clone()] == after.rgb()[rows] {
                continue;
            }
            let row = &mut data[(top >> layout.shift_y) * layout.stride..];
            for left in (0..after.width()).step_by(block_x) {
                let block = || (top..bottom).flat_map(|y| (left..(left + block_x).min(after.width())).map(move |x| (x, y)));
                if block().any(|(x, y)| before.pixel(x, y) != after.pixel(x, y)) {
                    row[layout.column(left)] = sample(mean(block().map(|(x, y)| after.pixel(x, y))));
                }
            }
        }
    }
    Ok(())
}

/// The mean colour of at least one pixel, rounded.
fn mean(pixels: impl Iterator<Item = [u8; 3]>) -> [u8; 3] {
    let (sum, count) =
        pixels.fold(([0u32; 3], 0), |(sum, count), pixel| (std::array::from_fn(|c| sum[c] + u32::from(pixel[c])), count + 1));
    sum.map(|sum| ((sum + count / 2) / count) as u8)
}

#[cfg(test)]
mod tests {
    use gst_video::{VideoFormat, VideoInfo};

    use super::*;
    use crate::caps::FORMATS;

    /// A frame of one format and odd size with two bytes more in each row than GStreamer's own layout, filled with one colour.
    fn padded(format: VideoFormat, width: u32, height: u32, fill: impl Fn(usize) -> u8) -> (gst::Buffer, VideoInfo) {
        gst::init().unwrap();
        let tight = VideoInfo::builder(format, width, height).build().unwrap();
        let planes = tight.n_planes() as usize;
        let strides: Vec<i32> = tight.stride()[..planes].iter().map(|stride| stride + 8).collect();
        let rows = |plane: usize| if plane == 0 { height as usize } else { height.div_ceil(2) as usize };
        let mut offsets = vec![0];
        (0..planes).for_each(|plane| offsets.push(offsets[plane] + strides[plane] as usize * rows(plane)));
        let size = offsets.pop().unwrap();
        let bytes: Vec<u8> = (0..size).map(fill).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        gst_video::VideoMeta::add_full(
            buffer.get_mut().unwrap(),
            gst_video::VideoFrameFlags::empty(),
            format,
            width,
            height,
            &offsets,
            &strides,
        )
        .unwrap();
        (buffer, tight)
    }

    fn picture(buffer: &gst::Buffer, info: &VideoInfo) -> Picture {
        read(&VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap()).unwrap()
    }

    #[test]
    fn what_is_drawn_is_read_back_in_every_format_and_the_rest_keeps_its_bytes() {
        for format in FORMATS {
            let (mut buffer, info) = padded(format, 13, 7, |at| (at * 7 % 200 + 20) as u8);
            let original = buffer.map_readable().unwrap().to_vec();
            let before = picture(&buffer, &info);
            let mut after = before.clone();
            for (x, y) in [(12, 6), (12, 5), (4, 2), (5, 2), (4, 3), (5, 3)] {
                after.set_pixel(x, y, [180, 90, 60]);
            }
            {
                let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
                write_changes(&mut frame, &before, &after).unwrap();
            }
            let back = picture(&buffer, &info);
            for (x, y) in [(4, 2), (5, 3), (12, 6)] {
                let expected =
                    if info.is_gray() { [Colour::of(&info.colorimetry()).luma([180, 90, 60]); 3] } else { [180, 90, 60] };
                let error = (0..3).map(|c| back.pixel(x, y)[c].abs_diff(expected[c])).max().unwrap();
                assert!(error <= 2, "{format}: pixel {x}, {y} is {:?}", back.pixel(x, y));
            }
            assert_eq!(back.pixel(0, 0), before.pixel(0, 0), "{format}");
            let changed = buffer.map_readable().unwrap().iter().zip(&original).filter(|(a, b)| a != b).count();
            assert!(changed <= 18, "{format}: {changed} bytes changed for six pixels");
        }
    }

    #[test]
    fn writing_nothing_changes_nothing() {
        for format in FORMATS {
            let (mut buffer, info) = padded(format, 5, 5, |at| (at * 31 % 256) as u8);
            let original = buffer.map_readable().unwrap().to_vec();
            let seen = picture(&buffer, &info);
            let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            write_changes(&mut frame, &seen, &seen.clone()).unwrap();
            drop(frame);
            assert_eq!(&*buffer.map_readable().unwrap(), original, "{format}");
        }
    }

    #[test]
    fn padding_and_chroma_of_a_small_i420_frame_by_hand() {
        gst::init().unwrap();
        let (buffer, info) = padded(VideoFormat::I420, 3, 3, |_| 0);
        let mut buffer = buffer;
        {
            let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            let stride = frame.plane_stride()[0] as usize;
            frame.plane_data_mut(0).unwrap()[2 * stride + 2] = 81;
            let stride = frame.plane_stride()[1] as usize;
            frame.plane_data_mut(1).unwrap()[stride + 1] = 90;
            frame.plane_data_mut(2).unwrap()[stride + 1] = 240;
        }
        let [red, green, blue] = picture(&buffer, &info).pixel(2, 2);
        assert!(red >= 253 && green <= 2 && blue <= 2, "limited-range BT.601 red, got {red} {green} {blue}");
    }
}
