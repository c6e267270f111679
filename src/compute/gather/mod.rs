//! Attention with constant queries and scores that are sums over the axes of a grid: each row reads all inputs and gathers weighted sums of
//! them, in tiles, with a running reference for the exponential (online softmax: Milakov and Gimelshein 2018), so that no rows × inputs matrix is
//! ever held. A tile is inputs × a panel of rows.

mod features;
mod sums;
mod weigh;

use std::ops::Range;

use rayon::prelude::*;

pub use self::features::Features;
use self::{
    features::Tile,
    sums::Sums,
    weigh::{score, weigh},
};
use super::{
    Format,
    columns::{Columns, turned},
    packed::{PANEL, pack_pairs},
};

/// Inputs of a tile: its scores and weights stay near.
const TILE_INPUTS: usize = 512;
/// Panels of rows of a piece of work: as many as pay for packing the inputs.
const PIECE_PANELS: usize = 18;
/// Inputs after which sums begin anew, to be added as a whole: adding one small number after the other to a large one always rounds to the
/// same side.
const STRETCH: usize = 8192;
/// Pieces of work that the inputs are cut for, where the rows alone make fewer. Fixed: the result must not depend on the threads.
const PIECES: usize = 16;

/// One axis of the inputs' grid.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Its length.
    pub size: usize,
    /// What each of its positions adds to the score of each row: rows × size.
    pub scores: Vec<f32>,
}

/// What rows attend to: M inputs, whose score for row r is
/// (Σ over the `features` of queries\[r\]·values\[p\] + `offsets`\[r\] + Σ over the axes of `scores`\[r, place of p\]) · `scales`\[p\].
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// Features of the inputs in as many parts as there are sources.
    pub features: &'a [Features<'a>],
    /// M.
    pub scales: &'a [f32],
    /// Axes whose sizes multiply to M, the last one fastest; or none.
    pub axes: &'a [Axis],
    /// One number for each row.
    pub offsets: &'a [f32],
}

impl Keys<'_> {
    /// F of each part.
    fn widths(&self) -> impl Iterator<Item = usize> {
        self.features.iter().map(|part| part.values.len() / self.scales.len())
    }
}

/// What rows gathered, with w = exp(score − maximum) · scale.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// What stands for the largest score of each row: one that no other exceeds by more than 8.
    pub maxima: Vec<f32>,
    /// Σ exp(score − maximum) of each row.
    pub totals: Vec<f32>,
    /// Σ w of each row.
    pub weights: Vec<f32>,
    /// Σ w · values of each part of the features: rows × F.
    pub features: Vec<Vec<f32>>,
    /// Σ w over the inputs at each position of each axis: rows × size.
    pub axes: Vec<Vec<f32>>,
}

/// Lets every row attend to the keys; the factors of products with features are taken in `format`. Runs on all cores; the result does not
/// depend on their number.
///
/// # Panics
/// When a slice has not the length that its description says, or there is no input.
pub fn gather(keys: Keys<'_>, format: Format) -> Gathered {
    let (inputs, rows) = (keys.scales.len(), keys.offsets.len());
    assert!(inputs > 0, "attention to nothing");
    for Features { values, queries } in keys.features {
        let width = values.len() / inputs;
        assert!(values.len() == inputs * width, "{} features of {inputs} inputs", values.len());
        assert_eq!(queries.len(), rows * width, "queries of {rows} rows for {width} features");
    }
    let cells: usize = keys.axes.iter().map(|axis| axis.size).product();
    assert!(keys.axes.is_empty() || cells == inputs, "a grid of {cells} cells for {inputs} inputs");
    assert!(keys.axes.iter().all(|axis| axis.scores.len() == rows * axis.size), "scores of other rows or another axis");
    let panels = rows.div_ceil(PANEL);
    let tables: Vec<Tables> = (0..panels).into_par_iter().map(|panel| Tables::new(&keys, panel)).collect();
    let blocks = panels.div_ceil(PIECE_PANELS).max(1);
    let tiles_at_once = inputs.div_ceil(TILE_INPUTS).div_ceil(PIECES.div_ceil(blocks)).max(1);
    let parts: Vec<Range<usize>> = ranges(inputs, tiles_at_once * TILE_INPUTS).collect();
    let pieces: Vec<(Range<usize>, Range<usize>)> =
        ranges(panels, PIECE_PANELS).flat_map(|panels| parts.iter().map(move |part| (panels.clone(), part.clone()))).collect();
    let gathered = |(panels, part): (Range<usize>, Range<usize>)| Piece::new(&keys, &tables, panels, format).gather(part);
    let mut pieces = pieces.into_par_iter().map(gathered).collect::<Vec<Vec<Sums>>>().into_iter();
    let mut out = Gathered {
        maxima: Vec::new(),
        totals: Vec::new(),
        weights: Vec::new(),
        features: vec![Vec::new(); keys.features.len()],
        axes: vec![Vec::new(); keys.axes.len()],
    };
    while let Some(mut block) = pieces.next() {
        pieces.by_ref().take(parts.len() - 1).for_each(|part| merge(&mut block, part));
        block.iter().for_each(|sums| sums.append(PANEL.min(rows - out.maxima.len()), &mut out));
    }
    out
}

