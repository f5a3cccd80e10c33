//! Copies of documents as the database knows them: what is needed, what is held, and who else holds it.
//!
//! There may be a hundred thousand ciphertexts, and hardly any of them changes in a minute. So nobody looks for what
//! changed: triggers on the index and on the files' rows note it as it happens, in the same transaction, whatever the
//! cause is, and [`Db::take_replication_due`] hands it out in steps. What is handed out is forgotten, since whoever
//! takes it begins after a crash with all keys anew, see [`Reader::replication_keys`].
//!
//! Whether a ciphertext is needed at all, and whether this node's own key wrote it, stands with its row in `blobs` and
//! is kept by the same triggers. So what is needed by nobody is found through an index of exactly those rows, and the
//! bytes that are held for others are a difference of two sums.

mod elsewhere;
mod garbage;
mod key;
mod possessions;
mod replicas;
mod view;

use rusqlite::Connection;

use crate::error::Error;

pub use elsewhere::HeldCopy;
pub use garbage::Dropped;
pub use possessions::{KeptPossession, POSSESSIONS_MAX, POSSESSIONS_PER_NODE_MAX};
pub use replicas::REPLICAS_PER_ROOT_MAX;
pub use view::{GarbageRow, Held, Replica, ReplicaEvidence, ReplicaNote, ReplicationKey, ReplicationNeed, Unneeded};

#[cfg(doc)]
use crate::{Db, Reader};

/// Most rows that one step takes or lists.
pub const REPLICATION_ROWS_MAX: usize = 10_000;

/// Forgets what members of a team hold that is left. The ciphertexts stay until they are collected.
pub(crate) fn leave_team(conn: &Connection) -> Result<(), Error> {
    conn.execute_batch(
        "DELETE FROM replicas; DELETE FROM possessions; DELETE FROM replica_nodes; DELETE FROM content_priorities;
         UPDATE blobs SET named = 2 WHERE named = 1;",
    )?;
    Ok(())
}
