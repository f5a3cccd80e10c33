//! What the page about genome and charter shows.

use antiphon_core::time::UnixMillis;

use crate::dashboard::say::{Tag, Tone, When, called, link, many, number, short};
use crate::dashboard::show::{cut, in_path};
use crate::dto::{FormerDto, GeneDto, GenomeReportDto, MemberDto, MembersDto, RoleDto, WaitingDto};
use crate::time;

/// A grant that ends this soon is named above, in milliseconds: two weeks.
const SOON_MS: u64 = 14 * 24 * 60 * 60 * 1_000;
/// Characters of a gene's text in the tree.
const GENE_CHARS_MAX: usize = 160;

/// Something that is wrong, and what mends it.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) class: &'static str,
    pub(super) words: String,
    pub(super) cure: String,
}

/// A change of stewards that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) record: String,
    pub(super) words: String,
    pub(super) asked: bool,
    pub(super) cure: String,
}

/// Genes whose ids begin alike.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) words: String,
    pub(super) open: bool,
    pub(super) genes: Vec<Gene>,
}

/// A gene in the tree.
#[derive(Debug, Clone)]
pub(super) struct Gene {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) text: String,
    pub(super) founding: bool,
}

/// A role and its key.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) rule: String,
    pub(super) key: Tag,
    pub(super) epoch: String,
    pub(super) members: String,
}

/// A member and its grant.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) href: String,
    pub(super) own: bool,
    pub(super) steward: bool,
    pub(super) grant: Tag,
    pub(super) roles: String,
    pub(super) lacks: String,
    pub(super) ends: When,
}

/// A removed member.
#[derive(Debug, Clone)]
pub(super) struct Former {
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) compromised: Option<Tag>,
    pub(super) beyond: String,
}

/// Whether the genome is what it was.
pub(super) fn verdict(report: &GenomeReportDto) -> Tag {
    if report.ok { Tag::new(Tone::Ok, "checked just now: unchanged") } else { Tag::new(Tone::Bad, "changed") }
}

/// What a person should mend.
pub(super) fn problems(team: &MembersDto, report: &GenomeReportDto, now: UnixMillis) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !report.ok {
        let words = if report.tampered.is_empty() {
            format!(
                "The founding genes hash to {}, and the team is {}.",
                short(&report.founding_root),
                short(&report.team)
            )
        } else {
            format!("Genes were changed in the database: {}.", report.tampered.join(", "))
        };
        problems.push(Problem { class: "bad", words, cure: "antiphon gene verify".to_owned() });
    }
    if let Some(kind) = team.critical {
        let words =
            format!("A charter record of kind {kind} is of a newer version: nothing is written until the upgrade.");
        problems.push(Problem { class: "bad", words, cure: "upgrade antiphon on this machine".to_owned() });
    }
    for member in &team.members {
        let left = time::parse(&member.not_after).map_or(u64::MAX, |end| end.0.saturating_sub(now.0));
        if left > SOON_MS {
            continue;
        }
        let name = called(&member.name, &member.peer_id);
        let words = match left {
            0 => format!("The grant of {name} has ended; members do not speak with it."),
            left => format!("The grant of {name} ends in {}.", time::age(left)),
        };
        problems.push(Problem {
            class: if left == 0 { "bad" } else { "" },
            words,
            cure: format!("antiphon team renew {name}"),
        });
    }
    problems
}

impl Waiting {
    pub(super) fn of(waiting: &WaitingDto) -> Self {
        let name = called(&waiting.name, &waiting.peer_id);
        let what = match waiting.change.as_str() {
            "add" => format!("{name} is to become a steward"),
            "remove" => format!("{name} is to be a steward no more"),
            _ => format!("{name}, a steward, is to be removed"),
        };
        let record: String = waiting.record.chars().take(12).collect();
        Self {
            words: format!(
                "{what}: {} of {} have agreed ({}){}",
                number(waiting.signers.len() as u64),
                number(waiting.needed),
                waiting.signers.join(", "),
                if waiting.signed { ", you among them." } else { "." }
            ),
            asked: waiting.asked,
            cure: format!("on another steward: antiphon team approve {record}"),
            record: waiting.record.clone(),
        }
    }
}

