//! The team, as it is shown: members, roles, and what became of what a steward did.

use antiphon_server::dto::{
    AdoptedDto, ChangedDto, FormerDto, GrantedDto, MemberDto, MembersDto, RevokedDto, RoleDto, RolesDto, RotatedDto,
    WaitingDto,
};

use super::time::{day, minute};
use super::{count, safe, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// Characters of a record's hash that a person has to type.
const RECORD_CHARS: usize = 12;

/// Everybody who is or was a member, and what waits.
pub(crate) fn members(team: &MembersDto) -> String {
    let row = |member: &MemberDto| {
        let own = if member.own { " (this node)" } else { "" };
        let ends = if member.expired { format!("ended {}", day(&member.not_after)) } else { day(&member.not_after) };
        let steward = if member.steward { "yes" } else { "-" }.to_owned();
        vec![format!("{}{own}", safe(&member.name)), list(&member.roles), steward, ends, list(&member.lacks)]
    };
    let mut out = format!("{} {}\n\n", styled(STRONG, &safe(&team.team.name)), styled(FAINT, &team.team.id));
    out.push_str(&table(&["name", "roles", "steward", "grant ends", "lacks key of"], team.members.iter().map(row)));
    out.push_str(&format!(
        "\n\n{} {}; {} must agree to appoint one more. Stewards can read everything.\n",
        styled(FAINT, "stewards"),
        list(&team.stewards),
        team.needed
    ));
    if !team.former.is_empty() {
        out.push_str(&format!("\n{}\n", styled(STRONG, "Removed:")));
    }
    team.former.iter().for_each(|former| out.push_str(&former_line(former)));
    if !team.waiting.is_empty() {
        out.push_str(&format!("\n{}\n", styled(WARNING, "Waiting for consent:")));
    }
    team.waiting.iter().for_each(|waiting| out.push_str(&waiting_line(waiting)));
    if let Some(kind) = team.critical {
        let text = format!("the charter holds a record of kind {kind}, which this version does not know; upgrade it");
        out.push_str(&format!("\n{} {text}\n", styled(BAD, "problem:")));
    }
    out
}

fn former_line(former: &FormerDto) -> String {
    let compromised = if former.compromised { ", its key may be in wrong hands" } else { "" };
    let reason = if former.reason.is_empty() { "no reason is known".to_owned() } else { safe(&former.reason) };
    let mut out = format!("  {} {}: {reason}{compromised}\n", safe(&former.name), styled(FAINT, &former.peer_id));
    if former.beyond > 0 {
        let (held, name) = (count(former.beyond, "event"), safe(&former.name));
        out.push_str(&format!("    {held} beyond the cut do not count; to take them in: antiphon team adopt {name}\n"));
    }
    out
}

fn waiting_line(waiting: &WaitingDto) -> String {
    let consent = format!("{} of {} signed: {}", waiting.signers.len(), waiting.needed, list(&waiting.signers));
    let then = if waiting.asked { "" } else { "another steward: " };
    format!(
        "  {} ({consent})\n    {then}antiphon team approve {}\n",
        what_is_to_be(&waiting.change, &waiting.name),
        record(&waiting.record)
    )
}

fn what_is_to_be(change: &str, name: &str) -> String {
    let did = match change {
        "revoke" => "is to be removed from the team",
        "remove" => "is to be a steward no more",
        _ => "is to be a steward",
    };
    format!("{} {did}", safe(name))
}

fn record(hash: &str) -> String {
    hash.chars().take(RECORD_CHARS).collect()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "-".to_owned() } else { names.iter().map(|name| safe(name)).collect::<Vec<_>>().join(", ") }
}

/// Grants that were renewed.
pub(crate) fn renewed(granted: &GrantedDto) -> String {
    let one = |member: &MemberDto| {
        format!("The grant of {} holds until {}.\n", styled(STRONG, &safe(&member.name)), minute(&member.not_after))
    };
    granted.members.iter().map(one).collect()
}

/// A member with its new roles.
pub(crate) fn with_roles(granted: &GrantedDto) -> String {
    let one = |member: &MemberDto| format!("{} is now {}.\n", styled(STRONG, &safe(&member.name)), list(&member.roles));
    let mut out: String = granted.members.iter().map(one).collect();
    out.push_str("Roles that it lost have new keys, if it held theirs. What it has read already, it still knows.\n");
    out
}

/// Every role.
pub(crate) fn roles(roles: &RolesDto) -> String {
    let row = |role: &RoleDto| {
        let key = match &role.epoch {
            None => "none yet".to_owned(),
            Some(epoch) => format!("{} ({})", record(epoch), ordinal(role.epochs)),
        };
        vec![safe(&role.name), safe(&role.rule), list(&role.members), key, role.holders.to_string()]
    };
    let table = table(&["role", "rule", "members", "key", "holders"], roles.roles.iter().map(row));
    format!("{table}\n\nStewards hold the keys of all roles and can read everything.\n")
}

