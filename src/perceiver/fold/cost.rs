//! What the plain and the folded form cost, in multiply-adds, from shapes alone. What both do alike is left out.

/// Tokens, as far as the cost depends on them.
#[derive(Clone, Copy, Debug)]
pub(in crate::perceiver) struct TokenShape {
    /// M.
    pub(in crate::perceiver) count: usize,
    /// F.
    pub(in crate::perceiver) width: usize,
    /// Sizes of the axes together.
    pub(in crate::perceiver) places: usize,
}

/// The encoder's cross-attention.
#[derive(Clone, Copy, Debug)]
pub(in crate::perceiver) struct EncoderShape {
    /// N.
    pub(in crate::perceiver) latents: usize,
    /// H.
    pub(in crate::perceiver) heads: usize,
    /// C.
    pub(in crate::perceiver) channels: usize,
    /// Channels of keys and of values.
    pub(in crate::perceiver) qk: usize,
    pub(in crate::perceiver) v: usize,
}

impl EncoderShape {
    /// Whether folding saves work over these tokens. Every head becomes N rows of its own that are as wide as the features: with many
    /// heads, the projections that share the work among them are cheaper.
    pub(in crate::perceiver) fn folds(self, tokens: impl Iterator<Item = TokenShape> + Clone) -> bool {
        self.folded(tokens.clone()) < self.plain(tokens)
    }

    /// Keys, values, scores and sums as published.
    pub(in crate::perceiver) fn plain(self, tokens: impl Iterator<Item = TokenShape>) -> usize {
        let Self { latents, channels, qk, v, .. } = self;
        tokens.map(|tokens| tokens.count * (channels + latents) * (qk + v)).sum()
    }

    /// Scores and sums of the tokens as they are.
    pub(in crate::perceiver) fn folded(self, tokens: impl Iterator<Item = TokenShape>) -> usize {
        let Self { latents, heads, channels, .. } = self;
        tokens.map(|TokenShape { count, width, places }| 2 * heads * latents * (count * width + places * channels)).sum()
    }
}

/// A decoder's cross-attention with one head, its MLP, and what follows.
#[derive(Clone, Copy, Debug)]
pub(in crate::perceiver) struct DecoderShape {
    /// N.
    pub(in crate::perceiver) latents: usize,
    /// E.
    pub(in crate::perceiver) channels: usize,
    /// Channels of keys and of values.
    pub(in crate::perceiver) qk: usize,
    pub(in crate::perceiver) v: usize,
    /// Hidden channels of the MLP.
    pub(in crate::perceiver) hidden: usize,
    /// What a query becomes: channels of the plain layer's last matrix, and of the composed one.
    pub(in crate::perceiver) plain_outputs: usize,
    pub(in crate::perceiver) outputs: usize,
    /// Whether the attention adds its query.
    pub(in crate::perceiver) residual: bool,
}

/// How a decoder answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::perceiver) enum Form {
    /// As published.
    Plain,
    /// Keys and values absorbed, last layers composed.
    Folded,
    /// The first layer of the MLP absorbed too.
    FoldedMlp,
}

impl DecoderShape {
    /// The cheapest form for these queries.
    pub(in crate::perceiver) fn form(self, queries: TokenShape) -> Form {
        let cost = |form| self.cost(form, queries);
        // More latents than channels would make the factor wider than what it replaces; a query that is added is not among the values.
        let may_absorb = self.latents <= self.channels && !self.residual;
        if may_absorb && cost(Form::FoldedMlp) < cost(Form::Folded).min(cost(Form::Plain)) {
            Form::FoldedMlp
        } else if cost(Form::Folded) < cost(Form::Plain) {
            Form::Folded
        } else {
            Form::Plain
        }
    }

    /// What answering these queries costs, the projections of the latents to keys and values left out.
    pub(in crate::perceiver) fn cost(self, form: Form, queries: TokenShape) -> usize {
        let Self { latents: n, channels: e, qk, v, hidden, plain_outputs, outputs, .. } = self;
        let TokenShape { count, width, places } = queries;
        let prepared = n * (qk * e + v * e + places * e) + outputs * e * (plain_outputs + hidden);
        match form {
            Form::Plain => count * (e * qk + n * (qk + v) + v * e + 2 * e * hidden + e * plain_outputs),
            Form::Folded => prepared + count * (n * (width + e) + e * hidden + (e + hidden) * outputs),
            Form::FoldedMlp => {
                // The Cholesky factor is computed in float64 and by plain loops: at a quarter of a product's speed. Half of it is zero.
                let factor = 2 * n * n * e + 4 * n * n * n / 3;
                let absorbed = n * e * (hidden + outputs) + factor;
                prepared + absorbed + count * (n * (width + hidden + outputs) + n * n / 2 + hidden * outputs)
            }
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