fn merge(block: &mut [Sums], part: Vec<Sums>) {
    block.iter_mut().zip(part).for_each(|(sums, more)| sums.merge(more));
}

/// `0..length` in parts of `step`.
fn ranges(length: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(step).map(move |start| start..(start + step).min(length))
}

/// What a panel of rows finds in the inputs' places.
struct Tables {
    offsets: Columns,
    /// Scores of each axis, size × [`PANEL`].
    axes: Vec<Vec<f32>>,
}

impl Tables {
    fn new(keys: &Keys<'_>, panel: usize) -> Self {
        let rows = panel * PANEL..keys.offsets.len().min((panel + 1) * PANEL);
        let mut offsets = [0.0; PANEL];
        offsets[..rows.len()].copy_from_slice(&keys.offsets[rows.clone()]);
        let axis = |axis: &Axis| turned(&axis.scores[rows.start * axis.size..rows.end * axis.size], axis.size);
        Self { offsets, axes: keys.axes.iter().map(axis).collect() }
    }

    /// The last axis, and the sum of the others for a run.
    fn of(&self, run: &Run) -> (&[f32], Columns) {
        let mut base = self.offsets;
        let Some((last, axes)) = self.axes.split_last() else { return (&[], base) };
        for (scores, at) in axes.iter().zip(&run.at) {
            base.iter_mut().zip(&scores[at * PANEL..]).for_each(|(base, score)| *base += score);
        }
        let from = run.at[axes.len()] * PANEL;
        (&last[from..from + run.range.len() * PANEL], base)
    }
}

/// Inputs that follow each other along the last axis.
struct Run {
    /// Within the tile.
    range: Range<usize>,
    /// Positions on every axis; on the last one of the run's first input.
    at: Vec<usize>,
}

/// The runs of a tile.
fn runs(axes: &[Axis], inputs: Range<usize>) -> Vec<Run> {
    let along = axes.last().map_or(inputs.end, |axis| axis.size);
    let mut runs = Vec::new();
    let mut start = inputs.start;
    while start < inputs.end {
        let end = ((start / along + 1) * along).min(inputs.end);
        let mut rest = start;
        let mut at: Vec<usize> = axes
            .iter()
            .rev()
            .map(|axis| {
                let place = rest % axis.size;
                rest /= axis.size;
                place
            })
            .collect();
        at.reverse();
        runs.push(Run { range: start - inputs.start..end - inputs.start, at });
        start = end;
    }
    runs
}

/// Some panels of rows, and what they work with.
struct Piece<'a> {
    keys: &'a Keys<'a>,
    tables: &'a [Tables],
    features: Vec<Tile<'a>>,
    /// Inputs × [`PANEL`].
    scores: Vec<f32>,
    /// The same, in float32 and then in pairs.
    weights: Vec<u32>,
}

impl<'a> Piece<'a> {
    fn new(keys: &'a Keys<'a>, tables: &'a [Tables], panels: Range<usize>, format: Format) -> Self {
        let tile = |(&part, width)| Tile::new(part, width, panels.clone(), format);
        let features = keys.features.iter().zip(keys.widths()).map(tile).collect();
        Self { keys, tables: &tables[panels], features, scores: Vec::new(), weights: Vec::new() }
    }

