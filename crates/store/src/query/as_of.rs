//! What a fact said at a time.
//!
//! Time is what the clocks of the authors say: the edits that their authors dated at or before it are merged as if there
//! were no others. So an edit that arrived later counts if it was made before, a clock that is wrong dates its edits
//! wrongly, and two nodes that hold the same edits give the same answer. What was forgotten for good is gone from the
//! past, too.

use std::collections::BTreeMap;

use antiphon_core::event::{Provenance, Subject};
use antiphon_core::fact::{Fact, Field};
use antiphon_core::ids::FactId;
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use rusqlite::Connection;

use super::history::{author, sides_of};
use crate::edits::{Stored, fields_of};
use crate::erase;
use crate::error::Error;
use crate::project::{self, Merged};
use crate::sealed;
use crate::view::{FactView, Side};

/// A fact as it was.
#[derive(Debug, Clone)]
pub(crate) struct Then {
    /// What it said.
    pub(crate) view: FactView,
    /// The sides of the divergence that it had.
    pub(crate) sides: Vec<Side>,
    /// The values it had.
    pub(crate) merged: Merged,
    /// `logs.id` of the edit whose text is shown.
    pub(crate) log: i64,
}

impl Then {
    /// What sides that are not shown said the text is.
    pub(crate) fn others(&self) -> Vec<String> {
        let texts = self.sides.iter().filter(|side| side.field == Field::Content).skip(1);
        texts.filter_map(|side| side.value.as_ref()?.as_ref()?.as_text().map(str::to_owned)).collect()
    }
}

/// See [`crate::Reader::fact_at`].
pub(crate) fn fact_at(conn: &Connection, id: FactId, at: UnixMillis) -> Result<Option<Then>, Error> {
    if erase::is_erased(conn, &Subject::Fact(id))? {
        return Ok(None);
    }
    // As at any time: where the fact was shared, that decides.
    for stream in [Stream::Shared, Stream::Local] {
        let mut edits = project::all(conn, id, stream)?;
        edits.retain(|stored| stored.edit.hlc.time() <= at);
        if !edits.is_empty() {
            return then(conn, id, stream, edits);
        }
    }
    Ok(None)
}

fn then(conn: &Connection, id: FactId, stream: Stream, all: Vec<Stored>) -> Result<Option<Then>, Error> {
    let mut standing = project::settled(all.clone());
    standing.retain(|stored| stored.edit.standing != 0);
    let merged = project::merge_kept_of(&standing, || Ok(all))?;
    // As in the projection: of a fact whose text is closed nothing is shown.
    let merged = if merged.closed { Merged { values: BTreeMap::new(), diverged: 0, ..merged } } else { merged };
    let Some(shown) = standing.get(merged.shown) else { return Ok(None) };
    let role = sealed::role_of(&standing, merged.shown).map(str::to_owned);
    let provenance = shown.payload.as_ref().map(|payload| payload.provenance.clone());
    let view = FactView {
        fact: Fact { role, ..Fact::from_values(id, &merged.values) },
        stream,
        author: author(conn, shown.log)?,
        provenance: provenance.unwrap_or_else(Provenance::default),
        updated_at: standing.iter().map(|stored| stored.edit.hlc.time()).max().unwrap_or(UnixMillis(0)),
        diverged: fields_of(merged.diverged),
        forgotten: merged.forgotten,
        erased: false,
        incomplete: merged.incomplete,
        closed: merged.closed,
        hits: 0,
        last_hit: None,
    };
    let sides = sides_of(conn, &standing, merged.diverged)?;
    Ok(Some(Then { view, sides, log: shown.log, merged }))
}
