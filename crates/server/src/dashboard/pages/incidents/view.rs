//! What the pages about incidents show.

use antiphon_core::incident::{KillChainPhase, Severity, Status};
use antiphon_core::time::UnixMillis;
use serde_json::Value;

use crate::dashboard::say::{Tag, Tone, When, called, number, plain};
use crate::dto::{HistoryEntryDto, IncidentDto};

/// An incident in the timeline.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) status: Tag,
    pub(super) severity: Tag,
    pub(super) phase: String,
    pub(super) techniques: Vec<String>,
    pub(super) reporter: String,
    pub(super) created: When,
    pub(super) updated: When,
    /// The day it was reported on, for the headings of the timeline.
    pub(super) day: String,
    pub(super) count: String,
    pub(super) diverged: bool,
}

/// A stage of the kill chain.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) name: String,
    /// What goes on in it.
    pub(super) what: &'static str,
    /// How many incidents are in it, or nothing where only one is shown.
    pub(super) count: Option<u64>,
    /// `reached` and `here` of one incident, `some` of several, or nothing.
    pub(super) class: &'static str,
}

/// An edit of an incident.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) action: &'static str,
    pub(super) who: String,
    pub(super) when: When,
    pub(super) stands: bool,
    pub(super) fields: Vec<(String, String)>,
}

/// Words of a closed list, with the one that is chosen.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) shown: String,
    pub(super) chosen: bool,
}

impl Entry {
    pub(super) fn of(incident: &IncidentDto, now: UnixMillis) -> Self {
        let count = incident.event_count;
        Self {
            id: incident.id.clone(),
            title: incident.title.clone().unwrap_or_else(|| "(its report is not held here)".to_owned()),
            status: status_tag(&incident.status),
            severity: severity_tag(&incident.severity),
            phase: incident.kill_chain_phase.as_deref().map(plain).unwrap_or_default(),
            techniques: incident.mitre_mapping.clone(),
            reporter: called(&incident.reporter, &incident.source_peer_id),
            created: When::of(&incident.created_at, now),
            updated: When::of(&incident.updated_at, now),
            day: incident.created_at.get(..10).unwrap_or_default().to_owned(),
            count: if count > 1 { format!("{} occurrences", number(count)) } else { String::new() },
            diverged: !incident.diverged.is_empty(),
        }
    }
}

/// How far it has been dealt with.
pub(super) fn status_tag(status: &str) -> Tag {
    let tone = match status {
        "open" => Tone::Bad,
        "investigating" => Tone::Warn,
        "contained" => Tone::Info,
        "resolved" | "closed" => Tone::Ok,
        _ => Tone::Plain,
    };
    Tag::new(tone, plain(status))
}

/// How bad it is.
pub(super) fn severity_tag(severity: &str) -> Tag {
    let tone = match severity {
        "critical" | "high" => Tone::Bad,
        "medium" => Tone::Warn,
        "low" => Tone::Info,
        _ => Tone::Plain,
    };
    Tag::new(tone, plain(severity))
}

/// What goes on in a stage.
const fn stage_what(phase: KillChainPhase) -> &'static str {
    match phase {
        KillChainPhase::Reconnaissance => "targets are looked for",
        KillChainPhase::Weaponization => "a weapon is prepared",
        KillChainPhase::Delivery => "it is brought to the target",
        KillChainPhase::Exploitation => "a weakness is used",
        KillChainPhase::Installation => "a foothold is kept",
        KillChainPhase::CommandAndControl => "it is steered from outside",
        KillChainPhase::ActionsOnObjectives => "what it came for is done",
    }
}

/// All stages in order, with how many of the incidents that are not over are in each.
pub(super) fn stages(incidents: &[IncidentDto]) -> Vec<Stage> {
    let lasting = |incident: &&IncidentDto| !matches!(incident.status.as_str(), "resolved" | "closed");
    let count = |phase: KillChainPhase| {
        let lasting = incidents.iter().filter(lasting);
        lasting.filter(|incident| incident.kill_chain_phase.as_deref() == Some(phase.name())).count() as u64
    };
    let stage = |phase: &KillChainPhase| {
        let count = count(*phase);
        let class = if count > 0 { "some" } else { "" };
        Stage { name: plain(phase.name()), what: stage_what(*phase), count: Some(count), class }
    };
    KillChainPhase::ALL.iter().map(stage).collect()
}

