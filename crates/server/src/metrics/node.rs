//! The node itself.

use antiphon_node::{Counts, Handle, Status, TeamView};

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

/// What is held and does not, or not only, count.
pub(super) fn held(counts: &Counts) -> Vec<Family> {
    let kind = |name: &str| vec![("kind", name.to_owned())];
    vec![
        Family::gauge("divergences", "What was changed in several places at once and waits for a decision.")
            .with(kind("fact"), counts.diverged)
            .with(kind("incident"), counts.diverged_incidents),
        Family::gauge("quarantined_events", "Events that are kept and do not, or not fully, count.")
            .of(counts.quarantined),
        Family::gauge("skewed_events", "Events that came from the future.").of(counts.skewed),
        Family::gauge("events_without_text", "Events whose text did not come along.").of(counts.without_payload),
        Family::gauge("facts_forgotten", "Facts that were forgotten and can be restored.").of(counts.forgotten),
        Family::gauge("facts_erased", "Facts that were forgotten for good.").of(counts.erased),
        Family::gauge("incidents", "Incidents, closed ones included.").of(counts.incidents),
    ]
}

/// The disk that the node writes to; nothing where the system does not say.
pub(super) fn disk(handle: &Handle) -> Vec<Family> {
    let Ok(space) = handle.disk_space() else { return Vec::new() };
    vec![
        Family::gauge("disk_free", "Free space on the disk of the node.").bytes().of(space.free_bytes),
        Family::gauge("disk_size", "Size of that disk.").bytes().of(space.total_bytes),
        Family::gauge("disk_reserve", "Free space below which the node is not ready.")
            .bytes()
            .of(handle.reserve_bytes()),
    ]
}
