//! Speed, side by side: each group times our way beside the plain one, on the same numbers in the same run. Read the ratios; the absolute
//! times belong to the machine.
//!
//! ```text
//! cargo bench                      everything, and the archives of benches/archive.rs
//! cargo bench -- attention         one subject
//! ```

mod attention;
mod decoder;
mod encoder;
mod flow;
mod random;

criterion::criterion_main!(attention::benches, encoder::benches, decoder::benches, flow::benches);
