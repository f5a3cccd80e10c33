//! The projection of facts: from edits to what a fact says now.
//!
//! Every edit is merged into the frontier of its subject and stream, from its header alone, and the row of the fact
//! is computed anew from the edits that stand. Reading them back for each event would make taking in a team's
//! history slow, and almost all facts are written once: so the first edit of a fact goes straight into its row, and
//! only later ones read what stands.
//!
//! The frontier of the shared stream decides where there is one, else the local one. A payload that is not held
//! changes no frontier: the values it would have set are missing, and the row says so.

use std::collections::BTreeMap;

use antiphon_core::cbor;
use antiphon_core::event::{Action, Event, Header, Payload, PayloadError, Provenance, Subject};
use antiphon_core::fact::{Fact, Field, stream_of};
use antiphon_core::frontier::{self, Frontier};
use antiphon_core::ids::{FactId, Hash};
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::row::{self, sql};
use crate::view::Cause;

/// Bits of `facts.flags`.
pub(crate) mod flag {
    pub(crate) const STALE: i64 = 1;
    pub(crate) const ARCHIVED: i64 = 2;
    pub(crate) const PRIVATE: i64 = 4;
    pub(crate) const FORGOTTEN: i64 = 8;
    pub(crate) const INCOMPLETE: i64 = 16;
    pub(crate) const WITHHELD: i64 = 32;
}

/// Fields that have a column of their own; the others go into `rest`.
const COLUMN_FIELDS: u64 = Field::Content.mask() | Field::Level.mask() | Field::Domain.mask() | Field::Module.mask();

/// An edit with what its event holds.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// `events.pos`.
    pub(crate) pos: i64,
    /// `events.log`.
    pub(crate) log: i64,
    /// For the frontier.
    pub(crate) edit: frontier::Edit,
    /// The decoded header.
    pub(crate) header: Header,
    /// The decoded payload, where it is held and can be read.
    pub(crate) payload: Option<Payload>,
}

impl Stored {
    /// The value it sets for `field`: `Some(None)` when it clears it, `None` when that is not known.
    pub(crate) fn value(&self, field: Field) -> Option<Option<&Value>> {
        if self.header.action == Action::Forget {
            return Some(None);
        }
        let payload = self.payload.as_ref()?;
        Some(payload.fields.get(&field.bit()).filter(|value| field.kind().fits(value)))
    }
}

/// What the standing edits of a fact amount to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Merged {
    /// The shown values.
    pub(crate) values: BTreeMap<Field, Value>,
    /// Fields for which distinct values stand.
    pub(crate) diverged: u64,
    /// Fields for which more than one edit stands, equal values included.
    pub(crate) contested: u64,
    /// Whether the shown text is "forgotten".
    pub(crate) forgotten: bool,
    /// Whether a value is not known.
    pub(crate) incomplete: bool,
    /// Which of the edits the shown text comes from, or the newest one.
    pub(crate) shown: usize,
}

/// Why an event of the shared or local stream is not an edit that counts.
pub(crate) fn unfit(header: &Header) -> Option<Cause> {
    match (&header.action, &header.subject) {
        (Action::Unknown(_), _) => Some(Cause::UnknownAction),
        (Action::Set | Action::Forget, Subject::Unknown { .. }) => Some(Cause::UnknownType),
        (Action::Set | Action::Forget, Subject::Fact(_))
            if header.fields != 0 && header.version.get(&header.store) > 0 =>
        {
            None
        }
        _ => Some(Cause::Malformed),
    }
}

