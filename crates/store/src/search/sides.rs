//! The texts of a diverged fact that are not shown.
//!
//! They are found like the one that is: whoever wrote one of them would else think that it was lost. That holds for the
//! text that stands beside a deletion, too.

use antiphon_core::fact::Field;
use antiphon_core::ids::FactId;
use antiphon_core::log::Stream;
use antiphon_core::value::Value;
use rusqlite::Connection;

use crate::error::Error;
use crate::project;

/// Most texts of one fact that are looked at beside the shown one.
const OTHERS_MAX: usize = 7;

/// What other sides say the text is; empty where `diverged`, a bitmap of fields, has not the text in it.
pub(super) fn others(conn: &Connection, id: FactId, stream: Stream, diverged: u64) -> Result<Vec<String>, Error> {
    if diverged & Field::Content.mask() == 0 {
        return Ok(Vec::new());
    }
    let mut standing = project::standing(conn, id, stream)?;
    standing.retain(|stored| stored.edit.standing & Field::Content.mask() != 0);
    standing.sort_by_key(|stored| std::cmp::Reverse((stored.edit.hlc, stored.edit.store, stored.edit.hash)));
    let text = |stored: &project::Stored| stored.value(Field::Content)?.and_then(Value::as_text).map(str::to_owned);
    Ok(standing.iter().skip(1).filter_map(text).take(OTHERS_MAX).collect())
}
