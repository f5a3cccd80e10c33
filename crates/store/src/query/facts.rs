//! Questions about facts.

use std::collections::BTreeMap;

use antiphon_core::event::{Payload, Provenance, SourceKind};
use antiphon_core::fact::{Fact, Field, OnExpire};
use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use rusqlite::{Connection, Row, params};

use crate::edits;
use crate::error::Error;
use crate::project::{flag, read_rest};
use crate::row::{self, sql};
use crate::view::{Author, FactFilter, FactView, Resolved};

/// Most ids that an ambiguous beginning lists.
pub(crate) const AMBIGUOUS_MAX: i64 = 10;
/// Characters of a ULID.
const ULID_CHARS: usize = 26;

/// The columns that [`view`] reads, in its order.
pub(crate) const COLUMNS: &str = "f.id, f.stream, f.content, f.level, f.domain, f.module, f.flags, f.diverged,
    f.created_at, f.updated_at, f.agent, f.source_kind, f.rest, l.store, l.node, l.name, h.hits, h.last_at,
    CASE WHEN f.role IS NULL THEN v.payload ELSE opened(v.header, v.payload) END,
    f.n, f.expires_at, f.on_expire, f.role";

/// Where [`COLUMNS`] come from.
pub(crate) const TABLES: &str = "facts f JOIN logs l ON l.id = f.log LEFT JOIN hits h ON h.fact = f.id
    JOIN events v ON v.pos = f.event";

/// See [`crate::Reader::fact`].
pub(crate) fn get(conn: &Connection, id: FactId) -> Result<Option<FactView>, Error> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {TABLES} WHERE f.id = ?1"))?;
    let mut rows = query.query([id.0.as_slice()])?;
    rows.next()?.map(view).transpose()
}

/// See [`crate::Reader::facts`].
pub(crate) fn list(
    conn: &Connection,
    filter: &FactFilter,
    limit: usize,
    after: Option<FactId>,
) -> Result<Vec<FactView>, Error> {
    // Said outright it is an index of its own: the few among very many are found without looking at the others.
    let diverged = if filter.diverged { "AND f.diverged <> 0" } else { "" };
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {TABLES}
         WHERE f.id < ?1 AND f.flags & ?2 = 0 AND (?3 IS NULL OR f.level = ?3) AND (?4 IS NULL OR f.domain = ?4)
             AND (?5 IS NULL OR f.module = ?5) AND (?6 IS NULL OR l.node = ?6) {diverged}
         ORDER BY f.id DESC"
    ))?;
    // ULIDs begin with 0 to 7, so no id is above all ones.
    let before = after.map_or([0xff; 16], |id| id.0);
    let hidden = [(filter.include_archived, flag::ARCHIVED), (filter.include_forgotten, flag::FORGOTTEN)];
    let hidden = hidden.into_iter().filter(|(shown, _)| !shown).fold(flag::CLOSED, |bits, (_, bit)| bits | bit);
    let level = filter.level.map(|level| sql(level.number()));
    let author = filter.author.map(|node| node.0);
    let mut rows = query.query(params![before, hidden, level, filter.domain, filter.module, author])?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(next) = rows.next()? else { break };
        let view = view(next)?;
        if passes(&view, filter) {
            found.push(view);
        }
    }
    Ok(found)
}

/// The part of the filter that no column answers.
fn passes(view: &FactView, filter: &FactFilter) -> bool {
    let tagged = filter.tag.as_ref().is_none_or(|tag| view.fact.tags.contains(tag));
    let expired = filter.now.and_then(|now| view.fact.expired(now));
    tagged
        && match expired {
            Some(OnExpire::Delete) => filter.include_forgotten,
            Some(OnExpire::Archive) => filter.include_archived,
            Some(OnExpire::MarkStale) | None => true,
        }
}

/// See [`crate::Reader::resolve_fact`].
pub(crate) fn resolve(conn: &Connection, text: &str) -> Result<Resolved, Error> {
    let Some((first, last)) = ulids_beginning(text) else { return Ok(Resolved::None) };
    let mut query = conn.prepare_cached("SELECT id FROM facts WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3")?;
    let mut rows = query.query(params![first, last, AMBIGUOUS_MAX])?;
    let mut ids = Vec::new();
    while let Some(found) = rows.next()? {
        ids.push(row::fact(found, 0)?);
    }
    Ok(Resolved::from_ids(ids))
}

/// The lowest and the highest ULID that begin with `text`, in any case; `None` when none can.
pub(crate) fn ulids_beginning(text: &str) -> Option<([u8; 16], [u8; 16])> {
    let text = text.trim().to_ascii_uppercase();
    if text.is_empty() || text.len() > ULID_CHARS || !text.is_ascii() {
        return None;
    }
    // Every id that begins like this lies between the beginning filled up with the lowest and the highest digit.
    let filled = |digit: &str| (text.clone() + &digit.repeat(ULID_CHARS - text.len())).parse::<FactId>();
    Some((filled("0").ok()?.0, filled("Z").ok()?.0))
}

/// The values of a row of [`COLUMNS`].
pub(crate) fn values(found: &Row<'_>) -> Result<BTreeMap<Field, Value>, Error> {
    let mut values = BTreeMap::new();
    for (field, column) in [(Field::Content, 2), (Field::Domain, 4), (Field::Module, 5)] {
        if let Some(text) = found.get::<_, Option<String>>(column)? {
            values.insert(field, Value::Text(text));
        }
    }
    values.insert(Field::Level, Value::Uint(row::uint(found, 3)?));
    if let Some(rest) = found.get_ref(12)?.as_blob_or_null().map_err(|error| Error::damaged(error.to_string()))? {
        read_rest(rest, &mut values)?;
    }
    Ok(values)
}

/// A fact from a row of [`COLUMNS`].
pub(crate) fn view(found: &Row<'_>) -> Result<FactView, Error> {
    let (id, flags): (_, i64) = (row::fact(found, 0)?, found.get(6)?);
    let diverged = row::uint(found, 7)?;
    let source = found.get::<_, Option<u8>>(11)?.and_then(|number| SourceKind::ALL.get(usize::from(number)).copied());
    // A number where a sealed payload does not open.
    let payload = found.get_ref(18)?.as_blob_or_null().ok().flatten();
    let provenance = payload.and_then(|bytes| Payload::decode(bytes, u64::MAX).ok()).map(|payload| payload.provenance);
    let columns = Provenance { agent: found.get(10)?, source, ..Provenance::default() };
    // What the header says, whatever a payload claims.
    let fact = Fact { role: found.get(22)?, ..Fact::from_values(id, &values(found)?) };
    Ok(FactView {
        fact,
        stream: row::stream(found, 1)?,
        author: Author { store: row::store(found, 13)?, node: row::node(found, 14)?, name: found.get(15)? },
        provenance: provenance.unwrap_or(columns),
        updated_at: UnixMillis(row::uint(found, 9)?),
        diverged: edits::fields_of(diverged),
        forgotten: flags & flag::FORGOTTEN != 0,
        erased: flags & flag::ERASED != 0,
        incomplete: flags & flag::INCOMPLETE != 0,
        closed: flags & flag::CLOSED != 0,
        hits: row::maybe_uint(found, 16)?.unwrap_or(0),
        last_hit: row::maybe_uint(found, 17)?.map(UnixMillis),
    })
}
