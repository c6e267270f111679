//! `perceiverflow train av`.

use std::path::PathBuf;

use perceiverflow::{
    Error, Result,
    perceiver::PerceiverConfig,
    tasks::{ClipPreprocessor, Framing},
    train::AvTask,
};

use super::{Materials, Part, TrainingArgs};

/// The configuration without `--config`.
const CONFIG: &str = include_str!("../../../builtin/av/config.json");

/// Train a multimodal model that reconstructs short windows of video and sound and labels what is wrong with them.
///
/// The windows are made by formulas and chance, and of pictures, clips and recordings where folders are given; their labels are known exactly:
/// black, freeze, colour-bars, snow, macroblocks, blur, flash, cut, fade, pan, zoom, static-shot, silence, tone, hiss, hum, clipping,
/// dropout, and of recordings speech and other-sound. Of a folder with ten files or more every tenth is not trained on: of these are the
/// windows that validate the model and choose its thresholds. Goes on where it was when OUT holds a training already; stop it at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  perceiverflow train av --out my-av --textures pictures/ --sounds music/ --speech speech/
  perceiverflow evaluate av --model my-av")]
pub(crate) struct AvArgs {
    /// Configuration of the model, whose classes are among the labels above [default: a small one with all of them]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Windows, never trained on, by which the thresholds of the labels are chosen when all else is done
    #[arg(long, value_name = "WINDOWS", default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..))]
    calibration: u64,
    #[command(flatten)]
    materials: Materials,
    #[command(flatten)]
    training: TrainingArgs,
}

/// The configuration of a small multimodal model.
pub(super) fn small_config() -> Result<PerceiverConfig> {
    serde_json::from_str(CONFIG).map_err(|e| Error::format("config.json", e.to_string()))
}

impl AvArgs {
    pub(super) fn run(self) -> Result<()> {
        let config = self.config.as_ref().map_or_else(small_config, PerceiverConfig::open)?;
        let preprocessor = ClipPreprocessor::new(&config, Framing::default());
        let material = |part: Part| self.materials.open(preprocessor.shape(), preprocessor.side(), part);
        let task = AvTask::new(config, material(Part::Trained)?)?.held_out(material(Part::HeldOut)?);
        self.training.train(task)?.calibrate(self.calibration)
    }
}
