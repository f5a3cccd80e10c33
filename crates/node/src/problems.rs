//! What a person should mend, each with the command that mends it.

use antiphon_protocol::reason::Reason;

use crate::api::{PeerView, Problem, Trust};

/// What is wrong with a peer, if a person should know. `own` is this node's name.
pub(crate) fn of_peer(peer: &PeerView, own: &str) -> Option<Problem> {
    let reason = peer.reason.filter(|_| peer.trust == Trust::Rejected)?;
    let name = if peer.name.is_empty() { peer.peer_id.short() } else { peer.name.clone() };
    let what = if peer.refused_by_peer {
        format!("{name} refuses this node: {}", reason.name())
    } else {
        format!("{name} is refused: {}", reason.name())
    };
    let fix = if peer.refused_by_peer { mend_there(reason, &name, own) } else { mend_here(reason, &name) };
    Some(Problem { what, fix })
}

/// This node refuses the peer.
fn mend_here(reason: Reason, name: &str) -> String {
    match reason {
        Reason::IdentityMismatch | Reason::IdentityMissing => {
            format!("antiphon peers reset {name} (if its database was made anew on purpose)")
        }
        Reason::GenomeMismatch => "antiphon gene list (on both machines, to see what differs)".to_owned(),
        Reason::Revoked => format!("antiphon peers forget {name} (it was removed for good)"),
        Reason::GrantExpired => format!("antiphon team renew {name} (on a steward)"),
        Reason::NotAMember => "antiphon invite --role ROLE (on a steward, if it should belong to the team)".to_owned(),
        _ => format!("antiphon peers show {name}"),
    }
}

/// The peer refuses this node.
fn mend_there(reason: Reason, name: &str, own: &str) -> String {
    match reason {
        Reason::IdentityMismatch | Reason::IdentityMissing => format!("antiphon peers reset {own} (on {name})"),
        Reason::GenomeMismatch => "antiphon gene list (on both machines, to see what differs)".to_owned(),
        Reason::Revoked => "antiphon --profile NEW join TICKET (a removed key never returns)".to_owned(),
        Reason::GrantExpired => format!("antiphon team renew {own} (on a steward)"),
        Reason::NotAMember => format!("antiphon join TICKET (with a ticket of the team of {name})"),
        _ => format!("antiphon peers show {name}"),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::NodeId;

    use super::*;

    #[test]
    fn every_refusal_names_the_command_that_mends_it() {
        let check = |trust, reason, refused_by_peer, want: Option<&str>| {
            let peer = PeerView {
                peer_id: NodeId([2; 32]),
                name: "bob".into(),
                trust,
                roles: Vec::new(),
                steward: false,
                connected: false,
                addresses: Vec::new(),
                agent_version: None,
                store_id: None,
                genome_hash: None,
                mode: antiphon_store::PeerMode::Sync,
                handshake_at: None,
                last_sync_at: None,
                last_event: None,
                health: crate::api::HealthView::default(),
                fact_count: 0,
                lag_events: None,
                last_seen: None,
                last_success: None,
                reason: Some(reason),
                refused_by_peer,
            };
            let fix = of_peer(&peer, "alice").map(|problem| problem.fix);
            assert_eq!(fix.is_some(), want.is_some(), "{fix:?}");
            assert!(want.is_none_or(|want| fix.as_ref().unwrap().starts_with(want)), "{fix:?}");
        };
        use Trust::{Expired, Rejected};
        check(Expired, Reason::NetworkTimeout, false, None);
        check(Rejected, Reason::IdentityMismatch, false, Some("antiphon peers reset bob"));
        check(Rejected, Reason::IdentityMismatch, true, Some("antiphon peers reset alice (on bob)"));
        check(Rejected, Reason::GenomeMismatch, false, Some("antiphon gene list"));
        check(Rejected, Reason::Revoked, false, Some("antiphon peers forget bob"));
        check(Rejected, Reason::Revoked, true, Some("antiphon --profile NEW join"));
        check(Rejected, Reason::GrantExpired, false, Some("antiphon team renew bob"));
        check(Rejected, Reason::GrantExpired, true, Some("antiphon team renew alice"));
        check(Rejected, Reason::NotAMember, false, Some("antiphon invite"));
        check(Rejected, Reason::Auth, false, Some("antiphon peers show bob"));
    }
}
