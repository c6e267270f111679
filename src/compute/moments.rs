//! Sums of rows and of their squares, in float64.

use super::vectorise::vectorised;

/// Numbers that are added side by side: a plain sum would have to respect the order of the additions.
const LANES: usize = 8;

vectorised! {
    /// Adds to each pair the sum of a row of `width` numbers, and that of their squares.
    pub fn add_moments(rows: &[f32], width: usize, moments: &mut [(f64, f64)]) {
        for (row, moments) in rows.chunks_exact(width.max(1)).zip(moments) {
            let (mut sums, mut squares) = ([0f64; LANES], [0f64; LANES]);
            let chunks = row.chunks_exact(LANES);
            for &x in chunks.remainder() {
                moments.0 += f64::from(x);
                moments.1 += f64::from(x) * f64::from(x);
            }
            for chunk in chunks {
                for lane in 0..LANES {
                    let x = f64::from(chunk[lane]);
                    sums[lane] += x;
                    squares[lane] += x * x;
                }
            }
            moments.0 += sums.iter().sum::<f64>();
            moments.1 += squares.iter().sum::<f64>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_added_to_what_is_there() {
        let rows: Vec<f32> = (0..22).map(|x| x as f32).collect();
        let mut moments = [(1.0, 2.0), (3.0, 4.0)];
        add_moments(&rows, 11, &mut moments);
        assert_eq!(moments, [(1.0 + 55.0, 2.0 + 385.0), (3.0 + 176.0, 4.0 + 2926.0)]);
    }
}
