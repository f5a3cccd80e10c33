//! Forgetting for good.
//!
//! A fact that should never have been written, a password or a name, must go everywhere, and stay gone whatever comes
//! later: an edit that somebody made meanwhile, a page from a member that has not heard, an old bundle, a restored
//! backup. A tombstone does not do that, since an edit may be concurrent with it. So an erasure is two things. To the
//! frontier it is an edit that clears every field, and the state hash needs no more than its header. And as long as
//! one erasure of a subject counts, no payload about that subject is kept: those that are held are overwritten in the
//! transaction that makes it count, whichever log or branch they stand in, and those that come later are stored as
//! headers.
//!
//! Whether an erasure counts is a function of the set of events: its log counts there, and the key of that log either
//! made the fact's id or was ever named a steward's. Both only ever grow from no to yes as the charter arrives, so an
//! erasure that came too early waits in the quarantine.
//!
//! Limits: overwriting a row does not clean the files; that is for [`crate::purge`]. When the log of an erasure is cut
//! or forked before it, the subject is no longer erased, but what was overwritten here must come from others.

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::charter::Membership;
use antiphon_core::event::{Action, Event, Header, Provenance, Subject};
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::Stream;
use antiphon_core::roles::Roles;
use antiphon_core::vclock::VClock;
use rusqlite::{Connection, OptionalExtension, params};

use crate::apply::{beyond, take_in};
use crate::author::{Scene, Sketch, Stop};
use crate::cache::LogEntry;
use crate::cause::Cause;
use crate::db::Db;
use crate::edits;
use crate::error::{AuthorError, Error};
use crate::project::{self, Stored};
use crate::purge;
use crate::reseal;
use crate::row::{self, sql};
use crate::view::{Authored, Outcome};

/// What decides about an event beyond its own log.
#[derive(Debug, Clone)]
pub(crate) struct Law {
    pub(crate) members: Option<Arc<Membership>>,
    pub(crate) roles: Arc<Roles>,
    /// Whether anything is erased at all, so that almost nobody has to look.
    erasures: bool,
}

impl Law {
    /// Whether this author may have this subject erased.
    fn allows(&self, author: &NodeId, subject: &Subject) -> bool {
        let steward = || self.members.as_ref().is_some_and(|members| members.ever_stewards().contains(author));
        subject.fact().is_some_and(|fact| fact.is_by(author)) || steward()
    }

    /// Why an event may not do what it does, if so.
    pub(crate) fn forbids(&self, author: &NodeId, header: &Header) -> Option<Cause> {
        let allowed = match (header.action, &header.subject) {
            (Action::Erase, subject) => self.allows(author, subject),
            (Action::Forget, Subject::Content(_)) => self.may_remove(author),
            _ => true,
        };
        if allowed { None } else { Some(Cause::NotAllowed) }
    }

    /// The event as it may be kept: without its payload when its subject is erased.
    pub(crate) fn admit(&self, conn: &Connection, event: &Event) -> Result<Option<Event>, Error> {
        let gone = event.payload().is_some() && self.covers(conn, &event.header().subject)?;
        Ok(gone.then(|| event.clone().without_payload()))
    }

    /// Whether the subject is erased.
    pub(crate) fn covers(&self, conn: &Connection, subject: &Subject) -> Result<bool, Error> {
        if self.erasures { is_erased(conn, subject) } else { Ok(false) }
    }

    /// Something was erased since this was made.
    pub(crate) fn has_erased(&mut self) {
        self.erasures = true;
    }
}

impl Db {
    /// What decides about events now.
    pub(crate) fn law(&self) -> Result<Law, Error> {
        let mut any = self.conn.prepare_cached("SELECT 1 FROM erased LIMIT 1")?;
        let erasures = any.query_row([], |_| Ok(())).optional()?.is_some();
        Ok(Law { members: self.cache.membership.clone(), roles: self.cache.roles.clone(), erasures })
    }

