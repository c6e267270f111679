//! What comes through a pipe.

use std::io::{BufRead, IsTerminal, Read};

use perceiverflow::{Error, Result};

use crate::misused;

/// How it is called in messages and results.
pub(crate) const NAME: &str = "standard input";

/// Whether a person sits at it: then nobody has piped anything in.
pub(crate) fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// All of it.
pub(crate) fn bytes() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(Error::io(NAME))?;
    Ok(bytes)
}

/// Its lines as they come, without their ends. One that is no UTF-8 is an error that names it; those after it go on.
pub(crate) fn lines() -> impl Iterator<Item = Result<String>> {
    let (mut stdin, mut number) = (std::io::stdin().lock(), 0_u64);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        number += 1;
        match stdin.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                let ending = [&b"\r\n"[..], b"\n"].into_iter().find(|ending| line.ends_with(ending)).map_or(0, <[u8]>::len);
                line.truncate(line.len() - ending);
                let name = format!("{NAME}, line {number}");
                Some(String::from_utf8(line).map_err(|e| Error::format(name, format!("accepted is UTF-8 ({})", e.utf8_error()))))
            }
            Err(error) => Some(Err(Error::io(NAME)(error))),
        }
    })
}

/// The texts of a `command`: those that were given, with `-` for the lines of standard input, or these lines alone. And how many there are,
/// where that is known.
pub(crate) fn texts<'a>(command: &str, given: &'a [String]) -> (Box<dyn Iterator<Item = Result<String>> + 'a>, Option<usize>) {
    if given.is_empty() && is_terminal() {
        misused(command, "give one TEXT or more, or - and type a text on each line");
    }
    if given.is_empty() {
        return (Box::new(lines()), None);
    }
    let expected = (!given.iter().any(|text| text == "-")).then_some(given.len());
    let texts = given.iter().flat_map(|text| -> Box<dyn Iterator<Item = _>> {
        if text == "-" { Box::new(lines()) } else { Box::new(std::iter::once(Ok(text.clone()))) }
    });
    (Box::new(texts), expected)
}
