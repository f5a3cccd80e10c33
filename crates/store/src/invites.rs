//! Invites: one-time secrets that let a stranger join.
//!
//! Only the hash of a secret is kept, with the key that used it: a retry by that key succeeds, because its first
//! answer may have been lost, and any other key fails.

use antiphon_core::cbor;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, Row, params};

use crate::db::Db;
use crate::error::Error;
use crate::row::{self, sql};

/// Most invites that are kept.
const INVITES_MAX: i64 = 1_000;

/// An invite as its steward keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// SHA-256 of the secret.
    pub secret_hash: Hash,
    /// The roles that it grants.
    pub roles: Vec<String>,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The key that used it.
    pub joiner: Option<NodeId>,
}

/// What using an invite led to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum InviteUse {
    /// It is now used by this key.
    Accepted(Invite),
    /// This key used it before.
    Again(Invite),
    /// Another key used it.
    Taken,
    /// It is over.
    Expired,
    /// There is no such invite.
    Unknown,
}

impl Db {
    /// Keeps an invite. The oldest ones are dropped beyond a thousand.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_invite(&mut self, invite: &Invite) -> Result<(), Error> {
        self.transaction(|db| {
            let roles = cbor::encode(|out| {
                cbor::array(out, invite.roles.len());
                invite.roles.iter().for_each(|role| cbor::text(out, role));
            });
            let joiner = invite.joiner.map(|node| node.0);
            let times = (sql(invite.expires_at.0), sql(invite.created_at.0));
            db.conn
                .prepare_cached(
                    "INSERT INTO invites (secret_hash, roles, expires_at, created_at, joiner) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![invite.secret_hash.0, roles, times.0, times.1, joiner])?;
            db.conn
                .prepare_cached(
                    "DELETE FROM invites WHERE secret_hash IN
                         (SELECT secret_hash FROM invites ORDER BY created_at DESC LIMIT -1 OFFSET ?1)",
                )?
                .execute([INVITES_MAX])?;
            Ok(())
        })
    }

    /// Uses an invite for the key `joiner`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn use_invite(&mut self, secret_hash: &Hash, joiner: &NodeId, now: UnixMillis) -> Result<InviteUse, Error> {
        self.transaction(|db| {
            let Some(mut invite) = get(&db.conn, secret_hash)? else { return Ok(InviteUse::Unknown) };
            match invite.joiner {
                Some(key) if key == *joiner => return Ok(InviteUse::Again(invite)),
                Some(_) => return Ok(InviteUse::Taken),
                None if now > invite.expires_at => return Ok(InviteUse::Expired),
                None => {}
            }
            invite.joiner = Some(*joiner);
            db.conn
                .prepare_cached("UPDATE invites SET joiner = ?2 WHERE secret_hash = ?1")?
                .execute(params![secret_hash.0, joiner.0])?;
            Ok(InviteUse::Accepted(invite))
        })
    }
}

const COLUMNS: &str = "secret_hash, roles, expires_at, created_at, joiner";

fn get(conn: &Connection, secret_hash: &Hash) -> Result<Option<Invite>, Error> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM invites WHERE secret_hash = ?1"))?;
    let mut rows = query.query([secret_hash.0.as_slice()])?;
    rows.next()?.map(read).transpose()
}

/// See [`crate::Reader::invites`].
pub(crate) fn list(conn: &Connection) -> Result<Vec<Invite>, Error> {
    let mut query =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM invites ORDER BY created_at DESC, secret_hash"))?;
    let mut rows = query.query([])?;
    let mut invites = Vec::new();
    while let Some(found) = rows.next()? {
        invites.push(read(found)?);
    }
    Ok(invites)
}

fn read(found: &Row<'_>) -> Result<Invite, Error> {
    let roles = cbor::decode(&found.get::<_, Vec<u8>>(1)?, |input| {
        let len = cbor::read_list(input, 32)?;
        (0..len).map(|_| cbor::read_text(input, 64)).collect::<Result<_, _>>()
    })?;
    let joiner = match found.get_ref(4)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(row::node(found, 4)?),
    };
    Ok(Invite {
        secret_hash: row::hash(found, 0)?,
        roles,
        expires_at: UnixMillis(row::uint(found, 2)?),
        created_at: UnixMillis(row::uint(found, 3)?),
        joiner,
    })
}
