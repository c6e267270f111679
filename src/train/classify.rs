//! Training of a classifier of clips or pictures on files of one's own, from scratch or from a model that was trained for something else.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use candle_core::{Device, Tensor, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use super::{Examples, Task, Trainer, Training, Variables, examples::Drawn, variation::Variation};
use crate::{
    checkpoint::Checkpoint,
    error::{Error, Result},
    perceiver::{
        Keep, PerceiverConfig, ProblemType, Weights,
        decode::Points,
        loss::cross_entropy,
        models::{AUDIO, IMAGE, LABEL, MultimodalInputs, PerceiverForImageClassification, PerceiverForMultimodalAutoencoding},
    },
};

/// The training of a classifier.
pub type ClassifyTrainer = Trainer<ClassifyTask>;

/// Examples for validation, at most, in all and of each file, and how many of them go through the model at once.
const VALIDATION: usize = 64;
const PLACES: usize = 4;
const VALIDATED_AT_ONCE: usize = 8;
/// What the label's token is padded with: it follows the number of classes, and has no effect, for the token is always masked.
const PADDING: &str = "perceiver.input_preprocessor.padding.label";
/// The score of a class that is not used: no softmax gives it anything.
const NEVER: f64 = -30.0;

/// What a classifier begins from.
#[derive(Debug)]
pub enum ClassifierStart {
    /// A new model of this configuration; its classes are replaced.
    Fresh(PerceiverConfig),
    /// A trained model. Its head is made anew, unless the classes are its own.
    From(Checkpoint),
}

impl ClassifierStart {
    /// The configuration, with the classes that it has before.
    pub fn config(&self) -> &PerceiverConfig {
        match self {
            Self::Fresh(config) => config,
            Self::From(checkpoint) => checkpoint.config(),
        }
    }
}

/// A classifier, and what it is shown.
///
/// Clips are classified by the label modality of a multimodal model, pictures by any of the three image classifiers. What each of them
/// answers besides is left as it is.
#[derive(Clone, Debug)]
pub struct ClassifyTask {
    config: PerceiverConfig,
    kind: Kind,
    /// Classes with examples; the model may have more that are not used.
    classes: usize,
    from: Option<Arc<Checkpoint>>,
    training: Examples,
    validation: Examples,
    /// Whether left and right may change places.
    mirror: bool,
    /// Reads the files of a batch side by side.
    readers: Arc<ThreadPool>,
}

/// The architectures there are.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Clips,
    Pictures(fn(&PerceiverConfig, &Weights<'_>) -> Result<PerceiverForImageClassification>),
}

/// A classifier of one of the architectures.
#[derive(Debug)]
#[allow(missing_docs, reason = "the variants are what they hold")]
pub enum ClassifierModel {
    Clips(Box<PerceiverForMultimodalAutoencoding>),
    Pictures(Box<PerceiverForImageClassification>),
}

/// Examples as tensors.
#[derive(Clone, Debug)]
pub struct ClassifyBatch {
    /// Of clips B × T × 3 × Y × X, of pictures B × 3 × Y × X.
    image: Tensor,
    /// B × samples × 1; of clips only.
    audio: Option<Tensor>,
    /// B numbers of classes.
    labels: Tensor,
}

impl Kind {
    const NAMES: &str = "PerceiverForMultimodalAutoencoding, PerceiverForImageClassificationLearned, \
                         PerceiverForImageClassificationFourier, PerceiverForImageClassificationConvProcessing";

    fn of(config: &PerceiverConfig) -> Result<Self> {
        match config.architectures.first().map_or("nothing", String::as_str) {
            "PerceiverForMultimodalAutoencoding" => Ok(Self::Clips),
            "PerceiverForImageClassificationLearned" => Ok(Self::Pictures(PerceiverForImageClassification::learned)),
            "PerceiverForImageClassificationFourier" => Ok(Self::Pictures(PerceiverForImageClassification::fourier)),
            "PerceiverForImageClassificationConvProcessing" => {
                Ok(Self::Pictures(PerceiverForImageClassification::conv_processing))
            }
            other => Err(Error::config("architectures", other, Self::NAMES)),
        }
    }

    fn is_of_clips(self) -> bool {
        matches!(self, Self::Clips)
    }

    /// Where the layer is that gives the classes' scores.
    fn head(self) -> &'static str {
        match self {
            Self::Clips => "perceiver.output_postprocessor.modalities.label.classifier",
            Self::Pictures(_) => "perceiver.decoder.decoder.final_layer",
        }
    }
}

