//! Masked language modelling on bytes: the published tutorial's sentence, its last word hidden, and what the model puts there.
//!
//! ```text
//! cargo run --release --example masked_language_modelling -- MODEL
//! ```
//!
//! MODEL holds a `PerceiverForMaskedLM`. Without one, a tiny model first learns the sentence by heart, which takes seconds.

use candle_core::{Device, Tensor};
use perceiverflow::{
    Result,
    compute::{DeviceChoice, Precision},
    perceiver::{
        Keep, PerceiverConfig, PerceiverTokenizer, loss, models::PerceiverForMaskedLM, tokenizer::EncodeOptions,
        tokenizer::special,
    },
    tasks::{FillMask, MaskedText},
    train::{AdamW, AdamWOptions, Schedule, Variables},
};

const SENTENCE: &str = "This is an incomplete sentence where some words are missing.";

fn main() -> Result<()> {
    let task = match std::env::args().nth(1) {
        Some(model) => FillMask::open(&model, DeviceChoice::Auto, Precision::Auto)?,
        None => learned_by_heart()?,
    };
    // The bytes of " missing.": models guess better where the space before a word is hidden with it.
    let text = MaskedText::from(SENTENCE).with_span(51..60);
    let filled = task.fill(&[&text], 3)?.remove(0);
    println!("{}", filled.text());
    for gap in filled.gaps() {
        let guesses = gap.guesses.iter().map(|guess| format!("'{}' {:.2}", guess.byte.escape_ascii(), guess.probability));
        println!("byte {}: {}", gap.at, guesses.collect::<Vec<_>>().join("  "));
    }
    Ok(())
}

fn learned_by_heart() -> Result<FillMask> {
    let (device, tokenizer) = (Device::Cpu, PerceiverTokenizer::default());
    let small = PerceiverConfig { num_latents: 16, d_latents: 32, d_model: 32, ..Default::default() };
    let config = PerceiverConfig { num_self_attends_per_block: 1, max_position_embeddings: 64, initializer_range: 0.15, ..small };
    let variables = Variables::new(1, &device);
    let model = PerceiverForMaskedLM::new(&config, &variables.weights(config.initializer_range))?;
    let mut optimiser = AdamW::new(AdamWOptions::default(), &variables)?;
    let ids = tokenizer.encode(SENTENCE, &EncodeOptions::default())?.input_ids;
    let schedule = Schedule { peak: 4e-3, warmup: 10, steps: 120 };
    for step in 0..schedule.steps {
        // Eight copies of the sentence, each with nine bytes hidden in another place; only those count.
        let (mut inputs, mut labels) = (ids.repeat(8), vec![loss::IGNORED; 8 * ids.len()]);
        for row in 0..8 {
            let start = row * ids.len() + 1 + (13 * step as usize + 29 * row) % (ids.len() - 10);
            for place in start..start + 9 {
                labels[place] = i64::from(std::mem::replace(&mut inputs[place], special::MASK));
            }
        }
        let inputs = Tensor::from_vec(inputs, (8, ids.len()), &device)?;
        let logits = model.forward(&inputs, Keep::default())?.logits.narrow(1, 0, ids.len())?;
        let loss = loss::cross_entropy(&logits, &Tensor::from_vec(labels, (8, ids.len()), &device)?)?;
        optimiser.descend(&loss, schedule.rate(step))?;
    }
    Ok(FillMask::new(model, tokenizer, &config, device, "learned by heart".into()))
}