    /// Erases a fact everywhere.
    pub(crate) fn erase(&mut self, id: FactId, provenance: &Provenance, scene: &mut Scene) -> Result<Authored, Stop> {
        let node = self.cache.own()?.node;
        let (stream, standing) = match self.standing(id) {
            Ok((stream, standing, _)) => (stream, standing),
            // Whoever wrote it may have it erased also when its own copy is lost.
            Err(Stop::Refused(AuthorError::NotFound(_))) if id.is_by(&node) => (Stream::Shared, Vec::new()),
            Err(stop) => return Err(stop),
        };
        let subject = Subject::Fact(id);
        if !self.law()?.allows(&node, &subject) {
            return Err(AuthorError::NotYours { fact: id, author: self.author_of(id) }.into());
        }
        if is_erased(&self.conn, &subject)? {
            return Ok(crate::author::last_event(&self.conn, id, Outcome::Unchanged)?.ok_or(AuthorError::NotFound(id))?);
        }
        let version = self.erasing_version(id, stream, &standing)?;
        let written = self.write(
            Sketch {
                stream,
                action: Action::Erase,
                subject: subject.clone(),
                version,
                fields: u64::MAX,
                values: BTreeMap::new(),
                provenance: provenance.clone(),
            },
            scene,
        )?;
        project::edit(&self.conn, written.pos, written.log, &written.event, None)?;
        decide(&self.conn, &subject)?;
        Ok(written.authored())
    }

    /// A version that has seen every standing edit; where a fact was edited by so many stores that none can be added,
    /// one that has seen the own ones. Nobody may make a fact inerasable by editing it.
    fn erasing_version(&self, id: FactId, stream: Stream, standing: &[Stored]) -> Result<VClock, Stop> {
        if let Ok(version) = self.next_version(id, standing) {
            return Ok(version);
        }
        let own = self.cache.own()?.store;
        let seen = project::all(&self.conn, id, stream)?.iter().map(|stored| stored.edit.version.get(&own)).max();
        let mut version = VClock::new();
        let full = |source| AuthorError::Version { fact: id, source };
        version.raise(own, seen.unwrap_or(0)).map_err(full)?;
        version.increment(own).map_err(full)?;
        Ok(version)
    }

    /// An id for a new fact that names this node as its author.
    pub(crate) fn fresh_id(&self, scene: &mut Scene) -> Result<FactId, Stop> {
        let node = self.cache.own()?.node;
        // Only 32 bits of it are random, so of many facts of one millisecond two may meet.
        loop {
            let id = FactId::of_author(&node, scene.now, scene.random.draw());
            let mut query = self.conn.prepare_cached("SELECT 1 FROM facts WHERE id = ?1")?;
            if query.query_row([id.0.as_slice()], |_| Ok(())).optional()?.is_none() {
                return Ok(id);
            }
        }
    }

    /// Refuses to write about a subject that is erased.
    pub(crate) fn refuse_erased(&self, subject: &Subject) -> Result<(), Stop> {
        match subject.fact() {
            Some(fact) if is_erased(&self.conn, subject)? => Err(AuthorError::Erased(fact).into()),
            _ => Ok(()),
        }
    }

    /// Whoever made the id of a fact, as far as the charter knows them.
    fn author_of(&self, id: FactId) -> Option<NodeId> {
        let members = self.cache.membership.as_ref()?;
        members.ever_members().iter().find(|node| id.is_by(node)).copied()
    }

    /// Hears erasures again that waited for their author to be known as a steward, and removals that waited for a grant.
    pub(crate) fn hear_erasures(&mut self) -> Result<(), Error> {
        let mut law = self.law()?;
        let mut query = self.conn.prepare_cached(
            "SELECT q.pos, v.log, v.header, v.payload, v.signature FROM quarantine q JOIN events v ON v.pos = q.pos
             WHERE q.reason = ?1 ORDER BY q.pos",
        )?;
        let mut rows = query.query([Cause::NotAllowed as i64])?;
        let mut due: Vec<(i64, LogEntry, Event)> = Vec::new();
        while let Some(found) = rows.next()? {
            let (pos, log): (i64, i64) = (found.get(0)?, found.get(1)?);
            let event = row::event(found, 2)?;
            let entry = self.cache.logs.values().find(|entry| entry.id == log);
            let entry = entry.filter(|entry| law.forbids(&entry.node, event.header()).is_none());
            due.extend(entry.map(|entry| (pos, entry.clone(), event)));
        }
        for (pos, entry, event) in due {
            if beyond(entry.verdict, event.header().seq).is_none() {
                self.conn.prepare_cached("DELETE FROM quarantine WHERE pos = ?1")?.execute([pos])?;
                let _done = take_in(&self.conn, &mut law, &entry, pos, &event)?;
            }
        }
        Ok(())
    }
}

