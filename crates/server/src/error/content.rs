//! What can be wrong with documents.

use antiphon_core::address;
use antiphon_node::ContentError;

use super::{Code, Problem};

impl From<address::Error> for Problem {
    fn from(error: address::Error) -> Self {
        Self::new(Code::Invalid, error.to_string()).hint(
            "write it as ucxl://AGENT/ROLE/PROJECT/TASK/PATH, as in ucxl://ann/backend_developer/shop/login/decision",
        )
    }
}

impl From<ContentError> for Problem {
    fn from(error: ContentError) -> Self {
        let what = error.to_string();
        match error {
            ContentError::ReadOnly(_)
            | ContentError::NotHeld { .. }
            | ContentError::CannotDecrypt { .. }
            | ContentError::NoKey(_)
            | ContentError::NoSecret(_)
            | ContentError::KeyNotHeld { .. } => refused(what, &error),
            ContentError::Address(error) => error.into(),
            ContentError::ContentType(_) => {
                Self::new(Code::Invalid, what).hint("write it as text/markdown, application/json or the like")
            }
            ContentError::NotFound(address) => Self::new(Code::NotFound, what).hint(format!(
                "antiphon content ls shows every document; antiphon content search --project {} those of a project",
                address.project()
            )),
            ContentError::NoVersion { address, .. } => {
                Self::new(Code::NotFound, what).hint(format!("antiphon content versions {address}"))
            }
            ContentError::Removed(address) => Self::new(Code::NotFound, what)
                .why("a member that may store for its role took it away; older copies may be left on other machines")
                .hint(format!("antiphon content versions {address} says who and when")),
            ContentError::Unavailable { address, .. } => Self::new(Code::Unreachable, what)
                .why("what was fetched so far is kept, and the next attempt goes on there")
                .hint(format!("antiphon content providers {address} shows who holds it; try again when one is there")),
            ContentError::Unopened { address, .. } => Self::new(Code::Failed, what)
                .why("every block was checked, so this is what its author stored")
                .hint(format!("antiphon content versions {address} names the author and older versions")),
            ContentError::NotTaken(_) => Self::new(Code::Failed, what).why("nothing was stored").hint("store it again"),
            ContentError::ReaderGone => Self::new(Code::Failed, what).hint("ask for it again"),
            ContentError::TooLong { .. } => Self::new(Code::TooLarge, what)
                .hint("on a command line documents of any size go through: antiphon content get ADDRESS -o FILE"),
            ContentError::Damaged(address) => Self::new(Code::Failed, what)
                .why("the file changed on the disk; the part is fetched again from another machine")
                .hint(format!("antiphon content get {address}")),
        }
    }
}

fn refused(what: String, error: &ContentError) -> Problem {
    let problem = Problem::new(Code::Refused, what);
    match error {
        ContentError::ReadOnly(_) => problem
            .why("what the team's roles may do stands in its genes")
            .hint("ask a member that may write to store it; antiphon team roles shows what each role may do"),
        ContentError::NotHeld { .. } => problem
            .why("who stores for a role must hold it")
            .hint("store it as a role this node holds: antiphon content put ADDRESS FILE --as ROLE"),
        ContentError::CannotDecrypt { role, .. } => problem
            .why(format!("it is encrypted for {role} and the roles that may read it, and nothing of it was fetched"))
            .hint("antiphon team roles shows who may read whom"),
        ContentError::NoKey(role) => problem
            .why("there is none yet, or who made the one there is had not heard of a removal")
            .hint(format!("on a steward's node: antiphon team rotate-role {role}")),
        ContentError::NoSecret(role) => problem
            .why("it does not belong to those who may read the role, or has not heard of its key yet")
            .hint(format!("antiphon team roles shows who may read {role}")),
        _ => problem
            .why("it was stored before this node got its role, with a key that is not passed on, or after it lost it")
            .hint("a steward can read it, and store it again for the present key"),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::address::Address;

    use super::*;

    fn check(error: ContentError, code: Code, what: &str, hint: &str) {
        let problem = Problem::from(error);
        assert!(problem.what.contains(what), "{problem}");
        assert!(problem.hint.as_ref().is_some_and(|text| text.contains(hint)), "{problem}");
        assert_eq!(problem.code, code, "{problem}");
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let address = || Address::new("ann", "backend_developer", "shop", "login", "decision").unwrap();
        let held = || vec!["technical_writer".to_owned()];
        let role = || "backend_developer".to_owned();
        check(ContentError::ReadOnly("observer".into()), Code::Refused, "role observer is read_only", "team roles");
        check(ContentError::NotHeld { role: role(), held: held() }, Code::Refused, "does not hold", "--as ROLE");
        let blind = ContentError::CannotDecrypt { role: role(), held: held() };
        check(blind, Code::Refused, "role technical_writer cannot decrypt content of role backend_developer", "roles");
        check(ContentError::NoKey(role()), Code::Refused, "no key", "team rotate-role backend_developer");
        check(ContentError::NotFound(address()), Code::NotFound, "no document at ucxl://ann", "--project shop");
        check(ContentError::Removed(address()), Code::NotFound, "removed", "content versions ucxl://ann");
        let alone = ContentError::Unavailable { address: address(), why: "bob does not answer".into() };
        check(alone, Code::Unreachable, "bob does not answer", "content providers");
        check(ContentError::TooLong { size: 9, limit: 8 }, Code::TooLarge, "9 bytes", "content get");
        let wrong = Address::parse("ucxl://ann/b c/shop/login").unwrap_err();
        check(wrong.into(), Code::Invalid, "role", "ucxl://AGENT/ROLE/PROJECT/TASK/PATH");
    }
}
