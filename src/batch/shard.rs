//! Which part of a list one machine of several works on.

use std::{fmt, str::FromStr, time::Duration};

use super::Input;
use crate::error::{Error, Result};

/// Part `index` of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// 1 or more.
    pub count: usize,
}

impl Default for Shard {
    /// The whole.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// Reads `I/N`, `I` from 0.
    fn from_str(text: &str) -> Result<Self> {
        let shard = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let shard = shard.map(|(index, count)| Self { index, count }).filter(|shard| shard.index < shard.count);
        shard.ok_or_else(|| Error::option("shard", text, "I/N with I from 0 to N - 1, such as 0/4"))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// The name of its folder: `shard-02-of-10`.
    pub fn folder(self) -> String {
        let digits = self.count.to_string().len();
        format!("shard-{:0digits$}-of-{}", self.index, self.count)
    }

    /// What a scheduler says: an Indexed Job of Kubernetes (`JOB_COMPLETION_INDEX` of `JOB_COMPLETIONS`, which its manifest sets), or an
    /// array of Slurm (`SLURM_ARRAY_TASK_ID` of `SLURM_ARRAY_TASK_COUNT`, counted from `SLURM_ARRAY_TASK_MIN` in steps of
    /// `SLURM_ARRAY_TASK_STEP`). None where it says nothing.
    ///
    /// # Errors
    /// When it names its place but not out of how many, or numbers that do not go together.
    pub fn of_scheduler(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let number = |name: &str| -> Result<Option<usize>> {
            let value = variable(name).filter(|text| !text.is_empty());
            value.map(|text| text.parse().map_err(|_| Error::option(name, &text, "a whole number from 0"))).transpose()
        };
        let (index, count, of) = if let Some(index) = number("JOB_COMPLETION_INDEX")? {
            (Some(index), number("JOB_COMPLETIONS")?, "JOB_COMPLETIONS")
        } else if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
            let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
            let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
            (id.checked_sub(first).map(|after| after / step), number("SLURM_ARRAY_TASK_COUNT")?, "SLURM_ARRAY_TASK_COUNT")
        } else {
            return Ok(None);
        };
        let count = count.ok_or_else(|| Error::option(of, "nothing", "how many shards there are, or give --shard I/N"))?;
        let shard = index.filter(|&index| index < count).map(|index| Self { index, count });
        shard.map(Some).ok_or_else(|| Error::option(of, count, "more than the number of this shard, or give --shard I/N"))
    }

    /// The inputs of this shard, in their order: so chosen that the shards last about as long as each other. Every machine with the same
    /// list and the same durations comes to the same parts. What does not tell its duration counts as the mean of those that do.
    #[must_use]
    pub fn part(self, inputs: Vec<Input>) -> Vec<Input> {
        let known: Vec<Duration> = inputs.iter().filter_map(|input| input.duration).collect();
        let mean = known.iter().sum::<Duration>().checked_div(known.len() as u32).filter(|mean| !mean.is_zero());
        let usual = mean.unwrap_or(Duration::from_secs(1));
        let lasts = |at: usize| inputs[at].duration.unwrap_or(usual);
        let mut longest_first: Vec<usize> = (0..inputs.len()).collect();
        longest_first.sort_by(|&a, &b| lasts(b).cmp(&lasts(a)).then_with(|| inputs[a].id.cmp(&inputs[b].id)));
        let mut loads = vec![Duration::ZERO; self.count];
        let mut mine = vec![false; inputs.len()];
        for at in longest_first {
            let least = (0..self.count).min_by_key(|&shard| loads[shard]).unwrap_or_default();
            loads[least] += lasts(at);
            mine[at] = least == self.index;
        }
        inputs.into_iter().zip(mine).filter_map(|(input, mine)| mine.then_some(input)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::FileOptions;

    fn inputs(seconds: &[u64]) -> Vec<Input> {
        let input = |(number, &seconds): (usize, &u64)| Input {
            id: format!("{number}.mp4"),
            path: format!("{number}.mp4").into(),
            duration: (seconds > 0).then(|| Duration::from_secs(seconds)),
            options: FileOptions::default(),
        };
        seconds.iter().enumerate().map(input).collect()
    }

    #[test]
    fn parts_are_balanced_and_make_the_whole() {
        let all = inputs(&[10, 3, 9, 1, 8, 2, 7, 0, 5, 5]);
        let parts: Vec<Vec<Input>> = (0..3).map(|index| Shard { index, count: 3 }.part(all.clone())).collect();
        let seconds: Vec<u64> =
            parts.iter().map(|part| part.iter().filter_map(|i| i.duration).map(|d| d.as_secs()).sum()).collect();
        assert!(seconds.iter().max().unwrap() - seconds.iter().min().unwrap() <= 7, "{seconds:?}");
        let mut together: Vec<Input> = parts.concat();
        together.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(together, all);
        assert_eq!(Shard::default().part(all.clone()), all);
    }

    #[test]
    fn more_shards_than_files_leaves_some_empty() {
        let sizes: Vec<usize> = (0..4).map(|index| Shard { index, count: 4 }.part(inputs(&[1, 2])).len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 2);
    }

    #[test]
    fn schedulers_are_understood() {
        let of = |set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
            Shard::of_scheduler(find).map_err(|error| error.to_string())
        };
        let shard = |index, count| Ok(Some(Shard { index, count }));
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("JOB_COMPLETION_INDEX", "2"), ("JOB_COMPLETIONS", "5")]), shard(2, 5));
        let slurm = [("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_COUNT", "4"), ("SLURM_ARRAY_TASK_MIN", "1")];
        assert_eq!(of(&[&slurm[..], &[("SLURM_ARRAY_TASK_STEP", "2")]].concat()), shard(3, 4));
        assert!(of(&slurm).unwrap_err().contains("SLURM_ARRAY_TASK_COUNT"), "with step 1 there is no sixth of four");
        assert!(of(&[("JOB_COMPLETION_INDEX", "0")]).unwrap_err().contains("JOB_COMPLETIONS"));
        assert!("4/4".parse::<Shard>().is_err() && "1".parse::<Shard>().is_err());
        assert_eq!("3/4".parse::<Shard>().unwrap().to_string(), "3/4");
    }
}
