//! What an upgrade puts right.
//!
//! Events that an older version did not understand are kept with their reason. A database says what the version that
//! wrote it last understood; when this one understands something else, those events are taken in again as if they came
//! now. That is done in steps of bounded size, each a transaction of its own, and what is understood is noted only
//! after the last: a node that is stopped in between begins again, and taking an event in twice changes nothing.

use std::collections::BTreeMap;

use antiphon_core::cbor;
use antiphon_core::event::{Action, Event, Header, Subject};
use rusqlite::params;

use crate::apply::take_in;
use crate::cache::{LogEntry, meta, set_meta};
use crate::cause::{self, Cause};
use crate::db::Db;
use crate::error::Error;
use crate::sealed::{self, Text};
use crate::{edits, project, row};

/// Events that are taken in again in one transaction.
const EVENTS_PER_STEP: i64 = 1_000;
/// Raised whenever this version reads something that the one before it did not, other than an action or a subject.
const READS: u64 = 1;
/// Actions and kinds of subjects have numbers below this.
const NUMBERS: u64 = 256;
/// The setting that says what the version understood that wrote the database last.
const KNOWN: &str = "known";

/// What this version understands.
fn known() -> Vec<u8> {
    let actions = (0..NUMBERS).filter(|number| !matches!(Action::from_number(*number), Action::Unknown(_)));
    let kinds = (0..NUMBERS).filter(|kind| !matches!(Subject::from_parts(*kind, Vec::new()), Subject::Unknown { .. }));
    let lists: [Vec<u64>; 3] = [vec![READS], actions.collect(), kinds.collect()];
    cbor::encode(|out| {
        cbor::array(out, lists.len());
        for list in lists {
            cbor::array(out, list.len());
            list.into_iter().for_each(|number| cbor::uint(out, number));
        }
    })
}

impl Db {
    /// Takes in again what another version could not, if another one wrote this database last.
    pub(crate) fn take_up_upgrade(&mut self) -> Result<(), Error> {
        let known = known();
        if meta(&self.conn, KNOWN)?.as_ref() == Some(&known) {
            return Ok(());
        }
        let (mut after, mut applied) = (0, 0);
        while let Some((last, more)) = self.transaction(|db| db.take_again(after))? {
            (after, applied) = (last, applied + more);
        }
        if applied > 0 {
            tracing::info!(applied, "an upgrade applies events that waited for it");
        }
        self.transaction(|db| set_meta(&db.conn, KNOWN, &known))
    }

    /// Takes some events after position `after` in again; returns the last position and how many are applied now.
    fn take_again(&mut self, after: i64) -> Result<Option<(i64, usize)>, Error> {
        let by_id: BTreeMap<i64, LogEntry> = self.cache.logs.values().map(|entry| (entry.id, entry.clone())).collect();
        let step: Vec<(i64, usize)> = {
            let mut query =
                self.conn.prepare_cached("SELECT pos, reason FROM quarantine WHERE pos > ?1 ORDER BY pos LIMIT ?2")?;
            let mut rows = query.query(params![after, EVENTS_PER_STEP])?;
            let mut step = Vec::new();
            while let Some(found) = rows.next()? {
                step.push((found.get(0)?, row::index(found, 1)?));
            }
            step
        };
        let mut applied = 0;
        for (pos, number) in &step {
            let waits = Cause::ALL.get(*number).is_some_and(|cause| cause.is_schema_widening());
            applied += usize::from(waits && self.take_one_again(&by_id, *pos)?);
        }
        let last = step.last().map(|(pos, _)| *pos);
        Ok(last.map(|last| (last, applied)))
    }

    /// Takes one event in again; says whether nothing is wrong with it any more.
    fn take_one_again(&self, by_id: &BTreeMap<i64, LogEntry>, pos: i64) -> Result<bool, Error> {
        let (log, event) = {
            let mut query =
                self.conn.prepare_cached("SELECT log, header, payload, signature FROM events WHERE pos = ?1")?;
            let mut rows = query.query([pos])?;
            let Some(found) = rows.next()? else { return Ok(false) };
            (found.get::<_, i64>(0)?, row::event(found, 1)?)
        };
        let entry = by_id.get(&log).ok_or_else(|| Error::damaged(format!("log {log} is missing")))?;
        self.conn.prepare_cached("DELETE FROM quarantine WHERE pos = ?1")?.execute([pos])?;
        if edits::counts(&self.conn, event.header(), pos)? {
            self.read_again(pos, &event)?;
        } else {
            let _done = take_in(&self.conn, &mut self.law()?, entry, pos, &event)?;
        }
        if let Some(fact) = event.header().subject.fact() {
            project::touch(&self.conn, fact)?;
        }
        Ok(cause::noted(&self.conn, pos)?.is_none())
    }

    /// Reads the payload again of an event whose header counts already.
    fn read_again(&self, pos: i64, event: &Event) -> Result<(), Error> {
        let header = event.header();
        let text = event.payload().map(|payload| sealed::read(&self.conn, event.header_bytes(), header, payload));
        if text.transpose()? == Some(Text::Malformed) {
            return project::quarantine(&self.conn, pos, Cause::MalformedPayload);
        }
        self.note_again(pos, header)?;
        header.subject.fact().map_or(Ok(()), |fact| project::refresh(&self.conn, fact))
    }

    /// Leaves the database as a version would have left it that does not know these actions and kinds of subjects, for
    /// tests of upgrades.
    ///
    /// # Errors
    /// When the database fails.
    pub fn leave_as_older_version(&mut self, actions: &[u64], kinds: &[u64]) -> Result<usize, Error> {
        self.transaction(|db| {
            let mut aside = Vec::new();
            let mut query = db.conn.prepare_cached("SELECT pos, header FROM events ORDER BY pos")?;
            let mut rows = query.query([])?;
            while let Some(found) = rows.next()? {
                let (pos, header): (i64, Header) = (found.get(0)?, Header::decode(&found.get::<_, Vec<u8>>(1)?)?);
                if actions.contains(&header.action.number()) {
                    aside.push((pos, header, Cause::UnknownAction));
                } else if kinds.contains(&header.subject.parts().0) {
                    aside.push((pos, header, Cause::UnknownType));
                }
            }
            drop(rows);
            drop(query);
            for (pos, header, cause) in &aside {
                project::withdraw(&db.conn, &header.subject, header.stream, &[*pos])?;
                project::quarantine(&db.conn, *pos, *cause)?;
            }
            set_meta(&db.conn, KNOWN, b"")?;
            Ok(aside.len())
        })
    }
}
