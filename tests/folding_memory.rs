//! A folded encoder holds no latents × inputs matrix: the largest single piece of memory that it asks for is much smaller.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use perceiverflow::perceiver::{Folding, Keep, PerceiverConfig, Weights, models::PerceiverForImageClassification};
use serde_json::json;

/// The system's allocator, which notes the largest piece it was asked for.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: everything is handed to the system's allocator as it comes.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

const LATENTS: usize = 128;
const SIDE: usize = 200;

/// Bytes of the largest piece that one call asks for.
fn largest(folding: Folding, images: &Tensor) -> usize {
    let fields =
        json!({ "num_latents": LATENTS, "d_latents": 32, "num_self_attends_per_block": 1, "num_cross_attention_heads": 1 });
    let config: PerceiverConfig = serde_json::from_value(fields).unwrap();
    let weights = Weights::new(VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu), 0.02).with_folding(folding);
    let model = PerceiverForImageClassification::fourier(&config, &weights).unwrap();
    LARGEST.store(0, Ordering::Relaxed);
    model.forward(images, Keep::default()).unwrap();
    LARGEST.load(Ordering::Relaxed)
}

#[test]
fn no_score_matrix_is_held() {
    let images = Tensor::zeros((1, 3, SIDE, SIDE), DType::F32, &Device::Cpu).unwrap();
    let scores = LATENTS * SIDE * SIDE * size_of::<f32>();
    let (folded, plain) = (largest(Folding::Auto, &images), largest(Folding::Off, &images));
    assert!(plain >= scores, "the plain layer should hold its {scores} bytes of scores, but held {plain} at most");
    assert!(folded < scores / 8, "{folded} bytes at once, where all scores are {scores}");
}
