//! The activations that a configuration's `hidden_act` may name.

use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::compute;

/// The activation of an MLP, by the name Hugging Face's activation table gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x·Φ(x), erf form.
    #[default]
    #[serde(alias = "gelu_python")]
    Gelu,
    /// GELU clipped to −10 … 10.
    #[serde(rename = "gelu_10")]
    Gelu10,
    /// GELU by its tanh approximation.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_fast", alias = "gelu_accurate")]
    GeluNew,
    /// ½(1 + erf((x − 0.707107) / (0.282095·√2))).
    Laplace,
    /// x, or x/100 below zero.
    LeakyRelu,
    /// x.
    Linear,
    /// x·tanh(ln(1 + eˣ)).
    Mish,
    /// x·σ(1.702·x).
    QuickGelu,
    /// max(x, 0).
    Relu,
    /// max(x, 0)².
    Relu2,
    /// x clipped to 0 … 6.
    Relu6,
    /// σ(x).
    Sigmoid,
    /// x·σ(x).
    #[serde(alias = "swish")]
    Silu,
    /// tanh(x).
    Tanh,
}

/// The reference's own digits of 1/√2, and its deviation.
const LAPLACE_MEAN: f64 = 707_107e-6;
const LAPLACE_DEVIATION: f64 = 0.282_095;

impl Activation {
    /// Applies it to every element of a slice.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn apply(self, values: &mut [f32]) -> Result<()> {
        if self == Self::Gelu {
            compute::gelu_in_place(values);
        } else {
            let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
            values.copy_from_slice(&self.forward(&tensor)?.to_vec1::<f32>()?);
        }
        Ok(())
    }

    /// Applies it to every element.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gelu => compute::gelu(x),
            Self::Gelu10 => compute::gelu(x)?.clamp(-10.0, 10.0),
            Self::GeluNew => x.gelu(),
            Self::Laplace => (((x - LAPLACE_MEAN)? / (LAPLACE_DEVIATION * std::f64::consts::SQRT_2))?.erf()? + 1.0)? * 0.5,
            Self::LeakyRelu => candle_nn::ops::leaky_relu(x, 0.01),
            Self::Linear => Ok(x.clone()),
            Self::Mish => candle_nn::ops::mish(x),
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
            Self::Relu => x.relu(),
            Self::Relu2 => x.relu()?.sqr(),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Sigmoid => candle_nn::ops::sigmoid(x),
            Self::Silu => x.silu(),
            Self::Tanh => x.tanh(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_reference_table_are_accepted() {
        let names = "gelu gelu_10 gelu_fast gelu_new gelu_python gelu_pytorch_tanh gelu_accurate laplace leaky_relu linear mish quick_gelu \
                     relu relu2 relu6 sigmoid silu swish tanh";
        for name in names.split_whitespace() {
            serde_json::from_value::<Activation>(name.into()).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        // Documented there, but absent from the table.
        assert!(serde_json::from_value::<Activation>("selu".into()).is_err());
    }
}
