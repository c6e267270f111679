//! `perceiverflow batch INPUT… --out DIR`: a run.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use crossbeam_channel::RecvTimeoutError;
use perceiverflow::{
    Result,
    batch::{Event, Input, Job, Run, Settings, Shard, ShardPlan, gather},
};

use super::{display::Display, events, job::JobArguments, summary};
use crate::{
    interrupt::{ATTENTION, Interrupt},
    output::{complain, report},
};

/// A run of many files.
#[derive(Args, Debug)]
pub(super) struct Work {
    /// Files, folders, patterns (* ? [a-z] **), addresses that FFmpeg reads, and lists: .jsonl or .csv with path, id, duration, and options
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,

    /// Folder for everything; made if missing. With --shard each shard has a folder of its own in it
    #[arg(short, long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,

    #[command(flatten)]
    job: JobArguments,

    #[command(flatten)]
    going: RunArguments,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
struct RunArguments {
    /// Go on with the run that DIR holds
    #[arg(long)]
    resume: bool,

    /// Try files again that failed before
    #[arg(long, requires = "resume")]
    retry_failed: bool,

    /// Do the I-th of N parts only, I from 0 to N - 1, balanced by duration; flow and labels without --vtt of a file longer than that are
    /// shared by several. The first of them leaves a plan in DIR, plan-of-N.jsonl, and all go by it [default: as the scheduler says, JOB_COMPLETION_INDEX of
    /// JOB_COMPLETIONS or SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT; else everything]
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Files that are read at the same time, 1 or more [default: the processors]
    #[arg(long, value_name = "FILES", value_parser = clap::value_parser!(u32).range(1..))]
    workers: Option<u32>,

    /// Model calls at the same time, 1 or more: two fill the processors where one cannot; each takes memory, the model itself is shared
    #[arg(long, value_name = "CALLS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    model_calls: u32,

    /// Give a file up when it has been waited for so long in all; how long the model takes does not count [default: as long as its decoder
    /// gives anything, see --stall-limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    time_limit: Option<Duration>,

    /// Give a file up when its decoder has given nothing for so long, and when it does not even tell how long the file lasts
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    stall_limit: Duration,

    /// Files longer than this are worked on by several workers, each at a part of at least this length, decoded from
    /// the last key frame before it
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    part: Duration,

    /// End the run when more than this share of the files has failed, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    max_failure_rate: f64,

    /// Print what happens as JSON lines: {"event": "began", "window", "done", "failed" or "report", …}
    #[arg(long)]
    json: bool,

    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

impl Work {
    /// Whether the arguments go together, beyond what the parser knows.
    pub(super) fn check(&self) -> Result<(), String> {
        self.job.check()
    }

    /// Does the work.
    pub(super) fn run(&self) -> Result<ExitCode> {
        let interrupt = Interrupt::listen_twice();
        let inputs = gather(&self.inputs, self.out())?;
        let job = self.job.open()?;
        let (inputs, out) = self.part_of(inputs, &job)?;
        let run = Run::start(job, inputs.clone(), &self.going.settings(out))?;
        self.watch(&run, &inputs, &interrupt)?;
        let done = run.finish()?;
        match self.going.json {
            true => report(&events::report(&done))?,
            false => report(&summary::of(&done))?,
        }
        Ok(summary::exit_code(&done))
    }

    /// The parser asks for it, but where `merge` has one of its own.
    fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new(""))
    }

    /// The inputs of this shard, and where its results go.
    fn part_of(&self, inputs: Vec<Input>, job: &Job) -> Result<(Vec<Input>, PathBuf)> {
        let shard = match self.going.shard {
            Some(shard) => shard,
            None => Shard::of_scheduler(|name| std::env::var(name).ok())?.unwrap_or_default(),
        };
        if shard.count == 1 {
            return Ok((inputs, self.out().to_owned()));
        }
        let least = (!job.collects()).then_some(self.going.part);
        let ShardPlan { inputs, unplanned, path } = ShardPlan::of(self.out(), shard, inputs, least, self.going.patience())?;
        if unplanned > 0 {
            let plan = path.display();
            complain(&format!("warning: {plan} was made without {unplanned} of the inputs; without it the shards plan anew"));
        }
        Ok((inputs, self.out().join(shard.folder())))
    }

    /// Shows what happens until all has happened, or nobody wants more.
    fn watch(&self, run: &Run, inputs: &[Input], interrupt: &Interrupt) -> Result<()> {
        let mut display = Display::new(inputs, self.going.workers(), self.going.quiet || self.going.json);
        let mut asked = false;
        loop {
            if !asked && interrupt.check().is_err() {
                asked = true;
                run.stop();
                display.say("ending after what is under way; Ctrl-C again ends at once, and loses only that");
            }
            match run.events().recv_timeout(ATTENTION) {
                Ok(event) => {
                    display.take(&event, Instant::now());
                    self.tell(&event)?;
                }
                Err(RecvTimeoutError::Timeout) => display.tick(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn tell(&self, event: &Event) -> Result<()> {
        let line = if self.going.json { events::line(event) } else { None };
        line.map_or(Ok(()), |line| report(&line))
    }
}

impl RunArguments {
    fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.map_or_else(processors, |workers| workers as usize)
    }

    /// How long a file may take to tell how long it lasts.
    fn patience(&self) -> Duration {
        self.time_limit.map_or(self.stall_limit, |limit| limit.min(self.stall_limit))
    }

    fn settings(&self, out: PathBuf) -> Settings {
        Settings {
            out,
            resume: self.resume,
            retry_failed: self.retry_failed,
            workers: self.workers(),
            model_calls: self.model_calls as usize,
            time_limit: self.time_limit,
            stall_limit: self.stall_limit,
            part: self.part,
            max_failure_rate: self.max_failure_rate,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| "accepted are seconds above 0".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "accepted is 0 to 1".into())
}
