//! Position encodings: learned tables and Fourier features (Perceiver IO, appendix D; Jaegle et al. 2021, "Perceiver", section 3.2).
//!
//! A Fourier encoding is a concatenation of pieces that depend on one axis each. [`FourierGrid`] keeps it that way; [`FourierGrid::dense`]
//! writes it out.

use candle_core::{DType, Device, Module, Tensor};
use serde::Deserialize;

use super::{Linear, Weights};
use crate::error::{Error, Result};

/// Arguments of a Fourier encoding, named as published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FourierOptions {
    /// K, frequencies of an axis.
    pub num_bands: usize,
    /// Samples of each axis at the highest frequency's Nyquist rate.
    pub max_resolution: Vec<usize>,
    /// Whether the positions themselves lead.
    #[serde(default = "yes")]
    pub concat_pos: bool,
    /// Whether the cosines are left out.
    #[serde(default)]
    pub sine_only: bool,
}

/// Arguments of a learned table, named as published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TrainableOptions {
    /// Width of the table.
    pub num_channels: usize,
    /// Its rows, as the axes they stand for.
    #[serde(deserialize_with = "one_or_many")]
    pub index_dims: Vec<usize>,
}

/// Which position encoding, with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum PositionOptions {
    /// A learned table.
    Trainable(TrainableOptions),
    /// Fourier features.
    Fourier(FourierOptions),
}

/// The position arguments that preprocessors and decoders share. They are read under their published names: `position_encoding_type` (by
/// default the one whose arguments are there), `trainable_position_encoding_kwargs`, `fourier_position_encoding_kwargs` and
/// `project_pos_dim`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Published")]
pub struct PositionArguments {
    /// The encoding; none for `none`.
    pub encoding: Option<PositionOptions>,
    /// Channels the positions are projected to, if they are.
    pub project_pos_dim: Option<usize>,
}

#[derive(Deserialize)]
struct Published {
    position_encoding_type: Option<String>,
    trainable_position_encoding_kwargs: Option<TrainableOptions>,
    fourier_position_encoding_kwargs: Option<FourierOptions>,
    project_pos_dim: Option<i64>,
}

impl TryFrom<Published> for PositionArguments {
    type Error = Error;

    fn try_from(published: Published) -> Result<Self> {
        let Published { position_encoding_type, trainable_position_encoding_kwargs, fourier_position_encoding_kwargs, .. } =
            published;
        let trainable = trainable_position_encoding_kwargs.map(PositionOptions::Trainable);
        let fourier = fourier_position_encoding_kwargs.map(PositionOptions::Fourier);
        let missing = |field: &str| Error::config(field, "nothing", "the arguments of the position_encoding_type");
        let encoding = match position_encoding_type.as_deref() {
            Some("none") => None,
            Some("trainable") => Some(trainable.ok_or_else(|| missing("trainable_position_encoding_kwargs"))?),
            Some("fourier") => Some(fourier.ok_or_else(|| missing("fourier_position_encoding_kwargs"))?),
            Some(other) => return Err(Error::config("position_encoding_type", other, "trainable, fourier or none")),
            None => trainable.or(fourier),
        };
        let project_pos_dim = published.project_pos_dim.and_then(|channels| usize::try_from(channels).ok());
        Ok(Self { encoding, project_pos_dim: project_pos_dim.filter(|&channels| channels > 0) })
    }
}

impl PositionArguments {
    /// A learned table without projection.
    pub fn trainable(num_channels: usize, rows: usize) -> Self {
        let table = TrainableOptions { num_channels, index_dims: vec![rows] };
        Self { encoding: Some(PositionOptions::Trainable(table)), project_pos_dim: None }
    }

    /// Fourier features with sines, cosines and the positions themselves, without projection.
    pub fn fourier(num_bands: usize, max_resolution: impl Into<Vec<usize>>) -> Self {
        let bands = FourierOptions { num_bands, max_resolution: max_resolution.into(), concat_pos: true, sine_only: false };
        Self { encoding: Some(PositionOptions::Fourier(bands)), project_pos_dim: None }
    }

    /// Builds the encoding, if there is one, as [`PositionEncoding::new`] does.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn build(&self, name: &str, weights: &Weights<'_>) -> Result<Option<PositionEncoding>> {
        self.encoding.as_ref().map(|options| PositionEncoding::new(options, self.project_pos_dim, name, weights)).transpose()
    }
}

fn yes() -> bool {
    true
}

/// `index_dims` may be one number or a list of them.
pub(super) fn one_or_many<'de, D: serde::Deserializer<'de>>(input: D) -> std::result::Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(usize),
        Many(Vec<usize>),
    }
    Ok(match OneOrMany::deserialize(input)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

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
            for (point, waves) in row.iter().zip(waves.chunks_exact(waves.len() / o.max(1))) {
                if self.options.concat_pos {
                    out.extend_from_slice(point);
                }
                out.extend_from_slice(waves);
            }
        }
        Ok(Tensor::from_vec(out, (b, o, channels), positions.device())?)
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

/// A learned table of positions.
#[derive(Clone, Debug)]
struct TrainablePositions {
    table: Tensor,
}

impl TrainablePositions {
    /// Reads `position_embeddings`, rows × channels.
    ///
    /// # Errors
    /// When the tensor is missing or has another shape.
    fn new(options: &TrainableOptions, weights: &Weights<'_>) -> Result<Self> {
        let rows: usize = options.index_dims.iter().product();
        Ok(Self { table: weights.get((rows, options.num_channels), "position_embeddings")? })
    }

