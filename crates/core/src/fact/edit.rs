//! An edit of a fact before it is signed.

use super::text::{TextError, check_content, check_label};
use super::{Field, Level, UnknownLevel};
use crate::value::Value;

/// Longest domain, module, tag, role or source, in bytes.
const LABEL_BYTES_MAX: usize = 256;
/// Longest code reference or path, in bytes.
const REFERENCE_BYTES_MAX: usize = 1_024;
/// Most entries of tags, anchors or sources of derivation.
const ENTRIES_MAX: usize = 64;

/// Why an edit was refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text that may not be remembered as it is.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A level that does not exist.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
    /// A value of the wrong kind.
    #[error("the value of {0} is of the wrong kind")]
    Kind(&'static str),
    /// A list with too many entries.
    #[error("{what} has {got} entries, the limit is {ENTRIES_MAX}")]
    TooMany {
        /// Which field.
        what: &'static str,
        /// Entries it has.
        got: usize,
    },
    /// A number outside its range.
    #[error("{what} is {got}, the limit is {limit}")]
    Range {
        /// Which field.
        what: &'static str,
        /// What was given.
        got: u64,
        /// What is allowed.
        limit: u64,
    },
    /// It changes nothing.
    #[error("the edit sets no field")]
    Nothing,
}

impl Error {
    /// Whether writing the text in its visible form would mend it.
    pub fn is_invisible(&self) -> bool {
        matches!(self, Self::Text(error) if error.is_invisible())
    }
}

/// An edit of a fact.
pub type Edit = crate::edit::Edit<Field>;

impl Edit {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error`] with the first field that is unfit.
    pub fn validate(&self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Err(Error::Nothing);
        }
        self.0.iter().filter_map(|(field, value)| Some((*field, value.as_ref()?))).try_for_each(check)
    }
}

fn check((field, value): (Field, &Value)) -> Result<(), Error> {
    if !field.kind().fits(value) {
        return Err(Error::Kind(field.name()));
    }
    match (field, value) {
        (Field::Content, Value::Text(text)) => check_content(text)?,
        (Field::CodeRef, Value::Text(text)) => check_label("code_ref", text, REFERENCE_BYTES_MAX)?,
        (Field::Source, Value::Text(text)) => check_label("source", text, REFERENCE_BYTES_MAX)?,
        (_, Value::Text(text)) => check_label(field.name(), text, LABEL_BYTES_MAX)?,
        (_, Value::List(entries)) => check_list(field, entries)?,
        (Field::Level, Value::Uint(level)) if Level::from_number(*level).is_none() => {
            return Err(UnknownLevel(level.to_string()).into());
        }
        (Field::Confidence, Value::Uint(got)) => within(field, *got, 1_000)?,
        (Field::OnExpire, Value::Uint(got)) => within(field, *got, 2)?,
        _ => {}
    }
    Ok(())
}

fn within(field: Field, got: u64, limit: u64) -> Result<(), Error> {
    if got > limit { Err(Error::Range { what: field.name(), got, limit }) } else { Ok(()) }
}

fn check_list(field: Field, entries: &[Value]) -> Result<(), Error> {
    if entries.len() > ENTRIES_MAX {
        return Err(Error::TooMany { what: field.name(), got: entries.len() });
    }
    let texts = entries.iter().flat_map(|entry| match entry {
        Value::List(parts) => parts.as_slice(),
        _ => std::slice::from_ref(entry),
    });
    for text in texts.filter_map(Value::as_text) {
        check_label(field.name(), text, REFERENCE_BYTES_MAX)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfit_values_are_refused_by_name() {
        let check_one = |field: Field, value: Value, good: bool| {
            assert_eq!(Edit::new().set(field, value.clone()).validate().is_ok(), good, "{field:?} {value:?}");
        };
        check_one(Field::Content, "a fact".into(), true);
        check_one(Field::Content, "x".repeat(LABEL_BYTES_MAX + 1).as_str().into(), true);
        check_one(Field::Content, "".into(), false);
        check_one(Field::Content, Value::Uint(1), false);
        check_one(Field::Level, Value::Uint(7), false);
        check_one(Field::Level, Value::Uint(3), true);
        check_one(Field::Confidence, Value::Uint(1_001), false);
        check_one(Field::OnExpire, Value::Uint(2), true);
        check_one(Field::OnExpire, Value::Uint(3), false);
        check_one(Field::Tags, Value::List(vec!["a".into(), "b".into()]), true);
        check_one(Field::Tags, Value::List(vec!["a\0".into()]), false);
        check_one(Field::Tags, Value::List(vec!["t".into(); 65]), false);
        check_one(Field::Parent, Value::Bytes(vec![0; 15]), false);
        check_one(Field::Anchors, Value::List(vec![Value::List(vec!["src/a.rs".into(), "ab12".into()])]), true);
        let hidden = "a\u{202e}b";
        for field in [Field::Domain, Field::Module, Field::Role, Field::CodeRef, Field::Source] {
            check_one(field, "src/a.rs".into(), true);
            check_one(field, hidden.into(), false);
            let short = matches!(field, Field::Domain | Field::Module | Field::Role);
            check_one(field, "x".repeat(257).as_str().into(), !short);
            check_one(field, "x".repeat(1_025).as_str().into(), false);
        }
        check_one(Field::Anchors, Value::List(vec![Value::List(vec![hidden.into(), "ab12".into()])]), false);
        assert_eq!(Edit::new().validate(), Err(Error::Nothing));
    }

    #[test]
    fn only_a_text_that_hides_something_would_be_mended_by_showing_it() {
        let refused = |field: Field, value: Value| Edit::new().set(field, value).validate().unwrap_err();
        assert!(refused(Field::Content, "a\u{202e}b".into()).is_invisible());
        assert!(!refused(Field::Content, "".into()).is_invisible());
        assert!(!refused(Field::Level, Value::Uint(7)).is_invisible());
    }
}
