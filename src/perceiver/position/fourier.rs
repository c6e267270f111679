//! Fourier features of positions (Jaegle et al. 2021, "Perceiver", section 3.2).
//!
//! The features are a concatenation of pieces that depend on one axis each. [`FourierGrid`] keeps them that way; [`FourierGrid::dense`]
//! writes them out.

use candle_core::{DType, Device, Tensor};

use super::FourierOptions;
use crate::error::{Error, Result};

/// Fourier features of positions.
#[derive(Clone, Debug, PartialEq)]
pub struct FourierPositions {
    options: FourierOptions,
}

/// Fourier features of every position of a grid, kept apart by axis.
#[derive(Clone, Debug)]
pub struct FourierGrid {
    encoding: FourierPositions,
    index_dims: Vec<usize>,
}

/// The part of an encoding that depends on one axis only.
#[derive(Clone, Debug)]
pub(in crate::perceiver) struct AxisPositions {
    /// Positions on the axis.
    pub(in crate::perceiver) size: usize,
    /// Which channels of the encoding it makes.
    pub(in crate::perceiver) channels: Vec<usize>,
    /// They, at each position: size × channels.
    pub(in crate::perceiver) table: Vec<f32>,
}

impl FourierPositions {
    /// An encoding with these arguments.
    ///
    /// # Errors
    /// Without a band or without an axis.
    pub fn new(options: FourierOptions) -> Result<Self> {
        if options.num_bands == 0 {
            return Err(Error::config("num_bands", 0, "1 or more"));
        }
        if options.max_resolution.is_empty() {
            return Err(Error::config("max_resolution", "[]", "one number for each axis"));
        }
        Ok(Self { options })
    }

    /// Channels of the encoding.
    pub fn channels(&self) -> usize {
        let FourierOptions { num_bands, max_resolution, concat_pos, sine_only } = &self.options;
        let axes = max_resolution.len();
        axes * num_bands * if *sine_only { 1 } else { 2 } + if *concat_pos { axes } else { 0 }
    }

    /// Axes of the encoding.
    pub fn axes(&self) -> usize {
        self.options.max_resolution.len()
    }

    /// The grid of `index_dims`, one size for each axis.
    ///
    /// # Errors
    /// When there are more or fewer axes than the encoding has.
    pub fn grid(&self, index_dims: &[usize]) -> Result<FourierGrid> {
        if index_dims.len() != self.options.max_resolution.len() {
            let accepted = format!("{} axes", self.options.max_resolution.len());
            return Err(Error::tensor("positions", index_dims, accepted));
        }
        Ok(FourierGrid { encoding: self.clone(), index_dims: index_dims.to_vec() })
    }

    /// Features of given positions, B × O × axes in −1 … 1. As in the reference, only the first row of the batch feeds the sines and
    /// cosines, while each row keeps its own leading positions.
    ///
    /// # Errors
    /// When the last axis is not the encoding's number of axes.
    pub fn encode(&self, positions: &Tensor) -> Result<Tensor> {
        let (b, o, axes) = positions.dims3()?;
        if axes != self.options.max_resolution.len() {
            let accepted = format!("{} axes", self.options.max_resolution.len());
            return Err(Error::tensor("positions", positions.dims(), accepted));
        }
        let rows = positions.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_vec3::<f32>()?;
        let waves = self.waves(o, |point, axis| rows[0][point][axis]);
        let channels = self.channels();
        let mut out = Vec::with_capacity(b * o * channels);
        for row in &rows {
            for (point, waves) in row.iter().zip(waves.chunks_exact((waves.len() / o.max(1)).max(1))) {
                if self.options.concat_pos {
                    out.extend_from_slice(point);
                }
                out.extend_from_slice(waves);
            }
        }
        Ok(Tensor::from_vec(out, (b, o, channels), positions.device())?)
    }

