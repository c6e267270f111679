//! Training: synthetic data, losses, the trainer and what it leaves on disk.

mod curve;
mod flow;
mod optimiser;
mod pairs;
mod schedule;
mod state;
mod variables;

pub use curve::{Curve, CurvePoint};
pub use flow::{FlowTrainer, FlowTraining};
pub use optimiser::{AdamW, AdamWOptions};
pub use pairs::{FlowPair, FlowPairs};
pub use schedule::Schedule;
pub use variables::Variables;
