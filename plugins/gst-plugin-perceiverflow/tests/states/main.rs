//! Every element with a model, and every task of the bin, through states, flushes and seeks: they end, and leave nothing behind.

mod changes;
mod leaks;
mod lines;
#[path = "../small_model/mod.rs"]
mod small_model;
