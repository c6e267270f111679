//! Names for a model's classes from a file.

use std::{path::Path, sync::Arc};

use perceiverflow::{
    Error, Result,
    media::{Label, Labels},
};

/// A name for each class, by its number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Names(Vec<Arc<str>>);

impl Names {
    /// Reads a file with a name in each line, one for each of `classes` classes.
    ///
    /// # Errors
    /// When the file cannot be read or has another number of lines.
    pub(super) fn read(path: &Path, classes: usize) -> Result<Self> {
        let refuse = |given: String| {
            let accepted = format!("a file with {classes} lines, a name for each class of the model");
            Error::option("labels-file", format!("{}: {given}", path.display()), accepted)
        };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let names: Vec<Arc<str>> = text.lines().map(|line| line.trim().into()).collect();
        if names.len() == classes { Ok(Self(names)) } else { Err(refuse(format!("{} lines", names.len()))) }
    }

    /// The same labels under these names.
    pub(super) fn rename(&self, labels: &Labels) -> Labels {
        let rename = |label: &Label| Label { name: self.0.get(label.index).unwrap_or(&label.name).clone(), ..label.clone() };
        Labels::new(labels.as_slice().iter().map(rename).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_class() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "cat\ngolden retriever \n").unwrap();
        let names = Names::read(file.path(), 2).unwrap();
        let label = |name: &str| Label { index: 1, name: name.into(), confidence: 0.5 };
        assert_eq!(names.rename(&Labels::new(vec![label("LABEL_1")])), Labels::new(vec![label("golden retriever")]));
        let message = Names::read(file.path(), 3).unwrap_err().to_string();
        assert!(message.contains("2 lines") && message.contains("3 lines"), "{message}");
        assert!(Names::read(Path::new("/nowhere"), 2).unwrap_err().to_string().contains("/nowhere"));
    }
}
