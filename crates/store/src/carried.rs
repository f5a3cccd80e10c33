//! Handshakes that were carried by hand: which requests of ours wait for an answer, and which ones of others were
//! answered.
//!
//! Online the nonce of a handshake lives as long as a connection. By hand it lives as long as a person needs to carry
//! a file there and another one back, so both ends must remember it: whoever asked, to know that the answer is to a
//! request of its own; whoever answered, so that a copy of the request is not answered again. A request of ours is
//! turned into a record of who answered it, so that its answer works once.
//!
//! Only members get here: a request is remembered when it has been believed. Still nobody may fill the table, and what
//! is remembered of answers must not make room for newer ones, or an old copy would work again. So each member has
//! its own bounded share, and beyond it is refused until older ones are over.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use rusqlite::{OptionalExtension, params};

use crate::db::Db;
use crate::error::Error;
use crate::row::{self, sql};

/// How long a handshake that is carried by hand may take, in milliseconds: 30 days.
pub const CARRIED_LIFE_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Farthest the clock of whoever asked may be ahead of ours, in milliseconds: a day.
pub const CARRIED_AHEAD_MS: u64 = 24 * 60 * 60 * 1_000;
/// Most requests of this node that wait for an answer; the oldest ones go first.
pub const CARRIED_OWN_MAX: usize = 256;
/// Most handshakes with one member that are remembered at a time.
pub const CARRIED_PER_NODE_MAX: usize = 256;

/// How long a nonce is remembered: as long as a copy of its request could be taken for a fresh one.
const KEPT_MS: u64 = CARRIED_LIFE_MS + 2 * CARRIED_AHEAD_MS;

/// What became of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Carried {
    /// It is used up now.
    Taken,
    /// It was used before.
    Used,
    /// It is none of ours, or its request is forgotten.
    Unknown,
    /// Its request is older than [`CARRIED_LIFE_MS`].
    Late,
    /// There were too many handshakes with this member lately.
    Full,
}

