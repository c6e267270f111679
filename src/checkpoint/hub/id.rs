//! `owner/name@revision`.

use std::{fmt, str::FromStr};

use crate::error::Error;

/// The revision that is meant where none is given.
const MAIN: &str = "main";

/// A model of the Hub: `owner/name`, at a branch, tag or commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubId {
    repository: String,
    revision: Option<String>,
}

impl HubId {
    /// `owner/name`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The branch, tag or commit; `main` where none was given.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }
}

impl FromStr for HubId {
    type Err = Error;

    /// Reads `owner/name` or `owner/name@revision`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        let is_id = repository.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name));
        // Both become parts of a path: of a folder's name, and of a file's.
        let is_revision = revision.is_none_or(|revision| revision.split('/').all(is_name));
        if is_id && is_revision {
            Ok(Self { repository: repository.to_owned(), revision: revision.map(str::to_owned) })
        } else {
            Err(Error::option("model", text, "owner/name or owner/name@revision, as on the Hugging Face Hub"))
        }
    }
}

/// What the Hub accepts: letters, digits, `-`, `_` and `.`, not two of the last or of dashes in a row, which also keeps `..` out of paths.
fn is_name(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_outer = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_inner)
        && text.starts_with(is_outer)
        && text.ends_with(is_outer)
        && !text.contains("--")
        && !text.contains("..")
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.revision {
            Some(revision) => write!(f, "{}@{revision}", self.repository),
            None => f.write_str(&self.repository),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_revisions_are_told_apart() {
        let plain: HubId = "deepmind/optical-flow-perceiver".parse().unwrap();
        assert_eq!((plain.repository(), plain.revision()), ("deepmind/optical-flow-perceiver", "main"));
        let branch: HubId = "owner/name@refs/pr/1".parse().unwrap();
        assert_eq!((branch.repository(), branch.revision()), ("owner/name", "refs/pr/1"));
        assert_eq!(branch.to_string(), "owner/name@refs/pr/1");
    }

    #[test]
    fn what_could_leave_the_cache_or_be_a_path_is_no_id() {
        for text in [
            "name", "/name", "owner/", "a/b/c", "../name", "owner/..", "./name", "a--b/c", "a b/c", "a/b@", "a/b@../c",
            "a/b@c//d",
        ] {
            assert!(text.parse::<HubId>().is_err(), "{text}");
        }
    }
}