fn ordinal(n: u64) -> String {
    let end = match (n % 10, n % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}

/// A role with a new key.
pub(crate) fn rotated(rotated: &RotatedDto) -> String {
    let RoleDto { name, epoch, holders, .. } = &rotated.role;
    let key = epoch.as_deref().map(record).unwrap_or_default();
    let history = if rotated.fresh {
        "Whoever is granted the role from now on cannot read what was sealed before."
    } else {
        "Whoever is granted the role from now on can read what was sealed before too; --fresh prevents that."
    };
    format!("{} has the new key {key}, held by {}.\n{history}\n", safe(name), count(holders, "member"))
}

/// What became of a change of stewards.
pub(crate) fn changed(changed: &ChangedDto) -> String {
    if !changed.effective {
        return waits(changed);
    }
    let name = styled(STRONG, &safe(&changed.name));
    match changed.change.as_str() {
        "add" => format!("{name} is now a steward: it may sign membership and can read everything.\n"),
        "remove" => format!("{name} is no longer a steward. Roles that it does not have get new keys.\n"),
        "revoke" => format!("{name} is no longer a member.\n{LIMITS}\n"),
        _ => format!("The change of {name} has effect.\n"),
    }
}

/// What a removal cannot do.
const LIMITS: &str = "What it has received already, it still has; members that are not reached yet still trust it; its \
    key never comes back: to rejoin it needs a new home.";

fn waits(changed: &ChangedDto) -> String {
    let missing = changed.needed.saturating_sub(changed.signers.len() as u64);
    format!(
        "{}. {} for {}.\nOn another steward's machine: antiphon team approve {}\n",
        what_is_to_be(&changed.change, &changed.name),
        styled(WARNING, "It waits"),
        count(missing, "more steward"),
        record(&changed.record)
    )
}

/// Who was removed, and what that cannot do.
pub(crate) fn revoked(revoked: &RevokedDto) -> String {
    let change = &revoked.change;
    let mut out = if change.effective {
        format!("{} is no longer a member.\n", styled(STRONG, &safe(&change.name)))
    } else {
        waits(change)
    };
    if !revoked.roles.is_empty() {
        let will = if change.effective { "New keys" } else { "Then new keys" };
        out.push_str(&format!("{will}: {}.\n", list(&revoked.roles)));
    }
    if !revoked.behind.is_empty() {
        out.push_str(&format!(
            "{} {} said that they hold more of it than came here in time; that is cut off until you run: \
             antiphon team adopt {}\n",
            styled(WARNING, "note:"),
            list(&revoked.behind),
            safe(&change.name)
        ));
    }
    out.push_str(&format!("{LIMITS}\n"));
    out
}

/// What was taken in of a removed member.
pub(crate) fn adopted(adopted: &AdoptedDto) -> String {
    let name = safe(&adopted.change.name);
    let mut out = match adopted.adopted {
        0 => format!("Nothing of {name} was taken in beyond what counted already.\n"),
        events => format!(
            "{} of {name} now {}.\n",
            styled(GOOD, &count(events, "event")),
            if events == 1 { "counts" } else { "count" }
        ),
    };
    if adopted.beyond > 0 {
        out.push_str(&format!(
            "{} still do not: the removal says that its key may be in wrong hands, and its lowest cut holds.\n",
            count(adopted.beyond, "event")
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn changed_to(change: &str, effective: bool) -> ChangedDto {
        ChangedDto {
            name: "bob".into(),
            change: change.into(),
            record: "0123456789abcdef".into(),
            signers: vec!["alice".into()],
            needed: 2,
            effective,
            ..ChangedDto::default()
        }
    }

    #[test]
    fn what_waits_names_the_command() {
        let text = strip_str(&changed(&changed_to("add", false))).to_string();
        assert!(text.starts_with("bob is to be a steward. It waits for 1 more steward."), "{text}");
        assert!(text.contains("antiphon team approve 0123456789ab\n"), "{text}");
    }

    #[test]
    fn a_removal_says_what_it_cannot_do() {
        let behind = vec!["carol".to_owned()];
        let revoked = RevokedDto { change: changed_to("revoke", true), roles: vec!["observer".into()], behind };
        let text = strip_str(&super::revoked(&revoked)).to_string();
        for words in ["no longer a member", "New keys: observer", "carol said", "team adopt bob", "it still has"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn keys_are_counted_as_people_count() {
        let all = [1, 2, 3, 4, 11, 12, 13, 21, 102].map(ordinal);
        assert_eq!(all, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd"]);
    }
}
