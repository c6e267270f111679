//! Attention with constant queries and scores that are sums over the axes of a grid: each row reads all inputs and gathers weighted sums of
//! them, in tiles, with a running maximum (online softmax: Milakov and Gimelshein 2018), so that no rows × inputs matrix is ever held.

mod features;

use std::ops::Range;

use rayon::prelude::*;

pub use self::features::Features;
use self::features::Tile;
use super::{
    Format,
    lanes::{maximum, sum},
    softmax::exp,
    vectorise::vectorised,
};

/// Rows and inputs of a tile: its scores and one of its factors stay in the second-level cache.
const TILE_ROWS: usize = 96;
const TILE_INPUTS: usize = 512;
/// Rows of a piece of work: as many as pay for packing the inputs.
const PIECE_ROWS: usize = 6 * TILE_ROWS;
/// Inputs after which sums begin anew, to be added as a whole: adding one small number after the other to a large one always rounds to the
/// same side.
const STRETCH: usize = 16 * TILE_INPUTS;
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
    /// The largest score of each row.
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

impl Gathered {
    fn new(rows: usize, keys: &Keys<'_>) -> Self {
        Self {
            maxima: vec![f32::NEG_INFINITY; rows],
            totals: vec![0.0; rows],
            weights: vec![0.0; rows],
            features: keys.widths().map(|width| vec![0.0; rows * width]).collect(),
            axes: keys.axes.iter().map(|axis| vec![0.0; rows * axis.size]).collect(),
        }
    }

    /// Multiplies the sums of a row.
    fn scale(&mut self, row: usize, factor: f32) {
        if factor == 1.0 {
            return;
        }
        self.totals[row] *= factor;
        self.weights[row] *= factor;
        let rows = self.maxima.len();
        for sums in self.features.iter_mut().chain(&mut self.axes) {
            let width = sums.len() / rows;
            sums[row * width..(row + 1) * width].iter_mut().for_each(|sum| *sum *= factor);
        }
    }

    /// Adds what the same rows gathered from other inputs.
    fn merge(&mut self, mut other: Self) {
        for row in 0..self.maxima.len() {
            let largest = self.maxima[row].max(other.maxima[row]);
            self.scale(row, exp(self.maxima[row] - largest));
            other.scale(row, exp(other.maxima[row] - largest));
            self.maxima[row] = largest;
        }
        let add = |to: &mut [f32], from: &[f32]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.totals, &other.totals);
        add(&mut self.weights, &other.weights);
        let sums = self.features.iter_mut().chain(&mut self.axes);
        sums.zip(other.features.iter().chain(&other.axes)).for_each(|(to, from)| add(to, from));
    }

    /// Puts the rows of another behind these.
    fn append(&mut self, other: Self) {
        self.maxima.extend(other.maxima);
        self.totals.extend(other.totals);
        self.weights.extend(other.weights);
        let sums = self.features.iter_mut().chain(&mut self.axes);
        sums.zip(other.features.into_iter().chain(other.axes)).for_each(|(to, from)| to.extend(from));
    }
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
    let blocks = rows.div_ceil(PIECE_ROWS).max(1);
    let tiles_at_once = inputs.div_ceil(TILE_INPUTS).div_ceil(PIECES.div_ceil(blocks)).max(1);
    let parts: Vec<Range<usize>> = ranges(inputs, tiles_at_once * TILE_INPUTS).collect();
    let pieces: Vec<(Range<usize>, Range<usize>)> =
        ranges(rows, PIECE_ROWS).flat_map(|rows| parts.iter().map(move |part| (rows.clone(), part.clone()))).collect();
    let gathered = |(rows, part): (Range<usize>, Range<usize>)| Piece::new(&keys, rows, format).gather(part);
    let pieces: Vec<Gathered> = pieces.into_par_iter().map(gathered).collect();
    let mut out = Gathered::new(0, &keys);
    let mut pieces = pieces.into_iter();
    while let Some(mut block) = pieces.next() {
        pieces.by_ref().take(parts.len() - 1).for_each(|part| block.merge(part));
        out.append(block);
    }
    out
}

/// `0..length` in parts of `step`.
fn ranges(length: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(step).map(move |start| start..(start + step).min(length))
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

/// A block of rows, and what it works with.
struct Piece<'a> {
    keys: &'a Keys<'a>,
    rows: Range<usize>,
    features: Vec<Tile<'a>>,
    scores: Vec<f32>,
}

