//! `perceiverflow batch` on rendered clips: what it makes, what it does when files or disks fail, when it is killed, and when it is shared.
#![cfg(all(feature = "cli", feature = "video-file"))]

mod addresses;
mod disks;
mod examples;
mod failures;
mod lists;
mod parts;
mod place;
#[path = "../recordings/mod.rs"]
mod recordings;
mod restart;
mod shards;
mod tasks;
mod three_hundred;
#[cfg(unix)]
mod watching;