impl Db {
    /// Remembers the nonce of a request that this node makes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn carry_own(&mut self, nonce: &[u8; 32], now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| {
            db.forget_carried(now)?;
            db.conn
                .prepare_cached("INSERT INTO carried (nonce, node, created_at) VALUES (?1, NULL, ?2)")?
                .execute(params![nonce, sql(now.0)])?;
            db.conn
                .prepare_cached(
                    "DELETE FROM carried WHERE nonce IN (SELECT nonce FROM carried WHERE node IS NULL
                         ORDER BY created_at DESC LIMIT -1 OFFSET ?1)",
                )?
                .execute([row::sql_len(CARRIED_OWN_MAX)])?;
            Ok(())
        })
    }

    /// Uses up the nonce of a request that `node` made and this node answers.
    ///
    /// # Errors
    /// When the database fails.
    pub fn carry_answered(&mut self, nonce: &[u8; 32], node: &NodeId, now: UnixMillis) -> Result<Carried, Error> {
        self.transaction(|db| {
            db.forget_carried(now)?;
            if db.carried(nonce)?.is_some() {
                return Ok(Carried::Used);
            }
            if db.is_full_of(node)? {
                return Ok(Carried::Full);
            }
            db.conn
                .prepare_cached("INSERT INTO carried (nonce, node, created_at) VALUES (?1, ?2, ?3)")?
                .execute(params![nonce, node.0, sql(now.0)])?;
            Ok(Carried::Taken)
        })
    }

    /// Uses up the nonce of a request that this node made and `node` answered.
    ///
    /// # Errors
    /// When the database fails.
    pub fn carry_completed(&mut self, nonce: &[u8; 32], node: &NodeId, now: UnixMillis) -> Result<Carried, Error> {
        self.transaction(|db| {
            let asked = db.own_request(nonce, now)?;
            if asked != Carried::Taken {
                return Ok(asked);
            }
            if db.is_full_of(node)? {
                return Ok(Carried::Full);
            }
            db.conn
                .prepare_cached("UPDATE carried SET node = ?2, created_at = ?3 WHERE nonce = ?1")?
                .execute(params![nonce, node.0, sql(now.0)])?;
            Ok(Carried::Taken)
        })
    }

    /// Whether an answer with this nonce would be taken now; nothing changes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn own_request(&mut self, nonce: &[u8; 32], now: UnixMillis) -> Result<Carried, Error> {
        Ok(match self.carried(nonce)? {
            None => Carried::Unknown,
            Some((true, _)) => Carried::Used,
            Some((false, at)) if now.since(at) > CARRIED_LIFE_MS => Carried::Late,
            Some((false, _)) => Carried::Taken,
        })
    }

    /// Whether somebody's use of it is remembered, and since when.
    fn carried(&self, nonce: &[u8; 32]) -> Result<Option<(bool, UnixMillis)>, Error> {
        let mut query =
            self.conn.prepare_cached("SELECT node IS NOT NULL, created_at FROM carried WHERE nonce = ?1")?;
        let found = query.query_row([nonce.as_slice()], |found| Ok((found.get(0)?, found.get::<_, i64>(1)?)));
        Ok(found.optional()?.map(|(used, at)| (used, UnixMillis(at.cast_unsigned()))))
    }

    fn is_full_of(&self, node: &NodeId) -> Result<bool, Error> {
        let mut query = self.conn.prepare_cached("SELECT count(*) FROM carried WHERE node = ?1")?;
        let count: i64 = query.query_row([node.0.as_slice()], |found| found.get(0))?;
        Ok(count >= row::sql_len(CARRIED_PER_NODE_MAX))
    }

    fn forget_carried(&mut self, now: UnixMillis) -> Result<(), Error> {
        let before = now.0.saturating_sub(KEPT_MS);
        self.conn.prepare_cached("DELETE FROM carried WHERE created_at < ?1")?.execute([sql(before)])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Options;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);
    const DAY_MS: u64 = CARRIED_AHEAD_MS;

    fn db() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path(), Options { durable: false }, None).unwrap();
        (dir, db)
    }

    fn nonce(n: u64) -> [u8; 32] {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&n.to_be_bytes());
        nonce
    }

    #[test]
    fn an_answer_works_once_and_only_for_a_request_of_ones_own() {
        let (_dir, mut db) = db();
        let now = UnixMillis(100 * DAY_MS);
        db.carry_own(&nonce(1), now).unwrap();
        assert_eq!(db.own_request(&nonce(1), now).unwrap(), Carried::Taken);
        assert_eq!(db.carry_completed(&nonce(2), &BOB, now).unwrap(), Carried::Unknown);
        assert_eq!(db.carry_completed(&nonce(1), &BOB, now).unwrap(), Carried::Taken);
        assert_eq!(db.carry_completed(&nonce(1), &BOB, now).unwrap(), Carried::Used);
    }

    #[test]
    fn an_answer_that_was_under_way_for_31_days_is_late() {
        let (_dir, mut db) = db();
        let asked = UnixMillis(100 * DAY_MS);
        db.carry_own(&nonce(1), asked).unwrap();
        assert_eq!(db.own_request(&nonce(1), asked.after(30 * DAY_MS)).unwrap(), Carried::Taken);
        assert_eq!(db.carry_completed(&nonce(1), &BOB, asked.after(31 * DAY_MS)).unwrap(), Carried::Late);
    }

    #[test]
    fn a_request_is_answered_once_for_as_long_as_a_copy_could_pass_for_fresh() {
        let (_dir, mut db) = db();
        let now = UnixMillis(100 * DAY_MS);
        assert_eq!(db.carry_answered(&nonce(1), &ALICE, now).unwrap(), Carried::Taken);
        for days in [0, 30, 31] {
            let again = db.carry_answered(&nonce(1), &ALICE, now.after(days * DAY_MS)).unwrap();
            assert_eq!(again, Carried::Used, "{days}");
        }
        // An answer to somebody else's request completes nothing here.
        assert_eq!(db.carry_completed(&nonce(1), &ALICE, now).unwrap(), Carried::Used);
    }

    #[test]
    fn a_member_fills_only_its_own_share() {
        let (_dir, mut db) = db();
        let now = UnixMillis(100 * DAY_MS);
        for n in 0..CARRIED_PER_NODE_MAX as u64 {
            assert_eq!(db.carry_answered(&nonce(n), &ALICE, now).unwrap(), Carried::Taken);
        }
        assert_eq!(db.carry_answered(&nonce(9_999), &ALICE, now).unwrap(), Carried::Full);
        assert_eq!(db.carry_answered(&nonce(9_999), &BOB, now).unwrap(), Carried::Taken);
        let later = now.after(40 * DAY_MS);
        assert_eq!(db.carry_answered(&nonce(10_000), &ALICE, later).unwrap(), Carried::Taken);
        for n in 20_000..20_000 + 2 * CARRIED_OWN_MAX as u64 {
            db.carry_own(&nonce(n), later).unwrap();
        }
        let own = db.conn.query_row("SELECT count(*) FROM carried WHERE node IS NULL", [], |found| found.get(0));
        assert_eq!(own, Ok(CARRIED_OWN_MAX as i64));
    }
}
