//! How well two pictures match at every small shift: the cost volume of stereo and flow (Hosni et al. 2013; Sun et al. 2018, section 3).

use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{lanes::sum, rows, softmax::softmax_row, vectorise::vectorised};

/// Where two frames look for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Pixels of a token's side, a multiple of 2. A token has four cells of half this side.
    pub patch: usize,
    /// The largest shift along each axis, in pixels: (2 · `reach` + 1)² shifts in all.
    pub reach: usize,
}

/// Levels (of a range of 2) that are always there, as noise: a picture without texture matches everywhere alike.
const NOISE: f32 = 0.02;
/// How decided the shares of the shifts are.
const DECISION: f32 = 10.0;

impl Search {
    /// Shifts, row by row from −`reach`, −`reach`.
    pub fn shifts(&self) -> usize {
        (2 * self.reach + 1).pow(2)
    }

    /// Channels of a token: for each of its cells and for the token, the shifts' shares; then the token's costs.
    pub fn channels(&self) -> usize {
        Detail::Cells.groups() * self.shifts()
    }

    /// The same without the cells.
    pub fn token_channels(&self) -> usize {
        Detail::Token.groups() * self.shifts()
    }

    /// Matches of `frames`, B × 2 × C × Y × X of levels −1 … 1, to B × Y/patch × X/patch × channels.
    ///
    /// The cost of a shift is the mean of |first(p) − second(p + shift)| over the colours of all pixels p of 3 × 3 cells around a cell, or
    /// of 6 × 6 cells around a token; both pictures go on as their edges do. It is divided by the mean over all shifts, so that 1 is no
    /// better than any. Shares are softmax(−10 · cost) · √shifts, and the token's costs come less 1. Not differentiable.
    ///
    /// # Errors
    /// When the shape is another.
    pub fn matches(&self, frames: &Tensor) -> Result<Tensor> {
        Matching { search: *self, detail: Detail::Cells }.of(frames)
    }

    /// The same of tokens alone, their cells left out: B × Y/patch × X/patch × token channels.
    ///
    /// # Errors
    /// When the shape is another.
    pub fn token_matches(&self, frames: &Tensor) -> Result<Tensor> {
        Matching { search: *self, detail: Detail::Token }.of(frames)
    }
}

/// What is told of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// Its cells' shares, its own and its costs.
    Cells,
    /// Its own shares and costs.
    Token,
}

impl Detail {
    /// Numbers for each shift.
    fn groups(self) -> usize {
        match self {
            Self::Cells => 6,
            Self::Token => 2,
        }
    }
}

/// A search and what it is to tell.
#[derive(Clone, Copy, Debug)]
struct Matching {
    search: Search,
    detail: Detail,
}

impl Matching {
    fn of(&self, frames: &Tensor) -> Result<Tensor> {
        let Search { patch, .. } = self.search;
        let (_, two, _, y, x) = frames.dims5()?;
        let fits = |side: usize| side > 0 && side.is_multiple_of(patch);
        if two != 2 || patch == 0 || !patch.is_multiple_of(2) || !fits(y) || !fits(x) {
            candle_core::bail!(
                "frames of {:?}, accepted: B, 2, C, Y, X with Y and X multiples of {patch}, an even number",
                frames.dims()
            )
        }
        let frames = frames.to_dtype(DType::F32)?;
        if rows::served(&frames) { frames.contiguous()?.apply_op1_no_bwd(self) } else { self.plain(&frames) }
    }