/// Genes by what their ids begin with.
pub(super) fn groups(genes: Vec<GeneDto>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for gene in genes {
        let name = gene.id.split_once('.').map_or(gene.id.as_str(), |(name, _)| name).to_owned();
        let shown = Gene {
            href: link("/charter/gene", &[("id", &gene.id)]),
            text: cut(&gene.text, GENE_CHARS_MAX),
            founding: gene.founding,
            id: gene.id,
        };
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.genes.push(shown),
            None => groups.push(Group { open: name == "law", name, words: String::new(), genes: vec![shown] }),
        }
    }
    for group in &mut groups {
        group.words = many(group.genes.len() as u64, "gene", "genes");
    }
    groups
}

impl Role {
    pub(super) fn of(role: &RoleDto) -> Self {
        let key = match &role.epoch {
            None if role.epochs > 0 => Tag::new(Tone::Bad, "no usable key"),
            None => Tag::new(Tone::Plain, "no key yet"),
            Some(_) => Tag::new(Tone::Ok, format!("key {}, held by {}", number(role.epochs), number(role.holders))),
        };
        Self {
            name: role.name.clone(),
            rule: role.rule.clone(),
            key,
            epoch: role.epoch.as_deref().map(short).unwrap_or_default(),
            members: number(role.members.len() as u64),
        }
    }
}

impl Member {
    pub(super) fn of(member: &MemberDto, now: UnixMillis) -> Self {
        let left = time::parse(&member.not_after).map_or(u64::MAX, |end| end.0.saturating_sub(now.0));
        let grant = match (member.expired, left <= SOON_MS) {
            (true, _) => Tag::new(Tone::Bad, "ended"),
            (_, true) => Tag::new(Tone::Warn, "ends soon"),
            _ => Tag::new(Tone::Ok, "granted"),
        };
        Self {
            id: member.peer_id.clone(),
            name: called(&member.name, &member.peer_id),
            href: if member.own { "/settings".to_owned() } else { format!("/peers/{}", in_path(&member.peer_id)) },
            own: member.own,
            steward: member.steward,
            grant,
            roles: member.roles.join(", "),
            lacks: member.lacks.join(", "),
            ends: When::of(&member.not_after, now),
        }
    }
}

impl Former {
    pub(super) fn of(former: &FormerDto, members: &[MemberDto]) -> Self {
        let by = former.by.as_deref().map(|key| {
            let member = members.iter().find(|member| member.peer_id == key);
            called(member.map_or("", |member| &member.name), key)
        });
        Self {
            name: called(&former.name, &former.peer_id),
            reason: former.reason.clone(),
            by: by.unwrap_or_default(),
            compromised: former.compromised.then(|| Tag::new(Tone::Bad, "key in wrong hands")),
            beyond: if former.beyond == 0 { String::new() } else { many(former.beyond, "event", "events") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_with_what_mends_it() {
        let now = UnixMillis(1_700_000_000_000);
        let member = |name: &str, days: u64| MemberDto {
            name: name.into(),
            not_after: time::rfc3339(UnixMillis(now.0 + days * 86_400_000)),
            ..MemberDto::default()
        };
        let team = MembersDto {
            members: vec![member("bob", 0), member("eve", 3), member("ann", 300)],
            ..MembersDto::default()
        };
        let report = GenomeReportDto { tampered: vec!["law.x".into()], ..GenomeReportDto::default() };
        let found = problems(&team, &report, now);
        assert_eq!(found.iter().map(|one| one.class).collect::<Vec<_>>(), ["bad", "bad", ""]);
        assert!(found[0].words.contains("law.x") && found[2].words.contains("eve ends in 3 d"), "{found:?}");
        assert_eq!(found[1].cure, "antiphon team renew bob");
        assert!(problems(&MembersDto::default(), &GenomeReportDto { ok: true, ..report }, now).is_empty());
    }

    #[test]
    fn genes_stand_in_groups() {
        let gene = |id: &str| GeneDto { id: id.into(), ..GeneDto::default() };
        let groups = groups(["law.a", "law.b", "role.qa", "team"].map(gene).to_vec());
        let shown: Vec<(&str, usize, bool)> =
            groups.iter().map(|group| (group.name.as_str(), group.genes.len(), group.open)).collect();
        assert_eq!(shown, [("law", 2, true), ("role", 1, false), ("team", 1, false)]);
    }

    #[test]
    fn who_has_agreed_is_said() {
        let waiting = WaitingDto {
            change: "add".into(),
            name: "bob".into(),
            signers: vec!["alice".into()],
            needed: 2,
            record: "ab".repeat(32),
            ..WaitingDto::default()
        };
        assert_eq!(Waiting::of(&waiting).words, "bob is to become a steward: 1 of 2 have agreed (alice).");
    }
}
