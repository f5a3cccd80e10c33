//! The node itself.

use antiphon_node::{Status, TeamView};

use super::family::{Family, Labels};

pub(super) fn families(status: &Status, members: &TeamView) -> Vec<Family> {
    let labels: Labels = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("peer_id", status.node_id.to_string()),
        ("name", status.name.clone()),
        ("team", status.team.name.clone()),
        ("mode", status.mode.name().to_owned()),
    ];
    vec![
        Family::info("node", "Which node this is.").with(labels, 1_u64),
        Family::gauge("facts", "Facts that are held and not forgotten.").of(status.facts),
        Family::gauge("facts_closed", "Facts that are sealed to a role whose key is not here.").of(status.closed),
        Family::gauge("events", "Events that are held, of all logs.").of(status.events),
        Family::gauge("messages_unread", "Messages that came and were not read.").of(status.unread),
        Family::gauge("problems", "What a person should mend.").of(status.problems.len()),
        Family::gauge("steward", "Whether this node may sign membership.").of(status.steward),
        Family::gauge("members", "Members of the team.").of(members.members.len()),
        Family::gauge("members_former", "Members that were removed.").of(members.former.len()),
        Family::gauge("records_waiting", "Records of the charter that wait for the consent of stewards.")
            .of(members.waiting.len()),
        Family::gauge("charter_stopped", "Whether a record of a newer version stops writes until an upgrade.")
            .of(members.critical.is_some()),
        Family::gauge("roles_keyless", "Roles that had keys and have none that may be used.").of(members.keyless.len()),
    ]
}
