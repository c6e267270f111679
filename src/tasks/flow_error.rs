//! How far a flow field is from the truth.

use crate::{
    error::{Error, Result},
    media::FlowField,
};

/// KITTI counts a vector as wrong when it is off by more than this many pixels …
const OUTLIER_PIXELS: f32 = 3.0;

/// … and by more than this share of the true length.
const OUTLIER_SHARE: f32 = 0.05;

/// The usual measures of a flow field against a true one, over the pixels where the truth is known.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct FlowError {
    /// Pixels that were compared.
    pub pixels: usize,
    /// Mean end-point error, EPE: the length of the difference, in pixels.
    pub epe: f64,
    /// Median end-point error, in pixels.
    pub median: f64,
    /// Share of pixels that are off by more than 1 px, 0 to 1.
    pub over_1px: f64,
    /// Share of pixels that are off by more than 3 px, 0 to 1.
    pub over_3px: f64,
    /// KITTI's Fl-all: share of pixels that are off by more than 3 px and more than 5 % of the true length, 0 to 1.
    pub fl_all: f64,
}

impl FlowError {
    /// Compares `estimate` with `truth` where the truth is known and, with a `mask` of Y × X, where that is true. Where the estimate is
    /// unknown it is taken for zero.
    ///
    /// # Errors
    /// When the sizes differ or nothing is left to compare.
    pub fn between(estimate: &FlowField, truth: &FlowField, mask: Option<&[bool]>) -> Result<Self> {
        let size = |field: &FlowField| (field.height(), field.width());
        if size(estimate) != size(truth) {
            let accepted = format!("{:?}, the rows and columns of the truth", size(truth));
            return Err(Error::tensor("flow", size(estimate), accepted));
        }
        if let Some(mask) = mask.filter(|mask| mask.len() != truth.uv().len()) {
            return Err(Error::tensor("mask", mask.len(), format!("{}, one for each pixel", truth.uv().len())));
        }
        let wanted = |pixel: usize| mask.is_none_or(|mask| mask[pixel]);
        let mut errors = Vec::with_capacity(truth.uv().len());
        let mut outliers = 0_usize;
        for (pixel, (&estimated, &[u, v])) in estimate.uv().iter().zip(truth.uv()).enumerate() {
            if !FlowField::is_known([u, v]) || !wanted(pixel) {
                continue;
            }
            let [estimated_u, estimated_v] = if FlowField::is_known(estimated) { estimated } else { [0.0; 2] };
            let error = (estimated_u - u).hypot(estimated_v - v);
            outliers += usize::from(error > OUTLIER_PIXELS && error > OUTLIER_SHARE * u.hypot(v));
            errors.push(error);
        }
        let pixels = errors.len();
        if pixels == 0 {
            return Err(Error::tensor("true flow", "no known vector", "one or more inside the mask"));
        }
        let share = |count: usize| count as f64 / pixels as f64;
        let over = |limit: f32| share(errors.iter().filter(|&&error| error > limit).count());
        let (over_1px, over_3px) = (over(1.0), over(3.0));
        let epe = errors.iter().map(|&error| f64::from(error)).sum::<f64>() / pixels as f64;
        Ok(Self { pixels, epe, median: median(&mut errors), over_1px, over_3px, fl_all: share(outliers) })
    }
}

/// The middle value, or the mean of the two in the middle. There is at least one.
fn median(values: &mut [f32]) -> f64 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if !even {
        return f64::from(upper);
    }
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (f64::from(lower) + f64::from(upper)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(vectors: &[[f32; 2]]) -> FlowField {
        FlowField::new(vectors.len(), 1, vectors.to_vec()).unwrap()
    }

    #[test]
    fn the_measures_of_four_pixels() {
        let truth = row(&[[0.0, 0.0], [100.0, 0.0], [3.0, 4.0], [1e10, 0.0], [0.0, 1.0]]);
        let estimate = row(&[[0.5, 0.0], [104.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 3.0]]);
        let error = FlowError::between(&estimate, &truth, None).unwrap();
        assert_eq!(error.pixels, 4);
        assert!((error.epe - (0.5 + 4.0 + 5.0 + 2.0) / 4.0).abs() < 1e-6);
        assert!((error.median - 3.0).abs() < 1e-6);
        assert_eq!((error.over_1px, error.over_3px), (0.75, 0.5));
        assert_eq!(error.fl_all, 0.25, "4 px of 100 are within 5 %");
    }

    #[test]
    fn a_mask_leaves_pixels_out() {
        let (truth, estimate) = (row(&[[1.0, 0.0], [9.0, 0.0]]), row(&[[1.0, 0.0], [0.0, 0.0]]));
        let error = FlowError::between(&estimate, &truth, Some(&[true, false])).unwrap();
        assert_eq!((error.pixels, error.epe, error.median), (1, 0.0, 0.0));
    }

    #[test]
    fn an_unknown_estimate_counts_as_none() {
        let error = FlowError::between(&row(&[[f32::NAN, 0.0]]), &row(&[[0.0, 2.0]]), None).unwrap();
        assert_eq!(error.epe, 2.0);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let truth = row(&[[1.0, 0.0], [2.0, 0.0]]);
        assert!(FlowError::between(&row(&[[0.0; 2]]), &truth, None).is_err());
        assert!(FlowError::between(&truth, &truth, Some(&[true])).is_err());
        assert!(FlowError::between(&truth, &truth, Some(&[false, false])).is_err());
        assert!(FlowError::between(&truth, &row(&[[1e10, 0.0]; 2]), None).is_err());
    }
}
