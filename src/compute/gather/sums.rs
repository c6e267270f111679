//! What a panel of rows gathered so far.

use super::{Gathered, Keys};
use crate::compute::{
    columns::{Columns, add_columns, append_columns, scale_columns},
    packed::PANEL,
    softmax::exp,
};

/// Sums of e^(score − reference) and of what it is a weight of.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// A score of each row that none exceeds by more than [`SLACK`].
    reference: Columns,
    pub(super) totals: Columns,
    pub(super) weights: Columns,
    /// F × [`PANEL`] of each part of the features.
    pub(super) features: Vec<Vec<f32>>,
    /// Size × [`PANEL`] of each axis.
    pub(super) axes: Vec<Vec<f32>>,
}

/// By how much a score may exceed the reference before it becomes the reference itself: sums are scaled seldom, and weights stay far from
/// what float32 can hold.
const SLACK: f32 = 8.0;

impl Sums {
    /// Nothing gathered yet.
    pub(super) fn new(keys: &Keys<'_>) -> Self {
        Self {
            reference: [f32::NEG_INFINITY; PANEL],
            totals: [0.0; PANEL],
            weights: [0.0; PANEL],
            features: keys.widths().map(|width| vec![0.0; width * PANEL]).collect(),
            axes: keys.axes.iter().map(|axis| vec![0.0; axis.size * PANEL]).collect(),
        }
    }

    /// Nothing gathered yet, with the reference of these.
    pub(super) fn next(&self, keys: &Keys<'_>) -> Self {
        Self { reference: self.reference, ..Self::new(keys) }
    }

    /// What weights of scores up to these are relative to.
    pub(super) fn reference(&mut self, largest: &Columns) -> &Columns {
        if self.reference.iter().zip(largest).any(|(reference, largest)| *largest > reference + SLACK) {
            self.refer(largest);
        }
        &self.reference
    }

    /// Raises the reference.
    fn refer(&mut self, to: &Columns) {
        let before = self.reference;
        self.reference.iter_mut().zip(to).for_each(|(reference, to)| *reference = reference.max(*to));
        if before != [f32::NEG_INFINITY; PANEL] {
            let factors = factors(&before, &self.reference);
            self.each().for_each(|sums| scale_columns(sums, &factors));
        }
    }

    /// Adds what the same rows gathered from other inputs.
    pub(super) fn merge(&mut self, mut other: Self) {
        let before = self.reference;
        if before == [f32::NEG_INFINITY; PANEL] {
            *self = other;
            return;
        }
        self.reference.iter_mut().zip(&other.reference).for_each(|(reference, other)| *reference = reference.max(*other));
        let [own, others] = [before, other.reference].map(|before| factors(&before, &self.reference));
        self.each().zip(other.each()).for_each(|(to, from)| add_columns(to, &own, from, &others));
    }

    fn each(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let columns = [&mut self.totals[..], &mut self.weights[..]];
        columns.into_iter().chain(self.features.iter_mut().chain(&mut self.axes).map(Vec::as_mut_slice))
    }

    /// Puts as many rows behind those of `out`.
    pub(super) fn append(&self, rows: usize, out: &mut Gathered) {
        out.maxima.extend_from_slice(&self.reference[..rows]);
        out.totals.extend_from_slice(&self.totals[..rows]);
        out.weights.extend_from_slice(&self.weights[..rows]);
        let sums = self.features.iter().chain(&self.axes);
        sums.zip(out.features.iter_mut().chain(&mut out.axes)).for_each(|(from, to)| append_columns(from, rows, to));
    }
}

/// By how much sums shrink when the reference rises.
fn factors(before: &Columns, after: &Columns) -> Columns {
    std::array::from_fn(|lane| exp(before[lane] - after[lane]))
}
