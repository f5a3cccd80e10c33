//! Facts that may not be remembered.

use antiphon_core::fact::{CONTENT_BYTES_MAX, Error, Level, TextError};

use super::{Code, Problem};

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let problem = Self::new(Code::Invalid, error.to_string());
        match error {
            Error::Text(text) => from_text(problem, text),
            Error::Level(_) => problem.hint(format!("use one of {}", levels())),
            Error::TooMany { .. } => problem.hint("give the most telling ones"),
            Error::Range { what: "confidence", .. } => problem.hint("confidence goes from 0 to 1, as in 0.8"),
            Error::Nothing => {
                problem.hint("name at least one field to change, as in: antiphon facts edit ID --content TEXT")
            }
            Error::Kind(_) | Error::Range { .. } => problem,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

fn from_text(problem: Problem, error: &TextError) -> Problem {
    match error {
        TextError::Empty { .. } => problem.hint("give it a text; a fact is removed with: antiphon facts forget ID"),
        TextError::TooLong { limit: CONTENT_BYTES_MAX, .. } => problem
            .why("an agent reads a fact whole, and it travels to every member in one message")
            .hint("split it, or let its headings split it: antiphon import markdown PATH"),
        TextError::TooLong { .. } => problem.hint("shorten it; long text belongs in the content"),
        TextError::Invisible { .. } => problem
            .why("such characters hide or reorder what people and agents see")
            .hint("keep them in a visible form with --escape (in JSON: \"escape\": true)"),
    }
}

/// Every level for people.
pub(crate) fn levels() -> String {
    let one = |level: Level| format!("{} {}", level.number(), level.name());
    Level::ALL.map(one).join(", ")
}

#[cfg(test)]
mod tests {
    use antiphon_core::fact::{Edit, Field, check_content};
    use antiphon_core::value::Value;

    use super::*;

    fn check(error: impl Into<Error>, what: &str, hint: &str) {
        let problem = Problem::from(error.into());
        assert!(problem.what.contains(what), "{problem}");
        assert!(problem.hint.as_ref().is_some_and(|text| text.contains(hint)), "{problem}");
        assert_eq!((problem.code, problem.exit), (Code::Invalid, 2));
    }

    #[test]
    fn every_refused_fact_says_what_to_do() {
        check(check_content(&"x".repeat(10_000_000)).unwrap_err(), "10000000 bytes, the limit is 61440", "split it");
        check(check_content("a\0b").unwrap_err(), "U+0000", "--escape");
        check(check_content("a\u{202E}b").unwrap_err(), "U+202E", "\"escape\": true");
        check(check_content(" ").unwrap_err(), "is empty", "forget");
        check("7".parse::<Level>().unwrap_err(), "\"7\" is not a level", "3 snippet");
        check(Edit::new().set(Field::Level, Value::Uint(7)).validate().unwrap_err(), "not a level", "0 project");
        check(Edit::new().validate().unwrap_err(), "no field", "facts edit");
        check(Edit::new().set(Field::Confidence, Value::Uint(2_000)).validate().unwrap_err(), "2000", "0 to 1");
    }
}
