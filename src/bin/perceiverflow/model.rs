//! The options that every command with a model has.

use clap::{Args, ValueEnum};
use perceiverflow::{
    Result,
    compute::{DeviceChoice, Precision},
    tasks::{OpticalFlow, Tiling},
};

use crate::models::fetch;

#[derive(Args, Debug)]
#[command(next_help_heading = "Model")]
pub(crate) struct FlowModelArguments {
    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME
    #[arg(long, value_name = "MODEL", default_value = "builtin:flow")]
    pub(crate) model: String,

    /// Where it runs: auto (the first GPU this build can use, else the processor), cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceChoice,

    /// Number format of weights and activations: auto, f32, f16 or bf16
    #[arg(long, value_name = "FORMAT", default_value_t)]
    precision: Precision,

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
        fetch(&self.model)?;
        OpticalFlow::open(&self.model, self.device, self.precision)
    }

    pub(crate) fn tiling(&self) -> Tiling {
        match self.scale {
            Scale::Native => Tiling::Native { overlap: self.tile_overlap },
            Scale::Fit => Tiling::Fit,
        }
    }
}

/// The options of a command whose model has to be named: none is built in for its job.
#[derive(Args, Debug)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArguments {
    /// A folder with config.json and weights, or a Hugging Face id (owner/name or owner/name@revision)
    #[arg(long, value_name = "MODEL", required = true)]
    model: String,

    /// Where it runs: auto (the first GPU this build can use, else the processor), cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(crate) device: DeviceChoice,

    /// Number format of weights and activations: auto, f32, f16 or bf16
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) precision: Precision,

    /// Inputs in one model call, 1 or more: more of them make better use of a GPU and take more memory
    #[arg(long, value_name = "INPUTS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: u32,
}

impl ModelArguments {
    /// The model as the tasks open it; one of the Hub is in the cache then.
    pub(crate) fn source(&self) -> Result<&str> {
        fetch(&self.model)?;
        Ok(&self.model)
    }
}
