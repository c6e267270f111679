//! The house's floors (ARCHITECTURE.md): a room imports only rooms on lower floors, and every room has a floor.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Rooms of `src/`, from the ground up.
const FLOORS: [&[&str]; 8] = [
    &["error"],
    &["builtin", "compute", "media"],
    &["formats", "perceiver", "render", "scene"],
    &["checkpoint"],
    &["tasks"],
    &["engine", "train", "video_file"],
    &["batch", "serve"],
    &["bin"],
];

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| panic!("{room} has no floor; see ARCHITECTURE.md"))
}

fn source() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// The room a file belongs to; none for `lib.rs`, which names all of them.
fn room(file: &Path) -> Option<String> {
    let first = file.strip_prefix(source()).unwrap().components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    let name = first.trim_end_matches(".rs").to_owned();
    (name != "lib").then_some(name)
}

/// What follows `crate::` in a text: one name, or the names of a group's members.
fn imports(text: &str, root: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(root) {
        let rest = &text[at + root.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(name(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if c.is_whitespace() => {}
                _ if begins => {
                    found.insert(name(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    // Types re-exported at the root, and macros, are no rooms.
    found.retain(|name| name.chars().next().is_some_and(char::is_lowercase));
    found
}

#[test]
fn rooms_import_only_lower_floors() {
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let Some(room) = room(&file) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        let root = if room == "bin" { "perceiverflow::" } else { "crate::" };
        for import in imports(&text, root) {
            // Inside the program `crate::` means the program itself.
            let is_module_here = source().join(&import).is_dir() || source().join(format!("{import}.rs")).is_file();
            if is_module_here && import != room && floor(&import) >= floor(&room) {
                wrong.push(format!("{} imports {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_room_without_a_purpose_in_its_name() {
    for file in files(&source()) {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!["util", "utils", "helper", "helpers", "common", "misc"].contains(&stem.as_str()), "{}", file.display());
    }
}

#[test]
fn groups_and_single_imports_are_read() {
    let text = "use crate::{error::{Error, Result}, media::Frame};\nuse crate::tasks::A; crate::Type";
    assert_eq!(imports(text, "crate::"), ["error", "media", "tasks"].map(String::from).into());
}
