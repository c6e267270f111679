//! `perceiverflow train classify`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::DType;
use clap::builder::ArgPredicate;
use perceiverflow::{
    Error, Result,
    checkpoint::{Checkpoint, save_image_processor},
    media::Picture,
    perceiver::PerceiverImageProcessor,
    tasks::{ClipInputs, ClipPreprocessor, preprocess_picture},
    train::{ClassifierStart, ClassifyTask, Example, Examples, LabelledFiles, ReadExamples},
};

use super::{CLIPS, PICTURES, TrainingArgs, av};
use crate::{
    clips::{ClipArguments, windows_to_train_on},
    models::fetch,
};

/// Train a classifier of clips, or of pictures, on files of your own.
///
/// It begins from MODEL: a multimodal model becomes a classifier of clips, an image classifier one of pictures. All weights are trained
/// further; the head that gives the labels is new, unless the classes are the model's own. Without MODEL a small multimodal model begins
/// from nothing. Part of the files of each class is kept for validation and listed in OUT/validation.csv; the model with the lowest
/// validation loss is the one in OUT. Goes on where it was when OUT holds a training already; stop it at any time.
///
/// Windows of a clip overlap by half unless --stride-frames is given; those of a long file, more than about 32, lie further apart. Examples
/// are enlarged and mirrored, and clips made brighter, darker, louder and softer, by chance.
///
/// Hugging Face's transformers load OUT where they load MODEL: layouts and sizes are kept. A model of this program's own sizes, as the small
/// one without MODEL, has a block `multimodal` in its config.json that they do not know; they cannot build it.
#[derive(Debug, clap::Args)]
#[command(mut_arg("steps", |arg| arg.default_value("300")), mut_arg("every", |arg| arg.default_value("50")))]
#[command(mut_arg("rate", |arg| arg.default_value_if("from", ArgPredicate::IsPresent, "3e-4")))]
#[command(after_help = "\
Examples:
  perceiverflow train classify clips/ --out my-classifier
  perceiverflow train classify clips.csv --from deepmind/multimodal-perceiver --batch 1 --rate 3e-5 --out my-classifier
  perceiverflow evaluate classify my-classifier/validation.csv --model my-classifier
  perceiverflow classify clip.mp4 --model my-classifier")]
pub(crate) struct ClassifyArgs {
    /// A folder with a folder of files for each class, or a CSV file of lines path,label
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Model to begin from: a folder, a Hugging Face id, or builtin:NAME; the learning rate is 3e-4 then, unless it is given [default: a
    /// small new one]
    #[arg(long, value_name = "MODEL")]
    from: Option<String>,
    /// Share of each class's files that is kept for validation, more than 0 and less than 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    validation: f64,
    /// Show no example mirrored: for classes that change when left and right change places
    #[arg(long)]
    no_mirror: bool,
    /// Memory for files that were read, in MiB; what does not fit is read again each time
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    cache: usize,
    /// Files read at the same time [default: half the number of processors]
    #[arg(long, value_name = "THREADS")]
    readers: Option<usize>,
    #[command(flatten)]
    clips: ClipArguments,
    #[command(flatten)]
    training: TrainingArgs,
}

impl ClassifyArgs {
    pub(super) fn run(self) -> Result<()> {
        let start = self.start()?;
        let (read, endings, processor) = self.reading(&start)?;
        let files = LabelledFiles::find(&self.data, endings)?;
        let (training, validation) = files.split(self.validation, self.training.seed)?;
        let out = self.training.out.clone();
        std::fs::create_dir_all(&out).map_err(Error::io(&out))?;
        validation.save(&out.join("validation.csv"))?;
        if let Some(processor) = &processor {
            save_image_processor(&out, processor)?;
        }
        eprintln!(
            "{} classes, {} files to train on, {} for validation",
            files.classes.len(),
            training.files.len(),
            validation.files.len()
        );
        let numbers = self.cache.saturating_mul((1 << 20) / size_of::<f32>());
        let [training, validation] = [training, validation].map(|files| Examples::new(files, numbers, read.clone()));
        let readers = self.readers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2));
        let task = ClassifyTask::new(start, training, validation, readers)?;
        let task = if self.no_mirror { task.without_mirroring() } else { task };
        self.training.train(task).map(drop)
    }

    fn start(&self) -> Result<ClassifierStart> {
        let Some(model) = &self.from else { return av::small_config().map(ClassifierStart::Fresh) };
        fetch(model)?;
        Ok(ClassifierStart::From(Checkpoint::open(model)?))
    }

    /// How files are read for this model, by what their names end, and what the model does to pictures.
    fn reading(
        &self,
        start: &ClassifierStart,
    ) -> Result<(Arc<ReadExamples>, &'static [&'static str], Option<PerceiverImageProcessor>)> {
        let config = start.config();
        if ClassifyTask::takes_pictures(config)? {
            let processor = match start {
                ClassifierStart::Fresh(_) => PerceiverImageProcessor::default(),
                ClassifierStart::From(checkpoint) => checkpoint.image_processor()?,
            };
            let for_files = processor.clone();
            let read = move |path: &Path| picture(path, &for_files).map(|example| vec![example]);
            return Ok((Arc::new(read), &PICTURES, Some(processor)));
        }
        let preprocessor = ClipPreprocessor::new(config, self.clips.framing());
        let (side, frames, clips) = (preprocessor.side(), preprocessor.shape().frames, self.clips.clone());
        let read = move |path: &Path| {
            let windows = windows_to_train_on(path, &clips, preprocessor)?;
            let example = |window: ClipInputs| Example {
                image: window.image().to_vec(),
                shape: vec![frames, 3, side, side],
                audio: window.audio().to_vec(),
            };
            Ok(windows.into_iter().map(example).collect())
        };
        Ok((Arc::new(read), &CLIPS, None))
    }
}

/// A picture as an image classifier reads it.
fn picture(path: &Path, processor: &PerceiverImageProcessor) -> Result<Example> {
    let image = preprocess_picture(&Picture::open(path)?, processor)?.to_dtype(DType::F32)?;
    Ok(Example { shape: image.dims().to_vec(), image: image.flatten_all()?.to_vec1()?, audio: Vec::new() })
}
