//! The Cholesky factor of a Gram matrix.

use super::vectorise::vectorised;

/// Pivots below this share of the largest diagonal element are rounding, not rank.
const SMALLEST_PIVOT: f64 = 1e-14;

vectorised! {
    /// Replaces the lower half of `gram`, n × n, symmetric and without negative eigenvalues, by L with L·Lᵀ = `gram`. Where the rank is lower
    /// than n, columns of L are zero.
    pub fn cholesky(gram: &mut [f64], n: usize) {
        let smallest = (0..n).map(|i| gram[i * n + i]).fold(0.0, f64::max) * SMALLEST_PIVOT;
        for i in 0..n {
            let (above, from_here) = gram.split_at_mut(i * n);
            let row = &mut from_here[..n];
            for j in 0..i {
                let other = &above[j * n..(j + 1) * n];
                let rest = row[j] - dot(&row[..j], &other[..j]);
                row[j] = if other[j] > 0.0 { rest / other[j] } else { 0.0 };
            }
            let rest = row[i] - dot(&row[..i], &row[..i]);
            row[i] = if rest > smallest { rest.sqrt() } else { 0.0 };
        }
    }
}

#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [0f64; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    lanes.into_iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 40 vectors of `length` numbers.
    fn gram(length: usize) -> Vec<f64> {
        let number = |row: usize, column: usize| ((row * 7 + column * 13 + row * column) % 17) as f64 - 8.0;
        let product = |a: usize, b: usize| (0..length).map(|column| number(a, column) * number(b, column)).sum();
        (0..40 * 40).map(|at| product(at / 40, at % 40)).collect()
    }

    #[test]
    fn a_factor_gives_its_matrix_back_whatever_the_rank() {
        for length in [60, 40, 12, 1] {
            let exact = gram(length);
            let mut factor = exact.clone();
            cholesky(&mut factor, 40);
            let largest = exact.iter().copied().fold(0.0, f64::max);
            for (i, j) in (0..40).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                let product: f64 = (0..=j).map(|k| factor[i * 40 + k] * factor[j * 40 + k]).sum();
                assert!((product - exact[i * 40 + j]).abs() <= 1e-9 * largest, "{length}: {i}, {j}");
            }
        }
    }
}
