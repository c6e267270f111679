//! Attention to few keys, a panel of queries at a time: what a decoder's tile is made of. Panels are rows × [`PANEL`](super::PANEL) queries.

use super::{columns::Columns, packed::PANEL, softmax::exp, vectorise::vectorised};

/// Rows that are added up before they meet what was added before: many small numbers behind each other lose their last bits.
const AT_ONCE: usize = 64;

vectorised! {
    /// What keys, row by row, add to the scores of queries that follow each other along an axis: `base` of the key, and as many numbers `along` the axis,
    /// of which the next key's begin `stride` later, into the columns from `first` on. Without an axis, `along` is empty.
    pub fn place_columns(panel: &mut [f32], first: usize, count: usize, base: &[f32], along: &[f32], stride: usize) {
        let rows = panel.as_chunks_mut::<PANEL>().0.iter_mut().zip(base);
        if along.is_empty() {
            rows.for_each(|(row, base)| row[first..first + count].fill(*base));
        } else if count == PANEL {
            // A number of columns that the compiler knows.
            for (key, (row, base)) in rows.enumerate() {
                let along = &along[key * stride..key * stride + PANEL];
                row.iter_mut().zip(along).for_each(|(x, along)| *x = along + base);
            }
        } else {
            for (key, (row, base)) in rows.enumerate() {
                let along = &along[key * stride..key * stride + count];
                row[first..first + count].iter_mut().zip(along).for_each(|(x, along)| *x = along + base);
            }
        }
    }
}

vectorised! {
    /// e^(score − largest of the column) for scores `panel` · `scales` + `offsets` (of the rows), in place; and their sums: a softmax of each
    /// column that is not divided yet.
    pub fn share_columns(panel: &mut [f32], scales: &Columns, offsets: &[f32], totals: &mut Columns) {
        let (scales, mut largest, mut sums) = (*scales, [f32::NEG_INFINITY; PANEL], [0f32; PANEL]);
        let (rows, _) = panel.as_chunks_mut::<PANEL>();
        for (row, &offset) in rows.iter_mut().zip(offsets) {
            for lane in 0..PANEL {
                let score = row[lane] * scales[lane] + offset;
                largest[lane] = if score > largest[lane] { score } else { largest[lane] };
                row[lane] = score;
            }
        }
        for rows in rows.chunks_mut(AT_ONCE) {
            let mut more = [0f32; PANEL];
            for row in rows {
                for lane in 0..PANEL {
                    let share = exp(row[lane] - largest[lane]);
                    more[lane] += share;
                    row[lane] = share;
                }
            }
            (0..PANEL).for_each(|lane| sums[lane] += more[lane]);
        }
        *totals = sums;
    }
}

vectorised! {
    /// Layer normalisation of each column; `gain` and `shift` have a number for each row.
    pub fn normalise_columns(panel: &mut [f32], gain: &[f32], shift: &[f32], epsilon: f32) {
        let (rows, _) = panel.as_chunks_mut::<PANEL>();
        let length = rows.len() as f32;
        let (mut means, mut squares) = ([0f32; PANEL], [0f32; PANEL]);
        for row in rows.iter() {
            (0..PANEL).for_each(|lane| means[lane] += row[lane]);
        }
        means.iter_mut().for_each(|mean| *mean /= length);
        for row in rows.iter() {
            (0..PANEL).for_each(|lane| squares[lane] += (row[lane] - means[lane]) * (row[lane] - means[lane]));
        }
        squares.iter_mut().for_each(|square| *square = 1.0 / (*square / length + epsilon).sqrt());
        for (row, (gain, shift)) in rows.iter_mut().zip(gain.iter().zip(shift)) {
            (0..PANEL).for_each(|lane| row[lane] = (row[lane] - means[lane]) * squares[lane] * gain + shift);
        }
    }
}

vectorised! {
    /// One over the deviation of each column: σ² is the mean of `length` squares, whose sum is that of the column of `root`, times the square of
    /// the column's factor.
    pub fn inverse_deviations(root: &[f32], factors: &Columns, length: usize, epsilon: f32, inverse: &mut Columns) {
        let mut sums = [0f32; PANEL];
        for rows in root.as_chunks::<PANEL>().0.chunks(AT_ONCE) {
            let mut more = [0f32; PANEL];
            for row in rows {
                (0..PANEL).for_each(|lane| more[lane] += row[lane] * row[lane]);
            }
            (0..PANEL).for_each(|lane| sums[lane] += more[lane]);
        }
        for lane in 0..PANEL {
            inverse[lane] = 1.0 / (sums[lane] * factors[lane] * factors[lane] / length as f32 + epsilon).sqrt();
        }
    }
}

