//! Pango markup to the text that it shows.

/// The entities that markup knows by name.
const ENTITIES: [(&str, char); 5] = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];

/// The text without its tags, entities as the characters that they stand for. What is no whole tag or entity stays as it is written.
pub(super) fn plain(markup: &str) -> String {
    let mut plain = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find(['<', '&']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = if rest.starts_with('<') { '>' } else { ';' };
        let whole = rest.find(end).map(|length| (&rest[1..length], &rest[length + 1..]));
        let read = whole.and_then(|(inside, behind)| match end {
            '>' => Some((None, behind)),
            _ => Some((Some(entity(inside)?), behind)),
        });
        let (shown, behind) = read.unwrap_or((rest.chars().next(), &rest[1..]));
        plain.extend(shown);
        rest = behind;
    }
    plain + rest
}

/// What `&name;` stands for.
fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return number.ok().and_then(char::from_u32);
    }
    ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, character)| *character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_entities_are_read() {
        for (markup, shown) in [
            ("<i>He[MASK]lo</i> <span color=\"red\">you</span>", "He[MASK]lo you"),
            ("Tom &amp; J&#233;r&#xE9;my &lt;b&gt; &apos;&quot;", "Tom & Jérémy <b> '\""),
            ("&amp;lt;", "&lt;"),
            ("R&D; 1 < 2 & 3", "R&D; 1 < 2 & 3"),
            ("&#x110000; &;é&", "&#x110000; &;é&"),
            ("", ""),
        ] {
            assert_eq!(plain(markup), shown, "{markup}");
        }
    }
}
