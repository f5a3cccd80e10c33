//! The projection of facts: from edits to what a fact says now. Edits of incidents pass through here as well, and stay
//! edits.
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
use antiphon_core::event::{Action, Event, Flaw, Header, Provenance, Subject};
use antiphon_core::fact::{FIELDS_KNOWN, Fact, Field};
use antiphon_core::ids::FactId;
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cause::Cause;
use crate::charter;
use crate::contents;
use crate::edits;
pub(crate) use crate::edits::{Stored, frontier_edit, merged_anew};
use crate::erase;
use crate::error::Error;
use crate::row::sql;
use crate::sealed::{self, Text};

/// Bits of `facts.flags`.
pub(crate) mod flag {
    pub(crate) const STALE: i64 = 1;
    pub(crate) const ARCHIVED: i64 = 2;
    pub(crate) const PRIVATE: i64 = 4;
    pub(crate) const FORGOTTEN: i64 = 8;
    pub(crate) const INCOMPLETE: i64 = 16;
    pub(crate) const WITHHELD: i64 = 32;
    pub(crate) const ERASED: i64 = 64;
    /// Sealed to a role, and this node has not the key.
    pub(crate) const CLOSED: i64 = 128;
}

/// Fields that have a column of their own; the others go into `rest`.
const COLUMN_FIELDS: u64 = Field::Content.mask() | Field::Level.mask() | Field::Domain.mask() | Field::Module.mask();

/// What the standing edits of a fact amount to.
pub(crate) type Merged = edits::Merged<Field>;

/// Why an event of the shared or local stream is not an edit that counts.
pub(crate) fn unfit(header: &Header) -> Option<Cause> {
    let flaw = header.flaw().filter(|flaw| *flaw != Flaw::PayloadTooLarge);
    match (&header.action, &header.subject) {
        (Action::Unknown(_), _) => Some(Cause::UnknownAction),
        _ if flaw.is_some() => flaw.map(Cause::of_flaw),
        (Action::Set | Action::Forget | Action::Erase, Subject::Unknown { .. }) => Some(Cause::UnknownType),
        (Action::Set | Action::Forget, Subject::Fact(_)) if edits_something(header) => None,
        (Action::Erase, Subject::Fact(_)) if header.fields == u64::MAX && edits_something(header) => None,
        // An incident is always the team's, and is closed rather than forgotten.
        (Action::Set, Subject::Incident(_)) if header.stream == Stream::Shared && edits_something(header) => None,
        // What the index says is for everybody, and names its keys itself.
        (Action::Set, Subject::Content(_)) if is_of_team(header) => None,
        (Action::Forget, Subject::Content(_)) if is_of_team(header) && header.fields == u64::MAX => None,
        _ => Some(Cause::Malformed),
    }
}

/// Whether it is an edit that everybody can read.
fn is_of_team(header: &Header) -> bool {
    header.stream == Stream::Shared && header.seal.is_none() && edits_something(header)
}

/// Whether it touches a field and counts itself among the edits it has seen.
fn edits_something(header: &Header) -> bool {
    header.fields != 0 && header.version.get(&header.store) > 0
}

/// Takes an edit into the projection. Its event is stored already.
pub(crate) fn edit(conn: &Connection, pos: i64, log: i64, event: &Event, text: Option<Text>) -> Result<(), Error> {
    let header = event.header();
    let fact = match header.subject {
        Subject::Fact(fact) => fact,
        // What an incident says is merged whenever it is read: there are few, and no search follows them.
        Subject::Incident(_) | Subject::Content(_) => return edits::merge_in(conn, pos, event),
        _ => return Ok(()),
    };
    let known = conn
        .prepare_cached("SELECT 1 FROM facts WHERE id = ?1")?
        .query_row([fact.0.as_slice()], |_| Ok(()))
        .optional()?;
    let closed = text == Some(Text::Closed);
    if known.is_some() {
        edits::merge_in(conn, pos, event)?;
        return refresh(conn, fact);
    }
    edits::insert(conn, header, pos, header.fields)?;
    let stored = Stored {
        pos,
        log,
        edit: frontier_edit(header, event.hash()),
        header: header.clone(),
        payload: text.and_then(Text::read),
        closed,
    };
    write_row(conn, fact, header.stream, &[stored], (pos, pos))
}

