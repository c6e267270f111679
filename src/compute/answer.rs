//! Attention to few keys, a row at a time: what a decoder's tile is made of.

use super::{
    lanes::{maximum, sum},
    softmax::exp,
    vectorise::vectorised,
};

vectorised! {
    /// softmax((`row` + `base` + `more`) · `scale` + `offsets`) of one row, in place, on the calling thread. All have one length; `more` may be
    /// empty.
    pub fn answer_row(row: &mut [f32], base: &[f32], more: &[f32], scale: f32, offsets: &[f32]) {
        if more.is_empty() {
            for ((x, base), offset) in row.iter_mut().zip(base).zip(offsets) {
                *x = (*x + base) * scale + offset;
            }
        } else {
            for (((x, base), more), offset) in row.iter_mut().zip(base).zip(more).zip(offsets) {
                *x = (*x + (base + more)) * scale + offset;
            }
        }
        let largest = maximum(row);
        row.iter_mut().for_each(|x| *x = exp(*x - largest));
        let share = 1.0 / sum(row);
        row.iter_mut().for_each(|x| *x *= share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_scores_and_add_up_to_one() {
        for more in [&[][..], &[0.25; 3]] {
            let mut row = [1.0, 2.0, 3.0];
            answer_row(&mut row, &[0.5, 0.5, -0.5], more, 2.0, &[0.0, 1.0, 0.0]);
            // Scores 3, 6, 5, and half more on each.
            let exact = [-3f32, 0.0, -1.0].map(f32::exp);
            let total: f32 = exact.iter().sum();
            row.iter().zip(exact).for_each(|(share, exact)| assert!((share - exact / total).abs() < 1e-6, "{row:?}"));
        }
    }
}
