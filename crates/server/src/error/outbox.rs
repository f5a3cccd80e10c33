//! Items of the outbox that are not there, or with which nothing can be done.

use antiphon_node::{OutboxBound, OutboxError, OutboxFull};

use super::{Code, Problem};

/// What to do next when an item is not found.
const LIST: &str = "antiphon outbox list shows every item with its number";

impl From<&OutboxError> for Problem {
    fn from(error: &OutboxError) -> Self {
        let what = error.to_string();
        match error {
            OutboxError::NotAnId(_) => Self::new(Code::Invalid, what).hint(LIST),
            OutboxError::NotFound(_) => Self::new(Code::NotFound, what)
                .why("it was delivered, replaced by a newer one or dropped, or it never was")
                .hint(LIST),
            OutboxError::Damaged { id, .. } => Self::new(Code::Refused, what)
                .why("another key sealed it, or it was changed on the disk")
                .hint(format!("send it again by its own command, then: antiphon outbox drop {id} --yes")),
            OutboxError::NotKept(_) => Self::new(Code::Refused, what)
                .why("such requests are soon stale, so they are kept in memory and only while they wait")
                .hint("send it again by its own command; antiphon outbox levels shows what is kept for how long"),
        }
    }
}

/// Nothing more can wait.
pub(super) fn full(what: String, full: &OutboxFull) -> Problem {
    let peer = full.peer.to_string();
    match full.what {
        OutboxBound::Body => {
            Problem::new(Code::TooLarge, what).hint("shorten it; what is long goes into a fact: antiphon remember TEXT")
        }
        bound => Problem::new(Code::Full, what)
            .why("nothing was put into it, and nothing that waits was dropped")
            .hint(format!(
                "antiphon outbox list --peer {peer} shows what waits; outbox.{} in antiphon.toml allows more",
                bound.name()
            )),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::NodeId;

    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let check = |error: OutboxError, code, word: &str| {
            let problem = Problem::from(&error);
            assert_eq!(problem.code, code, "{problem}");
            assert!(problem.to_string().contains(word), "{problem}");
        };
        check(OutboxError::NotAnId("x".into()), Code::Invalid, "outbox list");
        check(OutboxError::NotFound("7".into()), Code::NotFound, "outbox list");
        check(OutboxError::Damaged { id: "7".into(), reason: "does_not_open" }, Code::Refused, "outbox drop 7 --yes");
        check(OutboxError::NotKept("m1".into()), Code::Refused, "send it again");
    }

    #[test]
    fn a_full_outbox_says_where_the_bound_is() {
        let of = |what| OutboxFull { peer: NodeId([2; 32]), what, limit: 5 };
        let items = of(OutboxBound::ItemsPerPeer);
        let problem = full(items.to_string(), &items);
        assert_eq!(problem.code, Code::Full);
        assert!(problem.to_string().contains("outbox.items_per_peer"), "{problem}");
        let body = of(OutboxBound::Body);
        assert_eq!(full(body.to_string(), &body).code, Code::TooLarge);
    }
}
