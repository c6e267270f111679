//! A head of one's own on a multimodal model: windows become latents once, and a small classifier learns from those latents.
//!
//! ```text
//! cargo run --release --example custom_head -- MODEL
//! ```
//!
//! MODEL is a folder with a `PerceiverForMultimodalAutoencoding`, or the id of one on the Hub that was pulled before. It stays as it is:
//! what is trained here is one linear layer, which tells in seconds whether the left half of a window is brighter or the right.

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, loss::cross_entropy};
use perceiverflow::{
    Error, Result,
    compute::{DeviceChoice, Precision},
    tasks::{Autoencode, ClipInputs, Framing},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() -> Result<()> {
    let model = std::env::args().nth(1).ok_or_else(|| Error::option("arguments", "none", "MODEL"))?;
    let task = Autoencode::open(&model, DeviceChoice::Auto, Precision::Auto)?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (learned, held_out) = (examples(&task, 256, &mut random)?, examples(&task, 64, &mut random)?);

    // From zeros a linear layer learns the same every time.
    let [n, d] = task.latent_dims();
    let zeros = |shape: &[usize]| Var::zeros(shape, DType::F32, &Device::Cpu);
    let (weight, bias) = (zeros(&[2, n * d])?, zeros(&[2])?);
    let head = Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
    println!("before: {:.0}% of held-out windows right", 100.0 * accuracy(&head, &held_out)?);
    let mut optimiser = AdamW::new(vec![weight, bias], ParamsAdamW { lr: 0.01, ..Default::default() })?;
    let (latents, sides) = &learned;
    for _ in 0..300 {
        optimiser.backward_step(&cross_entropy(&head.forward(latents)?, sides)?)?;
    }
    println!("after: {:.0}% of held-out windows right", 100.0 * accuracy(&head, &held_out)?);
    Ok(())
}

/// Latents of `count` windows, a row of N · D for each, and which half is brighter: 0 the left, 1 the right.
fn examples(task: &Autoencode, count: usize, random: &mut ChaCha8Rng) -> Result<(Tensor, Tensor)> {
    let (mut rows, mut sides) = (Vec::new(), Vec::new());
    for number in 0..count as u32 {
        let latents = task.encode(&[&window(task, number % 2, random)?])?.remove(0);
        rows.push(latents.to_vec()?);
        sides.push(number % 2);
    }
    Ok((Tensor::new(rows, &Device::Cpu)?, Tensor::new(sides, &Device::Cpu)?))
}

/// A window of noise whose half `side` is brighter, and a soft noise to hear.
fn window(task: &Autoencode, side: u32, random: &mut ChaCha8Rng) -> Result<ClipInputs> {
    let preprocessor = task.preprocessor(Framing::default());
    let (shape, width) = (preprocessor.shape(), preprocessor.side());
    let is_bright = |at: usize| (at % width >= width / 2) == (side == 1);
    let pixel = |at: usize| random.random_range(0.0..0.2) + if is_bright(at) { 0.8 } else { 0.0 };
    let image = (0..shape.frames * 3 * width * width).map(pixel).collect();
    let sound = (0..shape.samples()).map(|_| random.random_range(-0.1..0.1)).collect();
    preprocessor.inputs(image, sound)
}

/// The share of windows whose brighter half the head finds.
fn accuracy(head: &Linear, (latents, sides): &(Tensor, Tensor)) -> Result<f32> {
    let found = head.forward(latents)?.argmax(D::Minus1)?;
    Ok(found.eq(sides)?.to_dtype(DType::F32)?.mean_all()?.to_scalar()?)
}
