//! Structural similarity of pictures (Wang, Bovik, Sheikh and Simoncelli 2004).

/// Side and deviation of the Gaussian window, and the constants for levels from 0 to 1, as published.
const SIDE: usize = 11;
const DEVIATION: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The mean structural similarity of two pictures of `columns` columns of brightness, 0 to 1: 1 where they are the same. Of windows that
/// lie within the picture; where it is smaller than one, the window is as small.
pub(super) fn structural_similarity(a: &[f64], b: &[f64], columns: usize) -> f64 {
    let rows = a.len() / columns.max(1);
    let kernel = gaussian(SIDE.min(rows).min(columns));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
    let blurred = |values: &[f64]| blur(values, columns, &kernel);
    let (mean_a, mean_b) = (blurred(a), blurred(b));
    let (square_a, square_b, both) = (blurred(&product(a, a)), blurred(&product(b, b)), blurred(&product(a, b)));
    let similarity = (0..mean_a.len()).map(|at| {
        let (ma, mb) = (mean_a[at], mean_b[at]);
        let (va, vb, covariance) = (square_a[at] - ma * ma, square_b[at] - mb * mb, both[at] - ma * mb);
        (2.0 * ma * mb + C1) * (2.0 * covariance + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2))
    });
    similarity.sum::<f64>() / mean_a.len().max(1) as f64
}

fn gaussian(side: usize) -> Vec<f64> {
    let middle = (side as f64 - 1.0) / 2.0;
    let weights: Vec<f64> = (0..side).map(|at| (-((at as f64 - middle) / DEVIATION).powi(2) / 2.0).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The weighted means of the windows that lie within the picture.
fn blur(values: &[f64], columns: usize, kernel: &[f64]) -> Vec<f64> {
    let weighted = |window: &mut dyn Iterator<Item = f64>| window.zip(kernel).map(|(value, weight)| value * weight).sum::<f64>();
    let inner = columns + 1 - kernel.len();
    let across: Vec<f64> = values
        .chunks_exact(columns)
        .flat_map(|row| row.windows(kernel.len()))
        .map(|w| weighted(&mut w.iter().copied()))
        .collect();
    let rows = values.len() / columns + 1 - kernel.len();
    (0..rows * inner).map(|at| weighted(&mut (0..kernel.len()).map(|row| across[at + row * inner]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Vec<f64> {
        (0..16 * 20).map(|at| 0.5 + 0.4 * (f64::from(at) * 0.7).sin()).collect()
    }

    #[test]
    fn the_same_is_one_and_less_alike_is_less() {
        let picture = picture();
        assert!((structural_similarity(&picture, &picture, 20) - 1.0).abs() < 1e-12);
        let duller: Vec<f64> = picture.iter().map(|level| 0.5 + 0.5 * (level - 0.5)).collect();
        let flat = vec![0.5; picture.len()];
        let [duller, flat] = [duller, flat].map(|other| structural_similarity(&picture, &other, 20));
        assert!(duller > 0.7 && duller < 0.9 && flat < 0.05, "{duller} {flat}");
    }

    #[test]
    fn flat_pictures_differ_by_their_brightness_alone() {
        let (dark, bright) = (vec![0.2; 25], vec![0.6; 25]);
        let expected = (2.0 * 0.2 * 0.6 + C1) / (0.04 + 0.36 + C1);
        assert!((structural_similarity(&dark, &bright, 5) - expected).abs() < 1e-9);
    }
}
