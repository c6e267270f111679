//! What the plain and the folded form cost, in multiply-adds, from shapes alone. What both do alike is left out.

/// Tokens, as far as the cost depends on them.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenShape {
    /// M.
    pub(super) count: usize,
    /// F.
    pub(super) width: usize,
    /// Sizes of the axes together.
    pub(super) places: usize,
}

/// The encoder's cross-attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct EncoderShape {
    /// N.
    pub(super) latents: usize,
    /// H.
    pub(super) heads: usize,
    /// C.
    pub(super) channels: usize,
    /// Channels of keys and of values.
    pub(super) qk: usize,
    pub(super) v: usize,
}

impl EncoderShape {
    /// Whether folding saves work over these tokens. Every head becomes N rows of its own that are as wide as the features: with many
    /// heads, the projections that share the work among them are cheaper.
    pub(super) fn folds(self, tokens: impl Iterator<Item = TokenShape>) -> bool {
        let Self { latents, heads, channels, qk, v } = self;
        let (plain, folded) = tokens.fold((0, 0), |(plain, folded), TokenShape { count, width, places }| {
            let rows = heads * latents;
            (plain + count * (channels + latents) * (qk + v), folded + 2 * rows * (count * width + places * channels))
        });
        folded < plain
    }
}

/// A decoder's cross-attention with one head, its MLP, and what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecoderShape {
    /// N.
    pub(super) latents: usize,
    /// E.
    pub(super) channels: usize,
    /// Channels of keys and of values.
    pub(super) qk: usize,
    pub(super) v: usize,
    /// Hidden channels of the MLP.
    pub(super) hidden: usize,
    /// What a query becomes: channels of the plain layer's last matrix, and of the composed one.
    pub(super) plain_outputs: usize,
    pub(super) outputs: usize,
    /// Whether the attention adds its query.
    pub(super) residual: bool,
}

/// How a decoder answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As published.
    Plain,
    /// Keys and values absorbed, last layers composed.
    Folded,
    /// The first layer of the MLP absorbed too.
    FoldedMlp,
}

impl DecoderShape {
    /// The cheapest form for these queries.
    pub(super) fn form(self, queries: TokenShape) -> Form {
        let Self { latents: n, channels: e, qk, v, hidden, plain_outputs, outputs, residual } = self;
        let TokenShape { count, width, places } = queries;
        let plain = count * (e * qk + n * (qk + v) + v * e + 2 * e * hidden + e * plain_outputs);
        let prepared = n * (qk * e + v * e + places * e) + outputs * e * (plain_outputs + hidden);
        let folded = prepared + count * (n * (width + e) + e * hidden + (e + hidden) * outputs);
        // The Cholesky factor is computed in float64 and by plain loops: at a quarter of a product's speed. Half of it is zero.
        let factor = 2 * n * n * e + 4 * n * n * n / 3;
        let absorbed = n * e * (hidden + outputs) + factor;
        let folded_mlp = prepared + absorbed + count * (n * (width + hidden + outputs) + n * n / 2 + hidden * outputs);
        // More latents than channels would make the factor wider than what it replaces; a query that is added is not among the values.
        let may_absorb = n <= e && !residual;
        if may_absorb && folded_mlp < folded.min(plain) {
            Form::FoldedMlp
        } else if folded < plain {
            Form::Folded
        } else {
            Form::Plain
        }
    }
}
