//! `perceiverflow train`: models from synthetic data.

use std::{ops::ControlFlow, path::PathBuf};

use candle_core::DType;
use perceiverflow::{
    Error, Result,
    checkpoint::Checkpoint,
    compute::DeviceChoice,
    media::Picture,
    perceiver::PerceiverConfig,
    scene::TextureLibrary,
    train::{CurvePoint, FlowTrainer, FlowTraining},
};

/// Train a model.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TrainCommand {
    Flow(FlowArgs),
}

/// Train an optical-flow model on synthetic pairs with exact flow.
///
/// Goes on where it was when OUT holds a training already; stop it at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  perceiverflow train flow --out my-flow --textures pictures/
  perceiverflow flow clip.mp4 -o out.mp4 --model my-flow")]
pub(crate) struct FlowArgs {
    /// Folder for config.json, model.safetensors, curve.csv, curve.png and the state to go on from
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Configuration of the model [default: that of builtin:flow]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of PNG and JPEG pictures to cut textures from; may be given several times
    #[arg(long, value_name = "DIR")]
    textures: Vec<PathBuf>,
    /// Share of textures that come from the pictures, 0 to 1; the rest is drawn by formulas
    #[arg(long, default_value_t = 0.6, value_name = "SHARE")]
    share: f32,
    /// Steps in all
    #[arg(long, default_value_t = 6000)]
    steps: u64,
    /// Pairs in a step
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Highest learning rate, reached after the first fiftieth of the steps
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Steps between rows of the learning curve; each row saves everything
    #[arg(long, default_value_t = 100)]
    every: u64,
    /// Seed of the first weights and of the pairs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Parts of a step worked on side by side [default: the number of processors]
    #[arg(long)]
    threads: Option<usize>,
    /// auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Save the model in float16: half the size
    #[arg(long)]
    float16: bool,
}

pub(crate) fn run(command: TrainCommand) -> Result<()> {
    let TrainCommand::Flow(args) = command;
    let config = match &args.config {
        Some(path) => PerceiverConfig::open(path)?,
        None => Checkpoint::open("builtin:flow")?.config().clone(),
    };
    let library = library(&args.textures, args.share)?;
    let training = FlowTraining {
        config,
        library,
        folder: args.out,
        steps: args.steps,
        batch: args.batch,
        threads: args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        rate: args.rate,
        every: args.every,
        seed: args.seed,
        dtype: if args.float16 { DType::F16 } else { DType::F32 },
    };
    let mut trainer = FlowTrainer::new(training, args.device.open()?)?;
    eprintln!("{} parameters, from step {}", trainer.parameters(), trainer.step());
    trainer.run(|_, _, row| {
        if let Some(CurvePoint { step, seconds, rate, loss, validation, zero }) = row {
            eprintln!(
                "step {step:6}  {seconds:7.0} s  rate {rate:.1e}  loss {loss:.3}  validation {validation:.3} (zero {zero:.3})"
            );
        }
        ControlFlow::Continue(())
    })
}

/// Every picture of the folders.
fn library(folders: &[PathBuf], share: f32) -> Result<TextureLibrary> {
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::option("--share", share, "0 to 1"));
    }
    let mut pictures = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        paths.retain(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
            ["png", "jpg", "jpeg"].contains(&extension.as_str())
        });
        if paths.is_empty() {
            return Err(Error::option("--textures", folder.display(), "a folder with PNG or JPEG pictures"));
        }
        // In the order of their names, so that the same folder gives the same pairs.
        paths.sort();
        for path in paths {
            pictures.push(Picture::open(path)?);
        }
    }
    Ok(TextureLibrary::mixed(pictures, share))
}
