//! A new store for the same key, when the old one cannot be written any more.
//!
//! A home that was restored from an old copy and written before it heard from the others has signed two branches of
//! its log, and nothing after the fork counts. The way out is a new store under the same key that names the old one.
//! What this home had written beyond the fork is written again there, against what stands now, so nothing is lost.

use antiphon_core::event::{Action, Event, Payload, Subject};
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::StoreId;
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::UnixMillis;
use rusqlite::params;

use crate::author::{Random, Scene};
use crate::cache::set_own;
use crate::db::Db;
use crate::error::Error;
use crate::incidents::draft_of as draft_of_incident;
use crate::query::{facts, incidents, logs};
use crate::row::{self, sql};
use crate::view::{Draft, Identity, Own};

impl Db {
    /// Opens a new store under the same key and writes again what stood beyond a fork of the old one. `nonce` is a
    /// fresh ULID.
    ///
    /// # Errors
    /// [`Error::NoTeam`] when there is none, and failures of the database.
    pub fn open_new_store(&mut self, nonce: [u8; 16], now: UnixMillis, random: [u8; 32]) -> Result<Own, Error> {
        self.transaction(|db| {
            let old = db.cache.own()?.clone();
            let lost = db.beyond_fork(old.store)?;
            let previous = Some((old.store, db.counted_heads(old.store)?));
            let identity = Identity { node: old.node, name: old.name.clone(), nonce, previous };
            let own = Own { store: StoreId::derive(&old.team, &old.node, &nonce), ..old };
            set_own(&db.conn, &own)?;
            db.cache.own = Some(own.clone());
            let mut scene = Scene { now, random: Random::new(random) };
            db.open_logs(&identity, &mut scene)?;
            for draft in lost {
                // A draft that is refused now, because the fact is gone or says that already, has nothing to add.
                let _refused_or_written = db.author_one(&draft, &mut scene)?;
            }
            Ok(own)
        })
    }

    /// The heads of a store's logs that others hold, as far as they count.
    fn counted_heads(&self, store: StoreId) -> Result<Vec<(LogId, Head)>, Error> {
        let of_store = self.cache.logs.iter().filter(|(log, _)| log.store == store && log.stream != Stream::Local);
        let head = |(log, entry): (&LogId, &crate::cache::LogEntry)| {
            let seq = entry.counted();
            let hash = logs::header_hash_at(&self.conn, *log, seq)?;
            Ok((*log, hash.map_or(Head::EMPTY, |hash| Head { seq, hash })))
        };
        of_store.map(head).collect()
    }

    /// What stands in the forked part of a store's shared log, as drafts.
    fn beyond_fork(&self, store: StoreId) -> Result<Vec<Draft>, Error> {
        let Some(entry) = self.cache.logs.get(&LogId::new(store, Stream::Shared)) else { return Ok(Vec::new()) };
        let Verdict::Forked(from) = entry.verdict else { return Ok(Vec::new()) };
        let mut query = self.conn.prepare_cached(
            "SELECT header, payload, signature FROM events WHERE log = ?1 AND seq >= ?2 ORDER BY seq",
        )?;
        let mut rows = query.query(params![entry.id, sql(from)])?;
        let mut drafts: Vec<Draft> = Vec::new();
        while let Some(found) = rows.next()? {
            let event = row::event(found, 0)?;
            let new = self.is_new(&event.header().subject, &drafts)?;
            drafts.extend(draft_of(&event, new));
        }
        Ok(drafts)
    }

    /// Whether neither the projection nor an earlier draft knows the fact or incident.
    fn is_new(&self, subject: &Subject, drafts: &[Draft]) -> Result<bool, Error> {
        let known = match *subject {
            Subject::Fact(fact) => {
                facts::get(&self.conn, fact)?.is_some()
                    || drafts.iter().any(|draft| matches!(draft, Draft::Remember { id, .. } if *id == Some(fact)))
            }
            Subject::Incident(known) => {
                incidents::get(&self.conn, known)?.is_some()
                    || drafts.iter().any(|one| matches!(one, Draft::ReportIncident { id, .. } if *id == Some(known)))
            }
            _ => false,
        };
        Ok(!known)
    }
}

/// The draft that says what an event said, if it is an edit whose text is held.
fn draft_of(event: &Event, new: bool) -> Option<Draft> {
    let header = event.header();
    let payload = Payload::decode(event.payload()?, header.fields).ok()?;
    if let Some(incident) = header.subject.incident() {
        return Some(draft_of_incident(incident, header, payload, new));
    }
    let fact = header.subject.fact()?;
    let provenance = payload.provenance;
    if header.action == Action::Forget {
        return Some(Draft::Forget { fact, provenance });
    }
    let touched = Field::ALL.iter().filter(|field| header.fields & field.mask() != 0);
    let edit: Edit = touched.map(|field| (*field, payload.fields.get(&field.bit()).cloned())).collect();
    Some(if new {
        Draft::Remember { id: Some(fact), edit, provenance, idempotency_key: None }
    } else {
        Draft::Edit { fact, edit, provenance }
    })
}