/// Takes an edit of a fact into the projection. Its event is stored already.
pub(crate) fn edit(
    conn: &Connection,
    pos: i64,
    log: i64,
    event: &Event,
    payload: Option<&Payload>,
) -> Result<(), Error> {
    let header = event.header();
    let Some(fact) = header.subject.fact() else { return Ok(()) };
    let known = conn
        .prepare_cached("SELECT 1 FROM facts WHERE id = ?1")?
        .query_row([fact.0.as_slice()], |_| Ok(()))
        .optional()?;
    if known.is_some() {
        merge_edit(conn, fact, pos, event)?;
        return refresh(conn, fact);
    }
    insert_edit(conn, fact, header.stream, pos, header.fields)?;
    let stored = Stored {
        pos,
        log,
        edit: frontier_edit(header, event.hash()),
        header: header.clone(),
        payload: payload.cloned(),
    };
    write_row(conn, fact, header.stream, &[stored], (pos, pos))
}

/// Reads the payload of an edit. A sealed one is not read here: to this projection it is as good as not held.
pub(crate) fn read_payload(header: &Header, bytes: &[u8]) -> Result<Option<Payload>, PayloadError> {
    if header.seal.is_some() { Ok(None) } else { Payload::decode(bytes, header.fields).map(Some) }
}

/// The edit of a header, standing for all its fields.
pub(crate) fn frontier_edit(header: &Header, hash: Hash) -> frontier::Edit {
    frontier::Edit::new(hash, header.hlc, header.store, header.version.clone(), header.fields)
}

fn insert_edit(conn: &Connection, fact: FactId, stream: Stream, pos: i64, standing: u64) -> Result<(), Error> {
    conn.prepare_cached("INSERT INTO edits (kind, id, stream, pos, standing) VALUES (1, ?1, ?2, ?3, ?4)")?
        .execute(params![fact.0, stream.number(), pos, sql(standing)])?;
    Ok(())
}

/// Merges an edit into the frontier of its stream and writes back what changed.
fn merge_edit(conn: &Connection, fact: FactId, pos: i64, event: &Event) -> Result<(), Error> {
    let header = event.header();
    let before = standing(conn, fact, header.stream)?;
    let mut frontier = Frontier::from_edits(before.iter().map(|stored| stored.edit.clone()).collect());
    let _stands_or_not = frontier.insert(frontier_edit(header, event.hash()));
    insert_edit(conn, fact, header.stream, pos, frontier.standing_of(&event.hash()))?;
    for stored in before {
        let bits = frontier.standing_of(&stored.edit.hash);
        if bits != stored.edit.standing {
            set_standing(conn, fact, header.stream, stored.pos, bits)?;
        }
    }
    Ok(())
}

fn set_standing(conn: &Connection, fact: FactId, stream: Stream, pos: i64, bits: u64) -> Result<(), Error> {
    conn.prepare_cached("UPDATE edits SET standing = ?4 WHERE kind = 1 AND id = ?1 AND stream = ?2 AND pos = ?3")?
        .execute(params![fact.0, stream.number(), pos, sql(bits)])?;
    Ok(())
}

/// The edits of a fact that stand in a stream.
pub(crate) fn standing(conn: &Connection, fact: FactId, stream: Stream) -> Result<Vec<Stored>, Error> {
    let all = "AND e.standing <> 0";
    load(conn, fact, stream, all)
}

/// Every edit of a fact in a stream, in order of arrival.
pub(crate) fn all(conn: &Connection, fact: FactId, stream: Stream) -> Result<Vec<Stored>, Error> {
    load(conn, fact, stream, "")
}

fn load(conn: &Connection, fact: FactId, stream: Stream, which: &str) -> Result<Vec<Stored>, Error> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT e.pos, v.log, e.standing, v.header, v.payload FROM edits e JOIN events v ON v.pos = e.pos
         WHERE e.kind = 1 AND e.id = ?1 AND e.stream = ?2 {which} ORDER BY e.pos"
    ))?;
    let mut rows = query.query(params![fact.0, stream.number()])?;
    let mut found = Vec::new();
    while let Some(next) = rows.next()? {
        let bytes = next.get_ref(3)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
        let header = Header::decode(bytes)?;
        let payload = next.get_ref(4)?.as_blob_or_null().map_err(|error| Error::damaged(error.to_string()))?;
        let edit = frontier::Edit { standing: row::uint(next, 2)?, ..frontier_edit(&header, Hash::of(bytes)) };
        let payload = payload.and_then(|bytes| read_payload(&header, bytes).ok().flatten());
        found.push(Stored { pos: next.get(0)?, log: next.get(1)?, edit, header, payload });
    }
    Ok(found)
}

