//! Divergences: fields that several machines changed at once, and how one of them is settled.
//!
//! Nothing is lost while a divergence waits: every side stands, one of them is shown, and any edit that has seen them
//! all settles it. What settles it says the value again instead of naming a side, so that it holds also where the
//! payload of that side never arrived. Of two that settle one divergence differently at once, both stand again.

use std::collections::BTreeMap;
use std::fmt;

use antiphon_core::event::{Action, Provenance, Subject};
use antiphon_core::fact::{self, FIELDS_KNOWN};
use antiphon_core::ids::{EventId, FactId, IncidentId};
use antiphon_core::incident::{self, IncidentEdit};
use antiphon_core::log::Stream;
use antiphon_core::time::Hlc;
use antiphon_core::value::Value;

use crate::author::{Scene, Sketch, Stop, Target, unchanged};
use crate::db::Db;
use crate::edits::{self, Stored};
use crate::error::AuthorError;
use crate::incidents::last_event;
use crate::project;
use crate::sealed;
use crate::view::{Author, Authored, FactView, IncidentView, Outcome, Side};

/// A fact or an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectId {
    /// A fact.
    Fact(FactId),
    /// An incident.
    Incident(IncidentId),
}

impl SubjectId {
    /// The bytes of its id.
    pub const fn bytes(&self) -> &[u8; 16] {
        match self {
            Self::Fact(id) => &id.0,
            Self::Incident(id) => &id.0,
        }
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact(id) => id.fmt(f),
            Self::Incident(id) => id.fmt(f),
        }
    }
}

/// What a field said before it was changed on several machines at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its value: `Some(None)` when it had none, `None` when the payload is not held.
    pub value: Option<Option<Value>>,
    /// Whether the whole was forgotten then.
    pub deleted: bool,
    /// Who wrote it.
    pub author: Author,
    /// When, by the author's clock.
    pub hlc: Hlc,
    /// Whether all sides began with a divergence; then this is the side that was shown.
    pub diverged: bool,
}

/// A field with distinct values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DivergedField<F> {
    /// The field.
    pub field: F,
    /// What stands for it, the shown value first.
    pub sides: Vec<Side<F>>,
    /// What all sides began with; `None` when one of them had seen nothing of the whole.
    pub ancestor: Option<Ancestor>,
}

impl<F> DivergedField<F> {
    /// When it came to have two sides, by the clock of whoever wrote the second.
    pub fn since(&self) -> Option<Hlc> {
        let mut times: Vec<Hlc> = self.sides.iter().map(|side| side.hlc).collect();
        times.sort_unstable();
        times.get(1).copied()
    }
}

/// A fact or an incident with its diverged fields; none when it has no divergence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diverged {
    /// A fact.
    Fact(Box<FactView>, Vec<DivergedField<fact::Field>>),
    /// An incident.
    Incident(Box<IncidentView>, Vec<DivergedField<incident::Field>>),
}

impl Diverged {
    /// What it is.
    pub fn id(&self) -> SubjectId {
        match self {
            Self::Fact(view, _) => SubjectId::Fact(view.fact.id),
            Self::Incident(view, _) => SubjectId::Incident(view.incident.id),
        }
    }

    /// When the first of its fields diverged.
    pub fn since(&self) -> Option<Hlc> {
        match self {
            Self::Fact(_, fields) => fields.iter().filter_map(DivergedField::since).min(),
            Self::Incident(_, fields) => fields.iter().filter_map(DivergedField::since).min(),
        }
    }
}

/// What is right: values of diverged fields, each said again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The fact is forgotten.
    Forget(FactId),
    /// The fact says this. If somebody forgot it, it comes back as it was, with this in it.
    Fact(FactId, fact::Edit),
    /// The incident says this.
    Incident(IncidentId, IncidentEdit),
}

/// What is there to settle.
enum Found {
    /// Nothing: it was settled, or never diverged.
    Settled,
    /// What was seen.
    Diverged,
    /// Something else than what was seen.
    Changed,
}

