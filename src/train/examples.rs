//! Examples read from files: the order in which they come, and what of them is kept in memory.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::LabelledFiles;
use crate::error::{Error, Result};

/// What a classifier is shown: a window of a clip, or a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Levels as the model reads them.
    pub image: Vec<f32>,
    /// Their shape: of a clip T, 3, Y, X, of a picture 3, Y, X.
    pub shape: Vec<usize>,
    /// Samples; none of a picture.
    pub audio: Vec<f32>,
}

impl Example {
    fn numbers(&self) -> usize {
        self.image.len() + self.audio.len()
    }
}

/// How a file is read: what it holds, one example or more.
pub type ReadExamples = dyn Fn(&Path) -> Result<Vec<Example>> + Send + Sync;

/// The examples of labelled files. Cloning shares what is kept of them.
#[derive(Clone)]
pub struct Examples {
    files: LabelledFiles,
    read: Arc<ReadExamples>,
    kept: Arc<Mutex<Kept>>,
}

/// What was read, until no room is left. What came first stays: of files that come by turns nothing else would ever be found again.
struct Kept {
    files: BTreeMap<PathBuf, Arc<Vec<Example>>>,
    /// Numbers that may still be kept.
    room: usize,
}

/// An example as it is drawn for a step.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    of: Arc<Vec<Example>>,
    at: usize,
    /// The number of its class.
    pub(super) class: usize,
}

impl Drawn {
    pub(super) fn example(&self) -> &Example {
        &self.of[self.at]
    }
}

impl Examples {
    /// Of these files, read by `read`; up to `room` numbers (of 4 bytes) of them are kept in memory.
    pub fn new(files: LabelledFiles, room: usize, read: Arc<ReadExamples>) -> Self {
        Self { files, read, kept: Arc::new(Mutex::new(Kept { files: BTreeMap::new(), room })) }
    }

    /// The files.
    pub fn files(&self) -> &LabelledFiles {
        &self.files
    }

    /// The share of the files that each class has.
    pub(super) fn shares(&self) -> Vec<f64> {
        let of = |class| self.files.files.iter().filter(|(_, of)| *of == class).count();
        (0..self.files.classes.len()).map(|class| of(class) as f64 / self.files.files.len() as f64).collect()
    }

    /// The example of this number. Every file comes once before any comes again, each time in another order and at a place by chance.
    pub(super) fn draw(&self, seed: u64, number: u64) -> Result<Drawn> {
        let count = self.files.files.len();
        let (round, at) = (number / count as u64, (number % count as u64) as usize);
        let mut order: Vec<usize> = (0..count).collect();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(round);
        order.shuffle(&mut random);
        random.set_stream(number);
        self.at(order[at], random.random())
    }

    /// At most `count` examples, evenly from all files, and at most `places` evenly from each. Files are read side by side where that is
    /// called on several threads.
    pub(super) fn spread(&self, count: usize, places: usize) -> Result<Vec<Drawn>> {
        let files = self.files.files.len();
        let (chosen, places) = (files.min(count), (count / files).clamp(1, places));
        let of_file = |number: usize| -> Result<Vec<Drawn>> {
            let place = |place: usize| self.at(number * files / chosen, (place as f64 + 0.5) / places as f64);
            let mut drawn = (0..places).map(place).collect::<Result<Vec<_>>>()?;
            drawn.dedup_by_key(|drawn| drawn.at);
            Ok(drawn)
        };
        let drawn: Vec<Vec<Drawn>> = (0..chosen).into_par_iter().map(of_file).collect::<Result<_>>()?;
        Ok(drawn.concat())
    }

    /// The example at `place` (0 … 1) of a file.
    fn at(&self, file: usize, place: f64) -> Result<Drawn> {
        let (path, class) = &self.files.files[file];
        let of = self.of(path)?;
        let at = ((of.len() as f64 * place) as usize).min(of.len() - 1);
        Ok(Drawn { of, at, class: *class })
    }

    fn of(&self, path: &PathBuf) -> Result<Arc<Vec<Example>>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(examples) = kept().files.get(path) {
            return Ok(examples.clone());
        }
        // Without the lock: others read other files meanwhile.
        let examples = Arc::new((self.read)(path)?);
        if examples.is_empty() {
            return Err(Error::format(path, "not a single window; accepted are longer files"));
        }
        let numbers = examples.iter().map(Example::numbers).sum();
        let mut kept = kept();
        if let Some(room) = kept.room.checked_sub(numbers)
            && kept.files.insert(path.clone(), examples.clone()).is_none()
        {
            kept.room = room;
        }
        Ok(examples)
    }
}

impl fmt::Debug for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examples").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Five files of three windows, each of four numbers, and how often a file was read.
    fn examples(room: usize) -> (Examples, Arc<AtomicUsize>) {
        let files = (0..5).map(|number| (PathBuf::from(number.to_string()), number % 2)).collect();
        let files = LabelledFiles { classes: vec!["even".into(), "odd".into()], files };
        let read = Arc::new(AtomicUsize::new(0));
        let count = read.clone();
        let reader = move |path: &Path| {
            count.fetch_add(1, Ordering::Relaxed);
            let number: f32 = path.to_str().unwrap().parse().unwrap();
            Ok((0..3)
                .map(|window| Example { image: vec![number; 3], shape: vec![3, 1, 1], audio: vec![window as f32] })
                .collect())
        };
        (Examples::new(files, room, Arc::new(reader)), read)
    }

    #[test]
    fn every_file_comes_before_any_comes_again() {
        let (examples, _) = examples(1000);
        let round =
            |round: u64| -> Vec<f32> { (0..5).map(|at| examples.draw(3, round * 5 + at).unwrap().example().image[0]).collect() };
        for number in 0..4 {
            let mut files = round(number);
            files.sort_by(f32::total_cmp);
            assert_eq!(files, [0.0, 1.0, 2.0, 3.0, 4.0]);
        }
        assert!((1..9).any(|number| round(number) != round(0)));
        let places: Vec<f32> = (0..40).map(|number| examples.draw(3, number).unwrap().example().audio[0]).collect();
        assert!([0.0, 1.0, 2.0].iter().all(|place| places.contains(place)), "{places:?}");
        assert_eq!(examples.shares(), [0.6, 0.4]);
    }

    #[test]
    fn what_there_is_room_for_is_read_once() {
        let (all, read) = examples(60);
        (0..50).for_each(|number| drop(all.draw(1, number).unwrap()));
        assert_eq!(read.load(Ordering::Relaxed), 5);
        let (some, read) = examples(24);
        let drawn: Vec<Example> = (0..50).map(|number| some.draw(1, number).unwrap().example().clone()).collect();
        assert_eq!(read.load(Ordering::Relaxed), 2 + 3 * 10);
        assert!((0..50).all(|number| all.draw(1, number).unwrap().example() == &drawn[number as usize]));
    }

    #[test]
    fn a_few_examples_stand_for_all_files() {
        let (examples, _) = examples(1000);
        let of = |count: usize| -> Vec<(f32, f32)> {
            let drawn = examples.spread(count, 3).unwrap();
            drawn.iter().map(|drawn| (drawn.example().image[0], drawn.example().audio[0])).collect()
        };
        assert_eq!(of(2), [(0.0, 1.0), (2.0, 1.0)]);
        assert_eq!(of(5).len(), 5);
        assert_eq!(of(14).len(), 10);
        assert_eq!(of(64).len(), 15);
    }
}
