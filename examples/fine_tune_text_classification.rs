//! Fine-tuning for text classification: a new head for new labels, trained on sentences and saved as Hugging Face lays models out.
//!
//! ```text
//! cargo run --release --example fine_tune_text_classification -- OUT MODEL
//! perceiverflow classify-text --model OUT 'The opera was really superb.'
//! ```
//!
//! MODEL is what to begin from, such as the published language model. Without one, a tiny model begins from nothing.

use candle_core::{DType, Device, Tensor};
use perceiverflow::{
    Result,
    checkpoint::{self, Checkpoint},
    perceiver::{
        PerceiverConfig, PerceiverTokenizer, loss,
        models::{ForwardOptions, PerceiverForSequenceClassification},
        tokenizer::Truncation,
    },
    tasks::ClassifyText,
    train::{AdamW, AdamWOptions, Schedule, Variables},
};

const LABELS: [(&str, [&str; 4]); 2] =
    [("bad", ["awful", "boring", "dreadful", "clumsy"]), ("good", ["lovely", "great", "superb", "clever"])];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "text-classifier".into());
    let pretrained = arguments.next().map(|model| Checkpoint::open(&model)).transpose()?;
    let small =
        PerceiverConfig { num_latents: 16, d_latents: 32, d_model: 32, max_position_embeddings: 64, ..Default::default() };
    let fresh = PerceiverConfig { num_self_attends_per_block: 2, initializer_range: 0.2, ..small };
    let id2label = LABELS.iter().enumerate().map(|(number, (label, _))| (number.to_string(), (*label).to_owned()));
    let config = PerceiverConfig {
        architectures: vec!["PerceiverForSequenceClassification".into()],
        id2label: Some(id2label.collect()),
        ..pretrained.as_ref().map_or(fresh, |model| model.config().clone())
    };

    let (device, variables) = (Device::Cpu, Variables::new(1, &Device::Cpu));
    let model = PerceiverForSequenceClassification::new(&config, &variables.weights(config.initializer_range))?;
    if let Some(pretrained) = &pretrained {
        println!("new: {}", variables.adopt(pretrained)?.join(", "));
    }
    let task = ClassifyText::new(model.clone(), PerceiverTokenizer::default(), &config, device.clone(), "fine-tuned here".into());
    let (learned, held_out) = (sentences(&["film", "book", "song", "meal", "trip"]), sentences(&["play", "opera", "game"]));
    println!("before: {:.0}% of held-out sentences right", 100.0 * accuracy(&task, &held_out)?);

    let schedule = Schedule { peak: if pretrained.is_some() { 5e-5 } else { 3e-3 }, warmup: 10, steps: 120 };
    let mut optimiser = AdamW::new(AdamWOptions::default(), &variables)?;
    for step in 0..schedule.steps {
        // Sixteen sentences; the prime number mixes their order.
        let batch = (0..16).map(|row| &learned[(16 * step as usize + row) * 7919 % learned.len()]);
        let (texts, labels): (Vec<&str>, Vec<u32>) = batch.map(|(text, label)| (text.as_str(), *label as u32)).unzip();
        let (ids, mask) = task.tokens(&texts, Truncation::OnlyFirst)?;
        let options = ForwardOptions { attention_mask: Some(&mask), ..Default::default() };
        let logits = model.forward(&ids, options)?.logits;
        optimiser.descend(&loss::cross_entropy(&logits, &Tensor::new(labels, &device)?)?, schedule.rate(step))?;
    }
    println!("after: {:.0}% of held-out sentences right", 100.0 * accuracy(&task, &held_out)?);
    checkpoint::save(&folder, &config, &variables.tensors(), DType::F32)
}

/// Every combination, with the number of its label.
fn sentences(nouns: &[&str]) -> Vec<(String, usize)> {
    let words = LABELS.iter().enumerate().flat_map(|(label, (_, words))| words.iter().map(move |word| (word, label)));
    let phrases = words.flat_map(|(word, label)| ["really", "quite", "so"].map(|very| (format!("was {very} {word}."), label)));
    phrases.flat_map(|(phrase, label)| nouns.iter().map(move |noun| (format!("The {noun} {phrase}"), label))).collect()
}

/// The share of sentences that get their label.
fn accuracy(task: &ClassifyText, sentences: &[(String, usize)]) -> Result<f64> {
    let texts: Vec<&str> = sentences.iter().map(|(text, _)| text.as_str()).collect();
    let labels = task.classify(&texts, Truncation::OnlyFirst)?;
    let right = labels.iter().zip(sentences).filter(|(labels, (_, label))| labels.as_slice()[0].index == *label).count();
    Ok(right as f64 / sentences.len() as f64)
}
