//! Divergences: what a program may ask of a node about them, and how one is settled.

mod choice;
mod origins;

use antiphon_core::event::Provenance;
use antiphon_core::fact::Field;
use antiphon_core::ids::{EventId, FactId};
use antiphon_core::incident;
use antiphon_core::time::UnixMillis;
use antiphon_store::{Author, Counts, Diverged, DivergedField, Draft, Outcome, Resolved, Settlement, Side, SubjectId};

use crate::api::{Error, Problem};
use crate::handle::Handle;
use choice::choose;
pub use choice::{Choice, Taken, Unsettled};
pub use origins::Origins;

/// Most characters of an unknown id that an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// How an attempt to settle a divergence ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is settled.
    Done {
        /// The event that settles it.
        event: EventId,
        /// Where the value of each settled field came from.
        taken: Vec<(&'static str, Taken)>,
        /// Fields that stay diverged, because the accepted side says nothing about them or nobody spoke of them.
        left: Vec<&'static str>,
        /// Whether the fact is forgotten now.
        deleted: bool,
    },
    /// There was nothing to settle, and nothing was written.
    NotDiverged {
        /// Who changed it last.
        by: Author,
        /// When, by that author's clock.
        at: UnixMillis,
    },
}

impl Handle {
    /// The fact or incident that `text` names: a whole id, or the beginning of exactly one.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::SubjectAmbiguous`].
    pub async fn resolve_subject(&self, text: &str) -> Result<SubjectId, Error> {
        let prefix = text.to_owned();
        let read = move |reader: &antiphon_store::Reader<'_>| {
            Ok((reader.resolve_fact(&prefix)?, reader.resolve_incident(&prefix)?))
        };
        let several = |count| Error::SubjectAmbiguous { prefix: text.to_owned(), count };
        match self.shared.store.read(read).await? {
            (Resolved::One(fact), Resolved::None) => Ok(SubjectId::Fact(fact)),
            (Resolved::None, Resolved::One(incident)) => Ok(SubjectId::Incident(incident)),
            (Resolved::None, Resolved::None) => {
                Err(Error::SubjectNotFound(text.chars().take(SHOWN_CHARS_MAX).collect()))
            }
            (facts, incidents) => Err(several(count(&facts) + count(&incidents))),
        }
    }

    /// A fact or an incident with its diverged fields.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`].
    pub async fn divergence(&self, id: SubjectId) -> Result<Diverged, Error> {
        let found = self.shared.store.read(move |reader| reader.divergence(id)).await?;
        found.ok_or_else(|| Error::SubjectNotFound(id.to_string()))
    }

    /// Facts and incidents with a divergence, the newest id first: at most `limit` of those before `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn divergences(&self, limit: usize, after: Option<SubjectId>) -> Result<Vec<Diverged>, Error> {
        Ok(self.shared.store.read(move |reader| reader.divergences(limit, after)).await?)
    }

    /// What stands for the diverged fields of these facts, at most `limit` sides of one fact.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sides_of(&self, facts: Vec<FactId>, limit: usize) -> Result<Vec<(FactId, Vec<Side>)>, Error> {
        Ok(self.shared.store.read(move |reader| reader.sides_of(&facts, limit)).await?)
    }

    /// Settles a divergence by an edit that has seen all its sides. The value is said again, whoever said it first.
    ///
    /// # Errors
    /// [`Error::Unsettled`] when the choice settles nothing; [`Error::Refused`] with
    /// [`antiphon_store::AuthorError::ChangedMeanwhile`] when there are other sides than were seen.
    pub async fn settle(&self, id: SubjectId, choice: Choice, provenance: Provenance) -> Result<Settled, Error> {
        let diverged = self.divergence(id).await?;
        let seen = choice.seen.clone();
        let (settlement, sides, taken, left) = match (id, &diverged) {
            (SubjectId::Fact(fact), Diverged::Fact(_, fields)) if !fields.is_empty() => {
                let chosen = choose(fields, &[Field::Content], &choice)?;
                let (taken, left) = chosen.names();
                let forget = chosen.deleted;
                let settlement = if forget { Settlement::Forget(fact) } else { Settlement::Fact(fact, chosen.edit) };
                (settlement, events(fields), taken, left)
            }
            (SubjectId::Incident(incident), Diverged::Incident(_, fields)) if !fields.is_empty() => {
                let texts = [incident::Field::Description, incident::Field::Title];
                let chosen = choose(fields, &texts, &choice)?;
                let (taken, left) = chosen.names();
                (Settlement::Incident(incident, chosen.edit), events(fields), taken, left)
            }
            _ => return self.not_diverged(id).await,
        };
        let deleted = matches!(settlement, Settlement::Forget(_));
        let draft = Draft::Settle { settlement, seen: seen.unwrap_or(sides), provenance };
        let authored = self.author(vec![draft]).await?.into_iter().next();
        let authored = authored.ok_or(Error::Stopped)??;
        match authored.outcome {
            Outcome::Written => Ok(Settled::Done { event: authored.event, taken, left, deleted }),
            Outcome::Existed | Outcome::Unchanged => self.not_diverged(id).await,
        }
    }

    /// Who changed last what has no divergence.
    async fn not_diverged(&self, id: SubjectId) -> Result<Settled, Error> {
        let last = match id {
            SubjectId::Fact(id) => self.history(id).await?.pop().map(|edit| (edit.author, edit.hlc)),
            SubjectId::Incident(id) => self.incident_history(id).await?.pop().map(|edit| (edit.author, edit.hlc)),
        };
        let (by, hlc) = last.ok_or_else(|| Error::SubjectNotFound(id.to_string()))?;
        Ok(Settled::NotDiverged { by, at: hlc.time() })
    }
}

/// What a person should settle, if anything.
pub(crate) fn problem(counts: &Counts) -> Option<Problem> {
    let some = |count: u64, noun: &str| match count {
        0 => None,
        1 => Some(format!("1 {noun}")),
        count => Some(format!("{count} {noun}s")),
    };
    let all = [some(counts.diverged, "fact"), some(counts.diverged_incidents, "incident")];
    let all = all.into_iter().flatten().collect::<Vec<_>>();
    if all.is_empty() {
        return None;
    }
    let was = if counts.diverged + counts.diverged_incidents == 1 { "was" } else { "were" };
    let what = format!("{} {was} changed on several machines at once; every side is kept", all.join(" and "));
    Some(Problem { what, fix: "antiphon divergences list".to_owned() })
}

fn events<F>(fields: &[DivergedField<F>]) -> Vec<EventId> {
    fields.iter().flat_map(|field| &field.sides).map(|side| side.event).collect()
}

fn count<Id>(found: &Resolved<Id>) -> usize {
    match found {
        Resolved::None => 0,
        Resolved::One(_) => 1,
        Resolved::Ambiguous(ids) => ids.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_to_be_settled_is_counted_in_words() {
        let check = |diverged, diverged_incidents, what: Option<&str>| {
            let counts = Counts { diverged, diverged_incidents, ..Counts::default() };
            let found = problem(&counts).map(|problem| problem.what);
            assert_eq!(found.as_deref().and_then(|text| text.split(" changed").next()), what);
        };
        check(0, 0, None);
        check(1, 0, Some("1 fact was"));
        check(2, 1, Some("2 facts and 1 incident were"));
        check(0, 3, Some("3 incidents were"));
    }
}
