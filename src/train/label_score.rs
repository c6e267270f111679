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

/// F1s that are next to the best: what a window or two of a thousand decide.
const PLATEAU: f64 = 0.002;
/// Of so many clean windows a label may be said of one.
const SELDOM: usize = 2000;

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

    /// A threshold with nearly the best F1, within 0.002: the middle of all those. Where the label would be said of more than one in two thousand of
    /// `clean`, confidences of windows it should not be said of, the lowest of them above the others, or else the highest. 0.5 where no window has
    /// the label.
    pub fn best_threshold(windows: &[(f32, bool)], clean: &[f32]) -> f32 {
        let positives = windows.iter().filter(|(_, truth)| *truth).count();
        let sorted = falling(windows);
        let (mut right, mut thresholds) = (0usize, Vec::new());
        for (at, &(confidence, truth)) in sorted.iter().enumerate() {
            right += usize::from(truth);
            let next = sorted.get(at + 1).map_or(0.0, |(next, _)| *next);
            // No threshold parts what is equal.
            if next < confidence && right > 0 {
                thresholds.push(((confidence + next) / 2.0, 2.0 * right as f64 / (at + 1 + positives) as f64));
            }
        }
        let best = thresholds.iter().fold(0.0, |best: f64, (_, f1)| best.max(*f1));
        let good = || thresholds.iter().filter(|(_, f1)| *f1 >= best - PLATEAU).map(|(threshold, _)| *threshold);
        let (Some(highest), Some(lowest)) = (good().next(), good().next_back()) else { return 0.5 };
        let off_middle = |threshold: &f32| (threshold - (highest + lowest) / 2.0).abs();
        let middle = good().min_by(|a, b| off_middle(a).total_cmp(&off_middle(b))).unwrap_or(0.5);
        let mut clean = clean.to_vec();
        clean.sort_by(|a, b| b.total_cmp(a));
        let loudest = clean.get(clean.len() / SELDOM).copied().unwrap_or(0.0);
        if middle > loudest {
            return middle;
        }
        good().take_while(|threshold| *threshold > loudest).last().unwrap_or(highest)
    }
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
        let best = LabelScore::best_threshold(&windows, &[0.3]);
        assert!((best - 0.35).abs() < 1e-6, "{best}");
        assert_eq!(LabelScore::at(best, &windows).f1, 0.8);
        // Above 0.4 nothing is near to 0.8.
        assert_eq!(LabelScore::best_threshold(&windows, &[0.4, 0.1]), best);
    }

    #[test]
    fn nothing_to_find_and_nothing_said() {
        let score = LabelScore::at(0.5, &[(0.2, false), (0.1, false)]);
        assert_eq!((score.precision, score.recall, score.f1, score.average_precision), (0.0, 0.0, 0.0, 0.0));
        assert_eq!(LabelScore::best_threshold(&[(0.2, false)], &[]), 0.5);
    }

    #[test]
    fn of_many_good_thresholds_it_is_the_middle() {
        let mut windows: Vec<(f32, bool)> = (0..1000).map(|number| (0.9 + number as f32 * 1e-4, true)).collect();
        windows.extend((0..1000).map(|number| (number as f32 * 1e-4, false)));
        // Two of a thousand do not matter, so that it lies between the ranges or next to them.
        let best = LabelScore::best_threshold(&windows, &[]);
        assert!((0.09..0.91).contains(&best), "{best}");
        // Below it all is well, above it the lowest one that still has nearly all of them.
        assert_eq!(LabelScore::best_threshold(&windows, &[0.3]), best);
        let careful = LabelScore::best_threshold(&windows, &[best + 1e-5]);
        assert!(careful > best && careful < 0.901, "{careful}");
        // One of two thousand may be wrong.
        let clean: Vec<f32> = (0..2000).map(|number| if number == 7 { best + 1e-5 } else { 0.05 }).collect();
        assert_eq!(LabelScore::best_threshold(&windows, &clean), best);
    }

    #[test]
    fn saying_the_same_of_everything_is_no_skill() {
        let windows: Vec<(f32, bool)> = (0..100).map(|number| (0.5, number < 10)).collect();
        assert!(LabelScore::at(0.5, &windows).average_precision < 0.11);
    }
}
