//! Which device computes, and in which number format.

use std::{fmt, str::FromStr};

use candle_core::{DType, Device};

use crate::error::{Error, Result};

/// Where a model runs: `auto`, `cpu`, `cuda:N` or `metal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The first GPU that this build can use, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The NVIDIA GPU of this number; needs a build with the feature `cuda`.
    Cuda(usize),
    /// The Apple GPU; needs a build with the feature `metal`.
    Metal,
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// When it is not there or this build cannot use it. `auto` and `cpu` never fail.
    pub fn open(self) -> Result<Device> {
        let refused = |reason: String| Error::Device { device: self.to_string(), reason };
        match self {
            Self::Auto => Ok(Self::Cuda(0).open().or_else(|_| Self::Metal.open()).unwrap_or(Device::Cpu)),
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => {
                Err(refused("this build has no CUDA; build with --features cuda, or use cpu".into()))
            }
            Self::Cuda(number) => Device::new_cuda(number).map_err(|e| refused(e.to_string())),
            Self::Metal if !cfg!(feature = "metal") => {
                Err(refused("this build has no Metal; build with --features metal, or use cpu".into()))
            }
            Self::Metal => Device::new_metal(0).map_err(|e| refused(e.to_string())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::option("device", text, "auto, cpu, cuda, cuda:N or metal");
        match text.split_once(':') {
            None => match text {
                "auto" => Ok(Self::Auto),
                "cpu" => Ok(Self::Cpu),
                "cuda" => Ok(Self::Cuda(0)),
                "metal" => Ok(Self::Metal),
                _ => Err(unknown()),
            },
            Some(("cuda", number)) => number.parse().map(Self::Cuda).map_err(|_| unknown()),
            Some(_) => Err(unknown()),
        }
    }
}

/// The number format of a model's matrices and of the products with them: `auto`, `f32`, `f16` or `bf16`. Everything between the products is
/// float32 (see [`factor`](super::factor)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// `f32`.
    #[default]
    Auto,
    /// 32-bit floats.
    F32,
    /// 16-bit floats with 5 bits of exponent.
    F16,
    /// 16-bit floats with 8 bits of exponent.
    Bf16,
}

impl Precision {
    /// The tensor type it stands for.
    pub fn dtype(self) -> DType {
        match self {
            Self::Auto | Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Auto, Self::F32, Self::F16, Self::Bf16]
            .into_iter()
            .find(|precision| precision.to_string() == text)
            .ok_or_else(|| Error::option("precision", text, "auto, f32, f16 or bf16"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["auto", "cpu", "cuda:3", "metal"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        for name in ["auto", "f32", "f16", "bf16"] {
            assert_eq!(name.parse::<Precision>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_device_is_refused_with_what_is_accepted() {
        for name in ["gpu", "cuda:x", "cpu:1", ""] {
            let message = name.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(message.contains("cuda:N"), "{message}");
        }
    }
}
