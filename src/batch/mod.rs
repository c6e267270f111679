//! Archives: many files through one model, with nothing lost and nothing done twice.
//!
//! ```text
//! files → demux and decode → windows → model → write → rows, flow, latents, media, cues
//!           one thread each for every worker  one     one
//! ```
//!
//! The stages wait for each other on bounded channels; windows of all files that are open share the model's calls. A run owns a folder:
//!
//! | in the folder | what it is |
//! |---|---|
//! | `results.jsonl` | a row for every window ([`Row`]), in the order in which they were made |
//! | `results.parquet` | the same as a table, made when a run is over (feature `parquet`) |
//! | `journal.jsonl` | what happened to every file |
//! | `report.json` | the [`Report`] of the latest run |
//! | `flow/ID/000012.flo` | the flow of a window, on request |
//! | `latents/ID.safetensors` | the latents of a file |
//! | `media/ID.mp4`, `.wav` | a reconstruction |
//! | `labels/ID.vtt` | the labels of a file as WebVTT, on request |
//!
//! Runs that share the work ([`Shard`]) have such a folder each, in one folder with the plan that they go by, `plan-of-N.jsonl`
//! ([`ShardPlan`]); [`merge`] makes one of them.
//!
//! A window counts as soon as its row is there, which comes after everything else that is made of it. Rows and journal only grow, by
//! whole lines; everything else is written beside and renamed. So a process can be killed at any moment: the next run
//! ([`Settings::resume`]) cuts off what is half a line, and goes on inside each file with the first window that has no row. What
//! lies before the last key frame that this needs is not decoded, nor is it for the parts of a long file, but for its sound.

mod calls;
mod cause;
mod clips;
mod content;
mod earlier;
mod event;
mod folder;
mod gaps;
mod intervals;
mod job;
mod journal;
mod lines;
mod manifest;
mod merge;
mod pieces;
mod plan;
mod product;
mod queue;
mod reading;
mod report;
mod results;
mod row;
mod run;
mod shard;
mod spool;
mod stages;
#[cfg(feature = "parquet")]
mod table;
mod wanted;
mod windows;
mod worker;
mod writer;

pub use clips::{Clips, Cutting};
pub use event::Event;
pub use job::Job;
pub use manifest::{FileOptions, Input, gather};
pub use merge::merge;
pub use plan::ShardPlan;
pub use report::{Damaged, Failure, FileCounts, Report, StageUse, Stopped};
pub use row::{FlowStatistics, Row, RowLabel, SCHEMA};
pub use run::{Run, Settings};
pub use shard::Shard;
