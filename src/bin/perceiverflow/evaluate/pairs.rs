//! Which pictures and which known flow belong together.

use std::path::{Path, PathBuf};

use perceiverflow::{Error, Result};

/// Two pictures and the flow from the first to the second.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) first: PathBuf,
    pub(super) second: PathBuf,
    pub(super) flow: PathBuf,
    pub(super) visible: Option<PathBuf>,
}

impl Pair {
    /// Whether a file of the pair has the size of its first picture.
    pub(super) fn same_size(&self, path: &Path, given: (usize, usize), accepted: (usize, usize)) -> Result<()> {
        if given == accepted {
            return Ok(());
        }
        let reason = format!(
            "its size {}x{} differs from the {}x{} of {}",
            given.0,
            given.1,
            accepted.0,
            accepted.1,
            self.first.display()
        );
        Err(Error::format(path, reason))
    }
}

/// The pairs of a folder, by their names, or of a list.
///
/// # Errors
/// When there are none, or a line of the list does not name three or four files.
pub(super) fn find(source: &Path) -> Result<Vec<Pair>> {
    let pairs = if source.is_dir() { in_folder(source)? } else { in_list(source)? };
    if pairs.is_empty() {
        return Err(Error::format(
            source,
            "no pair found; accepted are NAME_1.png, NAME_2.png and NAME.flo, or lines that name them",
        ));
    }
    Ok(pairs)
}

fn in_folder(folder: &Path) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let first = entry.map_err(Error::io(folder))?.path();
        let Some(name) = first.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_suffix("_1")) else {
            continue;
        };
        let there = |ending: &str| Some(folder.join(format!("{name}{ending}"))).filter(|path| path.is_file());
        let picture = |suffix: &str| ["png", "jpg", "jpeg"].iter().find_map(|extension| there(&format!("{suffix}.{extension}")));
        let known = picture("_1").filter(|known| *known == first).and(picture("_2")).zip(there(".flo").or_else(|| there(".png")));
        if let Some((second, flow)) = known {
            pairs.push(Pair { name: name.to_owned(), visible: there("_valid.png"), first, second, flow });
        }
    }
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pairs)
}

fn in_list(list: &Path) -> Result<Vec<Pair>> {
    let text = std::fs::read_to_string(list).map_err(Error::io(list))?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let mut files = line.split_whitespace().map(|file| folder.join(file));
            let mut next = || files.next();
            match (next(), next(), next(), next(), next()) {
                (Some(first), Some(second), Some(flow), visible, None) => {
                    let name = flow.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    Ok(Pair { name, first, second, flow, visible })
                }
                _ => Err(Error::format(
                    list,
                    format!(
                        "line {}: accepted are three or four file names with blanks between, or a comment behind #",
                        number + 1
                    ),
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_pairs_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            ["b_1.png", "b_2.png", "b.flo", "b_valid.png", "a_1.jpg", "a_2.png", "a.png", "lone_1.png", "c_1.png", "c_2.png"];
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let pairs = find(folder.path()).unwrap();
        let names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(pairs[0].flow.ends_with("a.png") && pairs[0].visible.is_none());
        assert!(pairs[1].flow.ends_with("b.flo") && pairs[1].visible.is_some());
    }

    #[test]
    fn a_list_names_files_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        std::fs::write(&list, "# ours\n1.png 2.png flow/x.flo\n\n1.png 2.png y.png mask.png\n").unwrap();
        let pairs = find(&list).unwrap();
        assert_eq!((pairs[0].name.as_str(), pairs[1].name.as_str()), ("x", "y"));
        assert_eq!(pairs[0].flow, folder.path().join("flow/x.flo"));
        std::fs::write(&list, "1.png 2.png\n").unwrap();
        assert!(find(&list).unwrap_err().to_string().contains("line 1"));
        std::fs::write(&list, "# nothing\n").unwrap();
        assert!(find(&list).unwrap_err().to_string().contains("no pair"));
    }
}