vectorised! {
    /// Each column times its factor, plus a number for each row.
    pub fn scale_and_shift(panel: &mut [f32], factors: &Columns, bias: &[f32]) {
        let factors = *factors;
        for (row, bias) in panel.as_chunks_mut::<PANEL>().0.iter_mut().zip(bias) {
            (0..PANEL).for_each(|lane| row[lane] = row[lane] * factors[lane] + bias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{
        Norm,
        columns::{append_columns, turned},
    };

    fn numbers(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * step).sin()).collect()
    }

    /// The columns of a panel, one after the other.
    fn columns(panel: &[f32], count: usize) -> Vec<f32> {
        let mut out = Vec::new();
        append_columns(panel, count, &mut out);
        out
    }

    #[track_caller]
    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 2e-6, "{a} {b}"));
    }

    #[test]
    fn shares_follow_the_scores() {
        let (keys, queries) = (150, 5);
        let (scores, offsets, scales) = (numbers(queries * keys, 1.3), numbers(keys, 0.7), numbers(PANEL, 0.9));
        let (mut panel, mut totals) = (turned(&scores, keys), [0.0; PANEL]);
        share_columns(&mut panel, &scales.clone().try_into().unwrap(), &offsets, &mut totals);
        for (query, scores) in scores.chunks(keys).enumerate() {
            let scores: Vec<f32> = scores.iter().zip(&offsets).map(|(score, offset)| score * scales[query] + offset).collect();
            let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exact: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
            assert_close(&columns(&panel, queries)[query * keys..(query + 1) * keys], &exact);
            assert!((totals[query] - exact.iter().sum::<f32>()).abs() < 1e-4);
        }
    }

    #[test]
    fn places_are_those_of_the_axis() {
        let (keys, size) = (7, 50);
        let (base, along) = (numbers(keys, 1.1), numbers(keys * size, 0.3));
        for (first, count, at) in [(0, PANEL, 9), (3, 20, 30), (0, 1, 0)] {
            let mut panel = vec![9.0; keys * PANEL];
            place_columns(&mut panel, first, count, &base, &along[at..], size);
            for (at_panel, &x) in panel.iter().enumerate() {
                let (key, column) = (at_panel / PANEL, at_panel % PANEL);
                let is_there = (first..first + count).contains(&column);
                assert_eq!(x, if is_there { along[key * size + at + column - first] + base[key] } else { 9.0 });
            }
            place_columns(&mut panel, first, count, &base, &[], 0);
            assert!(panel.chunks(PANEL).zip(&base).all(|(row, base)| row[first] == *base));
        }
    }

    #[test]
    fn columns_are_normalised_as_rows_are() {
        let (depth, count) = (70, PANEL);
        let (values, gain, shift) = (numbers(depth * count, 0.37), numbers(depth, 0.2), numbers(depth, 0.5));
        let mut panel = turned(&values, depth);
        normalise_columns(&mut panel, &gain, &shift, 1e-5);
        let mut expected = values.clone();
        expected.chunks_mut(depth).for_each(|row| Norm { gain: &gain, shift: &shift, epsilon: 1e-5 }.apply(row));
        assert_close(&columns(&panel, count), &expected);
    }

    #[test]
    fn a_root_stands_for_what_it_was_made_of() {
        let (mut panel, mut inverse) = (turned(&[1.0, -2.0], 2), [0.0; PANEL]);
        let factors = [0.5; PANEL];
        // σ² = (9 + 16) / 5 / 4.
        inverse_deviations(&turned(&[3.0, -4.0], 2), &factors, 5, 0.0, &mut inverse);
        scale_and_shift(&mut panel, &inverse, &[0.5, 0.25]);
        let deviation = 1.25f32.sqrt();
        assert_close(&columns(&panel, 1), &[1.0 / deviation + 0.5, -2.0 / deviation + 0.25]);
    }
}
