//! Tokens with what many of them share kept apart: features, positions by axis, and a constant.

use std::ops::Range;

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::lift::Lift;
use crate::{
    compute::{Matrix, add_moments, read_rows},
    error::Result,
    perceiver::{Block, FourierPositions, Join, Positions, position::AxisPositions, weights::EPSILON},
};

/// Tokens of one modality, each \[features | positions | constant\].
#[derive(Clone, Debug, Default)]
pub(in crate::perceiver) struct Tokens {
    /// M.
    pub(super) count: usize,
    /// F, channels of the features, or of what they are made of.
    pub(super) width: usize,
    /// B × M × F.
    features: Vec<f32>,
    /// What makes the features of these.
    pub(super) lift: Option<Lift>,
    /// Positions that are no sum over axes, M × channels, the same for every row of the batch.
    table: Option<Tensor>,
    /// Pieces of the positions, their channels counted from the first of the token.
    pub(super) axes: Vec<AxisPositions>,
    /// Cells of the grid that the tokens stand at; without, they are all of it, in its order.
    points: Option<Vec<u32>>,
    /// The last channels of every token.
    pub(super) constant: Vec<f32>,
}

/// Whether positions are worth keeping apart by axis: tables over the axes must be small beside tables over the tokens.
pub(in crate::perceiver) fn separable(sizes: impl Iterator<Item = usize>, count: usize) -> bool {
    sizes.sum::<usize>() <= count / 2
}

