//! Fine-tuning for image classification: a new head for new labels, trained on pictures and saved as Hugging Face lays models out.
//!
//! ```text
//! cargo run --release --example fine_tune_image_classification -- OUT MODEL
//! perceiverflow classify-image --model OUT picture.png
//! ```
//!
//! MODEL is what to begin from, such as the published classifier with Fourier positions. Without one, a tiny model begins from nothing.

use candle_core::{DType, Device, Tensor};
use perceiverflow::{
    Result,
    checkpoint::{self, Checkpoint},
    media::Picture,
    perceiver::{ImageSize, Keep, PerceiverConfig, PerceiverImageProcessor, loss, models::PerceiverForImageClassification},
    scene::{Layer, Motion, Scene, Shape, Texture, Track},
    tasks::ClassifyImage,
    train::{AdamW, AdamWOptions, Schedule, Variables},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 12;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "image-classifier".into());
    let pretrained = arguments.next().map(|model| Checkpoint::open(&model)).transpose()?;
    let small = PerceiverConfig { num_latents: 8, d_latents: 32, qk_channels: Some(32), ..Default::default() };
    let fresh = PerceiverConfig { num_self_attends_per_block: 1, initializer_range: 0.1, ..small };
    let config = PerceiverConfig {
        architectures: vec!["PerceiverForImageClassificationFourier".into()],
        id2label: Some([("0".into(), "disc".into()), ("1".into(), "star".into())].into()),
        ..pretrained.as_ref().map_or(fresh, |model| model.config().clone())
    };
    let size = ImageSize { height: SIDE, width: SIDE };
    let small = PerceiverImageProcessor { do_center_crop: false, size, ..Default::default() };
    let processor = pretrained.as_ref().map_or(Ok(small), Checkpoint::image_processor)?;

    let (device, variables) = (Device::Cpu, Variables::new(1, &Device::Cpu));
    let model = PerceiverForImageClassification::fourier(&config, &variables.weights(config.initializer_range))?;
    if let Some(pretrained) = &pretrained {
        println!("new: {}", variables.adopt(pretrained)?.join(", "));
    }
    let hash = "fine-tuned here".into();
    let task = ClassifyImage::new(model.clone(), processor.clone(), &config, device.clone(), hash);
    let held_out = pictures(&mut ChaCha8Rng::seed_from_u64(2), 50);
    println!("before: {:.0}% of held-out pictures right", 100.0 * accuracy(&task, &held_out)?);

    let schedule = Schedule { peak: if pretrained.is_some() { 5e-5 } else { 3e-3 }, warmup: 10, steps: 70 };
    let mut optimiser = AdamW::new(AdamWOptions::default(), &variables)?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for step in 0..schedule.steps {
        let batch = pictures(&mut random, 16);
        let (pictures, labels): (Vec<&Picture>, Vec<u32>) = batch.iter().map(|(picture, label)| (picture, *label as u32)).unzip();
        let logits = model.forward(&task.images(&pictures)?, Keep::default())?.logits;
        optimiser.descend(&loss::cross_entropy(&logits, &Tensor::new(labels, &device)?)?, schedule.rate(step))?;
    }
    println!("after: {:.0}% of held-out pictures right", 100.0 * accuracy(&task, &held_out)?);
    checkpoint::save(&folder, &config, &variables.tensors(), DType::F32)?;
    checkpoint::save_image_processor(&folder, &processor)
}

/// Discs and stars by turns, light on dark, of many sizes, each a little off the middle.
fn pictures(random: &mut ChaCha8Rng, count: usize) -> Vec<(Picture, usize)> {
    let mut picture = |label: usize| {
        let radius = random.random_range(3.5..5.5);
        let shape = if label == 0 { Shape::disc(radius) } else { Shape::star(radius, 4, 0.4) };
        let mut colour = |levels: std::ops::Range<u8>| [(); 3].map(|()| random.random_range(levels.clone()));
        let [backdrop, ink] = [colour(0..100), colour(150..255)];
        let [x, y] = [(); 2].map(|()| Track::fixed(SIDE as f32 / 2.0 + random.random_range(-1.0..1.0)));
        let still = Motion::new([Track::fixed(0.0), Track::fixed(0.0)]);
        let backdrop = Layer::new(Texture::from_fn(SIDE, SIDE, |_, _| backdrop), still);
        let shape = Layer::new(Texture::from_fn(SIDE, SIDE, |_, _| ink).cut_out(&shape), Motion::new([x, y]));
        (Scene::new(SIDE, SIDE, backdrop, [shape]).picture(0.0), label)
    };
    (0..count).map(|number| picture(number % 2)).collect()
}

/// The share of pictures that get their label.
fn accuracy(task: &ClassifyImage, pictures: &[(Picture, usize)]) -> Result<f64> {
    let labels = task.classify(&pictures.iter().map(|(picture, _)| picture).collect::<Vec<_>>())?;
    let right = labels.iter().zip(pictures).filter(|(labels, (_, label))| labels.as_slice()[0].index == *label).count();
    Ok(right as f64 / pictures.len() as f64)
}
