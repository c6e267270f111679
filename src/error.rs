//! The one error type: every variant says what was given and what would have been accepted.

use std::path::{Path, PathBuf};

/// What can go wrong, in the terms of whoever called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read but does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what would be accepted.
        reason: String,
    },
    /// An option, property or argument outside what is accepted.
    #[error("{name} = {given}: accepted is {accepted}")]
    Option {
        /// Its name, as the user wrote it.
        name: String,
        /// What was given.
        given: String,
        /// What would be accepted.
        accepted: String,
    },
    /// A field of a model's `config.json`, alone or against another field.
    #[error("config.json: {field} = {given}: accepted is {accepted}")]
    Config {
        /// Its name in `config.json`.
        field: String,
        /// What was given.
        given: String,
        /// What would be accepted.
        accepted: String,
    },
    /// A tensor of the wrong shape, type or size.
    #[error("tensor {name}: given {given}, accepted is {accepted}")]
    Tensor {
        /// Its published name, or its role.
        name: String,
        /// The shape or type given.
        given: String,
        /// What would be accepted.
        accepted: String,
    },
    /// A checkpoint whose tensors are not those its configuration asks for.
    #[error("{}: {}", path.display(), lines.join("; "))]
    Checkpoint {
        /// The checkpoint's folder or name.
        path: PathBuf,
        /// One line for each missing, surplus or wrong-shaped tensor.
        lines: Vec<String>,
    },
    /// A model of the Hugging Face Hub that is not in the cache, or cannot be fetched.
    #[error("{id}: {reason}")]
    Hub {
        /// The model, as the user wrote it.
        id: String,
        /// Why it is not there, and what would help.
        reason: String,
    },
    /// A device that is not there, or that this build cannot use.
    #[error("device {device}: {reason}")]
    Device {
        /// The device, as the user wrote it.
        device: String,
        /// Why it cannot be used, and what could be.
        reason: String,
    },
    /// The worker that owned the model has ended.
    #[error("the worker of model {model} has stopped: {reason}")]
    Stopped {
        /// The model it ran.
        model: String,
        /// Why it ended.
        reason: String,
    },
    /// Another thread asked for the work to end.
    #[error("interrupted")]
    Interrupted,
    /// The tensor library refused an operation.
    #[error(transparent)]
    Compute(#[from] candle_core::Error),
}

/// What every fallible function here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An option, property or argument `name`, given as `given` where `accepted` was asked for.
    pub fn option(name: impl Into<String>, given: impl ToString, accepted: impl Into<String>) -> Self {
        Self::Option { name: name.into(), given: given.to_string(), accepted: accepted.into() }
    }

    /// A field of `config.json`, given as `given` where `accepted` was asked for.
    pub fn config(field: impl Into<String>, given: impl ToString, accepted: impl Into<String>) -> Self {
        Self::Config { field: field.into(), given: given.to_string(), accepted: accepted.into() }
    }

    /// A tensor `name` of shape or type `given` where `accepted` was asked for.
    pub fn tensor(name: impl Into<String>, given: impl std::fmt::Debug, accepted: impl Into<String>) -> Self {
        Self::Tensor { name: name.into(), given: format!("{given:?}"), accepted: accepted.into() }
    }

    /// A file whose content is not what it should be.
    pub fn format(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// Turns a system error about `path` into this type: `.map_err(Error::io(path))`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}
