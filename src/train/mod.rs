//! Training: synthetic data, losses, the trainer and what it leaves on disk.

mod av;
mod av_scores;
mod curve;
mod flow;
mod label_score;
mod optimiser;
mod pairs;
mod schedule;
mod state;
mod trainer;
mod variables;

pub use av::{AvBatch, AvTask, AvTrainer};
pub use av_scores::{AvScores, JudgedLabel};
pub use curve::{Curve, CurvePoint};
pub use flow::{FlowBatch, FlowTask, FlowTrainer};
pub use label_score::LabelScore;
pub use optimiser::{AdamW, AdamWOptions};
pub use pairs::{FlowPair, FlowPairs};
pub use schedule::Schedule;
pub use trainer::{Task, Trainer, Training};
pub use variables::Variables;
