//! Where numbers are crunched: the choice of device and precision (the only place that names a vendor), and the kernels the model's
//! layers call. Each kernel has a plain form in tensor operations beside it, which also serves every device without a kernel.

mod activation;
mod answer;
mod attention;
mod bias;
mod cholesky;
mod descent;
mod device;
mod gather;
mod heads;
mod lanes;
mod matching;
mod matrix;
mod mixed;
mod normalise;
mod packed;
mod peak;
mod product;
mod rows;
mod softmax;
mod threads;
mod vectorise;

pub use activation::{gelu, gelu_in_place};
pub use answer::answer_row;
pub use attention::{Attended, attend};
pub use bias::add_bias;
pub use cholesky::cholesky;
pub use descent::{AdamStep, approach, approach_square};
pub use device::{DeviceChoice, Precision};
pub use gather::{Axis, Gathered, Keys, gather};
pub use heads::{Heads, attend_heads, attend_with_heads};
pub use matching::Search;
pub use matrix::Matrix;
pub use mixed::mixed_product;
pub use normalise::{layer_norm, normalise_row};
pub use packed::{Finish, Format, LeftFactor, RightFactor, linear};
pub use peak::product_peak;
pub use product::factor;
pub use softmax::softmax;
pub use threads::Threads;
