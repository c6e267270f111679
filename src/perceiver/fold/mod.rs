//! Attentions rewritten for inference (Perceiver IO, sections 3.1 and 3.2, with the weights fixed): cross-attentions give the same numbers
//! for a fraction of the work; the latents' attention to themselves takes all of its work, fused.
//!
//! # The algebra
//!
//! A token is x ∈ R^C; its layer norm is g⊙P x/σ + b, where P = 1 − 𝟏𝟏ᵀ/C takes the mean away, σ² = ‖P x‖²/C + ε, g is the gain and b the shift.
//! P is symmetric and P P = P, so it may stand on either side of an inner product: means of tokens are never needed.
//!
//! **The key weight goes to the query.** With q the query of a head of d channels,
//! q·(Wk·LN(x) + bk)/√d = k'·x/σ + constant, where k' = P(g⊙Wkᵀq)/√d. The constant is the same for every token, and the softmax over
//! tokens does not see it. In the encoder q comes from the latents, which are parameters: k' (N × C) is computed when a model is loaded.
//!
//! **The value weight goes behind the sum.** Σ a_p (Wv·LN(x_p) + bv) = Wv·(g⊙P u + b) + bv with u = Σ (a_p/σ_p) x_p. No key and no value is
//! computed: the tokens are read as they are.
//!
//! **Tokens are split.** x = \[features f | positions e | constant c\]. Fourier positions on a grid are pieces that each depend on one axis, so
//! k'·e is a sum over the axes of tables of N · (T + Y + X) numbers, and u needs of the positions only Σ a/σ over each row, column and frame
//! of the grid (the marginals). c is the padding of a modality, or all of a token that is masked. Where f = W y + b is made of fewer channels y (a
//! 1×1 convolution of pixels), k'·f = (Wᵀk')·y + k'·b, Σ w f = W Σ w y + b Σ w, and ‖f‖² is a quadratic form of y: f is never computed.
//!
//! **In the decoder the roles are exchanged.** Queries are the tokens, and the softmax runs over latents, which sees both parts of
//! q·k_n/√d = k'_n·x/σ + k_n·(Wq b + bq)/√d with k'_n = P(g⊙Wqᵀk_n)/√d (N × E). The output projection goes into the values: the attention
//! gives a = Σ w_n V'_n with V' = V Woᵀ + bo.
//!
//! **So does the first layer of the MLP, where that is cheaper:** W1·LN(a) + b1 = (Σ w_n V''_n)/σ + W1 b + b1 with V'' = ((V' P)⊙g) W1ᵀ and
//! σ² = ‖R w‖²/E + ε, where RᵀR = (V' P)(V' P)ᵀ (a Cholesky factor, N × N).
//!
//! **The last layers compose.** With h what the MLP's activation gives, and W, c the final projection and what a postprocessor does after it,
//! W(a + W2 h + b2) + c = W a + (W W2) h + (W b2 + c), which has as many rows as there are outputs of a query: 3 for a pixel.
//!
//! # When
//!
//! [`cost`] compares the multiply-adds of both forms, from shapes alone, for each call. The plain layer ([`PerceiverLayer`](super::PerceiverLayer))
//! serves training, GPUs, attention masks and calls that ask for attention probabilities.

mod cost;
mod decoder;
mod encoder;
mod fixed;
mod latents;
mod lift;
mod tokens;

pub(super) use cost::{DecoderShape, EncoderShape, TokenShape};
pub(super) use decoder::FoldedDecoder;
pub(super) use encoder::FoldedEncoder;
pub(super) use latents::FusedLatents;
pub(super) use tokens::{Tokens, separable};

/// Whether attentions are rewritten for inference. The results differ by rounding only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Folding {
    /// Where it saves work.
    #[default]
    Auto,
    /// Nowhere: the layers as published.
    Off,
}
