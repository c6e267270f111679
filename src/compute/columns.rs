//! Panels of numbers: rows of [`PANEL`], whose columns stand for as many queries. Maxima, sums and the exponential run along the lanes of vector
//! registers, and a panel of weights is the right factor of the next product as it lies.

use super::{packed::PANEL, vectorise::vectorised};

/// One number for each column.
pub type Columns = [f32; PANEL];

vectorised! {
    /// Each column times its factor.
    pub(super) fn scale_columns(panel: &mut [f32], factors: &Columns) {
        let factors = *factors;
        for row in panel.as_chunks_mut::<PANEL>().0 {
            for lane in 0..PANEL {
                row[lane] *= factors[lane];
            }
        }
    }
}

vectorised! {
    /// Each column times its factor, plus another panel's column times its own.
    pub(super) fn add_columns(panel: &mut [f32], factors: &Columns, other: &[f32], of_other: &Columns) {
        let (factors, of_other) = (*factors, *of_other);
        for (row, other) in panel.as_chunks_mut::<PANEL>().0.iter_mut().zip(other.as_chunks::<PANEL>().0) {
            for lane in 0..PANEL {
                row[lane] = row[lane] * factors[lane] + other[lane] * of_other[lane];
            }
        }
    }
}

/// Columns × `depth`, row by row, as a panel; columns that are not there are zero.
pub(super) fn turned(columns: &[f32], depth: usize) -> Vec<f32> {
    let mut panel = vec![0.0; depth * PANEL];
    for (column, values) in columns.chunks_exact(depth.max(1)).enumerate() {
        panel.iter_mut().skip(column).step_by(PANEL).zip(values).for_each(|(to, from)| *to = *from);
    }
    panel
}

/// Puts the first columns of a panel, row after row, behind `to`: the reverse of [`turned`].
pub(super) fn append_columns(panel: &[f32], columns: usize, to: &mut Vec<f32>) {
    (0..columns).for_each(|column| to.extend(panel.iter().skip(column).step_by(PANEL)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_turned_and_turned_back() {
        let columns: Vec<f32> = (0..15).map(|x| x as f32).collect();
        let mut panel = turned(&columns, 5);
        assert_eq!((panel.len(), panel[2 * PANEL + 1], panel[PANEL + 3]), (5 * PANEL, 7.0, 0.0));
        let mut factors = [0.0; PANEL];
        factors[..3].copy_from_slice(&[1.0, 2.0, 0.5]);
        scale_columns(&mut panel, &factors);
        let mut found = Vec::new();
        append_columns(&panel, 3, &mut found);
        assert_eq!(found, [0.0, 1.0, 2.0, 3.0, 4.0, 10.0, 12.0, 14.0, 16.0, 18.0, 5.0, 5.5, 6.0, 6.5, 7.0]);
    }
}
