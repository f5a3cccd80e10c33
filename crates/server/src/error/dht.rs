//! What could not be done with the hash table.

use antiphon_node::DhtError;

use super::{Code, Problem};

impl From<&DhtError> for Problem {
    fn from(error: &DhtError) -> Self {
        let what = error.to_string();
        match error {
            DhtError::Key(_) => Self::new(Code::Invalid, what).hint(
                "give an address (ucxl://…), a member's name, or a path as antiphon dht get NAME shows it under key",
            ),
            DhtError::Topic(_) => {
                Self::new(Code::Invalid, what).hint("write content:ROOT, role:NAME, capability:NAME or peer")
            }
            DhtError::NotFound(_) => Self::new(Code::NotFound, what)
                .why("nobody who could be asked has a record there, or it has ended")
                .hint("antiphon dht status shows who is asked; the index knows documents too: antiphon content ls"),
            DhtError::Refused { .. } => {
                Self::new(Code::Refused, what).hint("antiphon dht get KEY shows the record that stands there")
            }
            DhtError::Full { .. } => Self::new(Code::Full, what)
                .why("what is there goes on being published")
                .hint("antiphon dht stats shows how much is there; antiphon dht withdraw TOPIC makes room"),
            DhtError::RoleNotHeld { role, .. } => Self::new(Code::Refused, what)
                .why("members believe the charter, not announcements")
                .hint(super::team::to_hold(role)),
            DhtError::Text(_) => Self::new(Code::Invalid, what).hint("use a short visible name such as rust or gpu"),
            DhtError::NotOwn(_) => Self::new(Code::Refused, what).hint("run antiphon dht announce on that machine"),
            DhtError::LeftAlone => {
                Self::new(Code::Refused, what).hint("use the network again: antiphon dht backend auto")
            }
            DhtError::NotEntered => Self::new(Code::Unreachable, what)
                .hint("antiphon peers list shows who is connected; it is tried again every half minute"),
            DhtError::Prefix(_) => Self::new(Code::Invalid, what).hint("set dht.prefix in antiphon.toml"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let check = |error: DhtError, code, word: &str| {
            let problem = Problem::from(&error);
            assert_eq!(problem.code, code, "{problem}");
            assert!(problem.to_string().contains(word), "{problem}");
        };
        check(DhtError::Key("x".into()), Code::Invalid, "ucxl://");
        check(DhtError::Topic("x".into()), Code::Invalid, "capability:NAME");
        check(DhtError::NotFound("/a".into()), Code::NotFound, "dht status");
        check(DhtError::LeftAlone, Code::Refused, "backend auto");
        check(DhtError::NotEntered, Code::Unreachable, "peers list");
        let held = vec!["observer".to_owned()];
        check(DhtError::RoleNotHeld { role: "admin".into(), held }, Code::Refused, "team roles");
    }
}
