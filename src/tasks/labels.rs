//! Class scores to labels.

use std::sync::Arc;

use crate::{
    media::{Label, Labels},
    perceiver::{PerceiverConfig, ProblemType},
};

/// The classes' names by their numbers; `LABEL_3` for one without a name, as Hugging Face has it.
pub(super) fn label_names(config: &PerceiverConfig) -> Vec<Arc<str>> {
    let named = config.id2label.as_ref();
    let name = |index: usize| named.and_then(|names| names.get(&index.to_string()).cloned());
    (0..config.num_labels()).map(|index| name(index).unwrap_or_else(|| format!("LABEL_{index}")).into()).collect()
}

/// Labels of one window from its scores, one for each name: probabilities that add up to 1, or that stand alone where several classes may
/// hold at once; of a regression the numbers themselves.
pub(super) fn labels_from_scores(scores: &[f32], names: &[Arc<str>], problem: Option<ProblemType>) -> Labels {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
    let confidence = |score: f32| match problem {
        Some(ProblemType::Regression) => score,
        Some(ProblemType::MultiLabelClassification) => 1.0 / (1.0 + (-score).exp()),
        Some(ProblemType::SingleLabelClassification) | None => (score - largest).exp() / sum,
    };
    let label =
        |(index, (&score, name)): (usize, (&f32, &Arc<str>))| Label { index, name: name.clone(), confidence: confidence(score) };
    Labels::new(scores.iter().zip(names).enumerate().map(label).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confidences(problem: Option<ProblemType>) -> Vec<(usize, f32)> {
        let names: Vec<Arc<str>> = (0..3).map(|index| format!("LABEL_{index}").into()).collect();
        let labels = labels_from_scores(&[0.0, 2f32.ln(), f32::NEG_INFINITY], &names, problem);
        labels.as_slice().iter().map(|label| (label.index, (label.confidence * 1e6).round() / 1e6)).collect()
    }

    #[test]
    fn the_problem_says_what_scores_mean() {
        assert_eq!(confidences(None), [(1, 0.666_667), (0, 0.333_333), (2, 0.0)]);
        assert_eq!(confidences(Some(ProblemType::MultiLabelClassification)), [(1, 0.666_667), (0, 0.5), (2, 0.0)]);
        assert_eq!(confidences(Some(ProblemType::Regression))[0].1, (2f32.ln() * 1e6).round() / 1e6);
    }

    #[test]
    fn names_follow_their_numbers() {
        let names = (0..12).map(|index| (index.to_string(), format!("class {index}")));
        let config = PerceiverConfig { id2label: Some(names.filter(|(index, _)| index != "11").collect()), ..Default::default() };
        let names = label_names(&config);
        assert_eq!((names.len(), &*names[2], &*names[10]), (11, "class 2", "class 10"));
        assert_eq!(&*label_names(&PerceiverConfig::default())[1], "LABEL_1");
    }
}
