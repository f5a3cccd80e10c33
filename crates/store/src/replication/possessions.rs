//! What members signed that they hold, as they signed it.
//!
//! The rows of `replicas` say what is believed; these say why, to whoever does not believe this node. They are kept as
//! long as there is room: the newest of each member.

use antiphon_core::ids::NodeId;
use antiphon_core::possession::PossessionReceipt;
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use rusqlite::params;

use super::replicas::number;
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql};

/// Most statements of one node that are kept, the newest.
pub const POSSESSIONS_PER_NODE_MAX: usize = 64;
/// Most statements that are kept of all nodes together, the newest.
pub const POSSESSIONS_MAX: usize = 4_096;

/// A statement about what a node holds, as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPossession {
    /// Whose.
    pub node: NodeId,
    /// When it came, by this node's clock.
    pub at: UnixMillis,
    /// What was signed.
    pub receipt: PossessionReceipt,
}

impl Db {
    /// Keeps a statement whose signature was checked, and lets go of the oldest where there are too many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_possession(&mut self, statement: &KeptPossession) -> Result<(), Error> {
        self.transaction(|db| {
            let node = number(&db.conn, &statement.node)?;
            let put = "INSERT INTO possessions (node, at, bytes, signature) VALUES (?1, ?2, ?3, ?4)";
            let PossessionReceipt { bytes, signature } = &statement.receipt;
            let row = params![node, sql(statement.at.0), bytes, signature.0];
            db.conn.prepare_cached(put)?.execute(row)?;
            let last = db.conn.last_insert_rowid();
            let of_node = "DELETE FROM possessions WHERE node = ?1 AND n <= (
                SELECT n FROM possessions WHERE node = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)";
            db.conn.prepare_cached(of_node)?.execute(params![node, row::sql_len(POSSESSIONS_PER_NODE_MAX)])?;
            let oldest = last - row::sql_len(POSSESSIONS_MAX);
            db.conn.prepare_cached("DELETE FROM possessions WHERE n <= ?1")?.execute([oldest])?;
            Ok(())
        })
    }
}

impl Reader<'_> {
    /// What a node signed about what it holds, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn possessions(&self, node: &NodeId, limit: usize) -> Result<Vec<KeptPossession>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT p.at, p.bytes, p.signature FROM possessions p JOIN replica_nodes n ON n.n = p.node
             WHERE n.node = ?1 ORDER BY p.n DESC LIMIT ?2",
        )?;
        let mut rows = query.query(params![node.0, row::sql_len(limit.min(POSSESSIONS_PER_NODE_MAX))])?;
        let mut statements = Vec::new();
        while let Some(found) = rows.next()? {
            statements.push(KeptPossession {
                node: *node,
                at: UnixMillis(row::uint(found, 0)?),
                receipt: PossessionReceipt { bytes: found.get(1)?, signature: Signature(found.get(2)?) },
            });
        }
        Ok(statements)
    }
}