    /// The same in tensor operations.
    fn plain(&self, frames: &Tensor) -> Result<Tensor> {
        let (b, _, _, height, width) = frames.dims5()?;
        let Search { patch, reach } = self.search;
        let (first, second) = (frames.get_on_dim(1, 0)?, frames.get_on_dim(1, 1)?);
        let second = second.pad_with_same(2, reach, reach)?.pad_with_same(3, reach, reach)?;
        let costs = (0..=2 * reach).flat_map(|down| (0..=2 * reach).map(move |across| (down, across))).map(|(down, across)| {
            let there = second.narrow(2, down, height)?.narrow(3, across, width)?;
            (&first - there)?.abs()?.mean_keepdim(1)?.avg_pool2d(patch / 2)
        });
        let costs = Tensor::cat(&costs.collect::<Result<Vec<_>>>()?, 1)?;
        // Means over windows of so many cells, every `step`-th, as multiples of what a shift costs on average; channels last.
        let relative = |size: usize, before: usize, step: usize| -> Result<Tensor> {
            let behind = size - 1 - before;
            let padded = costs.pad_with_same(2, before, behind)?.pad_with_same(3, before, behind)?;
            let costs = padded.avg_pool2d_with_stride((size, size), (step, step))?.permute((0, 2, 3, 1))?.contiguous()?;
            costs.broadcast_div(&(costs.mean_keepdim(D::Minus1)? + f64::from(NOISE))?)
        };
        let shifts = self.search.shifts();
        let norm = (shifts as f64).sqrt();
        let shares = |costs: &Tensor| candle_nn::ops::softmax(&(costs * f64::from(-DECISION))?, D::Minus1)? * norm;
        let coarse = relative(6, 2, 2)?;
        let token = Tensor::cat(&[shares(&coarse)?, (coarse - 1.0)?], D::Minus1)?;
        if self.detail == Detail::Token {
            return Ok(token);
        }
        let (rows, columns) = (height / patch, width / patch);
        let fine = shares(&relative(3, 1, 1)?)?.reshape(vec![b, rows, 2, columns, 2, shifts])?;
        let fine = fine.permute(vec![0, 1, 3, 2, 4, 5])?.reshape((b, rows, columns, 4 * shifts))?;
        Tensor::cat(&[fine, token], D::Minus1)
    }
}

impl CustomOp1 for Matching {
    fn name(&self) -> &'static str {
        "matching-costs"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let frames = rows::slice(storage, layout)?;
        let (b, _, colours, height, width) = layout.shape().dims5()?;
        let (token_rows, token_columns) = (height / self.search.patch, width / self.search.patch);
        let channels = self.detail.groups() * self.search.shifts();
        let mut out = vec![0f32; b * token_rows * token_columns * channels];
        let pairs = frames.par_chunks_exact(2 * colours * height * width);
        pairs.zip(out.par_chunks_exact_mut(token_rows * token_columns * channels)).for_each(|(pair, out)| {
            let (first, second) = pair.split_at(colours * height * width);
            self.fill(Frames { first, second, height, width }, out);
        });
        Ok((CpuStorage::F32(out), (b, token_rows, token_columns, channels).into()))
    }
}

/// Colour planes of a pair.
struct Frames<'a> {
    first: &'a [f32],
    second: &'a [f32],
    height: usize,
    width: usize,
}

impl Matching {
    /// Tokens of one pair.
    fn fill(&self, frames: Frames<'_>, out: &mut [f32]) {
        let (cells, shifts) = (Cells::of(&frames, &self.search), self.search.shifts());
        let fine = (self.detail == Detail::Cells).then(|| cells.windows(3, 1));
        let coarse = cells.windows(6, 2);
        let mut costs = vec![0f32; shifts];
        let gather = |windows: &[f32], at: usize, costs: &mut [f32], shares: &mut [f32]| {
            costs.iter_mut().zip(windows.chunks_exact(cells.count())).for_each(|(cost, plane)| *cost = plane[at]);
            relative(costs);
            share(costs, shares);
        };
        for (number, token) in out.chunks_exact_mut(self.detail.groups() * shifts).enumerate() {
            let columns = cells.columns / 2;
            let (row, column) = (2 * (number / columns), 2 * (number % columns));
            let (of_cells, of_token) = token.split_at_mut((self.detail.groups() - 2) * shifts);
            for (cell, shares) in of_cells.chunks_exact_mut(shifts).enumerate() {
                let at = (row + cell / 2) * cells.columns + column + cell % 2;
                gather(fine.as_deref().unwrap_or_default(), at, &mut costs, shares);
            }
            let (shares, rest) = of_token.split_at_mut(shifts);
            gather(&coarse, row * cells.columns + column, &mut costs, shares);
            rest.iter_mut().zip(&costs).for_each(|(out, cost)| *out = cost - 1.0);
        }
    }
}