/// The edits of a fact that stand in a stream.
pub(crate) fn standing(conn: &Connection, fact: FactId, stream: Stream) -> Result<Vec<Stored>, Error> {
    edits::standing(conn, &Subject::Fact(fact), stream)
}

/// Every edit of a fact in a stream, in order of arrival.
pub(crate) fn all(conn: &Connection, fact: FactId, stream: Stream) -> Result<Vec<Stored>, Error> {
    edits::all(conn, &Subject::Fact(fact), stream)
}

/// What standing edits of a fact amount to.
pub(crate) fn merge(edits: &[Stored]) -> Merged {
    edits::merge(edits)
}

/// What the standing edits of a fact amount to, with what a deletion that lost would have taken away.
///
/// Forgetting is an edit of every field. Where an edit of the text is shown instead of it, the deletion still stands
/// for the fields that the edit did not touch; a fact that is shown must not have lost those.
pub(crate) fn merge_kept(conn: &Connection, fact: FactId, stream: Stream, edits: &[Stored]) -> Result<Merged, Error> {
    merge_kept_of(edits, || all(conn, fact, stream))
}

/// As [`merge_kept`], where `all` are the edits that the standing ones are among.
pub(crate) fn merge_kept_of(
    edits: &[Stored],
    all: impl FnOnce() -> Result<Vec<Stored>, Error>,
) -> Result<Merged, Error> {
    let mut merged = merge(edits);
    let standing = |action: Action| {
        let of = edits.iter().filter(move |stored| stored.header.action == action);
        of.fold(0, |bits, stored| bits | stored.edit.standing)
    };
    let taken = standing(Action::Forget) & !standing(Action::Set) & FIELDS_KNOWN;
    if merged.forgotten || taken == 0 {
        return Ok(merged);
    }
    let before = never_forgotten(all()?);
    merged.incomplete |= before.incomplete;
    for (field, value) in before.values {
        if taken & field.mask() != 0 {
            merged.values.entry(field).or_insert(value);
        }
    }
    Ok(merged)
}

/// What a fact would say if nobody had ever forgotten it.
pub(crate) fn before_forgotten(conn: &Connection, fact: FactId, stream: Stream) -> Result<Merged, Error> {
    Ok(never_forgotten(all(conn, fact, stream)?))
}

fn never_forgotten(mut edits: Vec<Stored>) -> Merged {
    edits.retain(|stored| stored.header.action == Action::Set);
    merge(&settled(edits))
}