impl Db {
    pub(crate) fn settle(
        &mut self,
        settlement: &Settlement,
        seen: &[EventId],
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        match settlement {
            Settlement::Forget(id) => {
                let (stream, standing, merged) = self.standing_open(*id)?;
                match found(&standing, merged.diverged, merged.diverged, seen) {
                    Found::Settled => unchanged(&self.conn, *id),
                    Found::Changed => Err(AuthorError::ChangedMeanwhile(SubjectId::Fact(*id)).into()),
                    Found::Diverged => {
                        let version = self.next_version(*id, &standing)?;
                        let role = sealed::role_of(&standing, merged.shown);
                        let target = Target { id: *id, stream, version, role };
                        Ok(self.write_forget(target, provenance, scene)?.authored())
                    }
                }
            }
            Settlement::Fact(id, edit) => self.settle_fact(*id, edit, seen, provenance, scene),
            Settlement::Incident(id, edit) => {
                edit.validate().map_err(AuthorError::from)?;
                let unchanged =
                    last_event(&self.conn, *id, Outcome::Unchanged)?.ok_or(AuthorError::IncidentNotFound(*id))?;
                let standing = edits::standing(&self.conn, &Subject::Incident(*id), Stream::Shared)?;
                let diverged = edits::merge::<incident::Field>(&standing).diverged;
                match found(&standing, diverged, edit.bits(), seen) {
                    Found::Settled => Ok(unchanged),
                    Found::Changed => Err(AuthorError::ChangedMeanwhile(SubjectId::Incident(*id)).into()),
                    Found::Diverged => self.write_incident(*id, &standing, edit, provenance, scene),
                }
            }
        }
    }

    fn settle_fact(
        &mut self,
        id: FactId,
        edit: &fact::Edit,
        seen: &[EventId],
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        edit.validate().map_err(AuthorError::from)?;
        let (stream, standing, merged) = self.standing_open(id)?;
        match found(&standing, merged.diverged, edit.bits(), seen) {
            Found::Settled => return unchanged(&self.conn, id),
            Found::Changed => return Err(AuthorError::ChangedMeanwhile(SubjectId::Fact(id)).into()),
            Found::Diverged => {}
        }
        let (mut fields, mut values) = (edit.bits(), edit.values());
        let forgotten = |stored: &Stored| stored.header.action == Action::Forget;
        if standing.iter().any(|stored| forgotten(stored) && stored.edit.standing & FIELDS_KNOWN != 0) {
            // The deletion took every field; whoever keeps the fact keeps all of them.
            let before = project::before_forgotten(&self.conn, id, stream)?.values;
            let mut whole: BTreeMap<u8, Value> =
                before.into_iter().map(|(field, value)| (field.bit(), value)).collect();
            whole.retain(|bit, _| fields >> bit & 1 == 0);
            whole.append(&mut values);
            if !whole.contains_key(&fact::Field::Content.bit()) {
                return Err(AuthorError::NoText(id).into());
            }
            (fields, values) = (FIELDS_KNOWN, whole);
        }
        let version = self.next_version(id, &standing)?;
        let sketch = Sketch {
            stream,
            action: Action::Set,
            subject: Subject::Fact(id),
            version,
            fields,
            values,
            provenance: provenance.clone(),
        };
        let role = sealed::role_of(&standing, merged.shown);
        Ok(self.write_projected_for(sketch, role, scene)?.authored())
    }
}

/// Whether these fields are diverged as they were seen.
fn found(standing: &[Stored], diverged: u64, fields: u64, seen: &[EventId]) -> Found {
    if diverged == 0 || diverged & fields == 0 {
        return Found::Settled;
    }
    let sides = standing.iter().filter(|stored| stored.edit.standing & fields != 0);
    let known = sides.into_iter().all(|stored| seen.contains(&stored.header.id));
    if fields & !diverged == 0 && known { Found::Diverged } else { Found::Changed }
}
