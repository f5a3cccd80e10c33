//! What was refused and who tried, so that a person can read it later.
//!
//! Strangers decide how often something is refused, so the table is bounded and the oldest lines go first. Whoever
//! writes here bounds how fast; see the node's audit.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use rusqlite::params;
use rusqlite::types::ValueRef;

use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql};

/// Most lines that are kept.
pub const AUDIT_LINES_MAX: usize = 10_000;
/// Longest kind, reason or detail, in bytes; what is longer is cut.
const AUDIT_TEXT_BYTES_MAX: usize = 1_024;

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number; later lines have greater ones.
    pub number: u64,
    /// When.
    pub at: UnixMillis,
    /// What was tried.
    pub kind: String,
    /// Who tried, where that is known.
    pub node: Option<NodeId>,
    /// Stable name of why it was refused.
    pub reason: String,
    /// What else there is to say.
    pub detail: String,
}

impl Db {
    /// Writes a line. The oldest ones go beyond [`AUDIT_LINES_MAX`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn audit(
        &mut self,
        at: UnixMillis,
        kind: &str,
        node: Option<&NodeId>,
        reason: &str,
        detail: &str,
    ) -> Result<(), Error> {
        self.transaction(|db| {
            let (at, node) = (sql(at.0), node.map(|node| node.0));
            db.conn
                .prepare_cached("INSERT INTO audit (at, kind, node, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![at, cut(kind), node, cut(reason), cut(detail)])?;
            db.conn
                .prepare_cached("DELETE FROM audit WHERE n <= (SELECT max(n) FROM audit) - ?1")?
                .execute([row::sql_len(AUDIT_LINES_MAX)])?;
            Ok(())
        })
    }
}

impl Reader<'_> {
    /// The last lines of the audit, at most `limit`, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditLine>, Error> {
        let mut query = self
            .connection()
            .prepare_cached("SELECT n, at, kind, node, reason, detail FROM audit ORDER BY n DESC LIMIT ?1")?;
        let mut rows = query.query([row::sql_len(limit)])?;
        let mut lines = Vec::new();
        while let Some(found) = rows.next()? {
            let node = match found.get_ref(3)? {
                ValueRef::Null => None,
                _ => Some(row::node(found, 3)?),
            };
            lines.push(AuditLine {
                number: row::uint(found, 0)?,
                at: UnixMillis(row::uint(found, 1)?),
                kind: found.get(2)?,
                node,
                reason: found.get(4)?,
                detail: found.get(5)?,
            });
        }
        Ok(lines)
    }
}

fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(AUDIT_TEXT_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
