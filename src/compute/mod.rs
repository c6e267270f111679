//! Where numbers are crunched: the choice of device and precision (the only place that names a vendor), and the kernels the model's
//! layers call. Each kernel has a plain form in tensor operations beside it, which also serves every device without a kernel.

mod activation;
mod answer;
mod attention;
mod bias;
mod cholesky;
mod columns;
mod descent;
mod device;
mod gather;
mod heads;
mod lanes;
mod matching;
mod matrix;
mod mixed;
mod moments;
mod normalise;
mod packed;
mod peak;
mod product;
mod rows;
mod softmax;
pub(crate) mod spectrum;
mod threads;
mod vectorise;

pub use activation::{gelu, gelu_in_place};
pub use answer::{inverse_deviations, normalise_columns, place_columns, scale_and_shift, share_columns};
pub use attention::{Attended, attend};
pub use bias::add_bias;
pub use cholesky::cholesky;
pub use columns::Columns;
pub use descent::{AdamStep, approach, approach_square};
pub use device::{DeviceChoice, Precision};
pub use gather::{Axis, Features, Gathered, Keys, gather};
pub use heads::{Heads, HeadsRoom, attend_heads, attend_with_heads};
pub use matching::Search;
pub use matrix::Matrix;
pub use mixed::mixed_product;
pub use moments::add_moments;
pub use normalise::{Norm, layer_norm};
pub use packed::{Finish, Format, LeftFactor, LeftStack, PANEL, PanelFactor, RightFactor, linear};
pub use peak::product_peak;
pub use product::factor;
pub use rows::read_rows;
pub use softmax::softmax;
pub use threads::Threads;
