//! How well one class of several is told.

use serde::Serialize;

use super::LabelScore;

/// What was said of examples whose class is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    classes: usize,
    /// The true class of each example, and what was said of every class.
    examples: Vec<(usize, Vec<f32>)>,
}

/// The measures of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// Examples of the class.
    pub examples: usize,
    /// The share of what was called so that is; 0 where nothing was.
    pub precision: f64,
    /// The share of the class that was called so; 0 where there is none.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// The mean, over the examples of the class, of the precision at a threshold of their confidence; 0 where there are none.
    pub average_precision: f64,
}

impl Confusion {
    /// Of so many classes, and no example yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, examples: Vec::new() }
    }

    /// Adds an example of the class `truth` with a confidence for each class. What is said is the class with the highest one.
    pub fn add(&mut self, truth: usize, confidences: Vec<f32>) {
        self.examples.push((truth, confidences));
    }

    /// Examples of the class of the row that were called the class of the column.
    pub fn counts(&self) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; self.classes]; self.classes];
        for (truth, confidences) in &self.examples {
            counts[*truth][highest(confidences)] += 1;
        }
        counts
    }

    /// The share of examples whose class was told.
    pub fn accuracy(&self) -> f64 {
        let right = self.examples.iter().filter(|(truth, confidences)| *truth == highest(confidences)).count();
        right as f64 / self.examples.len().max(1) as f64
    }

    /// The measures of a class.
    pub fn score(&self, class: usize) -> ClassScore {
        // A class is said or not: a score at a threshold between the two.
        let said = self.examples.iter().map(|(truth, said)| (f32::from(u8::from(highest(said) == class)), *truth == class));
        let told = LabelScore::at(0.5, &said.collect::<Vec<_>>());
        let confidences = self.examples.iter().map(|(truth, said)| (said[class], *truth == class));
        let ranked = LabelScore::at(0.5, &confidences.collect::<Vec<_>>());
        ClassScore {
            examples: told.positives,
            precision: told.precision,
            recall: told.recall,
            f1: told.f1,
            average_precision: ranked.average_precision,
        }
    }
}

/// The number of the highest; the first of equals.
fn highest(confidences: &[f32]) -> usize {
    let best = confidences.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_examples_by_hand() {
        let mut confusion = Confusion::new(3);
        confusion.add(0, vec![0.8, 0.1, 0.1]);
        confusion.add(0, vec![0.3, 0.6, 0.1]);
        confusion.add(1, vec![0.2, 0.7, 0.1]);
        confusion.add(1, vec![0.1, 0.9, 0.0]);
        assert_eq!(confusion.counts(), [[1, 1, 0], [0, 2, 0], [0, 0, 0]]);
        assert_eq!(confusion.accuracy(), 0.75);
        let first = confusion.score(0);
        assert_eq!((first.examples, first.precision, first.recall, first.average_precision), (2, 1.0, 0.5, 1.0));
        let second = confusion.score(1);
        assert_eq!((second.precision, second.recall, second.f1), (2.0 / 3.0, 1.0, 0.8));
        let never = confusion.score(2);
        assert_eq!((never.examples, never.precision, never.recall, never.average_precision), (0, 0.0, 0.0, 0.0));
    }
}
