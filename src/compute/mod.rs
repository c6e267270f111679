//! Where numbers are crunched: the choice of device and precision (the only place that names a vendor), and the kernels the model's
//! layers call. Each kernel has a plain form in tensor operations beside it, which also serves every device without a kernel.

mod activation;
mod attention;
mod bias;
mod device;
mod normalise;
mod product;
mod rows;
mod softmax;

pub use activation::gelu;
pub use attention::{Attended, attend};
pub use bias::add_bias;
pub use device::{DeviceChoice, Precision};
pub use normalise::layer_norm;
pub use product::factor;
pub use softmax::softmax;

// The matrix products of the tensor library use AVX-512 because this crate asks the same `gemm` for its feature `x86-v4`.
use gemm as _;
