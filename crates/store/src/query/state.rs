//! The state hash, computed from the database.
//!
//! A forked or cut log is hashed by the last event of it that counts, not by how much of the rest happens to be held
//! here, so two nodes that agree on what counts have the same hash. Of a forked charter log both branches count, and
//! which of them came first here must not matter: all its events from the fork on are hashed as a set.

use std::collections::BTreeSet;

use antiphon_core::event::{Header, Subject};
use antiphon_core::frontier::{Edit, Frontier};
use antiphon_core::ids::Hash;
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::state::StateHasher;
use rusqlite::Connection;

use crate::cache::counted;
use crate::error::Error;
use crate::view::LogView;
use crate::{charter, query, row};

/// See [`crate::Reader::state_hash`].
pub(crate) fn state_hash(conn: &Connection) -> Result<Hash, Error> {
    let membership = charter::membership(conn)?;
    let genome = charter::team_genome(conn)?.with(membership.genes());
    let mut hasher = StateHasher::new(&genome.hash(), &membership.digest());
    let mut logs = query::logs::list(conn)?;
    logs.sort_by_key(|view| view.log);
    for view in logs.iter().filter(|view| view.log.stream != Stream::Local) {
        hasher.log(&view.log, &counted_head(conn, view)?, view.verdict);
    }
    let mut query = conn.prepare_cached(
        "SELECT e.kind, e.id, e.standing, v.header FROM edits e JOIN events v ON v.pos = e.pos
         WHERE e.stream = 1 AND e.standing <> 0 ORDER BY e.kind, e.id",
    )?;
    let mut rows = query.query([])?;
    let mut subject: Option<(Subject, Vec<Edit>)> = None;
    while let Some(found) = rows.next()? {
        let (next, edit) = (row::subject(found, 0, 1)?, edit(found)?);
        match &mut subject {
            Some((last, edits)) if *last == next => edits.push(edit),
            _ => {
                finish(&mut hasher, subject.take());
                subject = Some((next, vec![edit]));
            }
        }
    }
    finish(&mut hasher, subject);
    Ok(hasher.finish())
}

fn finish(hasher: &mut StateHasher, subject: Option<(Subject, Vec<Edit>)>) {
    if let Some((subject, edits)) = subject {
        hasher.subject(&subject, &Frontier::from_edits(edits));
    }
}

fn edit(found: &rusqlite::Row<'_>) -> Result<Edit, Error> {
    let bytes: Vec<u8> = found.get(3)?;
    let header = Header::decode(&bytes)?;
    let edit = crate::project::frontier_edit(&header, Hash::of(&bytes));
    Ok(Edit { standing: row::uint(found, 2)?, ..edit })
}

fn counted_head(conn: &Connection, view: &LogView) -> Result<Head, Error> {
    let seq = counted(view.head.seq, view.verdict);
    if seq == view.head.seq {
        return Ok(view.head);
    }
    let head = head_at(conn, view.log, seq)?;
    if view.log.stream == Stream::Charter { with_branches(conn, view.log, head) } else { Ok(head) }
}

/// A head that stands for every held event after `head`, whichever branch it is of.
fn with_branches(conn: &Connection, log: LogId, head: Head) -> Result<Head, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header FROM logs l JOIN events v ON v.log = l.id
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq > ?3
         UNION ALL
         SELECT f.header FROM logs l JOIN forks f ON f.log = l.id WHERE l.stream = ?1 AND l.store = ?2 AND f.seq > ?3",
    )?;
    let mut rows = query.query(rusqlite::params![log.stream.number(), log.store.0, row::sql(head.seq)])?;
    let mut hashes = BTreeSet::from([head.hash]);
    while let Some(found) = rows.next()? {
        hashes.insert(Hash::of(found.get_ref(0)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?));
    }
    let all: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    Ok(Head { seq: head.seq, hash: Hash::of(&all) })
}

fn head_at(conn: &Connection, log: LogId, seq: u64) -> Result<Head, Error> {
    if seq == 0 {
        return Ok(Head::EMPTY);
    }
    let hash = query::logs::header_hash_at(conn, log, seq)?;
    Ok(Head { seq, hash: hash.ok_or_else(|| Error::damaged(format!("event {seq} of {log} is missing")))? })
}
