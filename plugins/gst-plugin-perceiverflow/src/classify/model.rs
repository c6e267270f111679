//! What `perceiverclassify` asks: a multimodal model, shared with every element that asks it, or an image classifier.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use perceiverflow::{
    Error, Result,
    checkpoint::Checkpoint,
    engine::{Answer, Question, WorkerOptions, WorkerStats},
    media::{Clip, Picture},
    tasks::{ClassifyImage, ClassifyWindows, ClipInputs, Framing, Head, WindowPreprocessor},
};

use crate::{
    asked::{Job, ReplyTicket},
    models::{self, AskedModel, Key, ModelWorker, Registry, SharedModel},
    multimodal::MultimodalModel,
    queue::Claim,
    settings::ModelSettings,
};

static PICTURES: Registry<PictureModel> = Registry::new();

/// A loaded model of either kind.
#[derive(Debug)]
pub(crate) struct Classifier {
    task: ClassifyWindows,
    loaded: Loaded,
}

/// Who loaded it, and runs it.
#[derive(Debug)]
enum Loaded {
    Clips(Arc<MultimodalModel>),
    Pictures(Arc<PictureModel>),
}

impl AskedModel for Classifier {
    type Question = Question;
    type Answer = Answer;

    fn shared(settings: &ModelSettings) -> Result<Arc<Self>> {
        if ClassifyWindows::takes_pictures(&Checkpoint::open(&settings.key()?.model)?) {
            return PictureModel::shared(settings).map(Self::of_pictures);
        }
        MultimodalModel::shared(settings).map(Self::of_clips)
    }

    fn reloaded(&self, settings: &ModelSettings) -> Result<Arc<Self>> {
        match &self.loaded {
            Loaded::Clips(model) => model.reloaded(settings).map(Self::of_clips),
            Loaded::Pictures(model) => model.reloaded(settings).map(Self::of_pictures),
        }
    }

    fn give_up(self: &Arc<Self>) {
        match &self.loaded {
            Loaded::Clips(model) => model.give_up(),
            Loaded::Pictures(model) => model.give_up(),
        }
    }

    fn submit(&self, claim: Claim<Job<Question>>) -> Result<ReplyTicket<Answer>> {
        match &self.loaded {
            Loaded::Clips(model) => model.submit(claim),
            Loaded::Pictures(model) => model.submit(claim),
        }
    }

    fn stats(&self) -> WorkerStats {
        match &self.loaded {
            Loaded::Clips(model) => model.stats(),
            Loaded::Pictures(model) => model.stats(),
        }
    }
}

impl Classifier {
    fn of_clips(model: Arc<MultimodalModel>) -> Arc<Self> {
        Arc::new(Self { task: ClassifyWindows::Clips(model.task().clone()), loaded: Loaded::Clips(model) })
    }

    fn of_pictures(model: Arc<PictureModel>) -> Arc<Self> {
        Arc::new(Self { task: model.task.clone(), loaded: Loaded::Pictures(model) })
    }

    /// The model itself, for what needs no thread: windows, names, what scores mean.
    pub(super) fn task(&self) -> &ClassifyWindows {
        &self.task
    }

    /// What one window takes, as far as is known before the first.
    ///
    /// # Errors
    /// When the model does not answer.
    pub(super) fn processing(&self) -> Result<Duration> {
        match &self.loaded {
            Loaded::Clips(model) => Ok(model.encoding() + model.decoding(Head::Labels)?),
            Loaded::Pictures(model) => Ok(model.processing),
        }
    }
}

/// A loaded image classifier.
#[derive(Debug)]
struct PictureModel {
    key: Key,
    task: ClassifyWindows,
    processing: Duration,
    worker: ModelWorker<Self>,
}

impl SharedModel for PictureModel {
    type Question = Question;
    type Answer = Answer;
    const FORM: &'static str = "pictures and classes";

    fn registry() -> &'static Registry<Self> {
        &PICTURES
    }

    fn load(key: &Key, options: &WorkerOptions) -> Result<Self> {
        let model = ClassifyImage::open(&key.model, key.device, key.precision)?;
        let task = ClassifyWindows::Pictures(Arc::new(model));
        let processing = warm_up(&task)?;
        let asked = task.clone();
        let ask = move |questions: &[&Question]| answer(&asked, questions);
        let worker = models::spawn::<Self>(options, task.hash().into(), ask)?;
        Ok(Self { key: key.clone(), task, processing, worker })
    }

    fn key(&self) -> &Key {
        &self.key
    }

    fn worker(&self) -> &ModelWorker<Self> {
        &self.worker
    }

    fn form(&self) -> String {
        format!("{:?}, {} classes", self.task.preprocessor(Framing::default()), self.task.label_names().len())
    }
}

/// The scores of windows that are asked for their labels.
fn answer(task: &ClassifyWindows, questions: &[&Question]) -> Result<Vec<Answer>> {
    let windows = questions.iter().map(|question| match question {
        Question::Ask(window, Head::Labels) => Ok(&**window),
        other => Err(Error::option("question", format!("{other:?}"), "the labels of a picture, for an image classifier")),
    });
    let windows = windows.collect::<Result<Vec<&ClipInputs>>>()?;
    Ok(task.scores(&windows)?.into_iter().map(Answer::Values).collect())
}

/// Classifies a black picture; says how long that took.
fn warm_up(task: &ClassifyWindows) -> Result<Duration> {
    let preprocessor = task.preprocessor(Framing::default());
    let side = match &preprocessor {
        WindowPreprocessor::Pictures(processor) => processor.size,
        _ => return Err(Error::option("model", "a multimodal model", "an image classifier")),
    };
    let clip = Clip {
        pictures: vec![Some(Arc::new(Picture::from_fn(side.width, side.height, |_, _| [0; 3])))],
        samples: Vec::new(),
        missing_samples: 0,
        time: Duration::ZERO,
        duration: preprocessor.shape().duration(),
        index: 0,
    };
    let window = preprocessor.preprocess(&clip)?;
    let start = Instant::now();
    task.scores(&[&window])?;
    Ok(start.elapsed())
}
