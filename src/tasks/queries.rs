//! Which outputs of a window are asked for.

use std::str::FromStr;

use crate::error::{Error, Result};

/// A rectangle of a video, in pixels of the model's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns, 1 or more.
    pub width: usize,
    /// Rows, 1 or more.
    pub height: usize,
}

impl FromStr for Region {
    type Err = Error;

    /// Reads `x,y,width,height`.
    fn from_str(text: &str) -> Result<Self> {
        let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[x, y, width, height]) if width > 0 && height > 0 => Ok(Self { x, y, width, height }),
            _ => Err(Error::option("query-roi", text, "x,y,width,height in pixels, width and height 1 or more")),
        }
    }
}

/// Which pixels of a video are asked for: every `stride`-th of every `stride`-th row in a region. The others cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoQueries {
    /// 1 or more.
    pub stride: usize,
    /// The whole picture without one.
    pub region: Option<Region>,
}

impl Default for VideoQueries {
    /// Every pixel.
    fn default() -> Self {
        Self { stride: 1, region: None }
    }
}

/// What is asked of a window's latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The pixels of its video.
    Video(VideoQueries),
    /// Its sound.
    Audio,
    /// Its classes.
    Labels,
}

impl VideoQueries {
    /// The region of a grid of `rows` × `columns` outputs, if it lies within.
    fn region_of(&self, [rows, columns]: [usize; 2]) -> Result<Region> {
        let region = self.region.unwrap_or(Region { x: 0, y: 0, width: columns, height: rows });
        let within =
            |start: usize, length: usize, all: usize| length > 0 && start.checked_add(length).is_some_and(|end| end <= all);
        if !within(region.x, region.width, columns) || !within(region.y, region.height, rows) {
            let Region { x, y, width, height } = region;
            let accepted = format!("x,y,width,height within {columns}x{rows}, the model's output");
            return Err(Error::option("query-roi", format!("{x},{y},{width},{height}"), accepted));
        }
        if self.stride == 0 {
            return Err(Error::option("query-stride", 0, "1 or more"));
        }
        Ok(region)
    }

    /// Columns and rows of the pictures that come out.
    ///
    /// # Errors
    /// When the region does not lie within `grid` (T, Y, X), or the stride is 0.
    pub fn size(&self, grid: [usize; 3]) -> Result<(usize, usize)> {
        let region = self.region_of([grid[1], grid[2]])?;
        Ok((region.width.div_ceil(self.stride), region.height.div_ceil(self.stride)))
    }

    /// Flat indices into `grid` (T, Y, X) of the pixels that are asked for, T pictures one after the other.
    pub(super) fn points(&self, grid: [usize; 3]) -> Result<Vec<u32>> {
        let [frames, rows, columns] = grid;
        let region = self.region_of([rows, columns])?;
        let ys = || (region.y..region.y + region.height).step_by(self.stride);
        let xs = || (region.x..region.x + region.width).step_by(self.stride);
        let picture = |t: usize| ys().flat_map(move |y| xs().map(move |x| ((t * rows + y) * columns + x) as u32));
        Ok((0..frames).flat_map(picture).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: [usize; 3] = [2, 3, 4];

    #[test]
    fn fewer_pixels_are_asked_for() {
        assert_eq!(VideoQueries::default().points(GRID).unwrap(), (0..24).collect::<Vec<_>>());
        let queries = VideoQueries { stride: 2, region: None };
        assert_eq!((queries.size(GRID).unwrap(), queries.points(GRID).unwrap()), ((2, 2), vec![0, 2, 8, 10, 12, 14, 20, 22]));
        let corner = VideoQueries { stride: 1, region: Some(Region { x: 3, y: 1, width: 1, height: 2 }) };
        assert_eq!((corner.size(GRID).unwrap(), corner.points(GRID).unwrap()), ((1, 2), vec![7, 11, 19, 23]));
    }

    #[test]
    fn a_stride_of_eight_asks_a_sixty_fourth_of_the_queries() {
        let grid = [16, 224, 224];
        let asked = |queries: VideoQueries| queries.points(grid).unwrap().len();
        let region = Some(Region { x: 10, y: 20, width: 64, height: 32 });
        for region in [None, region] {
            assert_eq!(asked(VideoQueries { stride: 8, region }) * 64, asked(VideoQueries { stride: 1, region }));
        }
        assert_eq!(asked(VideoQueries { stride: 1, region }), 16 * 64 * 32);
    }

    #[test]
    fn regions_are_read() {
        assert_eq!("3, 1,5,4".parse::<Region>().unwrap(), Region { x: 3, y: 1, width: 5, height: 4 });
        for wrong in ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "-1,0,2,2", "a,b,c,d"] {
            assert!(wrong.parse::<Region>().unwrap_err().to_string().contains("x,y,width,height"), "{wrong}");
        }
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let outside = VideoQueries { stride: 1, region: Some(Region { x: 3, y: 0, width: 2, height: 1 }) };
        assert!(outside.points(GRID).unwrap_err().to_string().contains("4x3"));
        assert!(VideoQueries { stride: 0, region: None }.size(GRID).is_err());
        let endless = Region { x: usize::MAX, y: 0, width: 2, height: 1 };
        assert!(VideoQueries { stride: 1, region: Some(endless) }.size(GRID).is_err());
    }
}
