//! What a person should mend, each with the command that mends it.

use antiphon_core::charter::Change;
use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;

use crate::api::{PeerView, Problem, Trust};
use crate::peer_view::called;
use crate::reason_words::{Finder, Words, words};
use crate::team_view::{MemberView, TeamView, WaitingView};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// A grant that ends sooner than this should be renewed, in milliseconds: 30 days.
const GRANT_SOON_MS: u64 = 30 * DAY_MS;
/// Most grants that are named one by one.
const SINGLE_GRANTS_MAX: usize = 3;

/// What is wrong with a peer, if a person should know. `own` is this node's name.
pub(crate) fn of_peer(peer: &PeerView, own: &str) -> Option<Problem> {
    let reason = peer.reason.filter(|_| peer.trust == Trust::Rejected)?;
    // Whoever a steward removed is refused as it should be.
    if reason == Reason::Revoked && !peer.refused_by_peer {
        return None;
    }
    let name = called(peer);
    let finder = if peer.refused_by_peer { Finder::Peer } else { Finder::Us };
    let Words { what, fix } = words(reason, &name, own, finder);
    let refused = if peer.refused_by_peer { format!("{name} refuses this node") } else { format!("{name} is refused") };
    Some(Problem { what: format!("{refused}: {what} ({})", reason.name()), fix })
}

/// How this node was removed from its team.
pub(crate) struct Removal {
    /// Name of the steward who signed it, where it is known.
    pub(crate) by: Option<String>,
    /// When, by the steward's clock.
    pub(crate) at: UnixMillis,
}

/// What a person should mend in the team, on this node or, where it is no steward, on another.
pub(crate) fn of_team(team: &TeamView, removal: Option<&Removal>, now: UnixMillis) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(removal) = removal {
        let by = removal.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let what = format!("this node was removed from {}{by}, {} ago", team.name, days(now.since(removal.at)));
        let fix = "antiphon --profile NEW join TICKET (a removed key never returns; what is here can still be read)";
        problems.push(Problem { what, fix: fix.to_owned() });
        // Nothing else about the team is this node's business any more.
        return problems;
    }
    if let Some(kind) = team.critical {
        let what = format!("the charter holds a record of kind {kind}, which this version does not know");
        let fix = "install the newest version of antiphon on this machine; until then it can sign nothing";
        problems.push(Problem { what, fix: fix.to_owned() });
    }
    let steward = team.members.iter().any(|member| member.own && member.steward);
    problems.extend(team.waiting.iter().filter(|waiting| waiting.asked).map(consent));
    problems.extend(grants(team, steward, now));
    problems.extend(lacking(team, steward));
    problems.extend(team.keyless.iter().filter(|_| steward).map(|role| keyless(role)));
    problems
}

fn consent(waiting: &WaitingView) -> Problem {
    let did = match waiting.change {
        Change::Revoke => "removed from the team",
        Change::Remove => "a steward no more",
        Change::Add => "a steward",
    };
    let what = format!("{} is to be {did}, and it waits for your consent", waiting.name);
    Problem { what, fix: format!("antiphon team approve {}", short(&waiting.record)) }
}

/// Grants that end soon: of everybody on a steward, else this node's own.
fn grants(team: &TeamView, steward: bool, now: UnixMillis) -> Vec<Problem> {
    let soon = |member: &&MemberView| member.not_after.since(now) < GRANT_SOON_MS;
    let ending: Vec<&MemberView> = team.members.iter().filter(|member| steward || member.own).filter(soon).collect();
    if ending.len() > SINGLE_GRANTS_MAX {
        let what = format!("{} grants end within 30 days or are over", ending.len());
        return vec![Problem { what, fix: "antiphon team renew --all".to_owned() }];
    }
    let one = |member: &&MemberView| {
        let whose = if member.own { "this node's grant".to_owned() } else { format!("the grant of {}", member.name) };
        let what = if member.expired {
            format!("{whose} ended {} ago", days(now.since(member.not_after)))
        } else {
            format!("{whose} ends in {}", days(member.not_after.since(now)))
        };
        Problem { what, fix: renew(&member.name, steward) }
    };
    ending.iter().map(one).collect()
}

/// Members that may read a role and cannot, because they lack its key.
fn lacking(team: &TeamView, steward: bool) -> Vec<Problem> {
    let lacks = team.members.iter().filter(|member| steward || member.own);
    let lacks = lacks.filter(|member| !member.expired && !member.lacks.is_empty());
    let one = |member: &MemberView| {
        let who = if member.own { "this node" } else { &member.name };
        let what = format!("{who} lacks the present key of {}", member.lacks.join(", "));
        Problem { what, fix: renew(&member.name, steward) }
    };
    lacks.map(one).collect()
}

