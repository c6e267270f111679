//! `plan-of-N.jsonl`: which shards have which files, and which share a long one. The first shard to come writes it and all others go by
//! it, so that every file has its shard even where one of them sees a file more than another, or cannot open one.

use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{FileOptions, Input, Shard, lines, manifest::measure, shard::shards_of};
use crate::{
    error::{Error, Result},
    formats::PendingFile,
};

/// A line of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) id: String,
    path: String,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(default)]
    options: FileOptions,
    /// The shards that have it: several where each has a part, in the order of the parts.
    pub(super) shards: Vec<usize>,
}

/// What a shard is to do.
#[derive(Debug)]
pub struct ShardPlan {
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// How many of the inputs that were given no shard has, since the plan was made without them.
    pub unplanned: usize,
    /// The plan.
    pub path: PathBuf,
}

/// Where the plan for so many shards lies.
pub(super) fn path(out: &Path, count: usize) -> PathBuf {
    out.join(format!("plan-of-{count}.jsonl"))
}

/// Reads a plan; a missing one has no lines.
pub(super) fn read(path: &Path) -> Result<Vec<Planned>> {
    let mut planned = Vec::new();
    lines::read(path, |line: Planned, _| {
        planned.push(line);
        Ok(())
    })?;
    Ok(planned)
}

impl ShardPlan {
    /// The plan in the folder `out` for this shard of `inputs`. Where there is none yet, it is made: by the durations of the files, each of
    /// which is waited for no longer than `patience`, so that the shards last about as long as each other. A file that lasts longer than
    /// a shard is to is shared by several, each of which has a part of at least `least`; without that none is.
    ///
    /// # Errors
    /// When the folder cannot be written to, the plan is damaged, or it shares files while there is no `least`.
    pub fn of(out: &Path, shard: Shard, mut inputs: Vec<Input>, least: Option<Duration>, patience: Duration) -> Result<Self> {
        let path = path(out, shard.count);
        if !path.exists() {
            measure(&mut inputs, patience);
            publish(&path, &inputs, &shards_of(shard.count, &inputs, least))?;
        }
        let planned = read(&path)?;
        if least.is_none() && planned.iter().any(|line| line.shards.len() > 1) {
            let reason = "the plan shares long files among shards, which this task does not: take another folder";
            return Err(Error::format(&path, reason));
        }
        let mut given: HashMap<String, Input> = inputs.into_iter().map(|input| (input.id.clone(), input)).collect();
        let mut mine = Vec::new();
        for line in planned {
            let seen = given.remove(&line.id);
            if let Some(index) = line.shards.iter().position(|&index| index == shard.index) {
                let share = Shard { index, count: line.shards.len() };
                mine.push(Input { share, ..line.input(seen) });
            }
        }
        Ok(Self { inputs: mine, unplanned: given.len(), path })
    }
}

impl Planned {
    fn of(input: &Input, shards: &[usize]) -> Self {
        Self {
            id: input.id.clone(),
            path: input.path.to_string_lossy().into_owned(),
            duration: input.duration.map(|duration| duration.as_secs_f64()),
            options: input.options.clone(),
            shards: shards.to_vec(),
        }
    }

    /// The input of a line. One machine may find the file elsewhere than another did.
    fn input(self, seen: Option<Input>) -> Input {
        let duration = self.duration.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match seen {
            Some(seen) => Input { duration, ..seen },
            None => Input { id: self.id, path: self.path.into(), duration, options: self.options, share: Shard::default() },
        }
    }
}

/// Leaves a plan, unless another shard was faster.
fn publish(path: &Path, inputs: &[Input], shards: &[Vec<usize>]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let mut pending = PendingFile::create(path)?;
    for (input, shards) in inputs.iter().zip(shards) {
        let line = serde_json::to_string(&Planned::of(input, shards)).expect("text and numbers are always JSON") + "\n";
        pending.file().write_all(line.as_bytes()).map_err(Error::io(path))?;
    }
    pending.publish_first()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn input(id: &str, seconds: u64) -> Input {
        Input {
            id: id.into(),
            path: format!("here/{id}").into(),
            duration: Some(Duration::from_secs(seconds)),
            options: FileOptions { frame_distance: Some(2), ..FileOptions::default() },
            share: Shard::default(),
        }
    }

    #[test]
    fn shards_that_see_other_files_agree() {
        let out = tempfile::tempdir().unwrap();
        let plan = |index: usize, inputs: &[Input]| {
            let plan = ShardPlan::of(out.path(), Shard { index, count: 2 }, inputs.to_vec(), None, PATIENCE).unwrap();
            (plan.inputs, plan.unplanned)
        };
        let first = [input("a", 30), input("b", 20), input("c", 10)];
        assert_eq!(plan(0, &first), (vec![first[0].clone()], 0));
        // A file more, a file less, and one that lasts longer by now and lies elsewhere.
        let moved = Input { path: "there/b".into(), ..input("b", 500) };
        let (inputs, unplanned) = plan(1, &[moved.clone(), input("d", 40)]);
        assert_eq!(inputs, [Input { duration: Some(Duration::from_secs(20)), ..moved }, first[2].clone()]);
        assert_eq!(unplanned, 1);
    }

    #[test]
    fn a_task_that_shares_no_file_takes_no_plan_that_does() {
        let out = tempfile::tempdir().unwrap();
        let plan = |least| ShardPlan::of(out.path(), Shard { index: 0, count: 2 }, vec![input("a", 30)], least, PATIENCE);
        assert_eq!(plan(Some(PATIENCE)).unwrap().inputs[0].share, Shard { index: 0, count: 2 });
        assert!(plan(None).unwrap_err().to_string().contains("plan-of-2.jsonl"));
    }
}
