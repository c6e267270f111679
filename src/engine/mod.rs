//! Models at work: one thread for each loaded model, fed by any number of streams, and a synchronous session for one stream.

mod multimodal;
mod session;
mod stats;
mod worker;

pub use multimodal::{Answer, MultimodalWorker, Question};
pub use session::{FlowResult, FlowSession};
pub use stats::WorkerStats;
pub use worker::{Ticket, Worker, WorkerOptions};
