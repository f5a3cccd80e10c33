//! What can be wrong with facts that are sealed to a role.

use antiphon_node::AuthorError;

use super::{Code, Problem};

/// The problem, where the error is about a role.
pub(super) fn about_role(what: &str, error: &AuthorError) -> Option<Problem> {
    let problem = Problem::new(Code::Refused, what);
    Some(match error {
        AuthorError::NoRoleKey(role) => problem
            .why("none was made yet, or who made the one there is had not heard of a removal")
            .hint(format!("a steward makes a new one: antiphon team rotate-role {role}")),
        AuthorError::RoleNotHeld { role, .. } => problem
            .why("what is sealed to a role can be changed by those who read it, and by nobody else")
            .hint(super::team::to_hold(role)),
        AuthorError::RoleReadOnly(_) => problem
            .why("what the team's roles may do stands in its genes")
            .hint("ask a member that may write; antiphon team roles shows what each role may do"),
        AuthorError::Closed { role, .. } => problem
            .why("every member carries it, and only those who may read the role can open it")
            .hint(super::team::to_hold(role)),
        AuthorError::Seal(_) => problem
            .why("its steward's record has not come yet, or does not open here")
            .hint("wait until it has synced with a steward: antiphon status"),
        _ => return None,
    })
}
