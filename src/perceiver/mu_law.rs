//! The µ-law (ITU-T G.711 in its continuous form): samples on a scale on which faint ones are larger.

use candle_core::Tensor;

use crate::error::{Error, Result};

/// A µ-law. −1, 0 and 1 stay what they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MuLaw(f64);

impl MuLaw {
    /// The law of `mu`; 255 is that of telephony.
    ///
    /// # Errors
    /// For a µ that is no positive number.
    pub(crate) fn new(mu: f64) -> Result<Self> {
        if mu.is_finite() && mu > 0.0 { Ok(Self(mu)) } else { Err(Error::config("mu_law", mu, "a positive number")) }
    }

    /// sign(x) · ln(1 + µ|x|) / ln(1 + µ), of any shape.
    pub(crate) fn compress(self, samples: &Tensor) -> Result<Tensor> {
        let levels = samples.abs()?.affine(self.0, 1.0)?.log()?;
        Ok((sign(samples)? * (levels / self.0.ln_1p())?)?)
    }
}

/// −1, 0 or 1, constant for gradients.
fn sign(of: &Tensor) -> Result<Tensor> {
    Ok(of.detach().sign()?)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn the_full_scale_stays_and_faint_samples_are_lifted() {
        let samples = Tensor::new(&[0f32, 1.0, -1.0, 0.01], &Device::Cpu).unwrap();
        let law = MuLaw::new(255.0).unwrap();
        let compressed = law.compress(&samples).unwrap();
        // ln(1 + 2.55) / ln(256).
        let near = |of: &Tensor, expected: [f32; 4]| {
            let of: Vec<f32> = of.to_vec1().unwrap();
            assert!(of.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{of:?}");
        };
        near(&compressed, [0.0, 1.0, -1.0, 0.228_5]);
        for mu in [0.0, f64::NAN] {
            assert!(MuLaw::new(mu).is_err());
        }
    }

    #[test]
    fn gradients_are_those_of_the_curve() {
        let law = MuLaw::new(15.0).unwrap();
        let samples = Var::new(&[0.3f32, -0.2], &Device::Cpu).unwrap();
        let compressed = law.compress(&samples).unwrap();
        let slopes: Vec<f32> = compressed.sum_all().unwrap().backward().unwrap().get(&samples).unwrap().to_vec1().unwrap();
        // µ / ((1 + µ|x|) · ln(1 + µ)).
        let expected = [0.3f32, 0.2].map(|level| 15.0 / ((1.0 + 15.0 * level) * 16f32.ln()));
        assert!(slopes.iter().zip(expected).all(|(slope, expected)| (slope - expected).abs() < 1e-4), "{slopes:?} {expected:?}");
    }
}
