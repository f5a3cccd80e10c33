//! Messages that cannot be sent or found.

use antiphon_core::fact::TextError;
use antiphon_core::letter::{self, NotAReference};
use antiphon_node::Error;

use super::{Code, Problem};

impl From<&letter::Error> for Problem {
    fn from(error: &letter::Error) -> Self {
        let problem = Self::new(Code::Invalid, error.to_string());
        match error {
            letter::Error::Text(TextError::Empty { .. }) => problem.hint("say something: antiphon send PEER TEXT"),
            letter::Error::Text(TextError::TooLong { .. }) => problem
                .why("a message is read at once; what is long belongs in a fact or a document")
                .hint("remember it and point to it: antiphon send PEER TEXT --ref FACT"),
            letter::Error::Text(TextError::Invisible { .. }) => problem
                .why("such characters hide or reorder what people and agents see")
                .hint("keep them in a visible form with --escape (in JSON: \"escape\": true)"),
            _ => problem,
        }
    }
}

impl From<&NotAReference> for Problem {
    fn from(error: &NotAReference) -> Self {
        Self::new(Code::Invalid, error.to_string())
            .hint("antiphon facts list shows the ids of facts; the beginning of one is enough")
    }
}

/// What is said of a message that is not there, or goes to nobody.
pub(super) fn problem(what: String, error: &Error) -> Problem {
    match error {
        Error::NobodyInRole(role) if role.is_empty() => Problem::new(Code::NotFound, what)
            .why("everyone it went to has left the team")
            .hint("antiphon team members shows who is there"),
        Error::NobodyInRole(role) => Problem::new(Code::NotFound, what)
            .why("only members that hold the role now would get it, and never this node itself")
            .hint(format!("antiphon team members shows who holds which role; {}", super::team::to_hold(role))),
        Error::NobodyNamed => Problem::new(Code::Invalid, what)
            .hint("name a member, a role, or the message it answers: antiphon send PEER TEXT"),
        _ => Problem::new(Code::NotFound, what)
            .why("it is none that this node has, or it made room for newer ones after it was read")
            .hint("antiphon inbox shows every message with its id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let check = |error: Error, code, word: &str| {
            let problem = Problem::from(error);
            assert_eq!(problem.code, code, "{problem}");
            assert!(problem.to_string().contains(word), "{problem}");
        };
        check(Error::MessageNotFound("01X".into()), Code::NotFound, "antiphon inbox");
        check(Error::MessageAmbiguous { prefix: "01".into(), count: 4 }, Code::Invalid, "more characters");
        check(Error::NobodyInRole("qa_engineer".into()), Code::NotFound, "--set ROLES, with qa_engineer among them");
        check(Error::NobodyInRole(String::new()), Code::NotFound, "team members");
        check(Error::NobodyNamed, Code::Invalid, "antiphon send");
        let long = TextError::TooLong { what: "the message", got: 40_000, limit: 32_768 };
        check(Error::Message(letter::Error::Text(long)), Code::Invalid, "--ref FACT");
        let unfit = "x:y".parse::<letter::Reference>().unwrap_err();
        assert!(Problem::from(&unfit).to_string().contains("ucxl://"));
    }
}