impl ClassifyTask {
    /// A classifier of the classes of `training`, which `validation` has as well. Files are read on `readers` threads.
    ///
    /// The classes' scores come first. A multimodal model whose label token is its widest, as the published one with its 700 classes, keeps
    /// that width, on which all its weights rest: classes that are not needed are called `unused 2` and so on, and are never found.
    ///
    /// # Errors
    /// When the model is no classifier of clips or pictures, has no room for so many classes, or no threads can be had.
    pub fn new(start: ClassifierStart, training: Examples, validation: Examples, readers: usize) -> Result<Self> {
        let given = start.config().clone();
        let from = match start {
            ClassifierStart::Fresh(_) => None,
            ClassifierStart::From(checkpoint) => Some(Arc::new(checkpoint)),
        };
        let kind = Kind::of(&given)?;
        let mut names = training.files().classes.clone();
        let classes = names.len();
        if kind.is_of_clips() && from.is_some() {
            let media = PerceiverForMultimodalAutoencoding::media_channels(&given)?;
            let width = given.num_labels().max(media);
            if classes > width {
                return Err(Error::option("classes", classes, format!("at most {width}, the width of this model's tokens")));
            }
            if width > media {
                names.extend((classes..width).map(|number| format!("unused {number}")));
            }
        }
        let mut config = given;
        config.id2label = Some(names.into_iter().enumerate().map(|(number, name)| (number.to_string(), name)).collect());
        config.problem_type = Some(ProblemType::SingleLabelClassification);
        config.multimodal.thresholds.clear();
        config.validate()?;
        let refused = |e: rayon::ThreadPoolBuildError| Error::option("readers", readers, format!("fewer ({e})"));
        let readers = Arc::new(ThreadPoolBuilder::new().num_threads(readers.max(1)).build().map_err(refused)?);
        Ok(Self { config, kind, classes, from, training, validation, mirror: true, readers })
    }

    /// Whether a classifier of this configuration is shown pictures; else it is shown clips.
    ///
    /// # Errors
    /// When its architecture is no classifier's.
    pub fn takes_pictures(config: &PerceiverConfig) -> Result<bool> {
        Ok(!Kind::of(config)?.is_of_clips())
    }

    /// The same for classes that change when left and right change places, as `turns left`: no example is mirrored.
    pub fn without_mirroring(self) -> Self {
        Self { mirror: false, ..self }
    }

    /// First values of a part of the head: those by chance, and for classes that are not used a score that never holds.
    fn new_head(&self, variable: &Var) -> Result<Tensor> {
        let used = variable.narrow(0, 0, self.classes)?;
        let rest = variable.narrow(0, self.classes, variable.dim(0)? - self.classes)?.zeros_like()?;
        let rest = if rest.rank() == 1 { (rest + NEVER)? } else { rest };
        Ok(Tensor::cat(&[used, rest], 0)?.detach())
    }

    /// Draws `numbers` of examples, as many files at once as there are readers.
    fn drawn(&self, seed: u64, numbers: Range<u64>) -> Result<Vec<Drawn>> {
        self.readers.install(|| numbers.into_par_iter().map(|number| self.training.draw(seed, number)).collect())
    }

    fn batch_of(&self, drawn: &[Drawn], mut variation: impl FnMut(usize) -> Variation, device: &Device) -> Result<ClassifyBatch> {
        let (mut image, mut audio) = (Vec::new(), Vec::new());
        for (number, drawn) in drawn.iter().enumerate() {
            variation(number).add(drawn.example(), &mut image, &mut audio);
        }
        let shape = drawn.first().map_or(&[][..], |drawn| &drawn.example().shape);
        let shape: Vec<usize> = [drawn.len()].iter().chain(shape).copied().collect();
        let sound = (drawn.len(), audio.len() / drawn.len().max(1), 1);
        let labels: Vec<u32> = drawn.iter().map(|drawn| drawn.class as u32).collect();
        Ok(ClassifyBatch {
            image: Tensor::from_vec(image, shape, device)?,
            audio: (!audio.is_empty()).then(|| Tensor::from_vec(audio, sound, device)).transpose()?,
            labels: Tensor::new(labels, device)?,
        })
    }

