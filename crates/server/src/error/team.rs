//! What a steward could not do, and who could not join.

use antiphon_node::{Error, Refusal};

use super::{Code, Problem};

/// What a steward does so that a member holds a role: the roles that are set are all that it holds then.
pub(super) fn to_hold(role: &str) -> String {
    format!("a steward sets what a member holds: antiphon team roles MEMBER --set ROLES, with {role} among them")
}

/// The problem, where the error is about the team.
pub(super) fn problem(what: String, error: &Error) -> Problem {
    match error {
        Error::NotASteward { .. } => Problem::new(Code::Refused, what)
            .why("only a steward may sign membership")
            .hint("run it on a steward's node; antiphon team members shows who is one"),
        Error::NotAMember(_) => Problem::new(Code::NotFound, what).hint("antiphon team members shows every member"),
        Error::NotRevoked(_) => Problem::new(Code::Invalid, what).hint("antiphon team members shows who was removed"),
        Error::NoChange { .. } => Problem::new(Code::Invalid, what).hint("antiphon team members shows the stewards"),
        Error::NothingToApprove(_) => {
            Problem::new(Code::NotFound, what).hint("antiphon team members shows what waits, with its record")
        }
        Error::NotAsked(_) => Problem::new(Code::Refused, what)
            .hint("say the same yourself: antiphon team revoke NAME, or antiphon team steward add|remove NAME"),
        Error::UnknownRole { .. } => {
            Problem::new(Code::Invalid, what).hint("use one of them; antiphon team roles shows what each may do")
        }
        Error::InAnotherTeam { .. } => Problem::new(Code::Refused, what)
            .why("joining would leave a team that others belong to")
            .hint("keep both: antiphon --profile NAME join TICKET; or leave it: antiphon join TICKET --leave"),
        Error::BringUndecided { .. } => Problem::new(Code::Undecided, what)
            .why("nobody said which facts come along")
            .hint("repeat with --bring shared or --bring none"),
        Error::JoinRefused { refusal, .. } => join_refused(what, *refusal),
        Error::Genome(_) => Problem::new(Code::Invalid, what)
            .why("what a team is founded with stands for good, so nothing was founded")
            .hint("antiphon init --team NAME, with a name of 1 to 64 bytes"),
        _ => Problem::new(Code::Invalid, what),
    }
}

fn join_refused(what: String, refusal: Refusal) -> Problem {
    let new = "ask for a new one: antiphon invite --role ROLE";
    match refusal {
        Refusal::UnknownTicket | Refusal::Expired | Refusal::Used => Problem::new(Code::Refused, what)
            .why("a ticket works once, until it expires, and only for the key that used it first")
            .hint(new),
        Refusal::NotASteward | Refusal::WrongTeam => Problem::new(Code::Refused, what)
            .why("a ticket leads to the steward that made it, which has changed its part or its team since")
            .hint("ask a steward for a new one: antiphon invite --role ROLE; antiphon team members shows who is one"),
        Refusal::Malformed => Problem::new(Code::Refused, what)
            .why("both sides must speak the same version, and the ticket must come whole")
            .hint("compare antiphon --version on both machines; then ask for a new ticket: antiphon invite --role ROLE"),
        Refusal::Full => Problem::new(Code::Refused, what)
            .why("every member counts until its grant is over or a steward removes it")
            .hint("on a steward's node: antiphon team members shows them, antiphon team revoke NAME --reason TEXT makes room"),
        Refusal::Revoked => Problem::new(Code::Refused, what)
            .why("a removed key never returns, whatever ticket it brings")
            .hint("join as a new node: antiphon --profile NEW join TICKET"),
        Refusal::Failed => Problem::new(Code::Unreachable, what)
            .why("the ticket is not used up by this")
            .hint("repeat the command; antiphon doctor on the steward's node says what is wrong there"),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::NodeId;

    use super::*;

    #[test]
    fn whoever_may_not_join_learns_what_would_help() {
        let said = |refusal| Problem::from(Error::JoinRefused { steward: NodeId([1; 32]), refusal });
        for used in [Refusal::UnknownTicket, Refusal::Expired, Refusal::Used] {
            assert_eq!(said(used).hint.as_deref(), Some("ask for a new one: antiphon invite --role ROLE"));
        }
        let check = |refusal, code, word: &str| {
            let problem = said(refusal);
            assert_eq!(problem.code, code, "{problem}");
            assert!(problem.to_string().contains(word), "{problem}");
        };
        check(Refusal::NotASteward, Code::Refused, "team members shows who is one");
        check(Refusal::WrongTeam, Code::Refused, "ask a steward for a new one");
        check(Refusal::Malformed, Code::Refused, "antiphon --version");
        check(Refusal::Full, Code::Refused, "antiphon team revoke NAME");
        check(Refusal::Revoked, Code::Refused, "antiphon --profile NEW join TICKET");
        check(Refusal::Failed, Code::Unreachable, "repeat the command");
    }
}