    /// The encoding of a grid's cells by axis, at the places that [`unravel`](crate::perceiver::decode::unravel) gives them: −1 … 1
    /// (excluded), in steps of 2/n.
    pub(in crate::perceiver) fn axes_of_points(&self, index_dims: &[usize]) -> Vec<AxisPositions> {
        let places = |&n: &usize| (0..n).map(|at| -1.0 + 2.0 * at as f32 / n as f32).collect();
        self.by_axis(&index_dims.iter().map(places).collect::<Vec<_>>())
    }

    /// The encoding by axis of these positions.
    fn by_axis(&self, positions: &[Vec<f32>]) -> Vec<AxisPositions> {
        let FourierOptions { num_bands, concat_pos, sine_only, .. } = self.options;
        let axes = positions.len();
        let waves = if concat_pos { axes } else { 0 };
        let piece = |block: usize, axis: usize| (0..num_bands).map(move |band| waves + (block * axes + axis) * num_bands + band);
        let one = |(axis, positions): (usize, &Vec<f32>)| {
            let leading = concat_pos.then_some(axis);
            let channels = leading.into_iter().chain(piece(0, axis));
            let channels = if sine_only { channels.collect() } else { channels.chain(piece(1, axis)).collect::<Vec<_>>() };
            let bands = self.bands(axis);
            let mut table = Vec::with_capacity(positions.len() * channels.len());
            for &position in positions {
                table.extend(concat_pos.then_some(position));
                table.extend(bands.iter().map(|&band| angle(position, band).sin()));
                if !sine_only {
                    table.extend(bands.iter().map(|&band| angle(position, band).cos()));
                }
            }
            AxisPositions { size: positions.len(), channels, table }
        };
        positions.iter().enumerate().map(one).collect()
    }

    /// Sines, then cosines, of `points` positions.
    fn waves(&self, points: usize, position: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let bands: Vec<Vec<f32>> = (0..self.options.max_resolution.len()).map(|axis| self.bands(axis)).collect();
        let mut out = Vec::new();
        for point in 0..points {
            let angles = || {
                let position = &position;
                bands
                    .iter()
                    .enumerate()
                    .flat_map(move |(axis, bands)| bands.iter().map(move |&f| angle(position(point, axis), f)))
            };
            out.extend(angles().map(f32::sin));
            if !self.options.sine_only {
                out.extend(angles().map(f32::cos));
            }
        }
        out
    }

    /// The frequencies of an axis: from 1 to half its resolution.
    fn bands(&self, axis: usize) -> Vec<f32> {
        linspace(1.0, self.options.max_resolution[axis] as f32 / 2.0, self.options.num_bands)
    }
}

impl FourierGrid {
    /// Sizes of the grid's axes.
    pub fn index_dims(&self) -> &[usize] {
        &self.index_dims
    }

    /// Channels of the encoding.
    pub fn channels(&self) -> usize {
        self.encoding.channels()
    }

    /// The features by axis: what they are made of.
    pub(in crate::perceiver) fn by_axis(&self) -> Vec<AxisPositions> {
        self.encoding.by_axis(&self.index_dims.iter().map(|&n| linspace(-1.0, 1.0, n)).collect::<Vec<_>>())
    }

