//! Numbers against the reference implementation: every fixture in `tests/fixtures`, float32, relative error at most 2e-5 for each tensor.

mod fixture;
mod models;
mod parts;
mod tiling;
