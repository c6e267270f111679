//! The small trained models that ship inside the crate, each with its model card. Only their bytes: `checkpoint` opens them.

/// A model that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name, after `builtin:`.
    pub name: &'static str,
    /// Its `config.json`.
    pub config: &'static str,
    /// Its `model.safetensors`.
    pub weights: &'static [u8],
    /// Its model card, Markdown: data, training, scores, limits.
    pub card: &'static str,
}

/// Every built-in model.
pub const MODELS: &[Builtin] = &[
    Builtin {
        name: "av",
        config: include_str!("av/config.json"),
        weights: include_bytes!("av/model.safetensors"),
        card: include_str!("av/README.md"),
    },
    Builtin {
        name: "flow",
        config: include_str!("flow/config.json"),
        weights: include_bytes!("flow/model.safetensors"),
        card: include_str!("flow/README.md"),
    },
];
