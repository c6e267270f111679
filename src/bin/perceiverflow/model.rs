//! The options that every command with a model has.

use clap::{Arg, Args, ValueEnum};
use perceiverflow::{
    Result,
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    perceiver::Folding,
    tasks::{OpticalFlow, Tiling},
};

use crate::models::fetch;

/// Where and how a model computes; its results are the same but for rounding.
#[derive(Args, Debug)]
pub(crate) struct ComputingArguments {
    /// Where it runs: auto (the first GPU this build can use, else the processor), cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(crate) device: DeviceChoice,

    /// Number format of weights and activations: auto, f32, f16 or bf16
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) precision: Precision,

    /// Compute the cross-attentions as published, without the shortcuts for inference: slower, the same result but for rounding
    #[arg(long)]
    no_fold: bool,
}

impl ComputingArguments {
    /// The checkpoint of a model; one of the Hub is in the cache then.
    pub(crate) fn checkpoint(&self, model: &str) -> Result<Checkpoint> {
        fetch(model)?;
        Ok(Checkpoint::open(model)?.with_folding(self.folding()))
    }

    pub(crate) fn folding(&self) -> Folding {
        if self.no_fold { Folding::Off } else { Folding::Auto }
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Model")]
pub(crate) struct FlowModelArguments {
    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME
    #[arg(long, value_name = "MODEL", default_value = "builtin:flow")]
    pub(crate) model: String,

    #[command(flatten)]
    computing: ComputingArguments,

    #[command(flatten)]
    tiling: TilingArguments,
}

/// How frames meet a flow model's tile.
#[derive(Args, Debug)]
pub(crate) struct TilingArguments {
    /// How frames of any size meet the model's tile
    #[arg(long, value_enum, default_value_t)]
    scale: Scale,

    /// Pixels that neighbouring tiles share at least, from 0 to less than the tile; only with --scale native
    #[arg(long, value_name = "PIXELS", default_value_t = 20)]
    tile_overlap: usize,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Scale {
    /// Tiles at the frame's own scale, blended: all detail
    #[default]
    Native,
    /// The frame resized to one tile: one model call, less detail
    Fit,
}

impl FlowModelArguments {
    pub(crate) fn open(&self) -> Result<OpticalFlow> {
        OpticalFlow::of(&self.computing.checkpoint(&self.model)?, self.computing.device, self.computing.precision)
    }

    pub(crate) fn tiling(&self) -> Tiling {
        self.tiling.tiling()
    }
}

impl TilingArguments {
    pub(crate) fn tiling(&self) -> Tiling {
        match self.scale {
            Scale::Native => Tiling::Native { overlap: self.tile_overlap },
            Scale::Fit => Tiling::Fit,
        }
    }
}

/// For `#[command(mut_arg("model", …))]` of the commands whose job a built-in multimodal model does.
pub(crate) fn multimodal_default(model: Arg) -> Arg {
    model.required(false).default_value("builtin:av")
}

/// The options of a command whose model has to be named, unless the command has a default for it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArguments {
    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME
    #[arg(long, value_name = "MODEL", required = true)]
    model: String,

    #[command(flatten)]
    pub(crate) computing: ComputingArguments,

    /// Inputs in one model call, 1 or more: more of them make better use of a GPU and take more memory
    #[arg(long, value_name = "INPUTS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: u32,
}

impl ModelArguments {
    /// The model as it was named.
    pub(crate) fn name(&self) -> &str {
        &self.model
    }

    /// The model's checkpoint, as the tasks take it; one of the Hub is in the cache then.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        self.computing.checkpoint(&self.model)
    }
}
