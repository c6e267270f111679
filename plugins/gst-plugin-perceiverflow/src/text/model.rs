//! The language model that elements share, with the worker that runs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use perceiverflow::{
    Error, Result,
    engine::WorkerOptions,
    media::{FilledText, Labels},
    perceiver::tokenizer::Truncation,
    tasks::{MaskedText, Task},
};

use crate::models::{self, Key, ModelWorker, Registry, SharedModel};

static MODELS: Registry<TextModel> = Registry::new();

/// What must stay the same for streams that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes for gaps.
    Fill,
    /// One of so many classes.
    Classify(usize),
}

/// A text on its way to the model.
#[derive(Debug)]
pub(crate) struct Question {
    pub(super) text: String,
    /// Guesses for each gap.
    pub(super) top_k: usize,
}

/// What the model made of it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With at least as many guesses for each gap as were asked for, if there are so many.
    Filled(FilledText),
    /// All of them.
    Labels(Labels),
}

/// A loaded language model.
#[derive(Debug)]
pub(crate) struct TextModel {
    key: Key,
    task: Arc<Task>,
    kind: Kind,
    hash: Arc<str>,
    expected: Duration,
    worker: ModelWorker<Self>,
}

impl SharedModel for TextModel {
    type Question = Question;
    type Answer = Answer;
    const FORM: &'static str = "architectures";

    fn registry() -> &'static Registry<Self> {
        &MODELS
    }

    fn load(key: &Key, options: &WorkerOptions) -> Result<Self> {
        let task = Arc::new(Task::open(&key.model, key.device, key.precision)?);
        let start = Instant::now();
        let (kind, hash) = warm_up(&task, key)?;
        let expected = start.elapsed();
        let model = task.clone();
        let ask = move |questions: &[&Question]| answer(&model, questions);
        let worker = models::spawn::<Self>(options, hash.clone(), ask)?;
        Ok(Self { key: key.clone(), task, kind, hash, expected, worker })
    }

    fn key(&self) -> &Key {
        &self.key
    }

    fn worker(&self) -> &ModelWorker<Self> {
        &self.worker
    }

    fn form(&self) -> String {
        format!("{:?}", self.kind)
    }
}

impl TextModel {
    /// What it answers.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// SHA-256 of the model, in hexadecimal.
    pub(super) fn hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// Whether there is anything to ask about a text.
    pub(super) fn has_question(&self, text: &str) -> bool {
        match &*self.task {
            Task::FillMask(task) => task.has_gap(text),
            _ => !text.is_empty(),
        }
    }

    /// What the longest text takes, by the warm-up.
    pub(super) fn expected(&self) -> Duration {
        self.expected
    }
}

/// Asks about the longest text that the model takes; says what it answers and its hash.
///
/// # Errors
/// When the model is none of text.
fn warm_up(task: &Task, key: &Key) -> Result<(Kind, Arc<str>)> {
    match task {
        Task::FillMask(task) => {
            let text = MaskedText::from(" ".repeat(task.longest())).with_span(0..task.longest());
            task.fill(&[&text], 1)?;
            Ok((Kind::Fill, task.hash().into()))
        }
        Task::ClassifyText(task) => {
            let labels = task.classify(&[&" ".repeat(task.longest())], Truncation::None)?;
            Ok((Kind::Classify(labels.iter().map(|labels| labels.as_slice().len()).sum()), task.hash().into()))
        }
        _ => Err(other_media(&key.model)),
    }
}

/// One model call.
fn answer(task: &Task, questions: &[&Question]) -> Result<Vec<Answer>> {
    let texts = questions.iter().map(|question| question.text.as_str());
    match task {
        Task::FillMask(task) => {
            let texts: Vec<MaskedText> = texts.map(MaskedText::from).collect();
            // Each takes what it asked for from the front.
            let top_k = questions.iter().map(|question| question.top_k).max().unwrap_or(1);
            let filled = task.fill(&texts.iter().collect::<Vec<_>>(), top_k)?;
            Ok(filled.into_iter().map(Answer::Filled).collect())
        }
        Task::ClassifyText(task) => {
            let labels = task.classify(&texts.collect::<Vec<_>>(), Truncation::None)?;
            Ok(labels.into_iter().map(Answer::Labels).collect())
        }
        _ => Err(other_media("model")),
    }
}

fn other_media(model: &str) -> Error {
    let accepted = "PerceiverForMaskedLM or PerceiverForSequenceClassification";
    Error::format(model, format!("a model of other media than text: accepted is {accepted}"))
}