    /// The rows over a part of the inputs.
    fn gather(mut self, part: Range<usize>) -> Vec<Sums> {
        let mut sums = vec![Sums::new(self.keys); self.tables.len()];
        for stretch in ranges(part.len(), STRETCH) {
            let mut more: Vec<Sums> = sums.iter().map(|sums| sums.next(self.keys)).collect();
            for tile in ranges(stretch.len(), TILE_INPUTS) {
                let first = part.start + stretch.start;
                self.tile(first + tile.start..first + tile.end, &mut more);
            }
            merge(&mut sums, more);
        }
        sums
    }

    /// The rows over the inputs of a tile.
    fn tile(&mut self, inputs: Range<usize>, sums: &mut [Sums]) {
        let runs = runs(self.keys.axes, inputs.clone());
        let scales = &self.keys.scales[inputs.clone()];
        self.features.iter_mut().for_each(|features| features.take(inputs.clone()));
        self.scores.resize(inputs.len() * PANEL, 0.0);
        self.weights.resize(inputs.len() * PANEL, 0);
        for (panel, (tables, sums)) in self.tables.iter().zip(sums).enumerate() {
            if self.features.is_empty() {
                self.scores.fill(0.0);
            }
            for (number, features) in self.features.iter().enumerate() {
                features.score(panel, &mut self.scores, number > 0);
            }
            let mut largest = [f32::NEG_INFINITY; PANEL];
            for run in &runs {
                let (along, base) = tables.of(run);
                let of_run = run.range.start * PANEL..run.range.end * PANEL;
                score(&mut self.scores[of_run], &scales[run.range.clone()], &base, along, &mut largest);
            }
            let reference = *sums.reference(&largest);
            for run in &runs {
                let of_run = run.range.start * PANEL..run.range.end * PANEL;
                let (scores, weights) = (&self.scores[of_run.clone()], &mut self.weights[of_run]);
                let (along, axes) = sums.axes.split_last_mut().map_or((&mut [][..], &mut [][..]), |(last, axes)| {
                    let from = run.at[axes.len()] * PANEL;
                    (&mut last[from..from + run.range.len() * PANEL], axes)
                });
                let mut sum = [0.0; PANEL];
                weigh(scores, &scales[run.range.clone()], &reference, weights, along, &mut sums.totals, &mut sum);
                let add = |to: &mut [f32]| to.iter_mut().zip(&sum).for_each(|(to, from)| *to += from);
                add(&mut sums.weights);
                axes.iter_mut().zip(&run.at).for_each(|(axis, at)| add(&mut axis[at * PANEL..(at + 1) * PANEL]));
            }
            let has_pairs = self.features.iter().any(|features| features.format() == Format::Bf16);
            sum_features(&self.features, Format::F32, &self.weights, &mut sums.features);
            if has_pairs {
                sum_features(&self.features, Format::Bf16, pack_pairs(&mut self.weights), &mut sums.features);
            }
        }
    }
}

