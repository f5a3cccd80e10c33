//! Incidents: something that went wrong, reported once and followed by the whole team.
//!
//! A report could be a fact with a form inside its text, but then two people who change its status and its severity at
//! once would undo each other's change. So an incident is a subject of its own with fields of its own, and merges as a
//! fact does: edits of different fields both stand, two edits of one field are a divergence until somebody who has
//! seen both settles it.
//!
//! What a field may hold is closed where people filter by it (status, severity, phase of the kill chain) and open
//! where they describe (title, description, rule). Techniques are ids of the MITRE ATT&CK matrix by their form; whether
//! the matrix has such an id changes with its versions and is not judged here. Who reported it is not a field: it is
//! the author of the log that holds the report, which nobody can claim in another's name.
//!
//! Limits: an incident is always shared with the team, and it is closed rather than forgotten.

mod edit;
mod field;
mod terms;

use std::collections::BTreeMap;

pub use edit::{
    DESCRIPTION_BYTES_MAX, Error, IncidentEdit, RULE_BYTES_MAX, TECHNIQUES_MAX, TITLE_BYTES_MAX, UnknownTechnique,
    check_technique,
};
pub use field::{FIELDS_KNOWN, Field};
pub use terms::{KillChainPhase, Severity, Status, UnknownPhase, UnknownSeverity, UnknownStatus};

use crate::ids::IncidentId;
use crate::time::UnixMillis;
use crate::value::Value;

/// The standing values of an incident, typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its id, the same on every node.
    pub id: IncidentId,
    /// How far it has been dealt with.
    pub status: Status,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, on one line; `None` when the report is not held or does not count.
    pub title: Option<String>,
    /// What is known about it.
    pub description: Option<String>,
    /// How many single occurrences it stands for.
    pub event_count: u64,
    /// The rule that saw them as one.
    pub correlation_rule: Option<String>,
    /// How far the attack has got.
    pub kill_chain_phase: Option<KillChainPhase>,
    /// Techniques of the MITRE ATT&CK matrix, in the order given.
    pub mitre_mapping: Vec<String>,
    /// When it was first reported, also where it was imported from elsewhere.
    pub created_at: UnixMillis,
}

impl Incident {
    /// Reads standing values; one of the wrong kind, or that this version does not know, counts as absent.
    pub fn from_values(id: IncidentId, values: &BTreeMap<Field, Value>) -> Self {
        let get = |field: Field| values.get(&field).filter(|value| field.kind().fits(value));
        let text = |field| get(field).and_then(Value::as_text).map(str::to_owned);
        let uint = |field| get(field).and_then(Value::as_uint);
        Self {
            id,
            status: uint(Field::Status).and_then(Status::from_number).unwrap_or_default(),
            severity: uint(Field::Severity).and_then(Severity::from_number).unwrap_or_default(),
            title: text(Field::Title),
            description: text(Field::Description),
            event_count: uint(Field::EventCount).unwrap_or(1),
            correlation_rule: text(Field::CorrelationRule),
            kill_chain_phase: uint(Field::KillChainPhase).and_then(KillChainPhase::from_number),
            mitre_mapping: get(Field::MitreMapping).and_then(Value::as_texts).unwrap_or_default(),
            created_at: uint(Field::CreatedAt).map_or(id.time(), UnixMillis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_do_not_fit_count_as_absent() {
        let id = IncidentId::new(UnixMillis(7_000), [1; 10]);
        let bare = Incident::from_values(id, &BTreeMap::new());
        assert_eq!((bare.status, bare.severity, bare.event_count), (Status::Open, Severity::Medium, 1));
        assert_eq!((bare.title.clone(), bare.created_at), (None, UnixMillis(7_000)));
        let values = BTreeMap::from([
            (Field::Title, Value::Uint(1)),
            (Field::Status, Value::Uint(77)),
            (Field::Severity, "high".into()),
            (Field::KillChainPhase, Value::Uint(7)),
            (Field::MitreMapping, Value::List(vec![Value::Uint(1)])),
        ]);
        assert_eq!(Incident::from_values(id, &values), bare);
    }

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        let techniques = ["T1059".to_owned(), "T1059.001".to_owned()];
        let edit = IncidentEdit::new()
            .set(Field::Title, "a shell where none should be".into())
            .set(Field::Status, Value::Uint(Status::Contained.number()))
            .set(Field::Severity, Value::Uint(Severity::Critical.number()))
            .set(Field::KillChainPhase, Value::Uint(KillChainPhase::Installation.number()))
            .set(Field::MitreMapping, Value::texts(&techniques))
            .set(Field::EventCount, Value::Uint(12));
        edit.validate().unwrap();
        let values = edit.0.iter().filter_map(|(field, value)| Some((*field, value.clone()?))).collect();
        let incident = Incident::from_values(IncidentId([1; 16]), &values);
        assert_eq!((incident.status, incident.severity), (Status::Contained, Severity::Critical));
        assert_eq!(incident.kill_chain_phase, Some(KillChainPhase::Installation));
        assert_eq!((incident.mitre_mapping.as_slice(), incident.event_count), (techniques.as_slice(), 12));
    }
}
