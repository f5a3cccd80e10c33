//! Reading columns: ids, hashes and events out of SQLite rows.
//!
//! SQLite's integers are signed; bitmaps and counters are stored by their bits. A column that does not hold what
//! this crate writes is damage, and is reported as such.

use antiphon_core::event::{Event, Subject};
use antiphon_core::ids::{ContentId, FactId, Hash, IncidentId, NodeId, StoreId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::sign::Signature;
use rusqlite::Row;

use crate::error::Error;

/// A number as SQLite holds it.
pub(crate) const fn sql(value: u64) -> i64 {
    value.cast_signed()
}

/// A count as SQLite holds it.
pub(crate) fn sql_len(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An unsigned number.
pub(crate) fn uint(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// An unsigned number or NULL.
pub(crate) fn maybe_uint(row: &Row<'_>, column: usize) -> Result<Option<u64>, Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

fn array<const N: usize>(row: &Row<'_>, column: usize) -> Result<[u8; N], Error> {
    let blob = row.get_ref(column)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
    blob.try_into().map_err(|_| Error::damaged(format!("a blob of {} bytes where {N} are due", blob.len())))
}

/// A small number, as an index into a table of names.
pub(crate) fn index(row: &Row<'_>, column: usize) -> Result<usize, Error> {
    Ok(usize::from(row.get::<_, u8>(column)?))
}

/// A hash.
pub(crate) fn hash(row: &Row<'_>, column: usize) -> Result<Hash, Error> {
    array(row, column).map(Hash)
}

/// A node id.
pub(crate) fn node(row: &Row<'_>, column: usize) -> Result<NodeId, Error> {
    array(row, column).map(NodeId)
}

/// A store id.
pub(crate) fn store(row: &Row<'_>, column: usize) -> Result<StoreId, Error> {
    array(row, column).map(StoreId)
}

/// A fact id.
pub(crate) fn fact(row: &Row<'_>, column: usize) -> Result<FactId, Error> {
    array(row, column).map(FactId)
}

/// An incident id.
pub(crate) fn incident(row: &Row<'_>, column: usize) -> Result<IncidentId, Error> {
    array(row, column).map(IncidentId)
}

/// A content id.
pub(crate) fn content(row: &Row<'_>, column: usize) -> Result<ContentId, Error> {
    array(row, column).map(ContentId)
}

/// A subject from its kind and id columns.
pub(crate) fn subject(row: &Row<'_>, kind_column: usize, id_column: usize) -> Result<Subject, Error> {
    Ok(Subject::from_parts(uint(row, kind_column)?, row.get(id_column)?))
}

/// A stream.
pub(crate) fn stream(row: &Row<'_>, column: usize) -> Result<Stream, Error> {
    let number = uint(row, column)?;
    Stream::from_number(number).ok_or_else(|| Error::damaged(format!("stream {number}")))
}

/// A log from its stream and store columns.
pub(crate) fn log(row: &Row<'_>, stream_column: usize, store_column: usize) -> Result<LogId, Error> {
    Ok(LogId::new(store(row, store_column)?, stream(row, stream_column)?))
}

/// An event from its header, payload and signature columns.
pub(crate) fn event(row: &Row<'_>, first: usize) -> Result<Event, Error> {
    let header: Vec<u8> = row.get(first)?;
    let payload: Option<Vec<u8>> = row.get(first + 1)?;
    let signature: Option<[u8; 64]> = row.get(first + 2)?;
    Ok(Event::from_log(header, payload, signature.map(Signature))?)
}
