//! Caps of text.

const TEXT: &str = "text/x-raw";
const PLAIN: &str = "utf8";
const MARKUP: &str = "pango-markup";

/// Plain UTF-8.
pub(crate) fn text() -> gst::Caps {
    gst::Caps::builder(TEXT).field("format", PLAIN).build()
}

/// Plain or with markup.
pub(crate) fn any_text() -> gst::Caps {
    gst::Caps::builder(TEXT).field("format", gst::List::new([PLAIN, MARKUP])).build()
}

/// Whether a fixed caps of [`any_text`] has markup.
pub(crate) fn is_markup(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|structure| structure.get::<&str>("format") == Ok(MARKUP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_one_of_two_forms_that_come_in_and_never_leaves() {
        gst::init().unwrap();
        let marked = gst::Caps::builder(TEXT).field("format", MARKUP).build();
        assert!(marked.is_subset(&any_text()) && text().is_subset(&any_text()));
        assert!(is_markup(&marked) && !is_markup(&text()));
    }
}
