//! `perceiverflow bench`.

mod memory;
mod report;

use clap::Args;
use perceiverflow::{
    Result,
    compute::{DeviceChoice, product_peak},
    perceiver::{Cost, Folding},
    tasks::Trial,
};

use self::report::Report;
use crate::{model::ComputingArguments, models::picture, output};

/// Sides of the square matrices whose product's speed is the peak.
const PEAK_SIDES: [usize; 2] = [2048, 4096];

/// Time a model's call by stage, count its work, and compare both with the fastest matrix product of this machine.
///
/// The inputs are made up, in the size that the model asks for; of a multimodal model every output is asked for. Nothing else should run
/// on the machine meanwhile.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow bench
  perceiverflow bench --model deepmind/vision-perceiver-fourier --precision bf16 --threads 2
  perceiverflow bench --model my-model --no-fold --json
  perceiverflow bench --model my-model --flops")]
pub(crate) struct Arguments {
    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME
    #[arg(long, value_name = "MODEL", default_value = "builtin:flow")]
    model: String,

    #[command(flatten)]
    computing: ComputingArguments,

    /// Calls that are timed, after one that is not
    #[arg(long, value_name = "CALLS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Count the work and time nothing: one call, to see which stages there are
    #[arg(long, conflicts_with = "runs")]
    flops: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> Result<()> {
        let checkpoint = self.computing.checkpoint(&self.model)?;
        let picture = picture(&checkpoint);
        let trial = Trial::of(&checkpoint, self.computing.device, self.computing.precision, picture)?;
        // The first call reads the weights from the disk and prepares what all calls share.
        let first = trial.call()?;
        let calls = match self.flops {
            true => vec![first],
            false => (0..self.runs).map(|_| trial.call()).collect::<Result<_>>()?,
        };
        let memory = memory::peak();
        // A GPU computes the published form.
        let folding = if trial.device().is_cpu() { self.computing.folding() } else { Folding::Off };
        let architecture = checkpoint.config().architectures.first().map_or("", String::as_str);
        let cost = |folding| Cost::with_folding(checkpoint.config(), architecture, picture, folding);
        let mut peak = 0f64;
        for side in PEAK_SIDES.iter().filter(|_| !self.flops) {
            peak = peak.max(product_peak(trial.device(), self.computing.precision.dtype(), *side)?);
        }
        let report = Report {
            model: self.model.clone(),
            device: if trial.device().is_cpu() { DeviceChoice::Cpu } else { self.computing.device }.to_string(),
            precision: self.computing.precision.to_string(),
            threads: rayon::current_num_threads(),
            folded: folding == Folding::Auto,
            calls,
            costs: cost(Folding::Off).zip(cost(folding)).map(<[Cost; 2]>::from),
            peak,
            memory,
        };
        output::report(&if self.json { format!("{:#}\n", report.to_json()) } else { report.to_list(self.flops) })
    }
}
