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

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: usize, width: usize, places: usize) -> TokenShape {
        TokenShape { count, width, places }
    }

    #[test]
    fn cross_attentions_of_one_head_fold_and_that_of_the_language_model_does_not() {
        let flow = EncoderShape { latents: 2048, heads: 1, channels: 322, qk: 322, v: 322 };
        assert!(flow.folds([tokens(368 * 496, 64, 368 + 496)].into_iter()));
        let image = EncoderShape { latents: 512, heads: 1, channels: 261, qk: 261, v: 261 };
        assert!(image.folds([tokens(224 * 224, 3, 448)].into_iter()));
        let learned = EncoderShape { channels: 512, qk: 512, v: 512, ..image };
        assert!(learned.folds([tokens(224 * 224, 512, 0)].into_iter()));
        let multimodal = EncoderShape { latents: 784, heads: 1, channels: 704, qk: 704, v: 704 };
        assert!(multimodal.folds([tokens(1920, 401, 0), tokens(50176, 48, 128), tokens(1, 0, 0)].into_iter()));
        let language = EncoderShape { latents: 256, heads: 8, channels: 768, qk: 256, v: 1280 };
        assert!(!language.folds([tokens(2048, 768, 0)].into_iter()));
    }

    #[test]
    fn decoders_take_the_form_that_their_shapes_ask_for() {
        let video = DecoderShape {
            latents: 784,
            channels: 1026,
            qk: 512,
            v: 512,
            hidden: 1026,
            plain_outputs: 512 + 3,
            outputs: 3,
            residual: false,
        };
        assert_eq!(video.form(tokens(802_816, 0, 464)), Form::FoldedMlp);
        // Added queries are not among the values.
        assert_eq!(DecoderShape { residual: true, ..video }.form(tokens(802_816, 0, 464)), Form::Folded);
        // A few queries do not pay for what has to be prepared.
        assert_eq!(video.form(tokens(1, 1024, 0)), Form::Plain);
        let flow = DecoderShape { latents: 2048, channels: 322, hidden: 322, plain_outputs: 2, outputs: 2, ..video };
        assert_eq!(flow.form(tokens(368 * 496, 64, 864)), Form::Folded);
    }
}
