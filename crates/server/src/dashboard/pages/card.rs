//! A fact as lists show it.

use crate::dashboard::show;
use crate::dto::{FactDto, ProvenanceDto};

/// Longest text in a list, in characters.
const TEXT_CHARS_MAX: usize = 600;

/// A state with its colour and its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) word: String,
}

impl Mark {
    pub(super) fn new(class: &'static str, word: impl Into<String>) -> Self {
        Self { class, word: word.into() }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) href: String,
    pub(super) text: String,
    pub(super) level: u64,
    pub(super) level_name: String,
    /// Where it belongs, who wrote it and when.
    pub(super) about: String,
    pub(super) marks: Vec<Mark>,
    /// Who holds it, if that was asked.
    pub(super) held: Option<String>,
}

impl Card {
    pub(super) fn of(fact: &FactDto, now_ms: u64) -> Self {
        Self {
            href: format!("/facts/{}", fact.id),
            text: show::cut(&text_of(fact), TEXT_CHARS_MAX),
            level: fact.level,
            level_name: fact.level_name.clone(),
            about: about(fact, now_ms),
            marks: marks(fact),
            held: None,
        }
    }
}

/// What a fact says, or why it says nothing here.
pub(super) fn text_of(fact: &FactDto) -> String {
    match &fact.content {
        Some(text) => text.clone(),
        None if fact.erased => "Erased for good.".to_owned(),
        None if fact.forgotten => "Forgotten; it can be restored.".to_owned(),
        None => "Its text is not held here yet.".to_owned(),
    }
}

fn about(fact: &FactDto, now_ms: u64) -> String {
    let place = match (&fact.domain, &fact.module) {
        (Some(domain), Some(module)) => Some(format!("{domain} / {module}")),
        (domain, module) => domain.clone().or_else(|| module.clone()),
    };
    let tags = (!fact.tags.is_empty()).then(|| format!("#{}", fact.tags.join(" #")));
    let parts = [place, tags, Some(written(&fact.provenance, &fact.author)), Some(show::ago(&fact.updated_at, now_ms))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Who wrote something, and on which machine.
pub(super) fn written(provenance: &ProvenanceDto, node: &str) -> String {
    match (provenance.agent.as_deref(), provenance.source_kind.as_deref()) {
        (Some(agent), _) => format!("{agent} on {node}"),
        (None, Some("human") | None) => format!("written by a person on {node}"),
        (None, Some(kind)) => format!("from {kind} on {node}"),
    }
}

/// What is to be known of a fact beside its text.
pub(super) fn marks(fact: &FactDto) -> Vec<Mark> {
    let all = [
        (!fact.diverged.is_empty(), "bad", "diverged"),
        (fact.stale, "warn", "out of date"),
        (fact.archived, "", "archived"),
        (fact.private, "info", "private"),
        (fact.forgotten && !fact.erased, "warn", "forgotten"),
        (fact.erased, "bad", "erased"),
        (fact.incomplete, "warn", "incomplete"),
    ];
    let mut marks: Vec<Mark> =
        all.into_iter().filter(|(is, ..)| *is).map(|(_, class, word)| Mark::new(class, word)).collect();
    if let Some(role) = &fact.role {
        marks.push(Mark::new("info", format!("sealed for {role}")));
    }
    if fact.stream == "local" && !fact.private {
        marks.push(Mark::new("", "stays here"));
    }
    marks
}
