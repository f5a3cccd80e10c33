//! What a command line says of fields that are changed: what is not named stays as it is.

use antiphon_server::dto::Change;

/// A text takes the place of the present one, and an empty one clears it.
pub(super) fn set_or_clear(text: Option<String>) -> Change<String> {
    match text {
        Some(text) if text.is_empty() => Change::Clear,
        text => Change::from_option(text),
    }
}

/// Labels take the place of all present ones, or there are to be none.
pub(super) fn replaced(labels: Vec<String>, none: bool) -> Change<Vec<String>> {
    match none {
        true => Change::Clear,
        false => Change::from_option(Some(labels).filter(|labels| !labels.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_clears_and_a_missing_one_keeps() {
        assert_eq!(set_or_clear(None), Change::Keep);
        assert_eq!(set_or_clear(Some(String::new())), Change::Clear);
        assert_eq!(set_or_clear(Some("a".into())), Change::Set("a".into()));
        assert_eq!(replaced(Vec::new(), false), Change::Keep);
        assert_eq!(replaced(Vec::new(), true), Change::Clear);
        assert_eq!(replaced(vec!["a".into()], false), Change::Set(vec!["a".into()]));
    }
}
