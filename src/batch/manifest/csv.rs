//! Comma-separated values as RFC 4180 has them: fields in quotes hold commas, line ends and doubled quotes.

/// The records of a text, each with the number of its first line. Empty lines are left out.
pub(super) fn records(text: &str) -> Vec<(usize, Vec<String>)> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begin, mut quoted) = (1, 1, false);
    let mut characters = text.strip_prefix('\u{FEFF}').unwrap_or(text).chars().peekable();
    while let Some(character) = characters.next() {
        line += usize::from(character == '\n');
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => field.extend(characters.next()),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                end_record(&mut records, begin, &mut record, &mut field);
                begin = line;
            }
            other => field.push(other),
        }
    }
    end_record(&mut records, begin, &mut record, &mut field);
    records
}

fn end_record(records: &mut Vec<(usize, Vec<String>)>, begin: usize, record: &mut Vec<String>, field: &mut String) {
    if !record.is_empty() || !field.is_empty() {
        record.push(std::mem::take(field));
        records.push((begin, std::mem::take(record)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_quotes_and_line_ends() {
        let text = "\u{FEFF}a,b\r\n\"x, \"\"y\"\"\nz\",\n\n,2";
        let expected = [(1, vec!["a", "b"]), (2, vec!["x, \"y\"\nz", ""]), (5, vec!["", "2"])];
        let expected = expected.map(|(line, record)| (line, record.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        assert_eq!(records(text), expected);
        assert_eq!(records(""), []);
    }
}
