//! Class scores to labels.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use crate::{
    error::Result,
    media::{Label, Labels},
    perceiver::{PerceiverConfig, ProblemType},
};

/// A classifier's classes, and what its scores mean.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    names: Vec<Arc<str>>,
    meaning: Meaning,
}

/// What makes a score a confidence, as in Hugging Face's pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// One of the classes holds: softmax.
    OneOfAll,
    /// Each class is a question of its own: sigmoid.
    EachAlone,
    /// The score is the answer.
    Number,
}

impl Classes {
    /// The classes of `id2label` in the order of their numbers.
    pub(crate) fn new(config: &PerceiverConfig) -> Self {
        let meaning = match (config.problem_type, config.num_labels()) {
            (Some(ProblemType::Regression), _) => Meaning::Number,
            (Some(ProblemType::MultiLabelClassification), _) | (None, 1) => Meaning::EachAlone,
            // A softmax over a single class would always be sure.
            (Some(ProblemType::SingleLabelClassification), 1) => Meaning::EachAlone,
            (Some(ProblemType::SingleLabelClassification) | None, _) => Meaning::OneOfAll,
        };
        Self { names: config.label_names().into_iter().map(Arc::from).collect(), meaning }
    }

    /// The classes' names by their numbers.
    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The labels of each row of `logits`, B × classes.
    ///
    /// # Errors
    /// For another shape.
    pub(crate) fn labels(&self, logits: &Tensor) -> Result<Vec<Labels>> {
        let rows: Vec<Vec<f32>> = logits.to_dtype(DType::F32)?.to_vec2()?;
        Ok(rows.iter().map(|scores| self.labels_of(scores)).collect())
    }

    /// The labels of one row of scores.
    pub(super) fn labels_of(&self, scores: &[f32]) -> Labels {
        let confidences: Vec<f32> = match self.meaning {
            Meaning::OneOfAll => softmax(scores),
            Meaning::EachAlone => scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect(),
            Meaning::Number => scores.to_vec(),
        };
        let labelled = confidences.into_iter().zip(&self.names).enumerate();
        Labels::new(labelled.map(|(index, (confidence, name))| Label { index, name: name.clone(), confidence }).collect())
    }
}

/// Shares that add up to 1.
pub(super) fn softmax(scores: &[f32]) -> Vec<f32> {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn classes(names: &[&str], problem_type: Option<ProblemType>) -> Classes {
        let id2label = names.iter().enumerate().map(|(number, name)| (number.to_string(), (*name).to_owned())).collect();
        Classes::new(&PerceiverConfig { id2label: Some(id2label), problem_type, ..Default::default() })
    }

    fn labels(classes: &Classes, scores: &[f32]) -> Vec<(usize, f32)> {
        let logits = Tensor::new(scores, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let labels = classes.labels(&logits).unwrap().remove(0);
        labels.as_slice().iter().map(|label| (label.index, (label.confidence * 1e5).round() / 1e5)).collect()
    }

    #[test]
    fn names_follow_the_numbers_and_not_the_alphabet() {
        let names: Vec<String> = (0..12).map(|number| format!("class {number}")).collect();
        let classes = classes(&names.iter().map(String::as_str).collect::<Vec<_>>(), None);
        assert!(classes.names.iter().map(AsRef::as_ref).eq(names.iter().map(String::as_str)));
    }

    #[test]
    fn a_class_without_a_name_is_called_by_its_number() {
        let id2label = [("0", "cat"), ("7", "dog")].map(|(number, name)| (number.to_owned(), name.to_owned()));
        let classes = Classes::new(&PerceiverConfig { id2label: Some(id2label.into()), ..Default::default() });
        assert!(classes.names.iter().map(AsRef::as_ref).eq(["cat", "LABEL_1"]));
        let unnamed = Classes::new(&PerceiverConfig::default());
        assert!(unnamed.names.iter().map(AsRef::as_ref).eq(["LABEL_0", "LABEL_1"]));
    }

    #[test]
    fn the_problem_says_what_scores_mean() {
        let scores = [0.0, 3f32.ln()];
        assert_eq!(labels(&classes(&["a", "b"], None), &scores), [(1, 0.75), (0, 0.25)]);
        let multi = labels(&classes(&["a", "b"], Some(ProblemType::MultiLabelClassification)), &scores);
        assert_eq!(multi, [(1, 0.75), (0, 0.5)]);
        let numbers = labels(&classes(&["a", "b"], Some(ProblemType::Regression)), &[-2.0, -7.5]);
        assert_eq!(numbers, [(0, -2.0), (1, -7.5)]);
        assert_eq!(labels(&classes(&["a"], None), &[0.0]), [(0, 0.5)]);
    }

    #[test]
    fn large_scores_stay_finite() {
        assert_eq!(labels(&classes(&["a", "b"], None), &[1e4, -1e4]), [(0, 1.0), (1, 0.0)]);
        let multi = classes(&["a", "b"], Some(ProblemType::MultiLabelClassification));
        assert_eq!(labels(&multi, &[1e4, -1e4]), [(0, 1.0), (1, 0.0)]);
    }
}
