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
