//! Which part of a list one machine of several works on, and which part of a file.

use std::{fmt, ops::Range, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::Input;
use crate::error::{Error, Result};

/// Part `index` of `count`, of a list or of the windows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether it is all there is.
    pub(super) fn is_whole(&self) -> bool {
        self.count == 1
    }

    /// The name of its folder: `shard-02-of-10`.
    pub fn folder(self) -> String {
        let digits = self.count.to_string().len();
        format!("shard-{:0digits$}-of-{}", self.index, self.count)
    }

    /// The shard whose folder is called so.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        let (index, count) = name.strip_prefix("shard-")?.split_once("-of-")?;
        let shard = Self { index: index.parse().ok()?, count: count.parse().ok()? };
        (shard.folder() == name).then_some(shard)
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

    /// The windows of this part of a file that has about so many. The last part goes to the end, however many there are; where nobody
    /// knows, the first has all.
    pub(super) fn windows(self, expected: Option<u64>) -> Range<u64> {
        let all = if self.index == 0 { 0..u64::MAX } else { u64::MAX..u64::MAX };
        let Some(expected) = expected.filter(|_| self.count > 1) else { return all };
        let begin = |index: usize| (u128::from(expected) * index as u128 / self.count as u128) as u64;
        begin(self.index)..if self.index + 1 == self.count { u64::MAX } else { begin(self.index + 1) }
    }
}

/// The shards, of so many, that have each of the inputs: so chosen that they last about as long as each other. What does not tell its
/// duration counts as the mean of those that do.
///
/// A file that lasts longer than a shard is to is shared by several, each of which has a part of at least `least`; without that none is.
pub(super) fn shards_of(count: usize, inputs: &[Input], least: Option<Duration>) -> Vec<Vec<usize>> {
    let known: Vec<Duration> = inputs.iter().filter_map(|input| input.duration).collect();
    let mean = known.iter().sum::<Duration>().checked_div(known.len() as u32).filter(|mean| !mean.is_zero());
    let usual = mean.unwrap_or(Duration::from_secs(1));
    let lasts = |at: usize| inputs[at].duration.unwrap_or(usual);
    let due = (0..inputs.len()).map(lasts).sum::<Duration>().div_f64(count as f64);
    let shares = |at: usize| {
        let most = least.and_then(|least| inputs[at].duration.map(|whole| times(whole, least))).unwrap_or(1);
        times(lasts(at), due).min(most).clamp(1, count)
    };
    let each = |at: usize| lasts(at).div_f64(shares(at) as f64);
    let mut longest_first: Vec<usize> = (0..inputs.len()).collect();
    longest_first.sort_by(|&a, &b| each(b).cmp(&each(a)).then_with(|| inputs[a].id.cmp(&inputs[b].id)));
    let mut loads = vec![Duration::ZERO; count];
    let mut having = vec![Vec::new(); inputs.len()];
    for at in longest_first {
        let mut shards: Vec<usize> = (0..count).collect();
        shards.sort_by_key(|&shard| loads[shard]);
        shards.truncate(shares(at));
        shards.iter().for_each(|&shard| loads[shard] += each(at));
        having[at] = shards;
    }
    having
}

/// How often one time goes into another, about.
fn times(whole: Duration, part: Duration) -> usize {
    if part.is_zero() { 1 } else { whole.div_duration_f64(part).round() as usize }
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
            share: Shard::default(),
        };
        seconds.iter().enumerate().map(input).collect()
    }

    /// The inputs of each shard.
    fn parts(count: usize, inputs: &[Input], least: Option<Duration>) -> Vec<Vec<Input>> {
        let mut parts = vec![Vec::new(); count];
        for (input, shards) in inputs.iter().zip(shards_of(count, inputs, least)) {
            for (index, &shard) in shards.iter().enumerate() {
                parts[shard].push(Input { share: Shard { index, count: shards.len() }, ..input.clone() });
            }
        }
        parts
    }

    #[test]
    fn parts_are_balanced_and_make_the_whole() {
        let all = inputs(&[10, 3, 9, 1, 8, 2, 7, 0, 5, 5]);
        let parts = parts(3, &all, None);
        let seconds: Vec<u64> =
            parts.iter().map(|part| part.iter().filter_map(|i| i.duration).map(|d| d.as_secs()).sum()).collect();
        assert!(seconds.iter().max().unwrap() - seconds.iter().min().unwrap() <= 7, "{seconds:?}");
        let mut together: Vec<Input> = parts.concat();
        together.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(together, all);
    }

    #[test]
    fn more_shards_than_files_leaves_some_empty() {
        let sizes: Vec<usize> = parts(4, &inputs(&[1, 2]), None).iter().map(Vec::len).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 2);
    }

    #[test]
    fn a_file_longer_than_a_shard_is_shared() {
        let shared = |seconds: &[u64], least| -> Vec<Vec<(String, usize, usize)>> {
            let named = |input: Input| (input.id, input.share.index, input.share.count);
            let parts = parts(4, &inputs(seconds), Some(Duration::from_secs(least)));
            parts.into_iter().map(|part| part.into_iter().map(named).collect()).collect()
        };
        let huge = shared(&[300, 50, 50], 10);
        let mut shares: Vec<_> = huge.concat().into_iter().filter(|(id, ..)| id == "0.mp4").collect();
        shares.sort();
        assert_eq!(shares, [0, 1, 2].map(|index| ("0.mp4".to_owned(), index, 3)), "three hundred of four hundred seconds");
        assert!(huge.iter().all(|part| part.iter().filter(|(id, ..)| id == "0.mp4").count() <= 1), "{huge:?}");
        assert_eq!(shared(&[300], 200).concat(), [0, 1].map(|index| ("0.mp4".to_owned(), index, 2)));
    }

    #[test]
    fn parts_of_a_file_make_the_whole() {
        let windows = |expected| [0, 1, 2].map(|index| Shard { index, count: 3 }.windows(expected));
        assert_eq!(windows(Some(10)), [0..3, 3..6, 6..u64::MAX]);
        assert_eq!(windows(None), [0..u64::MAX, u64::MAX..u64::MAX, u64::MAX..u64::MAX]);
        assert_eq!(Shard::default().windows(Some(10)), 0..u64::MAX);
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
        let named = Shard { index: 3, count: 12 };
        assert_eq!((named.folder().as_str(), Shard::of_folder("shard-03-of-12")), ("shard-03-of-12", Some(named)));
        assert!(["shard-3-of-12", "shard-a-of-2", "merged"].iter().all(|name| Shard::of_folder(name).is_none()));
    }
}
