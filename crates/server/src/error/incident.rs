//! Incidents that may not be reported or changed.

use antiphon_core::fact::TextError;
use antiphon_core::incident::{Error, KillChainPhase, Severity, Status};

use super::{Code, Problem};

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let problem = Self::new(Code::Invalid, error.to_string());
        match error {
            Error::Text(text) => from_text(problem, text),
            Error::Status(_) => problem.hint(format!("use one of {}", Status::names())),
            Error::Severity(_) => problem.hint(format!("use one of {}", Severity::names())),
            Error::Phase(_) => problem.hint(format!("use one of {}", KillChainPhase::names())),
            Error::Technique(_) => problem.hint("look it up at https://attack.mitre.org/techniques"),
            Error::TooManyTechniques(_) => problem.hint("give the most telling ones"),
            Error::NoEvents => problem.hint("count at least 1: --event-count 1"),
            Error::NoTitle => problem.hint("say what happened on one line: antiphon incidents report TITLE"),
            Error::Nothing => problem
                .hint("name at least one field to change, as in: antiphon incidents update ID --status contained"),
            Error::Kind(_) => problem,
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
        TextError::Empty { .. } => problem.hint("say what happened: antiphon incidents report TITLE"),
        TextError::TooLong { .. } => problem.hint("shorten it; what is known goes into the description"),
        TextError::Invisible { .. } => problem
            .why("such characters hide or reorder what people and agents see")
            .hint("keep them in a visible form with --escape (in JSON: \"escape\": true)"),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::incident::{Field, IncidentEdit, check_technique};
    use antiphon_core::value::Value;

    use super::*;

    fn check(error: impl Into<Error>, what: &str, hint: &str) {
        let problem = Problem::from(error.into());
        assert!(problem.what.contains(what), "{problem}");
        assert!(problem.hint.as_ref().is_some_and(|text| text.contains(hint)), "{problem}");
        assert_eq!((problem.code, problem.exit), (Code::Invalid, 2));
    }

    #[test]
    fn every_refused_incident_says_what_to_do() {
        let titled = |title: &str| IncidentEdit::new().set(Field::Title, title.into()).validate();
        check(titled(" ").unwrap_err(), "the title is empty", "incidents report TITLE");
        check(titled("a\0b").unwrap_err(), "U+0000", "--escape");
        check(titled(&"x".repeat(1_000)).unwrap_err(), "1000 bytes", "shorten");
        check("urgent".parse::<Severity>().unwrap_err(), "\"urgent\" is not a severity", "critical");
        check("done".parse::<Status>().unwrap_err(), "\"done\" is not a status", "resolved");
        check("boom".parse::<KillChainPhase>().unwrap_err(), "\"boom\"", "command_and_control");
        check(check_technique("TA0001").unwrap_err(), "T1059.001", "attack.mitre.org");
        check(IncidentEdit::new().validate().unwrap_err(), "no field", "incidents update");
        let none = IncidentEdit::new().set(Field::EventCount, Value::Uint(0));
        check(none.validate().unwrap_err(), "event_count is 0", "--event-count");
    }
}
