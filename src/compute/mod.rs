//! Where numbers are crunched: the choice of device and precision. The only place that names a vendor.

mod device;

pub use device::{DeviceChoice, Precision};

// The matrix products of the tensor library use AVX-512 because this crate asks the same `gemm` for its feature `x86-v4`.
use gemm as _;