/// The frontier of these edits, whatever they were found to stand for before.
pub(crate) fn merged_anew(edits: &[Stored]) -> Frontier {
    let mut frontier = Frontier::default();
    for stored in edits {
        let _stands_or_not = frontier.insert(stored.edit.clone());
    }
    frontier
}

/// What standing edits amount to.
pub(crate) fn merge(edits: &[Stored]) -> Merged {
    let mut merged = Merged { incomplete: true, ..Merged::default() };
    for field in Field::ALL {
        let mut standing: Vec<(usize, &Stored)> =
            edits.iter().enumerate().filter(|(_, stored)| stored.edit.standing & field.mask() != 0).collect();
        standing.sort_by_key(|(_, stored)| (stored.edit.hlc, stored.edit.store, stored.edit.hash));
        let Some((index, winner)) = standing.last().copied() else { continue };
        let value = winner.value(*field);
        if standing.len() > 1 {
            merged.contested |= field.mask();
            // Two values that are not held may be the same; they are shown as a divergence until they are known.
            let same = value.is_some() && standing.iter().all(|(_, stored)| stored.value(*field) == value);
            merged.diverged |= if same { 0 } else { field.mask() };
        }
        if *field == Field::Content {
            (merged.shown, merged.incomplete) = (index, false);
            merged.forgotten = value == Some(None);
        }
        match value {
            Some(Some(value)) => drop(merged.values.insert(*field, value.clone())),
            Some(None) => {}
            None => merged.incomplete = true,
        }
    }
    merged
}

/// Computes the row of a fact anew from the edits that stand.
pub(crate) fn refresh(conn: &Connection, fact: FactId) -> Result<(), Error> {
    let (shared, span) = (standing(conn, fact, Stream::Shared)?, span(conn, fact)?);
    let Some(span) = span else {
        conn.prepare_cached("DELETE FROM facts WHERE id = ?1")?.execute([fact.0.as_slice()])?;
        return Ok(());
    };
    if shared.is_empty() {
        return write_row(conn, fact, Stream::Local, &standing(conn, fact, Stream::Local)?, span);
    }
    write_row(conn, fact, Stream::Shared, &shared, span)
}

/// First and last position of the edits of a fact.
fn span(conn: &Connection, fact: FactId) -> Result<Option<(i64, i64)>, Error> {
    let mut query = conn.prepare_cached("SELECT min(pos), max(pos) FROM edits WHERE kind = 1 AND id = ?1")?;
    let (first, last): (Option<i64>, Option<i64>) =
        query.query_row([fact.0.as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last))
}

