//! Patterns of names, for where no shell resolves them: `*` and `?` within a name, `[a-z]` and `[!a]` for one character, `**` for any
//! number of folders.

use std::path::{Component, Path, PathBuf};

use super::folder::walk;
use crate::error::{Error, Result};

/// Whether a path is a pattern.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The files that a pattern fits, by name.
pub(super) fn matches(pattern: &Path) -> Result<Vec<PathBuf>> {
    let fixed: PathBuf = pattern.components().take_while(|part| !is_pattern(Path::new(part))).collect();
    let parts: Vec<String> = pattern.components().skip(fixed.components().count()).map(|part| text(&part)).collect();
    let folder = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        let path = path.strip_prefix(".").unwrap_or(&path).to_owned();
        let below = path.strip_prefix(&fixed).unwrap_or(&path);
        let names: Vec<String> = below.components().map(|part| text(&part)).collect();
        if fits(&parts, &names) {
            found.push(path);
        }
    })?;
    if found.is_empty() {
        return Err(Error::option("INPUTS", pattern.display(), "a pattern that fits at least one file"));
    }
    Ok(found)
}

fn text(part: &Component<'_>) -> String {
    part.as_os_str().to_string_lossy().into_owned()
}

/// Whether the names of a path fit the parts of a pattern.
fn fits(parts: &[String], names: &[String]) -> bool {
    match parts.split_first() {
        None => names.is_empty(),
        Some((part, rest)) if part == "**" => (0..=names.len()).any(|from| fits(rest, &names[from..])),
        Some((part, rest)) => names.split_first().is_some_and(|(name, names)| {
            name_fits(&part.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>()) && fits(rest, names)
        }),
    }
}

/// Whether one name fits one part.
fn name_fits(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len()).any(|from| name_fits(rest, &name[from..])),
        (['?', rest @ ..], [_, name @ ..]) => name_fits(rest, name),
        (['[', rest @ ..], [first, after @ ..]) => match rest.iter().skip(1).position(|&character| character == ']') {
            Some(end) => class_has(&rest[..=end], *first) && name_fits(&rest[end + 2..], after),
            // A bracket that is never closed stands for itself.
            None => *first == '[' && name_fits(rest, after),
        },
        ([character, rest @ ..], [first, name @ ..]) => character == first && name_fits(rest, name),
        _ => false,
    }
}

/// Whether `[…]` has a character: single ones, and ranges of them; `!` at the beginning turns it round.
fn class_has(class: &[char], character: char) -> bool {
    let (turned, mut class) = match class {
        ['!', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let mut found = false;
    while let Some((&first, rest)) = class.split_first() {
        match rest {
            ['-', last, rest @ ..] => {
                found |= (first..=*last).contains(&character);
                class = rest;
            }
            _ => {
                found |= first == character;
                class = rest;
            }
        }
    }
    found != turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        let fits = |pattern: &str, name: &str| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            name_fits(&chars(pattern), &chars(name))
        };
        for (pattern, name) in
            [("*.mp4", "a.mp4"), ("a?c*", "abc"), ("[a-c]x", "bx"), ("[!a-c]x", "dx"), ("[]a]", "]"), ("[a", "[a"), ("*", "")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.mp4", "a.mp3"), ("a?c", "ac"), ("[a-c]", "d"), ("[!a]", "a"), ("a", "ab")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn two_stars_are_any_number_of_folders() {
        let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        for path in ["x.mp4", "a/x.mp4", "a/b/x.mp4"] {
            assert!(fits(&parts("**/x.mp4"), &parts(path)), "{path}");
        }
        assert!(!fits(&parts("a/*/x.mp4"), &parts("a/x.mp4")));
    }
}