    /// The features of every position, M × channels, the last axis fastest.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn dense(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        let FourierOptions { num_bands, concat_pos, sine_only, .. } = self.encoding.options;
        let axes = self.index_dims.len();
        let positions: Vec<Vec<f32>> = self.index_dims.iter().map(|&n| linspace(-1.0, 1.0, n)).collect();
        // Sine and cosine of an axis are computed once for each of its positions, not once for each cell of the grid.
        let tables: Vec<(Vec<f32>, Vec<f32>)> = (0..axes)
            .map(|axis| {
                let bands = self.encoding.bands(axis);
                let angles: Vec<f32> = positions[axis].iter().flat_map(|&p| bands.iter().map(move |&f| angle(p, f))).collect();
                (angles.iter().map(|a| a.sin()).collect(), angles.iter().map(|a| a.cos()).collect())
            })
            .collect();
        let cells: usize = self.index_dims.iter().product();
        let mut out = Vec::with_capacity(cells * self.channels());
        let mut index = vec![0; axes];
        for _ in 0..cells {
            if concat_pos {
                out.extend((0..axes).map(|axis| positions[axis][index[axis]]));
            }
            let piece = |axis: usize| index[axis] * num_bands..(index[axis] + 1) * num_bands;
            (0..axes).for_each(|axis| out.extend_from_slice(&tables[axis].0[piece(axis)]));
            if !sine_only {
                (0..axes).for_each(|axis| out.extend_from_slice(&tables[axis].1[piece(axis)]));
            }
            advance(&mut index, &self.index_dims);
        }
        Ok(Tensor::from_vec(out, (cells, self.channels()), device)?.to_dtype(dtype)?)
    }
}

/// The next cell of a grid, the last axis fastest.
fn advance(index: &mut [usize], dims: &[usize]) {
    for axis in (0..dims.len()).rev() {
        index[axis] += 1;
        if index[axis] < dims[axis] {
            return;
        }
        index[axis] = 0;
    }
}

/// π·(p·f), each product rounded to float32 as the reference rounds it: angles reach π·15360, where one unit in the last place of the
/// position is visible in the sine.
fn angle(position: f32, frequency: f32) -> f32 {
    std::f32::consts::PI * (position * frequency)
}

/// `torch.linspace` to the bit: counted from the start in the first half and from the end in the second, with fused multiply-add.
fn linspace(start: f32, end: f32, count: usize) -> Vec<f32> {
    if count == 1 {
        return vec![start];
    }
    let step = (end - start) / (count - 1) as f32;
    (0..count)
        .map(|i| if i < count / 2 { step.mul_add(i as f32, start) } else { (-step).mul_add((count - 1 - i) as f32, end) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_equals_the_encoding_of_its_positions() {
        let options = FourierOptions { num_bands: 3, max_resolution: vec![4, 9], concat_pos: true, sine_only: false };
        let encoding = FourierPositions::new(options).unwrap();
        let (ys, xs) = (linspace(-1.0, 1.0, 5), linspace(-1.0, 1.0, 2));
        let points: Vec<f32> = ys.iter().flat_map(|&y| xs.iter().flat_map(move |&x| [y, x])).collect();
        let given = encoding.encode(&Tensor::from_vec(points, (1, 10, 2), &Device::Cpu).unwrap()).unwrap();
        let grid = encoding.grid(&[5, 2]).unwrap().dense(DType::F32, &Device::Cpu).unwrap();
        assert_eq!(given.squeeze(0).unwrap().to_vec2::<f32>().unwrap(), grid.to_vec2::<f32>().unwrap());
    }

    #[test]
    fn the_pieces_of_the_axes_make_up_the_grid() {
        for (concat_pos, sine_only) in [(true, false), (false, false), (true, true), (false, true)] {
            let options = FourierOptions { num_bands: 3, max_resolution: vec![4, 9], concat_pos, sine_only };
            let grid = FourierPositions::new(options).unwrap().grid(&[5, 2]).unwrap();
            let dense = grid.dense(DType::F32, &Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
            let axes = grid.by_axis();
            for (cell, row) in dense.iter().enumerate() {
                let mut made = vec![f32::NAN; row.len()];
                for (axis, at) in axes.iter().zip([cell / 2, cell % 2]) {
                    let width = axis.channels.len();
                    let piece = &axis.table[at * width..(at + 1) * width];
                    axis.channels.iter().zip(piece).for_each(|(&channel, &value)| made[channel] = value);
                }
                assert_eq!(&made, row);
            }
        }
    }

    #[test]
    fn one_position_on_an_axis_is_its_start() {
        assert_eq!(linspace(-1.0, 1.0, 1), [-1.0]);
    }
}
