//! Scores of a tile to weights.

use crate::compute::{columns::Columns, packed::PANEL, softmax::exp, vectorise::vectorised};

vectorised! {
    /// Products of some inputs that follow each other along the last axis with a panel of rows, inputs × [`PANEL`], to scores; `largest` follows
    /// along. `along` is what the last axis adds to each, or empty, and `base` what all else adds.
    pub(super) fn score(scores: &mut [f32], scales: &[f32], base: &Columns, along: &[f32], largest: &mut Columns) {
        let (base, mut most) = (*base, *largest);
        let (rows, along) = (scores.as_chunks_mut::<PANEL>().0.iter_mut().zip(scales), along.as_chunks::<PANEL>().0);
        let of = |score: f32, scale: f32, most: &mut f32| {
            let score = score * scale;
            *most = if score > *most { score } else { *most };
            score
        };
        if along.is_empty() {
            for (row, &scale) in rows {
                for lane in 0..PANEL {
                    row[lane] = of(row[lane] + base[lane], scale, &mut most[lane]);
                }
            }
        } else {
            for ((row, &scale), along) in rows.zip(along) {
                for lane in 0..PANEL {
                    row[lane] = of(row[lane] + (along[lane] + base[lane]), scale, &mut most[lane]);
                }
            }
        }
        *largest = most;
    }
}

vectorised! {
    /// Scores to weights w = e^(score − reference) · scale, as units of float32 numbers; Σ e^(score − reference) is added to `totals`, w to `along`,
    /// where it is not empty, and Σ w to `sum`.
    pub(super) fn weigh(
        scores: &[f32],
        scales: &[f32],
        reference: &Columns,
        weights: &mut [u32],
        along: &mut [f32],
        totals: &mut Columns,
        sum: &mut Columns,
    ) {
        let reference = *reference;
        let (mut shares, mut sums) = ([0f32; PANEL], *sum);
        let mut along = along.as_chunks_mut::<PANEL>().0.iter_mut();
        let rows = scores.as_chunks::<PANEL>().0.iter().zip(weights.as_chunks_mut::<PANEL>().0);
        for ((row, out), &scale) in rows.zip(scales) {
            let mut of_row = [0f32; PANEL];
            for lane in 0..PANEL {
                let share = exp(row[lane] - reference[lane]);
                shares[lane] += share;
                of_row[lane] = share * scale;
                sums[lane] += of_row[lane];
                out[lane] = of_row[lane].to_bits();
            }
            if let Some(along) = along.next() {
                (0..PANEL).for_each(|lane| along[lane] += of_row[lane]);
            }
        }
        totals.iter_mut().zip(&shares).for_each(|(total, share)| *total += share);
        *sum = sums;
    }
}
