//! What can be wrong with documents.

use antiphon_node::ContentError;

use super::{Code, Problem};

impl From<&ContentError> for Problem {
    fn from(error: &ContentError) -> Self {
        let what = error.to_string();
        match error {
            ContentError::ReadOnly(_) => Self::new(Code::Refused, what)
                .why("what the team's roles may do stands in its genes")
                .hint("ask a member that may write to store it; antiphon team roles shows what each role may do"),
            ContentError::NotHeld { .. } => Self::new(Code::Refused, what)
                .why("who stores for a role must hold it")
                .hint("store it as a role this node holds: antiphon content put ADDRESS FILE --as ROLE"),
            ContentError::CannotDecrypt { role, .. } => Self::new(Code::Refused, what)
                .why(format!(
                    "it is encrypted for {role} and the roles that may read it, and nothing of it was fetched"
                ))
                .hint("antiphon team roles shows who may read whom"),
            ContentError::NoKey(role) => Self::new(Code::Refused, what)
                .why("there is none yet, or everyone it has is known to somebody who was removed")
                .hint(format!("on a steward's node: antiphon team rotate-role {role}")),
        }
    }
}
