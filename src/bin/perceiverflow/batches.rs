//! Many inputs through one model, a batch at a time. What is broken is named on standard error, and the rest goes on.

use std::{io::IsTerminal, process::ExitCode};

use indicatif::{ProgressBar, ProgressStyle};
use perceiverflow::Result;

use crate::output;

/// An input that could be read.
pub(crate) struct Input<T> {
    /// As it was given.
    pub(crate) name: String,
    pub(crate) content: T,
}

/// How inputs go through the model.
pub(crate) struct Batches {
    size: usize,
    bar: ProgressBar,
    has_reader: bool,
    all_well: bool,
}

impl Batches {
    /// Batches of `size`. A progress bar is drawn where somebody watches and results do not scroll by: of as many inputs as `expected`,
    /// where that is known.
    pub(crate) fn new(size: u32, expected: Option<usize>) -> Self {
        let watched = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal() && expected != Some(1);
        let bar = match expected {
            _ if !watched => ProgressBar::hidden(),
            Some(expected) => ProgressBar::new(expected as u64).with_style(style("{bar:30} {pos}/{len}, {eta} left")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {pos}, {per_sec}")),
        };
        Self { size: size as usize, bar, has_reader: true, all_well: true }
    }

    /// Runs every input through `model`, which gives one result for each input of a batch, and puts the `line`s of each on standard output.
    ///
    /// # Errors
    /// When standard output cannot be written. An input that fails is no error: the exit code tells.
    pub(crate) fn run<T, R>(
        mut self,
        inputs: impl Iterator<Item = Result<Input<T>>>,
        model: impl Fn(&[&T]) -> Result<Vec<R>>,
        line: impl Fn(&str, &R) -> String,
    ) -> Result<ExitCode> {
        let mut batch = Vec::with_capacity(self.size);
        for input in inputs {
            match input {
                Ok(input) => batch.push(input),
                Err(error) => self.complain(&error.to_string()),
            }
            if batch.len() == self.size {
                self.call(&batch, &model, &line)?;
                batch.clear();
            }
            // Nobody reads any more: `… | head`.
            if !self.has_reader {
                break;
            }
        }
        self.call(&batch, &model, &line)?;
        self.bar.finish_and_clear();
        Ok(if self.all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// One batch. Where it fails, its inputs are tried one by one, so that the broken one is found and does not stop the others.
    fn call<T, R>(
        &mut self,
        batch: &[Input<T>],
        model: &impl Fn(&[&T]) -> Result<Vec<R>>,
        line: &impl Fn(&str, &R) -> String,
    ) -> Result<()> {
        if batch.is_empty() || !self.has_reader {
            return Ok(());
        }
        match model(&batch.iter().map(|input| &input.content).collect::<Vec<_>>()) {
            Ok(results) => {
                for (input, result) in batch.iter().zip(&results) {
                    self.has_reader &= output::is_read(&line(&input.name, result))?;
                    self.bar.inc(1);
                }
            }
            Err(error) => match batch {
                [input] => self.complain(&format!("{}: {error}", shortened(&input.name))),
                several => several.chunks(1).try_for_each(|single| self.call(single, model, line))?,
            },
        }
        Ok(())
    }

    fn complain(&mut self, message: &str) {
        self.all_well = false;
        self.bar.suspend(|| output::complain(message));
        self.bar.inc(1);
    }
}

/// The beginning of a long text is name enough for a message.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 60;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None if name.is_empty() => "empty text".to_owned(),
        None => name.to_owned(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