fn values(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

impl Tokens {
    /// The tokens of a block. What cannot be kept apart becomes features: learned positions, positions that are added, and all of the tokens
    /// where only some are masked.
    pub(in crate::perceiver) fn of(block: &Block) -> Result<Self> {
        let block = &block.lifted()?;
        let (_, count, width) = block.features.dims3()?;
        let constant = match &block.mask {
            Some((masked, token)) => {
                let masked = values(masked)?;
                if masked.iter().all(|&masked| masked == 1.0) {
                    let constant = values(token)?;
                    return Ok(Self { count, constant, ..Self::default() });
                }
                if masked.iter().any(|&masked| masked != 0.0) {
                    return Self::all_features(&block.dense()?);
                }
                &block.padding
            }
            None => &block.padding,
        };
        let constant = constant.as_ref().map(values).transpose()?.unwrap_or_default();
        let tokens = match &block.positions {
            Some((Positions::Fourier(grid), Join::Concat)) if separable(grid.index_dims().iter().copied(), count) => {
                let axes = behind(width, grid.by_axis());
                Self { axes, ..Self::all_features(&block.features)? }
            }
            _ => Self::all_features(&Block { padding: None, mask: None, ..block.clone() }.dense()?)?,
        };
        Ok(Self { constant, ..tokens })
    }

    /// The same with more kept apart, for who reads all tokens without asking for a single one: features stay what a layer makes them of, and
    /// positions behind them stay a table.
    pub(in crate::perceiver) fn apart(block: &Block) -> Result<Self> {
        let (None, Some((positions, Join::Concat))) = (&block.mask, &block.positions) else { return Self::of(block) };
        let tokens = Self::all_features(&block.features)?;
        let lift = block.lift.as_ref().map(Lift::new).transpose()?;
        let width = lift.as_ref().map_or(tokens.width, Lift::channels);
        let (axes, table) = match positions {
            Positions::Fourier(grid) if separable(grid.index_dims().iter().copied(), tokens.count) => {
                (behind(width, grid.by_axis()), None)
            }
            positions => {
                let table = positions.dense(DType::F32, block.features.device())?.to_dtype(DType::F32)?;
                if table.dims2()?.0 != tokens.count {
                    // Its error says what does not fit.
                    return Self::of(block);
                }
                (Vec::new(), Some(table))
            }
        };
        let constant = block.padding.as_ref().map(values).transpose()?.unwrap_or_default();
        Ok(Self { lift, table, axes, constant, ..tokens })
    }

    fn all_features(x: &Tensor) -> Result<Self> {
        let (_, count, width) = x.dims3()?;
        Ok(Self { count, width, features: values(x)?, ..Self::default() })
    }

    /// Queries at `points`, flat indices into the grid `index_dims`: Fourier positions, then `padding`.
    pub(in crate::perceiver) fn at(
        positions: &FourierPositions,
        index_dims: &[usize],
        points: &[u32],
        padding: &Tensor,
    ) -> Result<Self> {
        let tokens = Self {
            count: points.len(),
            axes: positions.axes_of_points(index_dims),
            points: Some(points.to_vec()),
            constant: values(padding)?,
            ..Self::default()
        };
        if separable(index_dims.iter().copied(), points.len()) {
            return Ok(tokens);
        }
        let width = tokens.channels() - tokens.constant.len();
        let mut features = vec![0.0; points.len() * width];
        for (token, row) in features.chunks_exact_mut(width.max(1)).enumerate() {
            tokens.write_positions(token, row);
        }
        Ok(Self { width, features, axes: Vec::new(), points: None, ..tokens })
    }

    /// C.
    pub(in crate::perceiver) fn channels(&self) -> usize {
        let positions = self.axes.iter().map(|axis| axis.channels.len()).sum::<usize>() + self.table_width();
        self.lifted() + positions + self.constant.len()
    }

    /// Channels of the features themselves.
    pub(super) fn lifted(&self) -> usize {
        self.lift.as_ref().map_or(self.width, Lift::channels)
    }

    /// Channels of the table, which stand behind the features.
    pub(super) fn table_width(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.dims()[1])
    }

    /// What `read` makes of the table, if there is one.
    pub(super) fn read_table<R>(&self, read: impl FnOnce(&[f32]) -> R) -> Result<Option<R>> {
        Ok(self.table.as_ref().map(|table| read_rows(table, read)).transpose()?)
    }

    /// Whether there are tokens for each row of a batch, or the same for all.
    pub(super) fn serves(&self, batch: usize) -> bool {
        let size = self.count * self.width;
        self.features.len() == size || self.features.len() == batch * size
    }

    /// Sizes of all axes together.
    pub(super) fn places(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).sum()
    }

    /// Features of one row of the batch, M × F. Queries that are positions have one row for all.
    pub(super) fn features(&self, batch: usize) -> &[f32] {
        let size = self.count * self.width;
        let batch = if self.features.len() == size { 0 } else { batch };
        &self.features[batch * size..(batch + 1) * size]
    }

    /// Where a token stands, on each axis, the last one first.
    pub(super) fn place(&self, token: usize) -> impl Iterator<Item = usize> {
        let mut rest = self.points.as_ref().map_or(token, |points| points[token] as usize);
        self.axes.iter().rev().map(move |axis| {
            let at = rest % axis.size;
            rest /= axis.size;
            at
        })
    }

    /// One over σ of every token of one row of the batch.
    pub(super) fn scales(&self, batch: usize) -> Result<Vec<f32>> {
        const AT_ONCE: usize = 1024;
        let mut moments = vec![(0.0, 0.0); self.count];
        let add = |rows: &[f32], width: usize, moments: &mut [(f64, f64)]| {
            let rows = rows.par_chunks((AT_ONCE * width).max(1));
            moments.par_chunks_mut(AT_ONCE).zip(rows).for_each(|(moments, rows)| add_moments(rows, width, moments));
        };
        let features = self.features(batch);
        match &self.lift {
            Some(lift) => {
                let tokens = moments.iter_mut().zip(features.chunks_exact(self.width));
                tokens.for_each(|(moments, token)| *moments = lift.moments(token));
            }
            None => add(features, self.width, &mut moments),
        }
        self.read_table(|table| add(table, self.table_width(), &mut moments))?;
        let by_axis = |axis: &AxisPositions| {
            let mut moments = vec![(0.0, 0.0); axis.size];
            add_moments(&axis.table, axis.channels.len(), &mut moments);
            moments
        };
        let axes: Vec<Vec<(f64, f64)>> = self.axes.iter().rev().map(by_axis).collect();
        let mut constant = [(0.0, 0.0)];
        add_moments(&self.constant, self.constant.len(), &mut constant);
        let channels = self.channels() as f64;
        let scale = |token: usize| {
            let of_axes = axes.iter().zip(self.place(token)).map(|(axis, at)| axis[at]);
            let (sum, squares) = of_axes
                .chain(constant)
                .fold(moments[token], |(sum, squares), (more, more_squares)| (sum + more, squares + more_squares));
            let variance = (squares / channels - (sum / channels).powi(2)).max(0.0);
            (1.0 / (variance + f64::from(EPSILON)).sqrt()) as f32
        };
        Ok((0..self.count).into_par_iter().with_min_len(AT_ONCE).map(scale).collect())
    }

    /// A token of one row of the batch, C channels, all of which are features or positions by axis.
    pub(super) fn write(&self, batch: usize, token: usize, row: &mut [f32]) {
        let features = &self.features(batch)[token * self.width..(token + 1) * self.width];
        row[..self.width].copy_from_slice(features);
        self.write_positions(token, row);
        let padding = row.len() - self.constant.len();
        row[padding..].copy_from_slice(&self.constant);
    }

    fn write_positions(&self, token: usize, row: &mut [f32]) {
        for (axis, at) in self.axes.iter().rev().zip(self.place(token)) {
            let width = axis.channels.len();
            let piece = &axis.table[at * width..(at + 1) * width];
            axis.channels.iter().zip(piece).for_each(|(&channel, &value)| row[channel] = value);
        }
    }

    /// What `matrix`, rows × C, makes of the tokens' parts: its columns of the features, rows × F, and of the table; for each axis its product with
    /// every position, rows × size; and with the constant, one number for each row.
    pub(super) fn split(&self, matrix: &[f32], rows: usize) -> Split {
        let channels = self.channels();
        let columns = |wanted: &[usize]| -> Vec<f32> {
            matrix.chunks_exact(channels).flat_map(|row| wanted.iter().map(move |&channel| row[channel])).collect()
        };
        let axis = |axis: &AxisPositions| {
            let (own, width) = (columns(&axis.channels), axis.channels.len());
            let mut products = vec![0.0; rows * axis.size];
            let table = Matrix::new(&axis.table, axis.size, width);
            Matrix::new(&own, rows, width).multiply(table.t(), &mut products, axis.size, 0, false);
            products
        };
        let padding = channels - self.constant.len();
        let constant = |row: &[f32]| row[padding..].iter().zip(&self.constant).map(|(x, c)| x * c).sum::<f32>();
        let mut constant: Vec<f32> = matrix.chunks_exact(channels).map(constant).collect();
        let part = |range: Range<usize>| columns(&range.collect::<Vec<_>>());
        let lifted = self.lifted();
        let features = match &self.lift {
            Some(lift) => {
                let absorb = |(row, constant): (&[f32], &mut f32)| {
                    let (features, more) = lift.absorb(&row[..lifted]);
                    *constant += more;
                    features
                };
                matrix.chunks_exact(channels).zip(&mut constant).flat_map(absorb).collect()
            }
            None => part(0..lifted),
        };
        let table = part(lifted..lifted + self.table_width());
        Split { features, table, axes: self.axes.par_iter().map(axis).collect(), constant }
    }
}