impl<'a> Piece<'a> {
    fn new(keys: &'a Keys<'a>, rows: Range<usize>, format: Format) -> Self {
        let tile = |(&part, width)| Tile::new(part, width, rows.clone(), format);
        let features = keys.features.iter().zip(keys.widths()).map(tile).collect();
        Self { keys, rows, features, scores: Vec::new() }
    }

    /// The rows over a part of the inputs.
    fn gather(mut self, part: Range<usize>) -> Gathered {
        let stretches = ranges(part.len(), STRETCH).map(|range| part.start + range.start..part.start + range.end);
        let each = stretches.map(|inputs| self.stretch(inputs)).reduce(|mut sums, more| {
            sums.merge(more);
            sums
        });
        each.unwrap_or_else(|| Gathered::new(self.rows.len(), self.keys))
    }

    /// The rows over a few inputs, tile by tile.
    fn stretch(&mut self, inputs: Range<usize>) -> Gathered {
        let keys = self.keys;
        let mut gathered = Gathered::new(self.rows.len(), keys);
        for range in ranges(inputs.len(), TILE_INPUTS) {
            let tile = inputs.start + range.start..inputs.start + range.end;
            let length = tile.len();
            let runs = runs(keys.axes, tile.clone());
            self.features.iter_mut().for_each(|features| features.take(tile.clone()));
            for rows in ranges(self.rows.len(), TILE_ROWS) {
                self.scores.clear();
                self.scores.resize(rows.len() * length, 0.0);
                self.features.iter().for_each(|features| features.score(rows.clone(), &mut self.scores));
                for (row, scores) in rows.clone().zip(self.scores.chunks_exact_mut(length)) {
                    weigh(keys, &runs, tile.start, self.rows.start + row, row, scores, &mut gathered);
                }
                for (features, sums) in self.features.iter_mut().zip(&mut gathered.features) {
                    let width = sums.len() / self.rows.len();
                    features.sum(&self.scores, rows.len(), &mut sums[rows.start * width..rows.end * width]);
                }
            }
        }
        gathered
    }
}

vectorised! {
    /// Products of a row's query with the features of a tile to weights w; the row's sums but those of the features follow along.
    fn weigh(
        keys: &Keys<'_>,
        runs: &[Run],
        first: usize,
        row: usize,
        row_of_block: usize,
        scores: &mut [f32],
        gathered: &mut Gathered,
    ) {
        let scales = &keys.scales[first..first + scores.len()];
        for run in runs {
            let (scores, scales) = (&mut scores[run.range.clone()], &scales[run.range.clone()]);
            let mut base = keys.offsets[row];
            match keys.axes.split_last() {
                Some((last, axes)) => {
                    for (axis, at) in axes.iter().zip(&run.at) {
                        base += axis.scores[row * axis.size + at];
                    }
                    let from = row * last.size + run.at[axes.len()];
                    let along = &last.scores[from..from + scores.len()];
                    for ((score, scale), along) in scores.iter_mut().zip(scales).zip(along) {
                        *score = (*score + (along + base)) * scale;
                    }
                }
                None => scores.iter_mut().zip(scales).for_each(|(score, scale)| *score = (*score + base) * scale),
            }
        }
        let largest = maximum(scores);
        if largest > gathered.maxima[row_of_block] {
            gathered.scale(row_of_block, exp(gathered.maxima[row_of_block] - largest));
            gathered.maxima[row_of_block] = largest;
        }
        let largest = gathered.maxima[row_of_block];
        scores.iter_mut().for_each(|score| *score = exp(*score - largest));
        gathered.totals[row_of_block] += sum(scores);
        scores.iter_mut().zip(scales).for_each(|(score, scale)| *score *= scale);
        gathered.weights[row_of_block] += sum(scores);
        for run in runs {
            let Some((last, axes)) = keys.axes.split_last() else { break };
            let weights = &scores[run.range.clone()];
            let along = sum(weights);
            let (sums, last_sums) = gathered.axes.split_at_mut(axes.len());
            for ((sums, axis), at) in sums.iter_mut().zip(axes).zip(&run.at) {
                sums[row_of_block * axis.size + at] += along;
            }
            let from = row_of_block * last.size + run.at[axes.len()];
            let sums = &mut last_sums[0][from..from + weights.len()];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        }
    }
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
