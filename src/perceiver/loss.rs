//! What the published heads are trained with. Every loss is the mean over what counts, and differentiable.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::log_softmax;

use super::ProblemType;
use crate::error::{Error, Result};

/// The label of positions that [`cross_entropy`] leaves out.
pub const IGNORED: i64 = -100;

/// Cross entropy of `logits` (… × classes) with integer `labels` (…), the mean over labels that are not [`IGNORED`]: the loss of
/// `PerceiverForMaskedLM`.
///
/// # Errors
/// When there is not one label for each row of logits, a label is no class, or all are ignored.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let classes = logits.dim(D::Minus1)?;
    let rows = logits.elem_count() / classes.max(1);
    if labels.elem_count() != rows {
        return Err(Error::tensor("labels", labels.dims(), format!("{rows} labels, one for each row of logits")));
    }
    let labels = labels.flatten_all()?.to_dtype(DType::I64)?.to_vec1::<i64>()?;
    if let Some(label) = labels.iter().find(|&&label| label != IGNORED && !(0..classes as i64).contains(&label)) {
        return Err(Error::tensor("labels", label, format!("0 to {}, or {IGNORED} to be ignored", classes - 1)));
    }
    let (rows, labels): (Vec<u32>, Vec<u32>) =
        (0..).zip(&labels).filter(|(_, label)| **label != IGNORED).map(|(row, &label)| (row, label as u32)).unzip();
    if rows.is_empty() {
        return Err(Error::tensor("labels", "only ignored positions", "at least one label that counts"));
    }
    let count = rows.len();
    let rows = Tensor::from_vec(rows, count, logits.device())?;
    let labels = Tensor::from_vec(labels, (count, 1), logits.device())?;
    let counted = logits.reshape(((), classes))?.index_select(&rows, 0)?;
    Ok(log_softmax(&counted, 1)?.gather(&labels, 1)?.mean_all()?.neg()?)
}

/// Mean squared error between `logits` (B × outputs) and numbers of the same shape; with one output B numbers do as well.
///
/// # Errors
/// When the shapes differ.
pub fn regression(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let same = labels.dims() == logits.dims() || (logits.dim(D::Minus1)? == 1 && labels.elem_count() == logits.elem_count());
    if !same {
        return Err(Error::tensor("labels", labels.dims(), format!("{:?}, the shape of the logits", logits.dims())));
    }
    let labels = labels.reshape(logits.shape())?.to_dtype(logits.dtype())?;
    Ok((logits - labels)?.sqr()?.mean_all()?)
}

/// Binary cross entropy of `logits` (B × classes) with labels of the same shape, each 0 to 1: every class is a question of its own.
///
/// # Errors
/// When the shapes differ.
pub fn binary_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    if labels.dims() != logits.dims() {
        return Err(Error::tensor("labels", labels.dims(), format!("{:?}, the shape of the logits", logits.dims())));
    }
    let labels = labels.to_dtype(logits.dtype())?;
    // The sigmoid is a softmax over no and yes, which stays finite in the logarithm however large the logit.
    let choices = Tensor::stack(&[&logits.zeros_like()?, logits], D::Minus1)?;
    let weights = Tensor::stack(&[&labels.affine(-1.0, 1.0)?, &labels], D::Minus1)?;
    let sum = (log_softmax(&choices, D::Minus1)? * weights)?.sum(D::Minus1)?;
    Ok(sum.mean_all()?.neg()?)
}

/// The loss of the published classifiers for `logits` (B × classes). Without a `problem_type`: regression where there is one output, one
/// class for each row where labels are integers, any number of classes otherwise.
///
/// # Errors
/// When the labels do not fit the problem.
pub fn classification(logits: &Tensor, labels: &Tensor, problem_type: Option<ProblemType>) -> Result<Tensor> {
    let by_labels = || match (logits.dim(D::Minus1)?, labels.dtype().is_int()) {
        (1, _) => Ok(ProblemType::Regression),
        (_, true) => Ok(ProblemType::SingleLabelClassification),
        (_, false) => Ok::<_, Error>(ProblemType::MultiLabelClassification),
    };
    match problem_type.map_or_else(by_labels, Ok)? {
        ProblemType::Regression => regression(logits, labels),
        ProblemType::SingleLabelClassification => cross_entropy(logits, labels),
        ProblemType::MultiLabelClassification => binary_cross_entropy(logits, labels),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn scalar(loss: Result<Tensor>) -> f32 {
        loss.unwrap().to_scalar().unwrap()
    }

    fn gradient(loss: Result<Tensor>, variable: &Var) -> Vec<f32> {
        loss.unwrap().backward().unwrap().get(variable).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn ignored_positions_neither_count_nor_learn() {
        let logits = Var::new(&[[2f32, 0.0], [5.0, -5.0], [0.0, 0.0]], &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0i64, IGNORED, 1], &Device::Cpu).unwrap();
        let loss = || cross_entropy(&logits, &labels);
        assert!((scalar(loss()) - ((1.0 + (-2f32).exp()).ln() + 2f32.ln()) / 2.0).abs() < 1e-6);
        let gradient = gradient(loss(), &logits);
        assert_eq!(gradient[2..4], [0.0, 0.0]);
        assert!((gradient[4] - 0.25).abs() < 1e-6 && (gradient[5] + 0.25).abs() < 1e-6);
    }

    #[test]
    fn labels_that_mean_nothing_are_refused() {
        let logits = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let refused =
            |labels: &[i64]| cross_entropy(&logits, &Tensor::new(labels, &Device::Cpu).unwrap()).unwrap_err().to_string();
        assert!(refused(&[0, 3]).contains("0 to 2"));
        assert!(refused(&[0]).contains("2 labels"));
        assert!(refused(&[IGNORED, IGNORED]).contains("at least one"));
    }

    #[test]
    fn binary_cross_entropy_and_its_gradient_stay_finite() {
        let logits = Var::new(&[[0f32, 200.0, -200.0]], &Device::Cpu).unwrap();
        let labels = Tensor::new(&[[1f32, 1.0, 1.0]], &Device::Cpu).unwrap();
        assert!((scalar(binary_cross_entropy(&logits, &labels)) - (2f32.ln() + 200.0) / 3.0).abs() < 1e-4);
        let gradient = gradient(binary_cross_entropy(&logits, &labels), &logits);
        for (given, expected) in gradient.iter().zip([-0.5 / 3.0, 0.0, -1.0 / 3.0]) {
            assert!((given - expected).abs() < 1e-6, "{gradient:?}");
        }
    }

    #[test]
    fn the_problem_follows_from_the_labels() {
        let device = Device::Cpu;
        let (one, three) = (Tensor::new(&[[3f32], [1.0]], &device).unwrap(), Tensor::zeros((2, 3), DType::F32, &device).unwrap());
        let (numbers, classes) = (Tensor::new(&[1f32, 1.0], &device).unwrap(), Tensor::new(&[0u32, 2], &device).unwrap());
        assert_eq!(scalar(classification(&one, &numbers, None)), 2.0);
        assert!((scalar(classification(&three, &classes, None)) - 3f32.ln()).abs() < 1e-6);
        assert!((scalar(classification(&three, &three, None)) - 2f32.ln()).abs() < 1e-6);
        let squares = classification(&three, &three, Some(ProblemType::Regression));
        assert_eq!(scalar(squares), 0.0);
    }
}