/// A matrix as it meets the parts of tokens; see [`Tokens::split`].
pub(super) struct Split {
    pub(super) features: Vec<f32>,
    pub(super) table: Vec<f32>,
    pub(super) axes: Vec<Vec<f32>>,
    pub(super) constant: Vec<f32>,
}

/// Positions behind `width` channels of features.
fn behind(width: usize, axes: Vec<AxisPositions>) -> Vec<AxisPositions> {
    let shift = |axis: AxisPositions| AxisPositions { channels: axis.channels.iter().map(|c| c + width).collect(), ..axis };
    axes.into_iter().map(shift).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::perceiver::FourierOptions;

    fn numbers(shape: &[usize]) -> Tensor {
        Tensor::arange(0f32, shape.iter().product::<usize>() as f32, &Device::Cpu).unwrap().sin().unwrap().reshape(shape).unwrap()
    }

    /// Two batch rows of 6 × 5 tokens: 2 features, 14 channels of positions, 3 of padding.
    fn block() -> Block {
        let bands = FourierOptions { num_bands: 3, max_resolution: vec![4, 9], concat_pos: true, sine_only: false };
        let grid = FourierPositions::new(bands).unwrap().grid(&[6, 5]).unwrap();
        Block {
            positions: Some((Positions::Fourier(grid), Join::Concat)),
            padding: Some(numbers(&[1, 3])),
            ..Block::bare(numbers(&[2, 30, 2]))
        }
    }

    #[track_caller]
    fn assert_same_tokens(block: &Block, tokens: &Tokens) {
        let dense = block.dense().unwrap().to_vec3::<f32>().unwrap();
        for (batch, rows) in dense.iter().enumerate() {
            let scales = tokens.scales(batch).unwrap();
            for (token, row) in rows.iter().enumerate() {
                let mut written = vec![f32::NAN; tokens.channels()];
                tokens.write(batch, token, &mut written);
                assert_eq!(&written, row);
                let mean = row.iter().sum::<f32>() / row.len() as f32;
                let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / row.len() as f32;
                assert!((scales[token] * (variance + EPSILON).sqrt() - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_parts_make_up_the_tokens() {
        let block = block();
        let tokens = Tokens::of(&block).unwrap();
        assert_eq!((tokens.width, tokens.axes.len(), tokens.constant.len()), (2, 2, 3));
        assert_same_tokens(&block, &tokens);
    }

    #[test]
    fn masked_tokens_are_constant_and_a_few_of_them_make_all_features() {
        let token = numbers(&[1, 19]);
        let masked = |part: f64| Tensor::ones((2, 30), DType::F32, &Device::Cpu).unwrap().affine(part, 0.0).unwrap();
        let some = numbers(&[2, 30]).ge(0.5).unwrap().to_dtype(DType::F32).unwrap();
        for (mask, width, constant) in [(masked(1.0), 0, 19), (masked(0.0), 2, 3), (some, 19, 0)] {
            let block = Block { mask: Some((mask, token.clone())), ..block() };
            let tokens = Tokens::of(&block).unwrap();
            assert_eq!((tokens.width, tokens.constant.len()), (width, constant));
            assert_same_tokens(&block, &tokens);
        }
    }
}
