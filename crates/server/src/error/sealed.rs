//! What can be wrong with facts that are sealed to a role.

use antiphon_node::AuthorError;

use super::{Code, Problem};

/// The problem, where the error is about a role.
pub(super) fn about_role(what: &str, error: &AuthorError) -> Option<Problem> {
    let problem = Problem::new(Code::Refused, what);
    Some(match error {
        AuthorError::NoRoleKey(role) => problem
            .why("nobody was given one yet, or none is safe from those who were removed")
            .hint(format!("a steward makes a new one: antiphon team rotate-role {role}")),
        AuthorError::RoleNotHeld { role, .. } => problem
            .why("what is sealed to a role can be changed by those who read it, and by nobody else")
            .hint(format!("a steward may grant it: antiphon team roles NODE --set {role}")),
        AuthorError::RoleReadOnly(_) => problem
            .why("what the team's roles may do stands in its genes")
            .hint("ask a member that may write; antiphon team roles shows what each role may do"),
        AuthorError::Closed { role, .. } => problem
            .why("every member carries it, and only those who may read the role can open it")
            .hint(format!("a steward may grant it: antiphon team roles NODE --set {role}")),
        AuthorError::Seal(_) => problem
            .why("its steward's record has not come yet, or does not open here")
            .hint("wait until it has synced with a steward: antiphon status"),
        _ => return None,
    })
}
