//! `perceiverflow classify-text`: what texts are about.

use std::process::ExitCode;

use clap::Args;
use perceiverflow::{Result, perceiver::tokenizer::Truncation, tasks::ClassifyText};

use crate::{
    batches::{Batches, Input},
    labelling::LabelArguments,
    model::ModelArguments,
    standard_input::texts,
};

/// Sort texts into the classes of a fine-tuned PerceiverForSequenceClassification.
///
/// A text may have as many bytes as the model has places, less two. One that cannot be read or is too long is named on standard error,
/// the rest goes on, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow classify-text --model my-classifier 'A film to see twice.'
  perceiverflow classify-text --model my-classifier --json --top-k 1 < reviews.txt > labels.jsonl
  tail -f log | perceiverflow classify-text --model my-classifier --truncate -")]
pub(crate) struct Arguments {
    /// Texts; - is standard input, a text on each line. Without any, standard input is read as well
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,

    /// Leave out what is too much at the end of a text, instead of refusing the text
    #[arg(long)]
    truncate: bool,

    #[command(flatten)]
    labels: LabelArguments,

    #[command(flatten)]
    model: ModelArguments,
}

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (texts, expected) = texts("classify-text", &self.texts);
        let task = ClassifyText::of(&self.model.checkpoint()?, self.model.computing.device, self.model.computing.precision)?;
        let truncation = if self.truncate { Truncation::OnlyFirst } else { Truncation::None };
        Batches::new(self.model.batch_size, expected).run(
            texts.map(|text| text.map(|text| Input { name: text.clone(), content: text })),
            |texts: &[&String]| task.classify(&texts.iter().map(|text| text.as_str()).collect::<Vec<_>>(), truncation),
            |text, labels| self.labels.line(text, None, task.hash(), labels),
        )
    }
}
