//! Resources that may not be offered, changed or asked for.

use antiphon_core::fact::TextError;
use antiphon_core::resource::{Error, LABELS_MAX};
use antiphon_node::ResourceError;

use super::{Code, Problem};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let problem = Self::new(Code::Invalid, error.to_string());
        match error {
            Error::Text(text) => from_text(problem, text),
            Error::Kind(_) => problem.hint("use one of tool, dataset, model, service, workflow, storage, compute"),
            Error::Address(_) => problem.hint("write it as https://HOST/PATH, ssh:HOST or another URL"),
            Error::TooMany { .. } => problem.hint(format!("give the {LABELS_MAX} most telling ones")),
            Error::Time => problem.hint("write it as 2026-01-31T10:30:00Z, as 2026-01-31, or in Unix milliseconds"),
            Error::Nothing => problem
                .why("every value that was named is the same already, or none was named")
                .hint("antiphon resources update ID --description TEXT"),
            Error::Window { .. } => problem.hint("name the beginning first: --window FROM..UNTIL"),
            Error::Windows(_) => problem.hint("join windows that follow each other, or leave out those far ahead"),
        }
    }
}

fn from_text(problem: Problem, error: &TextError) -> Problem {
    match error {
        TextError::Empty { .. } => problem.hint("antiphon resources create KIND NAME; leave out what is not known"),
        TextError::TooLong { .. } => problem.hint("shorten it; --address can lead to more"),
        TextError::Invisible { .. } => {
            problem.why("such characters hide or reorder what people and agents see").hint("write it without them")
        }
    }
}

impl From<ResourceError> for Problem {
    fn from(error: ResourceError) -> Self {
        let what = error.to_string();
        match error {
            ResourceError::Unfit(error) => Self::from(&error),
            ResourceError::NotFound(_) => Self::new(Code::NotFound, what)
                .hint("antiphon resources list shows every one; antiphon resources search --peers asks members"),
            ResourceError::Ambiguous { .. } => {
                Self::new(Code::Invalid, what).hint("give more characters of its id: antiphon resources list")
            }
            ResourceError::NotOwn { owner, .. } => Self::new(Code::Refused, what)
                .why("every node answers for its own catalogue, and nobody else does")
                .hint(format!("do it on that machine, or ask for it: antiphon send {owner} TEXT")),
            ResourceError::TooMany(_) => {
                Self::new(Code::Refused, what).hint("take some out: antiphon resources delete ID")
            }
            ResourceError::Own(id) => Self::new(Code::Invalid, what)
                .why("nobody but this node could say whether it is there")
                .hint(format!("antiphon resources show {id}")),
            ResourceError::OfFormer(_) => Self::new(Code::Refused, what)
                .why("what it offered is shown as it was known last, and nobody can be asked about it")
                .hint("antiphon resources list shows what members offer"),
            ResourceError::NoRoom(_) => Self::new(Code::Busy, what)
                .hint("antiphon outbox list shows what waits; try again when that machine was there"),
            ResourceError::NobodyToTell(id) => Self::new(Code::Undecided, what).hint(format!(
                "name the member: antiphon resources consider {id} --peer PEER --from T --until T --yes"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::ResourceId;
    use antiphon_core::resource::Kind;

    use super::*;

    fn check(error: impl Into<ResourceError>, code: Code, what: &str, hint: &str) {
        let problem = Problem::from(error.into());
        assert!(problem.what.contains(what), "{problem}");
        assert!(problem.hint.as_ref().is_some_and(|text| text.contains(hint)), "{problem}");
        assert_eq!(problem.code, code, "{problem}");
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let kind = "rocket".parse::<Kind>().unwrap_err();
        check(Error::from(kind), Code::Invalid, "\"rocket\" is no kind", "workflow");
        check(Error::Address("x y".into()), Code::Invalid, "\"x y\" is no address", "https://");
        check(Error::Nothing, Code::Invalid, "sets nothing", "resources update");
        check(Error::Windows(65), Code::Invalid, "not 65", "join");
        check(ResourceError::NotFound("gpu".into()), Code::NotFound, "no resource gpu", "resources search");
        let (id, owner) = (ResourceId([1; 16]), "bob".to_owned());
        check(ResourceError::NotOwn { id, owner }, Code::Refused, "belongs to bob", "antiphon send bob");
        check(ResourceError::Own(id), Code::Invalid, "own", "resources show");
        check(ResourceError::OfFormer("bob".into()), Code::Refused, "no member", "resources list");
        check(ResourceError::NobodyToTell(id), Code::Undecided, "nobody was named", "--peer");
        check(ResourceError::TooMany(1_000), Code::Refused, "1000", "resources delete");
    }
}
