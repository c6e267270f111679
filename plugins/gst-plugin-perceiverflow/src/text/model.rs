//! The language model that elements share, with the worker that runs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use perceiverflow::{
    Error, Result,
    checkpoint::Checkpoint,
    engine::{Ticket, Worker, WorkerOptions, WorkerStats},
    media::{FilledText, Labels},
    perceiver::tokenizer::{Truncation, special},
    tasks::{ClassifyText, FillMask, MaskedText, Model},
};

use crate::{
    models::{Key, Registry},
    settings::ModelSettings,
};

static MODELS: Registry<TextModel> = Registry::new();

/// Texts that may wait, of all elements; each has one at most.
const CAPACITY: usize = 1024;

/// What models are asked here.
#[derive(Debug)]
enum Task {
    Fill(FillMask),
    Classify(ClassifyText),
}

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
pub(super) struct Question {
    pub(super) text: String,
    /// Guesses for each gap.
    pub(super) top_k: usize,
}

/// What the model made of it.
#[derive(Debug)]
pub(super) enum Answer {
    /// With at least as many guesses for each gap as were asked for, if there are so many.
    Filled(FilledText),
    /// All of them.
    Labels(Labels),
}

/// A loaded language model.
#[derive(Debug)]
pub(super) struct TextModel {
    key: Key,
    kind: Kind,
    /// What stands where a byte is to be guessed.
    gap: String,
    hash: Arc<str>,
    warm_up: Duration,
    worker: Worker<Question, Answer>,
}

impl TextModel {
    /// The process's model of these settings, loaded and warmed up if nobody holds it. Its batches are those of the element that
    /// loaded it.
    ///
    /// # Errors
    /// When a setting is none of those accepted, or the model cannot be loaded.
    pub(super) fn shared(settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        MODELS.get(&key, || Self::load(&key, settings))
    }

    /// The same model read again, for those who ask from now on.
    ///
    /// # Errors
    /// As [`shared`](Self::shared), and when it answers another question.
    pub(super) fn reloaded(&self, settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        MODELS.replace(&key, || {
            let new = Self::load(&key, settings)?;
            if new.kind == self.kind {
                return Ok(new);
            }
            let [given, accepted] = [new.kind, self.kind].map(|kind| format!("{kind:?}"));
            Err(Error::config("architectures", given, format!("{accepted}, as before the reload")))
        })
    }

    /// Has the next who asks load the model again, after its worker has ended.
    pub(super) fn give_up(self: &Arc<Self>) {
        MODELS.forget(&self.key, self);
    }

    fn load(key: &Key, settings: &ModelSettings) -> Result<Self> {
        let checkpoint = Checkpoint::open(&key.model)?;
        let task = Task::open(&checkpoint, key)?;
        // The longest text that it takes; [CLS] and [SEP] have their places, too.
        let longest = checkpoint.config().max_position_embeddings.saturating_sub(2);
        let gap = checkpoint.tokenizer()?.decode(&[special::MASK], false)?;
        let question = Question { text: gap.repeat(longest), top_k: 1 };
        let start = Instant::now();
        let answers = task.answer(&[question])?;
        let warm_up = start.elapsed();
        let kind = match answers.as_slice() {
            [Answer::Labels(labels)] => Kind::Classify(labels.as_slice().len()),
            _ => Kind::Fill,
        };
        let options = WorkerOptions {
            name: key.model.clone(),
            capacity: CAPACITY,
            batch_size: settings.batch_size as usize,
            batch_timeout: settings.batch_timeout.into(),
        };
        let worker = Worker::spawn(&options, move |questions: &[Question]| task.answer(questions))?;
        Ok(Self { key: key.clone(), kind, gap, hash: checkpoint.hash().into(), warm_up, worker })
    }

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
        match self.kind {
            Kind::Fill => text.contains(&self.gap),
            Kind::Classify(_) => !text.is_empty(),
        }
    }

    /// Hands a text over.
    ///
    /// # Errors
    /// When the worker has ended.
    pub(super) fn submit(&self, question: Question) -> Result<Ticket<Answer>> {
        self.worker.submit(question)
    }

    /// What the longest text takes, by the warm-up.
    pub(super) fn warm_up(&self) -> Duration {
        self.warm_up
    }

    /// What the worker has done for all its elements.
    pub(super) fn stats(&self) -> WorkerStats {
        self.worker.stats()
    }
}

impl Task {
    /// The task of the checkpoint's architecture.
    ///
    /// # Errors
    /// When that is none for text, or the model cannot be built.
    fn open(checkpoint: &Checkpoint, key: &Key) -> Result<Self> {
        let device = key.device.open()?;
        let (config, hash) = (checkpoint.config(), checkpoint.hash().to_owned());
        match Model::build(checkpoint, &device, key.precision)? {
            Model::MaskedLM(model) => Ok(Self::Fill(FillMask::new(model, checkpoint.tokenizer()?, config, device, hash))),
            Model::SequenceClassification(model) => {
                Ok(Self::Classify(ClassifyText::new(model, checkpoint.tokenizer()?, config, device, hash)))
            }
            _ => {
                let given = config.architectures.first().map_or("nothing", String::as_str);
                let accepted = "accepted is PerceiverForMaskedLM or PerceiverForSequenceClassification";
                Err(Error::format(checkpoint.name(), format!("its architecture is {given}: {accepted}")))
            }
        }
    }

    /// One model call.
    fn answer(&self, questions: &[Question]) -> Result<Vec<Answer>> {
        match self {
            Self::Fill(task) => {
                let texts: Vec<MaskedText> = questions.iter().map(|question| question.text.as_str().into()).collect();
                // Each takes what it asked for from the front.
                let top_k = questions.iter().map(|question| question.top_k).max().unwrap_or(1);
                let filled = task.fill(&texts.iter().collect::<Vec<_>>(), top_k)?;
                Ok(filled.into_iter().map(Answer::Filled).collect())
            }
            Self::Classify(task) => {
                let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
                Ok(task.classify(&texts, Truncation::None)?.into_iter().map(Answer::Labels).collect())
            }
        }
    }
}
