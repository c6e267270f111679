//! What is to be done with every file: the options of the single commands, on one command line.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use perceiverflow::{
    Result,
    batch::{Clips, Job},
    tasks::{Autoencode, ClassifyWindows, OpticalFlow},
};

use crate::{
    clips::{ClipArguments, QueryArguments},
    flow::PairArguments,
    labelling::LabelChoice,
    model::{ComputingArguments, TilingArguments},
};

#[derive(Args, Debug)]
#[command(next_help_heading = "Task")]
pub(super) struct JobArguments {
    /// What is to be done
    #[arg(long, value_enum, required = true)]
    task: Option<Task>,

    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME [default:
    /// builtin:flow for flow, builtin:av for the other tasks]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,

    /// Keep the flow of every window, flow/ID/000000.flo and on; task flow
    #[arg(long)]
    flo: bool,

    /// Write the labels of every file as WebVTT cues, labels/ID.vtt; task classify
    #[arg(long)]
    vtt: bool,

    #[command(flatten)]
    computing: ComputingArguments,

    /// Windows in one model call, of any files, 1 or more; of every task but flow. More make better use of a GPU and take more memory;
    /// the results round otherwise
    #[arg(long, value_name = "WINDOWS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    #[command(flatten)]
    pairs: PairArguments,

    #[command(flatten)]
    tiling: TilingArguments,

    #[command(flatten)]
    clips: ClipArguments,

    #[command(flatten)]
    labels: LabelChoice,

    #[command(flatten)]
    queries: QueryArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Task {
    /// Optical flow between frames: its statistics, and with --flo the fields
    Flow,
    /// What is seen and heard; by an image classifier, what is seen in single frames
    Classify,
    /// The file as the model remembers it, as media
    Reconstruct,
    /// The latents of every window
    Encode,
}

impl JobArguments {
    /// Whether the arguments go together, beyond what the parser knows.
    pub(super) fn check(&self) -> Result<(), String> {
        for (given, name, task) in [(self.flo, "--flo", Task::Flow), (self.vtt, "--vtt", Task::Classify)] {
            if given && self.task != Some(task) {
                return Err(format!("{name} goes with --task {task:?}").to_lowercase());
            }
        }
        Ok(())
    }

    /// The job with its model loaded.
    pub(super) fn open(&self) -> Result<Job> {
        let usual = if self.task == Some(Task::Flow) { "builtin:flow" } else { "builtin:av" };
        let checkpoint = self.computing.checkpoint(self.model.as_deref().unwrap_or(usual))?;
        if self.task == Some(Task::Flow) {
            return Ok(Job::Flow {
                model: Arc::new(OpticalFlow::of(&checkpoint, self.computing.device, self.computing.precision)?),
                tiling: self.tiling.tiling(),
                frame_distance: self.pairs.frame_distance as usize,
                inference_interval: u64::from(self.pairs.inference_interval),
                fields: self.flo,
            });
        }
        let autoencode = || Autoencode::of(&checkpoint, self.computing.device, self.computing.precision).map(Arc::new);
        Ok(match self.task {
            Some(Task::Reconstruct) => {
                Job::Reconstruct { clips: self.clips_through(autoencode()?), queries: self.queries.queries() }
            }
            Some(Task::Encode) => Job::Encode { clips: self.clips_through(autoencode()?) },
            // The parser asks for a task, and flow is dealt with above.
            Some(Task::Classify | Task::Flow) | None => Job::Classify {
                clips: self.clips_through(ClassifyWindows::of(&checkpoint, self.computing.device, self.computing.precision)?),
                top_k: self.labels.top_k as usize,
                threshold: self.labels.threshold,
                cues: self.vtt,
            },
        })
    }

    fn clips_through<M>(&self, model: M) -> Clips<M> {
        Clips { model, cutting: self.clips.cutting(), batch_size: self.batch_size as usize }
    }
}
