//! How well one label is told from the confidences of a model that is asked for several at once.

use serde::Serialize;

/// The measures of one label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LabelScore {
    /// Windows that have it.
    pub positives: usize,
    /// From this confidence on, the label is said to hold.
    pub threshold: f32,
    /// The share of what was said that holds; 0 where nothing was said.
    pub precision: f64,
    /// The share of what holds that was said; 0 where nothing holds.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// The mean, over the windows that have it, of the precision at a threshold of their confidence; 0 where there are none.
    pub average_precision: f64,
}

impl LabelScore {
    /// Of windows with a confidence and the truth each, at a threshold.
    pub fn at(threshold: f32, windows: &[(f32, bool)]) -> Self {
        let count = |said: bool, held: bool| {
            windows.iter().filter(|&&(confidence, truth)| (confidence >= threshold) == said && truth == held).count()
        };
        let (right, wrong, missed) = (count(true, true), count(true, false), count(false, true));
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Self {
            positives: right + missed,
            threshold,
            precision: share(right, right + wrong),
            recall: share(right, right + missed),
            f1: share(2 * right, 2 * right + wrong + missed),
            average_precision: average_precision(windows),
        }
    }

    /// The highest threshold whose F1 is the best, or near to it by `care`: half-way between the two confidences that it parts. 0.5 where no
    /// window has the label.
    pub fn best_threshold(windows: &[(f32, bool)], care: Care) -> f32 {
        let positives = windows.iter().filter(|(_, truth)| *truth).count();
        let most_false = care.most_false * (windows.len() - positives) as f64;
        let sorted = falling(windows);
        let (mut right, mut thresholds) = (0usize, Vec::new());
        for (at, &(confidence, truth)) in sorted.iter().enumerate() {
            right += usize::from(truth);
            let next = sorted.get(at + 1).map_or(0.0, |(next, _)| *next);
            // No threshold parts what is equal.
            if next < confidence && right > 0 && (at + 1 - right) as f64 <= most_false {
                thresholds.push(((confidence + next) / 2.0, 2.0 * right as f64 / (at + 1 + positives) as f64));
            }
        }
        let best = thresholds.iter().fold(0.0, |best: f64, (_, f1)| best.max(*f1));
        thresholds.iter().find(|(_, f1)| *f1 >= best - care.slack).map_or(0.5, |(threshold, _)| *threshold)
    }
}

/// How much is given to say a label seldom where it does not hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Care {
    /// Of the windows without the label, the share that it may be said of.
    pub most_false: f64,
    /// How far the F1 may be from the best that there is.
    pub slack: f64,
}

impl Care {
    /// The best F1 at any price.
    pub const NONE: Self = Self { most_false: 1.0, slack: 0.0 };
}

fn average_precision(windows: &[(f32, bool)]) -> f64 {
    let (mut right, mut sum) = (0u32, 0.0);
    for (at, (_, truth)) in falling(windows).into_iter().enumerate() {
        if truth {
            right += 1;
            sum += f64::from(right) / (at + 1) as f64;
        }
    }
    if right == 0 { 0.0 } else { sum / f64::from(right) }
}

/// The surest first; of equals those that do not hold, so that a model that says the same of everything gets no credit.
fn falling(windows: &[(f32, bool)]) -> Vec<(f32, bool)> {
    let mut sorted = windows.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_windows_by_hand() {
        let windows = [(0.9, true), (0.8, false), (0.6, true), (0.1, false)];
        let score = LabelScore::at(0.7, &windows);
        assert_eq!((score.positives, score.precision, score.recall, score.f1), (2, 0.5, 0.5, 0.5));
        assert!((score.average_precision - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        let best = LabelScore::best_threshold(&windows, Care::NONE);
        assert!((best - 0.35).abs() < 1e-6, "{best}");
        assert_eq!(LabelScore::at(best, &windows).f1, 0.8);
        for care in [Care { most_false: 0.3, slack: 0.0 }, Care { most_false: 1.0, slack: 0.2 }] {
            let careful = LabelScore::best_threshold(&windows, care);
            assert!((careful - 0.85).abs() < 1e-6, "one of two would be wrong, and 2/3 is near 0.8: {careful}");
        }
    }

    #[test]
    fn nothing_to_find_and_nothing_said() {
        let score = LabelScore::at(0.5, &[(0.2, false), (0.1, false)]);
        assert_eq!((score.precision, score.recall, score.f1, score.average_precision), (0.0, 0.0, 0.0, 0.0));
        assert_eq!(LabelScore::best_threshold(&[(0.2, false)], Care::NONE), 0.5);
    }

    #[test]
    fn saying_the_same_of_everything_is_no_skill() {
        let windows: Vec<(f32, bool)> = (0..100).map(|number| (0.5, number < 10)).collect();
        assert!(LabelScore::at(0.5, &windows).average_precision < 0.11);
    }
}