/// A role of which every key is or may come to be in the hands of somebody who is no member any more: nobody writes with
/// those. Stewards make the next one by themselves once they see each other.
fn keyless(role: &str) -> Problem {
    let what = format!("nothing can be sealed to {role}: none of its keys is safe from those who were removed");
    Problem { what, fix: format!("antiphon team rotate-role {role}") }
}

fn renew(name: &str, steward: bool) -> String {
    if steward { format!("antiphon team renew {name}") } else { format!("antiphon team renew {name} (on a steward)") }
}

/// The beginning of a record's hash, as long as a person has to type it.
fn short(record: &Hash) -> String {
    record.to_string().chars().take(12).collect()
}

fn days(ms: u64) -> String {
    match ms / DAY_MS {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
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
                behind_events: None,
                equal_at: None,
                takes: None,
                out_of_step: false,
                next_try: None,
                last_seen: None,
                last_success: None,
                reason: Some(reason),
                words: None,
                error_words: None,
                skew: None,
                storage: None,
                federation: None,
                refused_by_peer,
                by_hand: None,
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
        check(Rejected, Reason::Revoked, false, None);
        check(Rejected, Reason::Revoked, true, Some("antiphon --profile NEW join"));
        check(Rejected, Reason::GrantExpired, false, Some("antiphon team renew bob"));
        check(Rejected, Reason::GrantExpired, true, Some("antiphon team renew alice"));
        check(Rejected, Reason::NotAMember, false, Some("antiphon invite"));
        check(Rejected, Reason::Auth, false, Some("antiphon peers handshake"));
    }

    fn member(name: &str, own: bool, steward: bool) -> MemberView {
        MemberView {
            node: NodeId([name.as_bytes()[0]; 32]),
            name: name.into(),
            roles: Vec::new(),
            steward,
            own,
            not_after: UnixMillis(300 * DAY_MS),
            expired: false,
            lacks: Vec::new(),
        }
    }

    fn team(members: Vec<MemberView>) -> TeamView {
        TeamView {
            id: antiphon_core::ids::TeamId([1; 32]),
            name: "choir".into(),
            genome: Hash([1; 32]),
            members,
            former: Vec::new(),
            stewards: Vec::new(),
            needed: 1,
            waiting: Vec::new(),
            critical: None,
            keyless: Vec::new(),
        }
    }

    #[test]
    fn a_team_says_what_its_stewards_should_do() {
        let now = UnixMillis(100 * DAY_MS);
        let check = |team: &TeamView, want: &[(&str, &str)]| {
            let found = of_team(team, None, now);
            assert_eq!(found.len(), want.len(), "{found:?}");
            for (problem, (what, fix)) in found.iter().zip(want) {
                assert!(problem.what.contains(what) && problem.fix.starts_with(fix), "{problem:?}");
            }
        };
        let bob = MemberView {
            not_after: UnixMillis(112 * DAY_MS),
            lacks: vec!["observer".into()],
            ..member("bob", false, false)
        };
        let mut choir = team(vec![member("alice", true, true), bob.clone()]);
        let renew = "antiphon team renew bob";
        check(&choir, &[("grant of bob ends in 12 days", renew), ("bob lacks the present key of observer", renew)]);
        choir.waiting.push(WaitingView {
            record: Hash([0xab; 32]),
            change: Change::Add,
            node: bob.node,
            name: "bob".into(),
            signers: vec!["eve".into()],
            own: false,
            asked: true,
            needed: 2,
        });
        choir.members.truncate(1);
        check(&choir, &[("bob is to be a steward", "antiphon team approve abababababab")]);
        choir.waiting[0].asked = false;
        choir.critical = Some(1025);
        check(&choir, &[("kind 1025", "install the newest version")]);
        let own = MemberView { own: true, expired: true, not_after: UnixMillis(98 * DAY_MS), ..bob.clone() };
        let others = [member("alice", false, true), MemberView { not_after: now, ..member("eve", false, false) }];
        let seen_by_bob = team([vec![own], others.to_vec()].concat());
        check(&seen_by_bob, &[("this node's grant ended 2 days ago", "antiphon team renew bob (on a steward)")]);
        let many = team([vec![member("alice", true, true)], vec![bob; 4]].concat());
        assert_eq!(of_team(&many, None, now)[0].fix, "antiphon team renew --all");
    }

    #[test]
    fn a_removed_node_is_told_by_whom_and_what_to_do() {
        let removal = Removal { by: Some("alice".into()), at: UnixMillis(DAY_MS) };
        let told = of_team(&team(vec![member("bob", true, true)]), Some(&removal), UnixMillis(4 * DAY_MS));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].what, "this node was removed from choir by alice, 3 days ago");
        assert!(told[0].fix.starts_with("antiphon --profile NEW join TICKET"));
    }
}
