//! Every element with a model, and every task of the bin, through states, flushes and seeks: they end, and leave nothing behind.

mod changes;
mod leaks;
mod lines;
