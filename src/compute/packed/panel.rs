//! One panel of columns: what a few queries are as the right factor of a product.

use super::{Format, PANEL, pack_pairs, pack_transposed};

/// At most [`PANEL`] columns, ready for products. Packing anew keeps the room.
#[derive(Clone, Debug)]
pub struct PanelFactor {
    format: Format,
    units: Vec<u32>,
}

impl PanelFactor {
    /// Nothing yet.
    pub fn new(format: Format) -> Self {
        Self { format, units: Vec::new() }
    }

    /// Takes columns of `depth` numbers that lie one after the other; those that are lacking are zero.
    ///
    /// # Panics
    /// When there are more than [`PANEL`].
    pub fn take_columns(&mut self, values: &[f32], depth: usize) {
        let columns = values.len() / depth.max(1);
        assert!(columns <= PANEL, "a panel of {columns} columns");
        self.units.clear();
        self.units.resize(self.format.units(depth) * PANEL, 0);
        pack_transposed(values, columns, depth, depth, 1.0, self.format, &mut self.units);
    }

    /// Takes depth × [`PANEL`] numbers.
    ///
    /// # Panics
    /// When the last row is not whole.
    pub fn take(&mut self, panel: &[f32]) {
        assert!(panel.len().is_multiple_of(PANEL), "{} numbers in rows of {PANEL}", panel.len());
        self.units.clear();
        self.units.extend(panel.iter().map(|x| x.to_bits()));
        if self.format == Format::Bf16 {
            let length = pack_pairs(&mut self.units).len();
            self.units.truncate(length);
        }
    }

    pub(super) fn units(&self) -> &[u32] {
        &self.units
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::compute::{LeftFactor, columns::turned, packed::bf16};

    fn numbers(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * step).sin()).collect()
    }

    #[test]
    fn products_with_panels_are_those_of_the_rounded_factors() {
        for (rows, depth, columns) in [(1, 1, 1), (5, 3, 32), (50, 1101, 7), (130, 130, 20)] {
            let (values, asked) = (numbers(rows * depth, 1.3), numbers(columns * depth, 0.7));
            for format in [DType::F32, DType::BF16].into_iter().filter_map(Format::of) {
                let round = |x: f32| f64::from(if format == Format::F32 { x } else { f32::from_bits(bf16(x) << 16) });
                let mut left = LeftFactor::new(format);
                left.pack(&values, rows, depth, depth);
                let [mut right, mut from_panel] = [PanelFactor::new(format), PanelFactor::new(format)];
                right.take_columns(&asked, depth);
                from_panel.take(&turned(&asked, depth));
                assert_eq!(right.units, from_panel.units);
                let mut out = vec![1.0; rows * PANEL];
                left.multiply(&right, &mut out, true);
                for (at, &found) in out.iter().enumerate() {
                    let (row, column) = (at / PANEL, at % PANEL);
                    let product = |k: usize| round(values[row * depth + k]) * round(asked[column * depth + k]);
                    let exact = 1.0 + if column < columns { (0..depth).map(product).sum() } else { 0.0 };
                    assert!((f64::from(found) - exact).abs() < 1e-4, "{format:?} {rows} {depth}: {found} {exact}");
                }
            }
        }
    }

    #[test]
    fn zeros_before_a_diagonal_are_passed_over() {
        let n = 600;
        let mut values = numbers(n * n, 0.9);
        values.iter_mut().enumerate().filter(|(at, _)| at % n < at / n).for_each(|(_, x)| *x = 0.0);
        for format in [DType::F32, DType::BF16].into_iter().filter_map(Format::of) {
            let (mut left, mut right) = (LeftFactor::new(format), PanelFactor::new(format));
            left.pack(&values, n, n, n);
            right.take_columns(&numbers(20 * n, 0.4), n);
            let product = |left: &LeftFactor| {
                let mut out = vec![f32::NAN; n * PANEL];
                left.multiply(&right, &mut out, false);
                out
            };
            let (whole, found) = (product(&left), product(&left.clone().upper()));
            assert!(whole.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}
