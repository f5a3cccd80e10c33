//! An edit of an incident before it is signed.

use super::terms::{KillChainPhase, Severity, Status};
use super::{Field, UnknownPhase, UnknownSeverity, UnknownStatus};
use crate::fact::{TextError, check_label, check_text};
use crate::value::Value;

/// Longest title, in bytes.
pub const TITLE_BYTES_MAX: usize = 256;
/// Longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 32 * 1024;
/// Longest name of a correlation rule, in bytes.
pub const RULE_BYTES_MAX: usize = 256;
/// Most techniques of one incident.
pub const TECHNIQUES_MAX: usize = 64;

/// A text that has not the form of a technique's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of an ATT&CK technique, as T1059 or T1059.001")]
pub struct UnknownTechnique(pub String);

/// Why an edit was refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text that may not be written as it is.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A status that does not exist.
    #[error(transparent)]
    Status(#[from] UnknownStatus),
    /// A severity that does not exist.
    #[error(transparent)]
    Severity(#[from] UnknownSeverity),
    /// A phase that does not exist.
    #[error(transparent)]
    Phase(#[from] UnknownPhase),
    /// A technique that is none.
    #[error(transparent)]
    Technique(#[from] UnknownTechnique),
    /// A value of the wrong kind.
    #[error("the value of {0} is of the wrong kind")]
    Kind(&'static str),
    /// Too many techniques.
    #[error("mitre_mapping has {0} entries, the limit is {TECHNIQUES_MAX}")]
    TooManyTechniques(usize),
    /// An incident that stands for nothing.
    #[error("event_count is 0, and an incident stands for at least one event")]
    NoEvents,
    /// An incident needs a title, so it cannot be cleared.
    #[error("an incident needs a title")]
    NoTitle,
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

/// An edit of an incident.
pub type IncidentEdit = crate::edit::Edit<Field>;

impl IncidentEdit {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error`] with the first field that is unfit.
    pub fn validate(&self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Err(Error::Nothing);
        }
        if self.0.get(&Field::Title) == Some(&None) {
            return Err(Error::NoTitle);
        }
        self.0.iter().filter_map(|(field, value)| Some((*field, value.as_ref()?))).try_for_each(check)
    }

    /// Checks the first edit of an incident, which needs a title.
    ///
    /// # Errors
    /// As [`IncidentEdit::validate`], and [`Error::NoTitle`].
    pub fn validate_report(&self) -> Result<(), Error> {
        self.validate()?;
        if self.0.contains_key(&Field::Title) { Ok(()) } else { Err(Error::NoTitle) }
    }
}

fn check((field, value): (Field, &Value)) -> Result<(), Error> {
    if !field.kind().fits(value) {
        return Err(Error::Kind(field.name()));
    }
    match (field, value) {
        (Field::Title, Value::Text(text)) => check_label("the title", text, TITLE_BYTES_MAX)?,
        (Field::Description, Value::Text(text)) => check_text("the description", text, DESCRIPTION_BYTES_MAX)?,
        (Field::CorrelationRule, Value::Text(text)) => check_label("correlation_rule", text, RULE_BYTES_MAX)?,
        (Field::Status, Value::Uint(number)) if Status::from_number(*number).is_none() => {
            return Err(UnknownStatus(number.to_string()).into());
        }
        (Field::Severity, Value::Uint(number)) if Severity::from_number(*number).is_none() => {
            return Err(UnknownSeverity(number.to_string()).into());
        }
        (Field::KillChainPhase, Value::Uint(number)) if KillChainPhase::from_number(*number).is_none() => {
            return Err(UnknownPhase(number.to_string()).into());
        }
        (Field::EventCount, Value::Uint(0)) => return Err(Error::NoEvents),
        (Field::MitreMapping, Value::List(techniques)) if techniques.len() > TECHNIQUES_MAX => {
            return Err(Error::TooManyTechniques(techniques.len()));
        }
        (Field::MitreMapping, Value::List(techniques)) => {
            techniques.iter().filter_map(Value::as_text).try_for_each(check_technique)?;
        }
        _ => {}
    }
    Ok(())
}

/// Checks the form of a technique's id: `T` and four digits, and for a sub-technique a dot and three more.
///
/// # Errors
/// [`UnknownTechnique`] for any other text.
pub fn check_technique(text: &str) -> Result<(), UnknownTechnique> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = text.strip_prefix('T').is_some_and(|number| match number.split_once('.') {
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        None => digits(number, 4),
    });
    if fits { Ok(()) } else { Err(UnknownTechnique(text.chars().take(32).collect())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfit_values_are_refused_by_name() {
        let check_one = |field: Field, value: Value, good: bool| {
            let edit = IncidentEdit::new().set(field, value.clone());
            assert_eq!(edit.validate().is_ok(), good, "{field:?} {value:?}");
        };
        check_one(Field::Title, "ssh login from nowhere".into(), true);
        check_one(Field::Title, "".into(), false);
        check_one(Field::Title, "two\nlines".into(), false);
        check_one(Field::Title, "a\u{202E}b".into(), false);
        check_one(Field::Title, Value::Text("x".repeat(TITLE_BYTES_MAX + 1)), false);
        check_one(Field::Title, Value::Uint(1), false);
        check_one(Field::Description, "two\nlines".into(), true);
        check_one(Field::Description, "a\0b".into(), false);
        check_one(Field::Description, Value::Text("x".repeat(DESCRIPTION_BYTES_MAX + 1)), false);
        check_one(Field::Status, Value::Uint(4), true);
        check_one(Field::Status, Value::Uint(5), false);
        check_one(Field::Severity, Value::Uint(5), false);
        check_one(Field::KillChainPhase, Value::Uint(6), true);
        check_one(Field::KillChainPhase, Value::Uint(7), false);
        check_one(Field::EventCount, Value::Uint(0), false);
        check_one(Field::MitreMapping, Value::List(vec!["T1059".into(), "T1059.001".into()]), true);
        check_one(Field::MitreMapping, Value::List(vec!["T1059".into(); TECHNIQUES_MAX + 1]), false);
        check_one(Field::MitreMapping, Value::List(vec![Value::Uint(1)]), false);
    }

    #[test]
    fn a_technique_is_known_by_its_form() {
        for good in ["T1059", "T1059.001"] {
            assert_eq!(check_technique(good), Ok(()), "{good}");
        }
        for bad in
            ["", "T", "t1059", "T105", "T10590", "T1059.", "T1059.1", "T1059.0011", "TA0001", "T١٠٥٩", "T1059.001.1"]
        {
            assert!(check_technique(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_report_needs_a_title_and_an_edit_cannot_take_it_away() {
        let severe = IncidentEdit::new().set(Field::Severity, Value::Uint(4));
        assert_eq!((severe.validate(), severe.validate_report()), (Ok(()), Err(Error::NoTitle)));
        assert_eq!(IncidentEdit::new().clear(Field::Title).validate(), Err(Error::NoTitle));
        assert_eq!(IncidentEdit::new().clear(Field::Description).validate(), Ok(()));
        assert_eq!(IncidentEdit::new().validate(), Err(Error::Nothing));
    }
}