fn write_row(conn: &Connection, id: FactId, stream: Stream, edits: &[Stored], span: (i64, i64)) -> Result<(), Error> {
    let merged = merge(edits);
    let fact = Fact::from_values(id, &merged.values);
    let shown = edits.get(merged.shown).or(edits.last());
    let none = Provenance::default();
    let provenance = shown.and_then(|stored| stored.payload.as_ref()).map_or(&none, |payload| &payload.provenance);
    let updated = edits.iter().map(|stored| stored.header.hlc.time()).max().unwrap_or(UnixMillis(0));
    let withheld = stream == Stream::Shared && stream_of(fact.level, fact.private) == Stream::Local;
    let flags = [
        (fact.stale, flag::STALE),
        (fact.archived, flag::ARCHIVED),
        (fact.private, flag::PRIVATE),
        (merged.forgotten, flag::FORGOTTEN),
        (merged.incomplete, flag::INCOMPLETE),
        (withheld, flag::WITHHELD),
    ];
    let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, bit)| flags | bit);
    let expires = fact.ttl_ms.map(|ttl| sql(fact.created_at.after(ttl).0));
    let source = provenance.source.map(|source| source as i64);
    conn.prepare_cached(
        "INSERT INTO facts (n, id, stream, pos, event, log, content, level, domain, module, flags, diverged,
             created_at, updated_at, expires_at, on_expire, agent, source_kind, rest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
         ON CONFLICT (id) DO UPDATE SET n = excluded.n, stream = excluded.stream, pos = excluded.pos,
             event = excluded.event, log = excluded.log, content = excluded.content, level = excluded.level,
             domain = excluded.domain, module = excluded.module, flags = excluded.flags,
             diverged = excluded.diverged, created_at = excluded.created_at, updated_at = excluded.updated_at,
             expires_at = excluded.expires_at, on_expire = excluded.on_expire, agent = excluded.agent,
             source_kind = excluded.source_kind, rest = excluded.rest",
    )?
    .execute(params![
        span.0,
        id.0,
        stream.number(),
        span.1,
        shown.map_or(span.1, |stored| stored.pos),
        shown.map_or(0, |stored| stored.log),
        fact.content,
        sql(fact.level.number()),
        fact.domain,
        fact.module,
        flags,
        sql(merged.diverged),
        sql(fact.created_at.0),
        sql(updated.0),
        expires,
        fact.on_expire as i64,
        provenance.agent,
        source,
        rest(&merged.values),
    ])?;
    Ok(())
}

/// The fields without a column, as a CBOR map; `None` when there are none.
fn rest(values: &BTreeMap<Field, Value>) -> Option<Vec<u8>> {
    let rest: Vec<(&Field, &Value)> = values.iter().filter(|(field, _)| field.mask() & COLUMN_FIELDS == 0).collect();
    if rest.is_empty() {
        return None;
    }
    Some(cbor::encode(|out| {
        cbor::map(out, rest.len());
        for (field, value) in rest {
            cbor::uint(out, field.bit().into());
            value.encode(out);
        }
    }))
}

/// Reads what [`rest`] wrote.
pub(crate) fn read_rest(bytes: &[u8], values: &mut BTreeMap<Field, Value>) -> Result<(), Error> {
    let input = &mut minicbor::Decoder::new(bytes);
    for _ in 0..cbor::read_map(input, 64)? {
        let bit = input.u8().map_err(cbor::Error::from)?;
        let field = Field::from_bit(bit).ok_or_else(|| Error::damaged(format!("field {bit} of a fact")))?;
        values.insert(field, Value::decode(input)?);
    }
    Ok(())
}

/// Takes an edit out of the projection and computes the frontier of its subject anew from the others.
pub(crate) fn withdraw(conn: &Connection, fact: FactId, stream: Stream, positions: &[i64]) -> Result<(), Error> {
    for pos in positions {
        conn.prepare_cached("DELETE FROM edits WHERE kind = 1 AND id = ?1 AND stream = ?2 AND pos = ?3")?
            .execute(params![fact.0, stream.number(), pos])?;
    }
    let edits = all(conn, fact, stream)?;
    let frontier = merged_anew(&edits);
    for stored in &edits {
        let bits = frontier.standing_of(&stored.edit.hash);
        if bits != stored.edit.standing {
            set_standing(conn, fact, stream, stored.pos, bits)?;
        }
    }
    touch(conn, fact)?;
    refresh(conn, fact)?;
    touch(conn, fact)
}

/// Makes the search index look at a fact again.
pub(crate) fn touch(conn: &Connection, fact: FactId) -> Result<(), Error> {
    conn.prepare_cached("INSERT INTO touched (n) SELECT n FROM facts WHERE id = ?1")?.execute([fact.0.as_slice()])?;
    Ok(())
}

/// Notes why an event is not, or not fully, applied.
pub(crate) fn quarantine(conn: &Connection, pos: i64, cause: Cause) -> Result<(), Error> {
    conn.prepare_cached("INSERT OR REPLACE INTO quarantine (pos, reason) VALUES (?1, ?2)")?
        .execute(params![pos, cause as i64])?;
    Ok(())
}
