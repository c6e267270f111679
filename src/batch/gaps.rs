//! What runs that are merged do not have: shards that are not among them, and files that nobody is done with.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Shard,
    plan::{self, Planned},
};
use crate::error::Result;

/// The plans that the runs of shards go by.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// By the number of shards: those that are there, and what is planned where there is a plan.
    fleets: BTreeMap<usize, Fleet>,
}

#[derive(Debug, Default)]
struct Fleet {
    there: BTreeSet<usize>,
    plans: BTreeMap<PathBuf, Vec<Planned>>,
}

impl Plans {
    /// Those that lie beside the folders of runs.
    ///
    /// # Errors
    /// When one is damaged.
    pub(super) fn of(runs: &[PathBuf]) -> Result<Self> {
        let mut plans = Self::default();
        for run in runs {
            let Some(shard) = shard_of(run) else { continue };
            let fleet = plans.fleets.entry(shard.count).or_default();
            fleet.there.insert(shard.index);
            let path = plan::path(run.parent().unwrap_or(Path::new("")), shard.count);
            if path.is_file() && !fleet.plans.contains_key(&path) {
                let planned = plan::read(&path)?;
                fleet.plans.insert(path, planned);
            }
        }
        Ok(plans)
    }

    /// The ids of all files that are planned.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.fleets.values().flat_map(|fleet| fleet.plans.values()).flatten().map(|line| line.id.as_str())
    }

    /// Whether the files of a run are among them.
    pub(super) fn cover(&self, run: &Path) -> bool {
        shard_of(run).is_some_and(|shard| self.fleets.get(&shard.count).is_some_and(|fleet| !fleet.plans.is_empty()))
    }

    /// The names of shards that are not there: those that a plan has `unfinished` files for, and where no plan is, every one.
    pub(super) fn missing(&self, unfinished: &BTreeSet<&str>) -> Vec<String> {
        let missing_of = |(&count, fleet): (&usize, &Fleet)| -> Vec<String> {
            let waits = |line: &&Planned| unfinished.contains(line.id.as_str());
            let wanted: BTreeSet<usize> = match fleet.plans.is_empty() {
                true => (0..count).collect(),
                false => fleet.plans.values().flatten().filter(waits).flat_map(|line| line.shards.iter().copied()).collect(),
            };
            wanted.difference(&fleet.there).map(|&index| Shard { index, count }.folder()).collect()
        };
        self.fleets.iter().flat_map(missing_of).collect()
    }
}

fn shard_of(run: &Path) -> Option<Shard> {
    Shard::of_folder(run.file_name()?.to_str()?)
}
