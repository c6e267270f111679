//! `perceiverflow evaluate classify`.

use std::path::{Path, PathBuf};

use clap::Args;
use perceiverflow::{
    Error, Result,
    media::{Labels, Picture},
    tasks::{Autoencode, ClassifyImage, Head},
    train::{ClassScore, ClassifyTask, Confusion, LabelledFiles},
};
use serde_json::{Map, Value, json};

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
        let (classifier, endings) = if ClassifyTask::takes_pictures(checkpoint.config())? {
            let model = ClassifyImage::of(&checkpoint, self.model.computing.device, self.model.computing.precision)?;
            (Classifier::Pictures(Box::new(model)), &PICTURES[..])
        } else {
            let model = Autoencode::of(&checkpoint, self.model.computing.device, self.model.computing.precision)?;
            (Classifier::Clips(Box::new(model)), &CLIPS[..])
        };
        let files = LabelledFiles::find(&self.data, endings)?;
        let names = checkpoint.config().label_names();
        let number = |name: &String| {
            let found = names.iter().position(|known| known == name);
            found.ok_or_else(|| Error::option("label", name, format!("a class of the model: {}", names.join(", "))))
        };
        let numbers = files.classes.iter().map(number).collect::<Result<Vec<usize>>>()?;
        let interrupt = Interrupt::listen();
        let mut confusion = Confusion::new(names.len());
        for (path, class) in &files.files {
            let mut confidences = vec![0.0; names.len()];
            for labels in self.labels(&classifier, path, &interrupt)? {
                labels.as_slice().iter().for_each(|label| confidences[label.index] += label.confidence);
            }
            let sum: f32 = confidences.iter().sum();
            confusion
                .add(numbers[*class], confidences.iter().map(|confidence| confidence / sum.max(f32::MIN_POSITIVE)).collect());
        }
        let (model, hash) = (self.model.name(), checkpoint.hash());
        let report = Report { model, hash, files: files.files.len(), names: &names, confusion };
        output::report(&if self.json { report.json() } else { report.table() })
    }

    /// What is said of a picture, or of each window of a clip.
    fn labels(&self, classifier: &Classifier, path: &Path, interrupt: &Interrupt) -> Result<Vec<Labels>> {
        let model = match classifier {
            Classifier::Pictures(model) => return model.classify(&[&Picture::open(path)?]),
            Classifier::Clips(model) => model,
        };
        let mut labels = Vec::new();
        let windows = Windows::read(path, &self.clips, model.preprocessor(self.clips.framing()))?;
        windows.encode(model, &self.model, true, interrupt, |encoded| {
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
    files: usize,
    /// The model's classes by their numbers.
    names: &'a [String],
    confusion: Confusion,
}

impl Report<'_> {
    /// The classes that a file has or was given, and of each the files by what they were called.
    fn rows(&self) -> Vec<(usize, Vec<usize>)> {
        let counts = self.confusion.counts();
        let comes_up = |class: &usize| counts[*class].iter().any(|&count| count > 0) || counts.iter().any(|row| row[*class] > 0);
        let classes: Vec<usize> = (0..self.names.len()).filter(comes_up).collect();
        classes.iter().map(|&class| (class, classes.iter().map(|&called| counts[class][called]).collect())).collect()
    }

    /// The mean of a measure over the classes that a file has.
    fn mean(&self, of: fn(&ClassScore) -> f64) -> f64 {
        let scores = (0..self.names.len()).map(|class| self.confusion.score(class)).filter(|score| score.examples > 0);
        let known: Vec<f64> = scores.map(|score| of(&score)).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    }

    fn json(&self) -> String {
        let rows = self.rows();
        let name = |class: usize| self.names[class].clone();
        let classes: Map<String, Value> =
            rows.iter().map(|(class, _)| (name(*class), json!(self.confusion.score(*class)))).collect();
        let row = |counts: &[usize]| -> Value {
            let counts = rows.iter().zip(counts).filter(|(_, count)| **count > 0);
            Value::Object(counts.map(|((called, _), count)| (name(*called), json!(count))).collect())
        };
        let confusion: Map<String, Value> = rows.iter().map(|(class, counts)| (name(*class), row(counts))).collect();
        let report = json!({
            "model": self.model,
            "hash": self.hash,
            "files": self.files,
            "accuracy": self.confusion.accuracy(),
            "classes": classes,
            "mean": {
                "precision": self.mean(|score| score.precision),
                "recall": self.mean(|score| score.recall),
                "f1": self.mean(|score| score.f1),
                "average_precision": self.mean(|score| score.average_precision),
            },
            "confusion": confusion,
        });
        format!("{report:#}\n")
    }

    fn table(&self) -> String {
        let rows = self.rows();
        let width = rows.iter().map(|(class, _)| self.names[*class].chars().count()).max().unwrap_or(0).max(5);
        let line = |name: &str, cells: &[String]| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>10}")).collect();
            format!("{name:width$}{cells}\n")
        };
        let mut text = line("class", &["files", "precision", "recall", "F1", "AP"].map(String::from));
        let three = |number: f64| format!("{number:.3}");
        for (class, _) in &rows {
            let score = self.confusion.score(*class);
            let measures = [score.precision, score.recall, score.f1, score.average_precision].map(three);
            text += &line(&self.names[*class], &[&[score.examples.to_string()][..], &measures].concat());
        }
        let means: [fn(&ClassScore) -> f64; 4] =
            [|score| score.precision, |score| score.recall, |score| score.f1, |score| score.average_precision];
        text += &line("mean", &[&[self.files.to_string()][..], &means.map(|of| three(self.mean(of)))].concat());
        let shortened = |class: &usize| self.names[*class].chars().take(10).collect::<String>();
        text.push_str("\nfiles of a row called as the column\n");
        text += &line("", &rows.iter().map(|(class, _)| shortened(class)).collect::<Vec<_>>());
        for (class, counts) in &rows {
            text += &line(&self.names[*class], &counts.iter().map(usize::to_string).collect::<Vec<_>>());
        }
        text + &format!("{:.1} % of {} files told right\n", 100.0 * self.confusion.accuracy(), self.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two files of water, one of them taken for wind, and one of wind; no file has the class in between.
    fn report(names: &[String]) -> Report<'_> {
        let mut confusion = Confusion::new(3);
        confusion.add(0, vec![0.9, 0.0, 0.1]);
        confusion.add(0, vec![0.2, 0.1, 0.7]);
        confusion.add(2, vec![0.1, 0.1, 0.8]);
        Report { model: "mine", hash: "abc", files: 3, names, confusion }
    }

    fn names() -> Vec<String> {
        ["water", "unused 1", "wind"].map(String::from).into()
    }

    #[test]
    fn classes_that_come_up_are_told() {
        let names = names();
        let value: Value = serde_json::from_str(&report(&names).json()).unwrap();
        assert_eq!(value["confusion"], json!({"water": {"water": 1, "wind": 1}, "wind": {"wind": 1}}));
        assert_eq!((&value["classes"]["water"]["recall"], &value["classes"]["wind"]["precision"]), (&json!(0.5), &json!(0.5)));
        assert_eq!((&value["mean"]["recall"], value["classes"].as_object().unwrap().len()), (&json!(0.75), 2));
    }

    #[test]
    fn the_table_ends_with_the_confusion() {
        let names = names();
        let table = report(&names).table();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].starts_with("water") && lines[3].starts_with("mean"), "{table}");
        assert_eq!(lines[7].split_whitespace().collect::<Vec<_>>(), ["water", "1", "1"]);
        assert!(table.ends_with("66.7 % of 3 files told right\n"), "{table}");
    }
}