/// Whether a subject is erased.
pub(crate) fn is_erased(conn: &Connection, subject: &Subject) -> Result<bool, Error> {
    let Subject::Fact(fact) = subject else { return Ok(false) };
    let mut query = conn.prepare_cached("SELECT 1 FROM erased WHERE kind = 1 AND id = ?1")?;
    Ok(query.query_row([fact.0.as_slice()], |_| Ok(())).optional()?.is_some())
}

/// Makes a subject erased if an erasure of it counts, and not erased if none does. Its edits are merged already.
pub(crate) fn decide(conn: &Connection, subject: &Subject) -> Result<(), Error> {
    let Some(fact) = subject.fact() else { return Ok(()) };
    let (kind, id) = subject.parts();
    match erasures(conn, subject)?.iter().map(|stored| stored.pos).min() {
        Some(pos) => {
            conn.prepare_cached("INSERT OR REPLACE INTO erased (kind, id, pos) VALUES (?1, ?2, ?3)")?
                .execute(params![sql(kind), id, pos])?;
            overwrite(conn, subject)?;
        }
        None if is_erased(conn, subject)? => {
            conn.prepare_cached("DELETE FROM erased WHERE kind = ?1 AND id = ?2")?.execute(params![sql(kind), id])?;
            for pos in positions(conn, subject)? {
                conn.prepare_cached("DELETE FROM erased_payloads WHERE pos = ?1")?.execute([pos])?;
            }
        }
        None => return Ok(()),
    }
    // Twice: the row may get another number by which the index names it.
    project::touch(conn, fact)?;
    project::refresh(conn, fact)?;
    project::touch(conn, fact)
}

/// Every erasure of a subject that counts, in order of arrival.
pub(crate) fn erasures(conn: &Connection, subject: &Subject) -> Result<Vec<Stored>, Error> {
    let mut found = edits::all(conn, subject, Stream::Shared)?;
    found.extend(edits::all(conn, subject, Stream::Local)?);
    found.retain(|stored| stored.header.action == Action::Erase);
    Ok(found)
}

/// Notes that the payload of an event about an erased subject is not kept, and sees to it.
pub(crate) fn drop_payload(conn: &Connection, subject: &Subject, pos: i64) -> Result<(), Error> {
    let held = conn
        .prepare_cached("UPDATE events SET payload = NULL WHERE pos = ?1 AND payload IS NOT NULL")?
        .execute([pos])?;
    conn.prepare_cached("INSERT OR IGNORE INTO erased_payloads (pos) VALUES (?1)")?.execute([pos])?;
    if held == 0 {
        return Ok(());
    }
    let mut local =
        conn.prepare_cached("SELECT 1 FROM events v JOIN logs l ON l.id = v.log WHERE v.pos = ?1 AND l.stream = 2")?;
    if local.query_row([pos], |_| Ok(())).optional()?.is_some() {
        reseal::note(conn)?;
    }
    must_purge(conn, subject)
}

/// Overwrites every payload about a subject that is held anywhere.
fn overwrite(conn: &Connection, subject: &Subject) -> Result<(), Error> {
    for pos in positions(conn, subject)? {
        drop_payload(conn, subject, pos)?;
    }
    if purge::purge_beside(conn, subject)? > 0 { must_purge(conn, subject) } else { Ok(()) }
}

/// Where the events about a subject stand: those that count, and those in the quarantine.
fn positions(conn: &Connection, subject: &Subject) -> Result<Vec<i64>, Error> {
    let (kind, id) = subject.parts();
    let mut counted = conn.prepare_cached("SELECT pos FROM edits WHERE kind = ?1 AND id = ?2")?;
    let counted = counted.query_map(params![sql(kind), id], |row| row.get(0))?;
    let mut positions = counted.collect::<Result<Vec<i64>, _>>()?;
    // The id alone may stand in a header for another reason, so those that have it are read.
    let mut waiting = conn.prepare_cached(
        "SELECT v.pos, v.header FROM quarantine q JOIN events v ON v.pos = q.pos WHERE instr(v.header, ?1) > 0",
    )?;
    let mut rows = waiting.query([id])?;
    while let Some(found) = rows.next()? {
        if Header::decode(&found.get::<_, Vec<u8>>(1)?)?.subject == *subject {
            positions.push(found.get(0)?);
        }
    }
    Ok(positions)
}

fn must_purge(conn: &Connection, subject: &Subject) -> Result<(), Error> {
    let (kind, id) = subject.parts();
    conn.prepare_cached("INSERT INTO purging (kind, id) VALUES (?1, ?2)")?.execute(params![sql(kind), id])?;
    Ok(())
}
