//! What a classifier says of a window.

use std::{fmt, sync::Arc};

/// One class and how sure the model is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The class's number in the model's `id2label`.
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// 0 … 1: the classes' probabilities add up to 1, or, for a model of several labels at once, each stands alone. Of a regression, the
    /// number itself.
    pub confidence: f32,
}

impl fmt::Display for Label {
    /// The name and the confidence in percent: `juggling balls 87%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.0}%", self.name, 100.0 * self.confidence)
    }
}

/// Labels of one window, the surest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(Vec<Label>);

impl Labels {
    /// Sorts labels, the surest first; equals keep their order.
    pub fn new(mut labels: Vec<Label>) -> Self {
        labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        Self(labels)
    }

    /// The labels, the surest first.
    pub fn as_slice(&self) -> &[Label] {
        &self.0
    }

    /// The labels of which `holds` says so.
    #[must_use]
    pub fn only(&self, holds: impl Fn(&Label) -> bool) -> Self {
        Self(self.0.iter().filter(|label| holds(label)).cloned().collect())
    }

    /// At most `top_k` labels of at least `threshold`.
    #[must_use]
    pub fn top(&self, top_k: usize, threshold: f32) -> Self {
        Self(self.0.iter().take_while(|label| label.confidence >= threshold).take(top_k).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_come_first_and_few_enough() {
        let label = |index, confidence| Label { index, name: format!("class {index}").into(), confidence };
        let labels = Labels::new(vec![label(0, 0.1), label(1, 0.6), label(2, 0.3)]);
        let indices = |labels: Labels| labels.as_slice().iter().map(|label| label.index).collect::<Vec<_>>();
        assert_eq!(indices(labels.top(5, 0.0)), [1, 2, 0]);
        assert_eq!(indices(labels.top(1, 0.0)), [1]);
        assert_eq!(indices(labels.top(5, 0.3)), [1, 2]);
        assert_eq!(indices(labels.only(|label| label.index != 2)), [1, 0]);
    }
}
