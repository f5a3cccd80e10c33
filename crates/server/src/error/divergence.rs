//! Divergences that could not be settled.

use antiphon_node::Unsettled;

use super::{Code, Problem};

impl From<&Unsettled> for Problem {
    fn from(error: &Unsettled) -> Self {
        let problem = Self::new(Code::Invalid, error.to_string());
        let one_of = |origins: &[String]| format!("accept one of them: --accept {}", origins.join(", --accept "));
        match error {
            Unsettled::NoChoice { origins } => {
                problem.hint(format!("{}; or write what is right: --body TEXT", one_of(origins)))
            }
            Unsettled::NoSuchSide { origins, .. } => Self { code: Code::NotFound, exit: Code::NotFound.exit(), ..problem }
                .hint(format!("{}; antiphon divergences show ID shows what each says", one_of(origins))),
            Unsettled::Ambiguous { origins, .. } => problem.hint(one_of(origins)),
            Unsettled::NotHeld { origin, .. } => {
                Self { code: Code::NotFound, exit: Code::NotFound.exit(), ..problem }
                    .why("the event came here without its text, so there is nothing to accept")
                    .hint(format!("settle it on {origin}, or write what is right: --body TEXT"))
            }
            Unsettled::FieldNotDiverged { diverged, .. } => {
                problem.hint(format!("use --field {}", diverged.join(" or --field ")))
            }
            Unsettled::NoText { .. } => problem
                .why("--body settles a text that was changed on several machines at once")
                .hint("accept a side: --accept ORIGIN; the text itself is changed with: antiphon facts edit ID --content TEXT"),
            Unsettled::WhichText { texts } => {
                problem.hint(format!("say which one it is: --field {}", texts.join(" or --field ")))
            }
            Unsettled::DeletionIsWhole { origin } => problem
                .why("a deletion takes every field, so it cannot be accepted for some or with a text")
                .hint(format!("delete it with --accept {origin} alone, or keep it with another side or --body TEXT")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_settles_nothing_says_what_would() {
        let check = |error: Unsettled, code: Code, words: &[&str]| {
            let problem = Problem::from(&error);
            assert_eq!(problem.code, code, "{problem}");
            for word in words {
                assert!(problem.to_string().contains(word), "{word:?} is missing in {problem}");
            }
        };
        let origins = || vec!["alice".to_owned(), "bob".to_owned()];
        let none = Unsettled::NoChoice { origins: origins() };
        check(none, Code::Invalid, &["--accept alice, --accept bob", "--body TEXT"]);
        let nobody = Unsettled::NoSuchSide { origin: "eve".into(), origins: origins() };
        check(nobody, Code::NotFound, &["\"eve\"", "--accept bob", "divergences show"]);
        let several = Unsettled::Ambiguous { origin: "0".into(), origins: origins() };
        check(several, Code::Invalid, &["several sides", "--accept alice"]);
        let unheld = Unsettled::NotHeld { origin: "bob".into(), field: "content" };
        check(unheld, Code::NotFound, &["not held here", "settle it on bob", "--body"]);
        let field = Unsettled::FieldNotDiverged { field: "level".into(), diverged: vec!["content", "domain"] };
        check(field, Code::Invalid, &["\"level\"", "--field content or --field domain"]);
        check(Unsettled::NoText { diverged: vec!["domain"] }, Code::Invalid, &["domain is", "--accept", "facts edit"]);
        let both = Unsettled::WhichText { texts: vec!["description", "title"] };
        check(both, Code::Invalid, &["--field description or --field title"]);
        let whole = Unsettled::DeletionIsWhole { origin: "bob".into() };
        check(whole, Code::Invalid, &["bob deleted", "every field", "--accept bob alone"]);
    }
}