/// All stages in order, with how far one incident has got.
pub(super) fn stages_of(incident: &IncidentDto) -> Vec<Stage> {
    let here = KillChainPhase::ALL.iter().position(|phase| incident.kill_chain_phase.as_deref() == Some(phase.name()));
    let stage = |(at, phase): (usize, &KillChainPhase)| Stage {
        name: plain(phase.name()),
        what: stage_what(*phase),
        count: None,
        class: match here {
            Some(here) if at == here => "here",
            Some(here) if at < here => "reached",
            _ => "",
        },
    };
    KillChainPhase::ALL.iter().enumerate().map(stage).collect()
}

pub(super) fn statuses(chosen: &str) -> Vec<Choice> {
    Status::ALL.iter().map(|one| choice(one.name(), chosen)).collect()
}

pub(super) fn severities(chosen: &str) -> Vec<Choice> {
    Severity::ALL.iter().map(|one| choice(one.name(), chosen)).collect()
}

pub(super) fn phases(chosen: &str) -> Vec<Choice> {
    KillChainPhase::ALL.iter().map(|one| choice(one.name(), chosen)).collect()
}

fn choice(name: &'static str, chosen: &str) -> Choice {
    Choice { name, shown: plain(name), chosen: name == chosen }
}

/// Every edit, the newest first; the oldest is the report.
pub(super) fn edits(history: &[HistoryEntryDto], now: UnixMillis) -> Vec<Edit> {
    let word = |at: usize| if at == 0 { "reported" } else { "changed" };
    history.iter().enumerate().rev().map(|(at, edit)| Edit { action: word(at), ..Edit::of(edit, now) }).collect()
}

impl Edit {
    fn of(entry: &HistoryEntryDto, now: UnixMillis) -> Self {
        let fields = entry.fields.iter().map(|(field, value)| (plain(field), text_of(value)));
        Self {
            action: "changed",
            who: called(&entry.author, &entry.origin),
            when: When::of(&entry.at, now),
            stands: !entry.standing.is_empty(),
            fields: fields.collect(),
        }
    }
}

/// A value of a field as people read it.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "cleared".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// How many incidents need somebody, in a sentence.
pub(super) fn words(incidents: &[IncidentDto], more: bool) -> String {
    let of = |status: &str| incidents.iter().filter(|incident| incident.status == status).count() as u64;
    let shown = if more { " among those shown" } else { "" };
    if incidents.is_empty() {
        return "Nothing was reported.".to_owned();
    }
    format!(
        "{} open, {} investigated, {} contained, {} over{shown}.",
        number(of("open")),
        number(of("investigating")),
        number(of("contained")),
        number(of("resolved") + of("closed"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(status: &str, phase: Option<&str>) -> IncidentDto {
        IncidentDto { status: status.into(), kill_chain_phase: phase.map(str::to_owned), ..IncidentDto::default() }
    }

    #[test]
    fn stages_stand_in_order_and_say_how_far_it_got() {
        let stages = stages_of(&incident("open", Some("delivery")));
        let classes: Vec<&str> = stages.iter().map(|stage| stage.class).collect();
        assert_eq!(classes, ["reached", "reached", "here", "", "", "", ""]);
        assert_eq!((stages[0].name.as_str(), stages[5].name.as_str()), ("reconnaissance", "command and control"));
        assert!(stages_of(&incident("open", None)).iter().all(|stage| stage.class.is_empty()));
    }

    #[test]
    fn what_is_over_is_in_no_stage() {
        let all = [incident("open", Some("delivery")), incident("closed", Some("delivery")), incident("open", None)];
        let counts: Vec<Option<u64>> = stages(&all).iter().map(|stage| stage.count).collect();
        assert_eq!(counts[2], Some(1));
        assert_eq!(counts.iter().flatten().sum::<u64>(), 1);
        assert_eq!(words(&all, false), "2 open, 0 investigated, 0 contained, 1 over.");
        assert_eq!(words(&[], false), "Nothing was reported.");
    }
}