/// Costs of every shift and cell: shifts × rows × columns.
struct Cells {
    costs: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Cells {
    fn of(frames: &Frames<'_>, search: &Search) -> Self {
        let &Frames { first, second, height, width } = frames;
        let (side, reach) = (search.patch / 2, search.reach);
        let (rows, columns) = (height / side, width / side);
        let padded = padded(second, height, width, reach);
        let stride = width + 2 * reach;
        let planes = first.len() / (height * width);
        let share = 1.0 / (planes * side * side) as f32;
        let mut costs = vec![0f32; search.shifts() * rows * columns];
        let mut line = vec![0f32; width];
        for (shift, costs) in costs.chunks_exact_mut(rows * columns).enumerate() {
            let (down, across) = (shift / (2 * reach + 1), shift % (2 * reach + 1));
            for (row, costs) in costs.chunks_exact_mut(columns).enumerate() {
                line.fill(0.0);
                for (plane, y) in (0..planes).flat_map(|plane| (row * side..(row + 1) * side).map(move |y| (plane, y))) {
                    let here = &first[(plane * height + y) * width..][..width];
                    let there = &padded[(plane * (height + 2 * reach) + y + down) * stride + across..][..width];
                    add_differences(&mut line, here, there);
                }
                costs.iter_mut().zip(line.chunks_exact(side)).for_each(|(cost, part)| *cost = part.iter().sum::<f32>() * share);
            }
        }
        Self { costs, rows, columns }
    }

    fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// Means over windows of `size` × `size` cells that begin `before` cells before each cell, the edge's cells going on.
    fn windows(&self, size: usize, before: usize) -> Vec<f32> {
        let (rows, columns) = (self.rows, self.columns);
        let within = |at: usize, step: usize, count: usize| (at + step).saturating_sub(before).min(count - 1);
        let mut out = vec![0f32; self.costs.len()];
        let mut wide = vec![0f32; rows * columns];
        let share = 1.0 / (size * size) as f32;
        for (costs, out) in self.costs.chunks_exact(rows * columns).zip(out.chunks_exact_mut(rows * columns)) {
            for (costs, wide) in costs.chunks_exact(columns).zip(wide.chunks_exact_mut(columns)) {
                for (at, wide) in wide.iter_mut().enumerate() {
                    *wide = (0..size).map(|step| costs[within(at, step, columns)]).sum::<f32>() * share;
                }
            }
            for (at, out) in out.chunks_exact_mut(columns).enumerate() {
                for step in 0..size {
                    let wide = &wide[within(at, step, rows) * columns..][..columns];
                    out.iter_mut().zip(wide).for_each(|(out, wide)| *out += wide);
                }
            }
        }
        out
    }
}

/// Planes with `reach` more pixels on every side, as their edges are.
fn padded(planes: &[f32], height: usize, width: usize, reach: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(planes.len() / (height * width) * (height + 2 * reach) * (width + 2 * reach));
    for plane in planes.chunks_exact(height * width) {
        for y in 0..height + 2 * reach {
            let row = &plane[y.saturating_sub(reach).min(height - 1) * width..][..width];
            out.extend(std::iter::repeat_n(row[0], reach));
            out.extend_from_slice(row);
            out.extend(std::iter::repeat_n(row[width - 1], reach));
        }
    }
    out
}

vectorised! {
    /// `line` += |`here` − `there`|. All have one length.
    fn add_differences(line: &mut [f32], here: &[f32], there: &[f32]) {
        line.iter_mut().zip(here).zip(there).for_each(|((sum, here), there)| *sum += (here - there).abs());
    }
}

/// Costs as multiples of what a shift costs on average.
fn relative(costs: &mut [f32]) {
    let scale = 1.0 / (sum(costs) / costs.len() as f32 + NOISE);
    costs.iter_mut().for_each(|cost| *cost *= scale);
}

/// Shares of the shifts, with the norm of a vector of normal numbers when all is one shift's.
fn share(costs: &[f32], shares: &mut [f32]) {
    shares.iter_mut().zip(costs).for_each(|(share, cost)| *share = -DECISION * cost);
    softmax_row(shares);
    let norm = (costs.len() as f32).sqrt();
    shares.iter_mut().for_each(|share| *share *= norm);
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    const SEARCH: Search = Search { patch: 4, reach: 2 };

    /// Noise: levels that differ everywhere.
    fn level(x: i64, y: i64, colour: i64) -> f32 {
        let wave = (x as f32 * 12.9898 + y as f32 * 78.233 + colour as f32 * 37.719).sin() * 43_758.547;
        2.0 * wave.rem_euclid(1.0) - 1.0
    }

    /// A pair whose second picture is the first moved by `shift`.
    fn moved(height: i64, width: i64, [u, v]: [i64; 2]) -> Tensor {
        let frame = |u: i64, v: i64| {
            (0..3i64).flat_map(move |c| (0..height).flat_map(move |y| (0..width).map(move |x| level(x - u, y - v, c))))
        };
        let levels: Vec<f32> = frame(0, 0).chain(frame(u, v)).collect();
        Tensor::from_vec(levels, (1, 2, 3, height as usize, width as usize), &Device::Cpu).unwrap()
    }

    #[test]
    fn the_shift_of_the_picture_has_the_largest_share_and_the_least_cost() {
        let tokens = SEARCH.matches(&moved(24, 32, [-1, 2])).unwrap();
        assert_eq!(tokens.dims(), [1, 6, 8, 150]);
        // A token whose windows lie inside.
        let token = tokens.get(0).unwrap().get(2).unwrap().get(3).unwrap().to_vec1::<f32>().unwrap();
        // Rows go down from −2: (1 to the left, 2 down) is the fifth row's second.
        let right = 4 * 5 + 1;
        for (group, values) in token.chunks_exact(25).enumerate() {
            let best = values[right];
            let others = values.iter().enumerate().filter(|(shift, _)| *shift != right).map(|(_, value)| *value);
            if group < 5 {
                assert!(best > 4.0 && others.clone().all(|share| share < 0.1), "{values:?}");
                assert!((values.iter().sum::<f32>() - 5.0).abs() < 1e-4);
            } else {
                assert!(best < -0.99 && others.clone().all(|cost| cost > -0.5), "{values:?}");
            }
        }
    }

    #[test]
    fn kernel_equals_the_plain_form() {
        let frames = moved(12, 20, [1, 0]).broadcast_as((3, 2, 3, 12, 20)).unwrap().contiguous().unwrap();
        let frames = (frames + Tensor::randn(0f32, 0.2, (3, 2, 3, 12, 20), &Device::Cpu).unwrap()).unwrap();
        for detail in [Detail::Cells, Detail::Token] {
            let matching = Matching { search: SEARCH, detail };
            let (ours, plain) = (matching.of(&frames).unwrap(), matching.plain(&frames).unwrap());
            assert_eq!(ours.dims(), plain.dims());
            let off = (ours - plain).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
            assert!(off.to_scalar::<f32>().unwrap() < 1e-4, "{detail:?}: {off}");
        }
    }

    #[test]
    fn pictures_without_texture_match_at_every_shift_alike() {
        let tokens = SEARCH.matches(&Tensor::zeros((1, 2, 3, 8, 8), DType::F32, &Device::Cpu).unwrap()).unwrap();
        let shares = tokens.narrow(3, 0, 125).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(shares.iter().all(|share| (share - 0.2).abs() < 1e-6));
    }

    #[test]
    fn sides_that_are_no_multiples_of_the_patch_are_refused() {
        let error = SEARCH.matches(&Tensor::zeros((1, 2, 3, 8, 10), DType::F32, &Device::Cpu).unwrap()).unwrap_err();
        assert!(error.to_string().contains("multiples of 4"), "{error}");
    }
}
