//! Why an item of the outbox does not arrive, in words, with what to do about it.

use antiphon_protocol::reason::Reason;

use crate::api::{Finder, OutboxId, OutboxState, Words, words};
use crate::outbox::Side;

/// Stable name of why an item in memory does not wait any more.
pub(super) const ABANDONED: &str = "abandoned";

/// What is said of an item. `reason` is the stable name of the cause, as this node or the receiver gave it.
pub(super) fn of_item(id: &OutboxId, state: OutboxState, reason: &str, peer: &str, own: &str) -> Words {
    let (retry, drop) = (format!("antiphon outbox retry {id}"), format!("antiphon outbox drop {id} --yes"));
    let again = || "send it again by its own command: it is not kept any more".to_owned();
    match (state, id) {
        (OutboxState::Waiting | OutboxState::UnderWay, _) => of_peer(reason, peer, own),
        (OutboxState::Refused, OutboxId::Row(_)) => Words {
            what: format!("it was refused for good: {}", cause(reason, peer, own)),
            fix: format!("{drop}; or, if that has changed, {retry}"),
        },
        (OutboxState::Refused, OutboxId::Memory(_)) => {
            Words { what: format!("it was refused for good: {}", cause(reason, peer, own)), fix: again() }
        }
        (OutboxState::Damaged, _) => Words {
            what: damage(reason).to_owned(),
            fix: format!("{retry}, if the right key is back; else {drop}, and send it again"),
        },
        (OutboxState::Abandoned, _) => Words {
            what: format!("{peer} was not reached, and such requests are tried no more than three times again"),
            fix: again(),
        },
    }
}

/// What is said of a peer that was not reached.
pub(super) fn of_peer(reason: &str, peer: &str, own: &str) -> Words {
    match Reason::from_name(reason) {
        Some(reason) => words(reason, peer, own, Finder::Us),
        None => Words {
            what: format!("the last attempt failed: {}", plain(reason)),
            fix: format!("antiphon why {peer}, which says what stands in between"),
        },
    }
}

/// What is said of an older copy: its stable name, whether something was lost, and the words.
pub(super) fn of_restored(side: Side, peer: &str) -> (&'static str, bool, Words) {
    match side {
        Side::OwnSent => (
            "own_sent",
            false,
            Words {
                what: format!(
                    "this machine was restored from an older copy and had forgotten what {peer} took; nothing is done twice"
                ),
                fix: "antiphon outbox list, to see what is sent again".to_owned(),
            },
        ),
        Side::OwnTaken => (
            "own_taken",
            true,
            Words {
                what: format!(
                    "this machine was restored from an older copy: what {peer} sent since then may be missing here"
                ),
                fix: format!("antiphon inbox --sent (on {peer}), to see what must be sent again"),
            },
        ),
        Side::PeerTaken => (
            "peer_taken",
            true,
            Words {
                what: format!(
                    "{peer} was restored from an older copy: what it had taken since then may be missing there"
                ),
                fix: "antiphon inbox --sent, to see what must be sent again".to_owned(),
            },
        ),
    }
}

fn cause(reason: &str, peer: &str, own: &str) -> String {
    Reason::from_name(reason).map_or_else(|| plain(reason), |reason| words(reason, peer, own, Finder::Us).what)
}

fn damage(reason: &str) -> &'static str {
    if reason == antiphon_store::CAME_BACK {
        "it was gone already, and somebody put it back into the database"
    } else {
        "it does not open: another key sealed it, or it was changed on the disk"
    }
}

/// A stable name as it can be read.
fn plain(reason: &str) -> String {
    reason.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_words_and_a_way_on() {
        let memory = OutboxId::Memory(1);
        let check = |id: &OutboxId, state, reason: &str, what: &str, fix: &str| {
            let words = of_item(id, state, reason, "bob", "alice");
            assert!(words.what.contains(what) && words.fix.contains(fix), "{words:?}");
        };
        let row = &OutboxId::Row(7);
        check(row, OutboxState::Waiting, "network_refused", "nothing listens where bob was", "antiphon up --detach");
        check(row, OutboxState::UnderWay, "stalled", "stalled", "antiphon why bob");
        check(row, OutboxState::Refused, "revoked", "refused for good", "outbox drop 7 --yes");
        check(row, OutboxState::Refused, "no_such_kind", "no such kind", "outbox retry 7");
        check(row, OutboxState::Damaged, antiphon_store::DOES_NOT_OPEN, "another key", "outbox retry 7");
        check(row, OutboxState::Damaged, antiphon_store::CAME_BACK, "put it back", "outbox drop 7");
        check(&memory, OutboxState::Refused, "quota", "refused for good", "send it again");
        check(&memory, OutboxState::Abandoned, ABANDONED, "bob was not reached", "send it again");
    }
}
