//! The small trained models that ship inside the crate, each with its model card.

use crate::perceiver::PerceiverConfig;

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
pub const MODELS: &[Builtin] = &[];

/// The configuration of `builtin:flow`, as a start for models of one's own.
pub fn flow_config() -> PerceiverConfig {
    serde_json::from_str(FLOW_CONFIG).expect("a test reads it")
}

const FLOW_CONFIG: &str = include_str!("flow/config.json");
