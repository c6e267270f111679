//! `perceiverflow classify-image`: what pictures show.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use perceiverflow::{Result, media::Picture, tasks::ClassifyImage};

use crate::{
    batches::{Batches, Input},
    labelling::LabelArguments,
    misused,
    model::ModelArguments,
    standard_input,
};

/// Tell what pictures show, with any of the three published kinds of image classifier.
///
/// Pictures are cropped, resized and normalised as the model's preprocessor_config.json says, or by the published defaults. A picture that
/// cannot be read is named on standard error, the rest goes on, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow classify-image --model my-classifier cat.jpg dog.png
  perceiverflow classify-image --model my-classifier --json --top-k 1 photos/*.jpg > labels.jsonl
  find photos -name '*.jpg' | perceiverflow classify-image --model my-classifier
  curl -s https://example.org/cat.jpg | perceiverflow classify-image --model my-classifier -")]
pub(crate) struct Arguments {
    /// Pictures (PNG or JPEG); - is one picture from standard input. Without any, standard input has the path of a picture on each line
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,

    #[command(flatten)]
    labels: LabelArguments,

    #[command(flatten)]
    model: ModelArguments,
}

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if self.images.is_empty() && standard_input::is_terminal() {
            misused("classify-image", "give one IMAGE or more, or pipe in a list of paths");
        }
        let task = ClassifyImage::of(&self.model.checkpoint()?, self.model.computing.device, self.model.computing.precision)?;
        let line = |name: &str, labels: &_| self.labels.line(name, None, task.hash(), labels);
        let classify = |pictures: &[&Picture]| task.classify(pictures);
        if self.images.is_empty() {
            let inputs = standard_input::lines().map(|line| read(PathBuf::from(line?)));
            return Batches::new(self.model.batch_size, None).run(inputs, classify, line);
        }
        let inputs = self.images.iter().map(|path| match path.to_str() {
            Some("-") => {
                let content = Picture::decode(&standard_input::bytes()?, standard_input::NAME)?;
                Ok(Input { name: "-".to_owned(), content })
            }
            _ => read(path.clone()),
        });
        Batches::new(self.model.batch_size, Some(self.images.len())).run(inputs, classify, line)
    }
}

fn read(path: PathBuf) -> Result<Input<Picture>> {
    Ok(Input { content: Picture::open(&path)?, name: path.display().to_string() })
}
