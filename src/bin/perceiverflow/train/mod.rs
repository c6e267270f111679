//! `perceiverflow train`: models from synthetic data, and classifiers from files of one's own.

mod av;
#[cfg(feature = "video-file")]
mod classify;
mod flow;
mod material;
mod material_files;

use std::{num::NonZeroUsize, ops::ControlFlow, path::PathBuf, thread};

use candle_core::DType;
use perceiverflow::{
    Error, Result,
    compute::{DeviceChoice, Precision},
    train::{CurvePoint, Task, Trainer, Training},
};

pub(crate) use material::{Materials, Textures};
pub(crate) use material_files::Part;

/// Endings of files that clips are read from.
pub(crate) const CLIPS: [&str; 18] = [
    "3gp", "avi", "flac", "flv", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "ogg", "ogv", "opus", "ts", "wav",
    "webm",
];
/// Endings of files that pictures are read from.
pub(crate) const PICTURES: [&str; 3] = ["jpeg", "jpg", "png"];

/// Train a model.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TrainCommand {
    Flow(flow::FlowArgs),
    Av(av::AvArgs),
    #[cfg(feature = "video-file")]
    Classify(classify::ClassifyArgs),
}

pub(crate) fn run(command: TrainCommand) -> Result<()> {
    match command {
        TrainCommand::Flow(args) => args.run(),
        TrainCommand::Av(args) => args.run(),
        #[cfg(feature = "video-file")]
        TrainCommand::Classify(args) => args.run(),
    }
}

/// What every training has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Training")]
struct TrainingArgs {
    /// Folder for config.json, model.safetensors, curve.csv, curve.png and the state to go on from
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Steps in all
    #[arg(long, default_value_t = 6000)]
    steps: u64,
    /// Examples in a step
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Highest learning rate, reached after the first fiftieth of the steps
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Steps between rows of the learning curve; each row saves everything
    #[arg(long, default_value_t = 100)]
    every: u64,
    /// Seed of the first weights and of the examples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Parts of a step worked on side by side [default: the number of processors]
    // Of the type of the option that every command has: the parser takes both for one.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Of the products, forwards and backwards: f32, or bf16 (mixed precision; weights and everything else stay float32)
    #[arg(long, value_name = "f32|bf16", default_value = "f32")]
    precision: Precision,
    /// Save the model in float16: half the size
    #[arg(long)]
    float16: bool,
}

impl TrainingArgs {
    /// Trains to the end, and says how it goes.
    fn train<T: Task>(self, task: T) -> Result<Trainer<T>> {
        let mixed = match self.precision {
            Precision::Auto | Precision::F32 => false,
            Precision::Bf16 => true,
            Precision::F16 => return Err(Error::option("precision", self.precision, "f32 or bf16")),
        };
        let training = Training {
            folder: self.out,
            steps: self.steps,
            batch: self.batch,
            threads: self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from),
            rate: self.rate,
            every: self.every,
            seed: self.seed,
            dtype: if self.float16 { DType::F16 } else { DType::F32 },
            mixed,
        };
        let mut trainer = Trainer::new(task, training, self.device.open()?)?;
        eprintln!("{} parameters, from step {}", trainer.parameters(), trainer.step());
        trainer.run(|_, _, row| {
            if let Some(CurvePoint { step, seconds, rate, loss, validation, zero }) = row {
                eprintln!(
                    "step {step:6}  {seconds:7.0} s  rate {rate:.1e}  loss {loss:.3}  validation {validation:.3} (blind {zero:.3})"
                );
            }
            ControlFlow::Continue(())
        })?;
        Ok(trainer)
    }
}