/// Adds features · weights of those parts whose factors are in the format of the weights.
fn sum_features(features: &[Tile<'_>], format: Format, weights: &[u32], sums: &mut [Vec<f32>]) {
    let of_format = features.iter().zip(sums).filter(|(features, _)| features.format() == format);
    of_format.for_each(|(features, sums)| features.sum(weights, sums));
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::compute::packed::bf16;

    /// 110 rows over a 3 × 20 × 30 grid: more rows and inputs than one tile has.
    const ROWS: usize = 110;
    const SIZES: [usize; 3] = [3, 20, 30];

    struct Problem {
        parts: Vec<Part>,
        scales: Vec<f32>,
        axes: Vec<Axis>,
        offsets: Vec<f32>,
    }

    struct Part {
        width: usize,
        values: Vec<f32>,
        queries: Vec<f32>,
    }

    impl Problem {
        fn new(widths: &[usize]) -> Self {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-2.0..2.0)).collect() };
            let inputs = SIZES.iter().product();
            let part = |&width: &usize| {
                let queries = numbers(ROWS * width).into_iter().map(|x| x * (5.0 / width as f32).sqrt()).collect();
                Part { width, values: numbers(inputs * width), queries }
            };
            Self {
                parts: widths.iter().map(part).collect(),
                scales: numbers(inputs).into_iter().map(|x| x + 2.5).collect(),
                axes: SIZES.map(|size| Axis { size, scores: numbers(ROWS * size) }).into(),
                offsets: numbers(ROWS),
            }
        }

        fn gather(&self, format: Format) -> Gathered {
            let features: Vec<_> =
                self.parts.iter().map(|part| Features { values: &part.values, queries: &part.queries }).collect();
            let Self { scales, axes, offsets, .. } = self;
            gather(Keys { features: &features, scales, axes, offsets }, format)
        }

        /// Scores and positions of every input for a row.
        fn scores(&self, row: usize) -> Vec<(f64, Vec<usize>)> {
            let place = |input: usize| vec![input / (SIZES[1] * SIZES[2]), input / SIZES[2] % SIZES[1], input % SIZES[2]];
            let score = |input: usize| {
                let products = self.parts.iter().flat_map(|Part { width, values, queries }| {
                    (0..*width).map(move |f| queries[row * width + f] * values[input * width + f])
                });
                let along = place(input).into_iter().zip(&self.axes).map(|(at, axis)| axis.scores[row * axis.size + at]);
                let score: f64 = products.chain(along).map(f64::from).sum::<f64>() + f64::from(self.offsets[row]);
                (score * f64::from(self.scales[input]), place(input))
            };
            (0..self.scales.len()).map(score).collect()
        }
    }

    /// Few features and many, with formats and how far the sums may be off: factors that are bfloat16 numbers leave the weights to be rounded.
    fn kinds() -> impl Iterator<Item = (Problem, Format, f64)> {
        let wide = Format::of(DType::BF16).map(|format| {
            let mut problem = Problem::new(&[3, 70]);
            for x in problem.parts.iter_mut().flat_map(|part| part.values.iter_mut().chain(&mut part.queries)) {
                *x = f32::from_bits(bf16(*x) << 16);
            }
            (problem, format, 8e-3)
        });
        [&[5][..], &[3, 70], &[]].map(|widths| (Problem::new(widths), Format::F32, 3e-5)).into_iter().chain(wide)
    }

    #[test]
    fn tiles_give_what_the_whole_score_matrix_gives() {
        for (problem, format, tolerance) in kinds() {
            let gathered = problem.gather(format);
            (0..ROWS).for_each(|row| check(&problem, &gathered, row, tolerance));
        }
    }

    fn check(problem: &Problem, gathered: &Gathered, row: usize, tolerance: f64) {
        let scores = problem.scores(row);
        let largest = f64::from(gathered.maxima[row]);
        let mut features: Vec<Vec<f64>> = problem.parts.iter().map(|part| vec![0.0; part.width]).collect();
        let mut axes = SIZES.map(|size| vec![0.0; size]);
        let (mut total, mut weights) = (0.0, 0.0);
        for (input, (score, place)) in scores.iter().enumerate() {
            let weight = (score - largest).exp() * f64::from(problem.scales[input]);
            total += (score - largest).exp();
            weights += weight;
            for (sums, part) in features.iter_mut().zip(&problem.parts) {
                let of_input = &part.values[input * part.width..];
                sums.iter_mut().zip(of_input).for_each(|(sum, &feature)| *sum += weight * f64::from(feature));
            }
            (0..3).for_each(|axis| axes[axis][place[axis]] += weight);
        }
        let close = |given: f32, expected: f64| {
            assert!((f64::from(given) - expected).abs() <= tolerance * weights, "row {row}: {given}, exactly {expected}");
        };
        close(gathered.totals[row], total);
        close(gathered.weights[row], weights);
        for (sums, exact) in gathered.features.iter().zip(&features) {
            sums[row * exact.len()..].iter().zip(exact).for_each(|(&sum, &exact)| close(sum, exact));
        }
        for axis in 0..3 {
            (0..SIZES[axis]).for_each(|at| close(gathered.axes[axis][row * SIZES[axis] + at], axes[axis][at]));
        }
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        for (problem, format, _) in kinds() {
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let Gathered { maxima, totals, weights, features, axes } = pool.install(|| problem.gather(format));
                [vec![maxima, totals, weights], features, axes].concat()
            };
            assert_eq!(with(1), with(3));
        }
    }
}