    /// The table, rows × channels.
    fn table(&self) -> &Tensor {
        &self.table
    }

    /// The table resized to another grid of positions, as transformers 5 does: taken as a square and resampled by bicubic interpolation
    /// (a = −0.75, edges clamped, no antialias).
    ///
    /// # Errors
    /// When the table is no square, or what the tensor library says.
    fn interpolated(&self, height: usize, width: usize) -> Result<Tensor> {
        let (rows, channels) = self.table.dims2()?;
        let side = rows.isqrt();
        if (height, width) == (side, side) {
            return Ok(self.table.clone());
        }
        if side * side != rows {
            return Err(Error::tensor("position_embeddings", self.table.dims(), "a square number of rows, to be interpolated"));
        }
        let (dtype, device) = (self.table.dtype(), self.table.device());
        let kernel = |from, to| Tensor::from_vec(cubic_weights(from, to), (to, from), device)?.to_dtype(dtype);
        let across = kernel(side, width)?.broadcast_matmul(&self.table.reshape((side, side, channels))?)?;
        let down = kernel(side, height)?.matmul(&across.reshape((side, width * channels))?)?;
        Ok(down.reshape((height * width, channels))?)
    }
}

/// Bicubic interpolation from `from` samples to `to` samples as a matrix, to × from.
fn cubic_weights(from: usize, to: usize) -> Vec<f32> {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = from as f32 / to as f32;
    let mut matrix = vec![0f32; to * from];
    for (row, out) in matrix.chunks_exact_mut(from).enumerate() {
        let at = scale * (row as f32 + 0.5) - 0.5;
        let t = at - at.floor();
        for (tap, weight) in [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)].into_iter().enumerate() {
            let source = (at.floor() as isize + tap as isize - 1).clamp(0, from as isize - 1);
            out[source as usize] += weight;
        }
    }
    matrix
}

/// A position encoding with its optional projection.
#[derive(Clone, Debug)]
pub struct PositionEncoding {
    kind: Kind,
    projection: Option<Linear>,
    channels: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    Trainable { positions: TrainablePositions, axes: usize },
    Fourier(FourierPositions),
}

impl PositionEncoding {
    /// Builds the encoding; its tensors are `{name}.position_embeddings` and `positions_projection.…` beside it. `project_pos_dim` > 0
    /// asks for the projection, to that many channels.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(options: &PositionOptions, project_pos_dim: Option<usize>, name: &str, weights: &Weights<'_>) -> Result<Self> {
        let (kind, width) = match options {
            PositionOptions::Trainable(options) => {
                let positions = TrainablePositions::new(options, &weights.pp(name))?;
                (Kind::Trainable { positions, axes: options.index_dims.len() }, options.num_channels)
            }
            PositionOptions::Fourier(options) => {
                let positions = FourierPositions::new(options.clone())?;
                let width = positions.channels();
                (Kind::Fourier(positions), width)
            }
        };
        let projection = project_pos_dim.map(|to| weights.pp("positions_projection").linear(width, to)).transpose()?;
        Ok(Self { kind, projection, channels: project_pos_dim.unwrap_or(width) })
    }

    /// Channels of the encoding, projected or not.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Axes of the encoding.
    pub fn axes(&self) -> usize {
        match &self.kind {
            Kind::Trainable { axes, .. } => *axes,
            Kind::Fourier(positions) => positions.options.max_resolution.len(),
        }
    }

    /// The positions of a grid. A learned table is returned whole whatever the grid, unless `interpolate` asks to resize it.
    ///
    /// # Errors
    /// When the grid does not fit the encoding.
    pub fn grid(&self, index_dims: &[usize], interpolate: bool, dtype: DType, device: &Device) -> Result<super::Positions> {
        let positions = match &self.kind {
            Kind::Trainable { positions, .. } => match index_dims {
                &[height, width] if interpolate => super::Positions::Dense(positions.interpolated(height, width)?),
                _ => super::Positions::Dense(positions.table().clone()),
            },
            Kind::Fourier(positions) => super::Positions::Fourier(positions.grid(index_dims)?),
        };
        match &self.projection {
            None => Ok(positions),
            Some(projection) => Ok(super::Positions::Dense(projection.forward(&positions.dense(dtype, device)?)?)),
        }
    }

    /// The encoding of given positions, B × O × axes, as B × O × channels. A learned table ignores them and is returned whole, as in the
    /// reference.
    ///
    /// # Errors
    /// When the positions have another number of axes.
    pub fn points(&self, positions: &Tensor, dtype: DType) -> Result<Tensor> {
        let encoded = match &self.kind {
            Kind::Trainable { positions: table, .. } => {
                let (rows, channels) = table.table().dims2()?;
                table.table().unsqueeze(0)?.broadcast_as((positions.dim(0)?, rows, channels))?.contiguous()?
            }
            Kind::Fourier(fourier) => fourier.encode(positions)?.to_dtype(dtype)?,
        };
        match &self.projection {
            None => Ok(encoded),
            Some(projection) => Ok(projection.forward(&encoded)?),
        }
    }
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
    fn one_position_on_an_axis_is_its_start() {
        assert_eq!(linspace(-1.0, 1.0, 1), [-1.0]);
    }
}
