//! Products of matrices that lie in slices, on the calling thread: what the tiles of a larger computation are made of.

use std::ops::Range;

use gemm::Parallelism;

/// A float32 matrix in a slice, or a part of one, or its transpose.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    /// Elements from one row to the next, and from one column to the next.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// `rows` × `columns` numbers, row by row.
    ///
    /// # Panics
    /// When the slice has another length.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "{rows} x {columns} numbers");
        Self { data, rows, columns, strides: [columns, 1] }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self { rows: self.columns, columns: self.rows, strides: [self.strides[1], self.strides[0]], ..self }
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns, "{range:?} of {} columns", self.columns);
        let skipped = if range.is_empty() { 0 } else { range.start * self.strides[1] };
        Self { data: &self.data[skipped..], columns: range.len(), ..self }
    }

    /// Writes the product with `right` into columns of `out`, which is a matrix of `width` columns and as many rows as this one; from
    /// column `at` on. `accumulate` adds to what is there.
    ///
    /// # Panics
    /// When the shapes do not fit.
    #[allow(unsafe_code)]
    pub fn multiply(self, right: Matrix<'_>, out: &mut [f32], width: usize, at: usize, accumulate: bool) {
        assert_eq!(self.columns, right.rows, "inner lengths of a product");
        assert!(out.len() == self.rows * width && at + right.columns <= width, "{} numbers for a product", out.len());
        let signed = |stride: usize| isize::try_from(stride).expect("a slice is shorter than that");
        let [left_rows, left_columns] = self.strides.map(signed);
        let [right_rows, right_columns] = right.strides.map(signed);
        if self.rows == 0 || right.columns == 0 {
            return;
        }
        assert!(self.last() < self.data.len().max(1) && right.last() < right.data.len().max(1), "a matrix outside its slice");
        // SAFETY: the strides stay within the slices (both asserted above for the last element; they are not negative), and `out` is
        // borrowed by nobody else.
        unsafe {
            gemm::gemm(
                self.rows,
                right.columns,
                self.columns,
                out.as_mut_ptr().add(at),
                1,
                signed(width),
                accumulate,
                self.data.as_ptr(),
                left_columns,
                left_rows,
                right.data.as_ptr(),
                right_columns,
                right_rows,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }

    /// Where the last element lies; the first place where there is none.
    fn last(&self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            return 0;
        }
        (self.rows - 1) * self.strides[0] + (self.columns - 1) * self.strides[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_parts_and_transposes() {
        let left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let right = [1.0, 0.0, -1.0, 2.0];
        let mut out = [1.0; 6];
        // Columns 1 and 2 of a 2 × 3 matrix times a 2 × 2 matrix, into the last two of three columns.
        Matrix::new(&left, 2, 3).columns(1..3).multiply(Matrix::new(&right, 2, 2), &mut out, 3, 1, false);
        assert_eq!(out, [1.0, -1.0, 6.0, 1.0, -1.0, 12.0]);
        Matrix::new(&left, 3, 2).t().columns(0..2).multiply(Matrix::new(&right, 2, 2).t(), &mut out, 3, 0, true);
        assert_eq!(out, [2.0, 4.0, 6.0, 3.0, 5.0, 12.0]);
    }

    #[test]
    fn a_product_over_nothing_is_zero() {
        let mut out = [7.0; 2];
        Matrix::new(&[], 1, 0).multiply(Matrix::new(&[], 0, 2), &mut out, 2, 0, false);
        assert_eq!(out, [0.0, 0.0]);
    }
}