    /// Scores of the classes that have examples, B × classes.
    fn scores(&self, model: &ClassifierModel, batch: &ClassifyBatch) -> Result<Tensor> {
        let logits = match model {
            ClassifierModel::Clips(model) => {
                let audio = batch.audio.as_ref().ok_or_else(|| Error::tensor("audio", "nothing", "the samples of a window"))?;
                let inputs = MultimodalInputs { image: &batch.image, audio, label: None };
                // Of pixels and sound nothing is asked.
                let points: Points =
                    [(AUDIO, vec![]), (IMAGE, vec![]), (LABEL, vec![0])].map(|(name, at)| (name.into(), at)).into();
                let mut answer = model.forward(inputs, &points, Keep::default())?.logits;
                answer.remove(LABEL).ok_or_else(|| Error::tensor(LABEL, "nothing", "the scores of the classes"))?
            }
            ClassifierModel::Pictures(model) => model.forward(&batch.image, Keep::default())?.logits,
        };
        Ok(logits.narrow(1, 0, self.classes)?)
    }
}

impl Task for ClassifyTask {
    type Model = ClassifierModel;
    type Batch = ClassifyBatch;

    fn config(&self) -> &PerceiverConfig {
        &self.config
    }

    fn model(&self, weights: &Weights<'_>) -> Result<ClassifierModel> {
        match self.kind {
            Kind::Clips => {
                PerceiverForMultimodalAutoencoding::new(&self.config, weights).map(Box::new).map(ClassifierModel::Clips)
            }
            Kind::Pictures(new) => new(&self.config, weights).map(Box::new).map(ClassifierModel::Pictures),
        }
    }

    fn begin(&self, variables: &Variables) -> Result<()> {
        let Some(from) = &self.from else { return Ok(()) };
        let head = |name: &str| name.starts_with(self.kind.head());
        let new: BTreeMap<String, Tensor> = if from.config().id2label == self.config.id2label {
            BTreeMap::new()
        } else {
            let heads = variables.all().into_iter().filter(|(name, _)| head(name));
            heads.map(|(name, variable)| Ok((name, self.new_head(&variable)?))).collect::<Result<_>>()?
        };
        let lacking = variables.adopt(from)?.into_iter().filter(|name| !head(name) && name != PADDING);
        let lines: Vec<String> = lacking.map(|name| format!("{name}: missing, or of another shape")).collect();
        if !lines.is_empty() {
            return Err(Error::Checkpoint { path: from.name().into(), lines });
        }
        for (name, variable) in variables.all() {
            if let Some(first) = new.get(&name) {
                variable.set(first)?;
            }
        }
        Ok(())
    }

    fn batch(&self, seed: u64, numbers: Range<u64>, device: &Device) -> Result<ClassifyBatch> {
        let drawn = self.drawn(seed, numbers.clone())?;
        let variation = |at: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(!seed);
            random.set_stream(numbers.start + at as u64);
            // Pictures are normalised: their levels are no light any more.
            Variation::random(&mut random, self.kind.is_of_clips(), self.mirror)
        };
        self.batch_of(&drawn, variation, device)
    }

    fn validation(&self, training: &Training, device: &Device) -> Result<Vec<ClassifyBatch>> {
        let drawn = self.readers.install(|| self.validation.spread(VALIDATION, PLACES))?;
        // No more at once than there is memory for in training.
        drawn
            .chunks(training.batch.min(VALIDATED_AT_ONCE))
            .map(|drawn| self.batch_of(drawn, |_| Variation::NONE, device))
            .collect()
    }

    /// The cross entropy of the classes.
    fn loss(&self, model: &ClassifierModel, batch: &ClassifyBatch) -> Result<Tensor> {
        cross_entropy(&self.scores(model, batch)?, &batch.labels)
    }

    /// That of the share of the files that each class has.
    fn blind_loss(&self, batch: &ClassifyBatch) -> Result<f64> {
        let (shares, labels) = (self.training.shares(), batch.labels.to_vec1::<u32>()?);
        Ok(-labels.iter().map(|&label| shares[label as usize].ln()).sum::<f64>() / labels.len() as f64)
    }
}