/// Finds for which fields each of these edits stands when there are no others.
pub(crate) fn settled(mut edits: Vec<Stored>) -> Vec<Stored> {
    let frontier = merged_anew(&edits);
    for stored in &mut edits {
        stored.edit.standing = frontier.standing_of(&stored.edit.hash);
    }
    edits
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

/// Whether the row of a fact says what its edits amount to. Whoever cannot open a sealed text cannot tell, and takes the
/// row's word.
pub(crate) fn row_is_true(conn: &Connection, id: FactId) -> Result<bool, Error> {
    let shared = standing(conn, id, Stream::Shared)?;
    let stream = if shared.is_empty() { Stream::Local } else { Stream::Shared };
    let edits = if shared.is_empty() { standing(conn, id, Stream::Local)? } else { shared };
    let erased = erase::is_erased(conn, &Subject::Fact(id))?;
    let merged = if erased { nothing_left(&edits) } else { merge_kept(conn, id, stream, &edits)? };
    if merged.closed {
        return Ok(true);
    }
    let fact = Fact::from_values(id, &merged.values);
    let mut query =
        conn.prepare_cached("SELECT stream, content, level, domain, module, diverged, rest FROM facts WHERE id = ?1")?;
    let said = query.query_row([id.0.as_slice()], |row| {
        let words =
            (row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(3)?, row.get::<_, Option<String>>(4)?);
        let numbers = (row.get::<_, i64>(0)?, row.get::<_, i64>(2)?, row.get::<_, i64>(5)?);
        Ok((words, numbers, row.get::<_, Option<Vec<u8>>>(6)?))
    })?;
    let words = (fact.content, fact.domain, fact.module);
    let numbers = (i64::from(stream.number()), sql(fact.level.number()), sql(merged.diverged));
    Ok(said == (words, numbers, rest(&merged.values)))
}

/// What an erased fact says: nothing, whatever stands.
fn nothing_left(edits: &[Stored]) -> Merged {
    let merged = merge(edits);
    Merged {
        values: BTreeMap::new(),
        diverged: 0,
        contested: 0,
        forgotten: true,
        incomplete: false,
        closed: false,
        shown: merged.shown,
    }
}

/// First and last position of the edits of a fact.
fn span(conn: &Connection, fact: FactId) -> Result<Option<(i64, i64)>, Error> {
    let mut query = conn.prepare_cached("SELECT min(pos), max(pos) FROM edits WHERE kind = 1 AND id = ?1")?;
    let (first, last): (Option<i64>, Option<i64>) =
        query.query_row([fact.0.as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last))
}

fn write_row(conn: &Connection, id: FactId, stream: Stream, edits: &[Stored], span: (i64, i64)) -> Result<(), Error> {
    let erased = erase::is_erased(conn, &Subject::Fact(id))?;
    let merged = if erased { nothing_left(edits) } else { merge_kept(conn, id, stream, edits)? };
    // Of a fact whose text is closed nothing is shown, so nobody takes what others wrote beside it for the whole.
    let merged = if merged.closed { Merged { values: BTreeMap::new(), diverged: 0, ..merged } } else { merged };
    let fact = Fact::from_values(id, &merged.values);
    let shown = edits.get(merged.shown).or(edits.last());
    let none = Provenance::default();
    let provenance = shown.and_then(|stored| stored.payload.as_ref()).map_or(&none, |payload| &payload.provenance);
    let updated = edits.iter().map(|stored| stored.header.hlc.time()).max().unwrap_or(UnixMillis(0));
    let withheld = stream == Stream::Shared && !charter::shares(conn, fact.level, fact.private)?;
    sealed::note_closed(conn, edits)?;
    let flags = [
        (fact.stale, flag::STALE),
        (fact.archived, flag::ARCHIVED),
        (fact.private, flag::PRIVATE),
        (merged.forgotten, flag::FORGOTTEN),
        (merged.incomplete, flag::INCOMPLETE),
        // Whether a closed fact is meant for others is for those to say who can read it.
        (withheld && !erased && !merged.closed, flag::WITHHELD),
        (erased, flag::ERASED),
        (merged.closed, flag::CLOSED),
    ];
    let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, bit)| flags | bit);
    let expires = fact.ttl_ms.map(|ttl| sql(fact.created_at.after(ttl).0));
    let source = provenance.source.map(|source| source as i64);
    conn.prepare_cached(
        "INSERT INTO facts (n, id, stream, pos, event, log, content, level, domain, module, flags, diverged,
             created_at, updated_at, expires_at, on_expire, agent, source_kind, rest, role)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
         ON CONFLICT (id) DO UPDATE SET n = excluded.n, stream = excluded.stream, pos = excluded.pos,
             event = excluded.event, log = excluded.log, content = excluded.content, level = excluded.level,
             domain = excluded.domain, module = excluded.module, flags = excluded.flags,
             diverged = excluded.diverged, created_at = excluded.created_at, updated_at = excluded.updated_at,
             expires_at = excluded.expires_at, on_expire = excluded.on_expire, agent = excluded.agent,
             source_kind = excluded.source_kind, rest = excluded.rest, role = excluded.role",
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
        sealed::role_of(edits, merged.shown),
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

/// Takes edits out of the projection and computes what is left of their subject anew.
pub(crate) fn withdraw(conn: &Connection, subject: &Subject, stream: Stream, positions: &[i64]) -> Result<(), Error> {
    edits::take_out(conn, subject, stream, positions)?;
    if let Subject::Content(id) = subject {
        return contents::withdraw(conn, id, positions);
    }
    let Some(fact) = subject.fact() else { return Ok(()) };
    // Taking edits out can only end an erasure.
    if erase::is_erased(conn, subject)? {
        erase::decide(conn, subject)?;
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
