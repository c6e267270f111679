//! Training: synthetic data, losses, the trainer and what it leaves on disk.

mod av;
mod av_scores;
mod classify;
mod confusion;
mod curve;
mod examples;
mod flow;
mod label_score;
mod labelled_files;
mod local;
mod log_spectrum;
mod optimiser;
mod pairs;
mod schedule;
mod sound_loss;
mod ssim;
mod state;
mod trainer;
mod variables;
mod variation;

pub use av::{AvBatch, AvTask, AvTrainer};
pub use av_scores::{AvScores, JudgedLabel};
pub use classify::{ClassifierModel, ClassifierStart, ClassifyBatch, ClassifyTask, ClassifyTrainer};
pub use confusion::{ClassScore, Confusion};
pub use curve::{Curve, CurvePoint};
pub use examples::{Example, Examples, ReadExamples};
pub use flow::{FlowBatch, FlowTask, FlowTrainer};
pub use label_score::LabelScore;
pub use labelled_files::LabelledFiles;
pub use log_spectrum::{SpectralDistance, SpectralDistances};
pub use optimiser::{AdamW, AdamWOptions};
pub use pairs::{FlowPair, FlowPairs};
pub use schedule::Schedule;
pub use trainer::{Task, Trainer, Training};
pub use variables::Variables;
