//! `perceiverflow evaluate classify`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use perceiverflow::{
    Error, Result,
    media::{Labels, Picture},
    tasks::{Autoencode, ClassifyImage, Head},
    train::{ClassScore, Confusion, LabelledFiles},
};
use serde_json::{Value, json};

use crate::{
    clips::{ClipArguments, Windows},
    interrupt::Interrupt,
    model::ModelArguments,
    output,
    train::{CLIPS, PICTURES},
};

/// Measure a classifier of clips or pictures on files whose classes are known.
///
/// What is said of a clip is the mean of what is said of its windows. For each class: precision, recall, F1 and average precision; of all
/// files the share that is told right, and which class is taken for which.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow evaluate classify clips/ --model my-classifier
  perceiverflow evaluate classify my-classifier/validation.csv --model my-classifier --json")]
pub(crate) struct ClassifyArguments {
    /// A folder with a folder of files for each class, or a CSV file of lines path,label
    #[arg(value_name = "DATA")]
    data: PathBuf,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clips: ClipArguments,

    #[command(flatten)]
    model: ModelArguments,
}

impl ClassifyArguments {
    pub(super) fn run(&self) -> Result<()> {
        let checkpoint = self.model.checkpoint()?;
        let (classifier, endings) = if checkpoint.config().architectures.iter().any(|name| name.contains("ImageClassification")) {
            let model = ClassifyImage::of(&checkpoint, self.model.device, self.model.precision)?;
            (Classifier::Pictures(Box::new(model)), &PICTURES[..])
        } else {
            let model = Autoencode::of(&checkpoint, self.model.device, self.model.precision)?;
            (Classifier::Clips(Box::new(model)), &CLIPS[..])
        };
        let files = LabelledFiles::find(&self.data, endings)?;
        let known = checkpoint.config().id2label.clone().unwrap_or_default();
        let number = |name: &String| {
            let found = known.iter().find(|(_, known)| *known == name).and_then(|(number, _)| number.parse::<usize>().ok());
            let accepted = || format!("a class of the model: {}", known.values().cloned().collect::<Vec<_>>().join(", "));
            found.ok_or_else(|| Error::option("label", name, accepted()))
        };
        let numbers = files.classes.iter().map(number).collect::<Result<Vec<usize>>>()?;
        let interrupt = Interrupt::listen();
        let mut confusion = Confusion::new(checkpoint.config().num_labels());
        for (path, class) in &files.files {
            let mut confidences = vec![0.0; checkpoint.config().num_labels()];
            for labels in self.labels(&classifier, path, &interrupt)? {
                labels.as_slice().iter().for_each(|label| confidences[label.index] += label.confidence);
            }
            let sum: f32 = confidences.iter().sum();
            confusion.add(numbers[*class], confidences.iter().map(|confidence| confidence / sum.max(f32::MIN_POSITIVE)).collect());
        }
        let report = Report { model: self.model.name(), hash: checkpoint.hash(), files: &files, numbers, confusion };
        output::report(&if self.json { report.json() } else { report.table() })
    }

    /// What is said of a picture, or of each window of a clip.
    fn labels(&self, classifier: &Classifier, path: &Path, interrupt: &Interrupt) -> Result<Vec<Labels>> {
        let model = match classifier {
            Classifier::Pictures(model) => return model.classify(&[&Picture::open(path)?]),
            Classifier::Clips(model) => model,
        };
        let mut labels = Vec::new();
        Windows::read(path, &self.clips, model)?.encode(model, &self.model, true, interrupt, |encoded| {
            let latents: Vec<_> = encoded.iter().map(|window| &window.latents).collect();
            labels.extend(model.decode(&latents, Head::Labels)?.iter().map(|scores| model.labels(scores)));
            Ok(())
        })?;
        Ok(labels)
    }
}

enum Classifier {
    Clips(Box<Autoencode>),
    Pictures(Box<ClassifyImage>),
}

struct Report<'a> {
    model: &'a str,
    hash: &'a str,
    files: &'a LabelledFiles,
    /// The model's numbers of the files' classes.
    numbers: Vec<usize>,
    confusion: Confusion,
}

impl Report<'_> {
    fn scores(&self) -> Vec<(&str, ClassScore)> {
        let scores = self.files.classes.iter().zip(&self.numbers);
        scores.map(|(name, &number)| (name.as_str(), self.confusion.score(number))).collect()
    }

    /// For each class of the files how many of them were called each of these classes, and how many another one.
    fn counts(&self) -> Vec<(&str, Vec<usize>, usize)> {
        let all = self.confusion.counts();
        let row = |(name, &number): (&'_ String, &usize)| -> (Vec<usize>, usize) {
            let _ = name;
            let of: Vec<usize> = self.numbers.iter().map(|&called| all[number][called]).collect();
            let other = all[number].iter().sum::<usize>() - of.iter().sum::<usize>();
            (of, other)
        };
        let rows = self.files.classes.iter().zip(&self.numbers);
        rows.map(|(name, number)| (name, row((name, number)))).map(|(name, (of, other))| (name.as_str(), of, other)).collect()
    }
}
