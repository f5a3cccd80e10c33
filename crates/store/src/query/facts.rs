//! Questions about facts.

use std::collections::BTreeMap;

use antiphon_core::event::{Payload, Provenance, SourceKind};
use antiphon_core::fact::{Fact, Field};
use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use rusqlite::{Connection, Row, params};

use crate::edits;
use crate::error::Error;
use crate::project::{flag, read_rest};
use crate::row;
use crate::view::{Author, FactView, Resolved};

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
